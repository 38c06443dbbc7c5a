#!/usr/bin/env bash
# Dawn, Chrome's WebGPU, without a browser: its compiler (Tint) reads every kernel permutation, and the page's module trains in
# Node on it and is held against native runs on the same driver. Usage: test-dawn.sh [shaders|runs]; both without a word.
# On Linux on Mesa's software driver (lavapipe), on macOS on Metal. DAWN_ADAPTER=PART_OF_A_NAME takes another adapter, of a driver
# that is there. Installs nodejs and npm with apt where it may; says what is left out where it may not.
# ITOP_WEB_DEV: the module as it is built quickly. ITOP_REQUIRE: what cannot be tried is an error.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. scripts/web-runs.sh

what="shaders and runs on Dawn"
need "$what" node npm python3
[ -x "$itop" ] || { echo "error: there is no $itop: build it by \`cargo build --release\`" >&2; exit 1; }

# The same driver for Dawn and for the native runs.
if [ -z "${DAWN_ADAPTER:-}" ] && [ "$(uname)" = Linux ]; then
    driver=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json 2>/dev/null | head -n 1 || true)
    [ -n "$driver" ] || skip "$what" "there is no lavapipe (scripts/setup.sh or Debian's mesa-vulkan-drivers bring it)"
    export VK_DRIVER_FILES=$driver DAWN_ADAPTER=llvmpipe
fi
native=${DAWN_ADAPTER:-metal}
trap 'echo "error: line $LINENO failed: $BASH_COMMAND" >&2' ERR
npm_packages "$what"

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# Dawn says of every software driver that it lowers two limits, which are not used here.
quietly() { "$@" 2> >(sed '/^Warning: maxDynamic.* artificially reduced/d' >&2); }

if [ "${1:-shaders}" = shaders ]; then
    "$itop" shaders --target wgsl --out "$place/wgsl" >/dev/null
    quietly node web/test/tint.mjs "$place/wgsl"
fi
if [ "${1:-runs}" = runs ]; then
    build_page
    mini_cifar "$place/mini-cifar"
    # Node takes the page's files for modules only if a package.json says so.
    cp -r "$target/web" "$place/web"
    echo '{ "type": "module" }' >"$place/web/package.json"
    quietly node web/test/dawn.mjs "$place/web" "$place/out" "$place/mini-cifar"
    like_natively "$place" "$native"
    echo "Dawn's runs are what the command line makes of them"
fi

#!/usr/bin/env bash
# The Windows build, without Windows: cross-built by mingw and run by Wine 10 of Debian unstable (scripts/debian-sid.sh), whose
# Vulkan, GL and Direct3D 12 end at Mesa's software drivers. Microsoft's own shader compilers, FXC and DXC, come with the npm
# package of Dawn (web/test). As root, on Debian; folders are kept, so that a second time is quicker.
#
#   scripts/test-windows.sh            # all of it
#   scripts/test-windows.sh --short    # every kernel through FXC and DXC, and `itop verify` on DX12
#
# ITOP_WINDOWS_OUT=FOLDER keeps the page of `itop compare` there.
set -Eeuo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "error: $1" >&2
    exit 2
}
short=
case ${1:-} in
--short) short=yes ;;
"") ;;
*) fail "usage: $0 [--short]" ;;
esac
step() { printf '\n-- %s (%s s)\n' "$1" "$SECONDS"; }
trap 'echo "error: line $LINENO failed: $BASH_COMMAND" >&2' ERR

[ "$(id -u)" = 0 ] || fail "only root may run Wine in a folder of its own; run it with sudo"
command -v apt-get >/dev/null || fail "no apt-get: Wine 10, Xvfb, mingw-w64 and npm are installed by it; run this on Debian"
command -v rustup >/dev/null || fail "no rustup: it brings the target x86_64-pc-windows-gnu; install it from https://rustup.rs"

target=x86_64-pc-windows-gnu
sid=scripts/debian-sid.sh
step "what builds and what runs"
packages=()
command -v x86_64-w64-mingw32-gcc >/dev/null || packages+=(gcc-mingw-w64-x86-64)
command -v npm >/dev/null || packages+=(npm)
if [ ${#packages[@]} -gt 0 ]; then
    apt-get update -qq
    apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null ||
        fail "apt-get cannot install ${packages[*]}: install them by hand"
fi
rustup target list --installed | grep -qx $target || rustup target add $target
$sid install wine wine64 mesa-vulkan-drivers libvulkan1 xvfb libgl1 libgl1-mesa-dri libegl1 libx11-6 libxext6 libxrandr2 libxi6 \
    libxcursor1 libxfixes3 libxrender1 libxcomposite1 libxxf86vm1 libxinerama1
microsoft=web/test/node_modules/webgpu/dist/win32-x64
if ! [ -e $microsoft/dxcompiler.dll ]; then
    (cd web/test && npm ci --ignore-scripts --no-audit --no-fund --silent) ||
        fail "npm cannot bring the package webgpu (web/test/package.json), which has FXC and DXC"
fi

# One build for all, with little optimisation: the drivers do the work, and a full release build takes twice as long.
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=false
tests=(--test hlsl)
if [ -z "$short" ]; then
    tests+=(--lib --test cli --test kill --test disk --test sweep --test report --test windows --test compare)
fi
step "build for $target"
built=$(cargo test --release --target $target --no-run --message-format json "${tests[@]}" |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["profile"]["test"]:
        print(built["target"]["name"], built["target"]["kind"][0], built["executable"])')
program() { echo "$built" | awk -v name="$1" -v kind="$2" '$1 == name && $2 == kind { print $3 }' | tail -n 1; }
itop=${CARGO_TARGET_DIR:-target}/$target/release/itop.exe
[ -e "$itop" ] || fail "cargo has built no $itop"
# A library is looked for beside the program. DXC lies beside the tests only: Wine's Direct3D 12 takes no DXIL, so it must not
# be found by what computes.
cp -u $microsoft/d3dcompiler_47.dll "$(dirname "$itop")"
cp -u $microsoft/{d3dcompiler_47,dxcompiler}.dll "$(dirname "$itop")/deps"

# A screen, without which Wine has neither Vulkan nor Direct3D.
place=$(mktemp -d)
screen=
cleanup() {
    [ -z "$screen" ] || kill "$screen" 2>/dev/null || true
    rm -rf "$place"
}
trap cleanup EXIT
mkfifo "$place/number"
# shellcheck disable=SC2016 # its own number, to end it by
$sid run bash -c 'echo $$; exec Xvfb -displayfd 1 -screen 0 1280x1024x24 -nolisten tcp' >"$place/number" 2>"$place/screen.log" &
exec 3<"$place/number"
read -r -t 60 screen <&3 && read -r -t 60 number <&3 || fail "Xvfb does not start: $(cat "$place/screen.log")"
exec 3<&-

# Files of Wine's drive C, and what Wine is told; Microsoft's FXC, not Wine's.
wine() {
    $sid run env DISPLAY=":$number" WINEPREFIX="$prefix" WINEDEBUG=-all WINEDLLOVERRIDES="d3dcompiler_47=n;mscoree,mshtml=" \
        WGPU_DX12_COMPILER=fxc "$@"
}
prefix=$($sid run printenv HOME)/.wine-itop
[ -e "$($sid root)$prefix/system.reg" ] || { step "a Windows folder" && wine wineboot -i; }
run() { wine env "${@:2}" wine "$(program "$1" "${kind:-test}")" --nocapture; }

step "every kernel through FXC (cs_5_1) and DXC (cs_6_0)"
run hlsl ITOP_HLSL_REQUIRED=fxc,dxc

step "itop verify on DX12"
wine wine "$itop" adapters
wine wine "$itop" verify --adapter dx12
if [ -n "$short" ]; then
    step "done"
    exit
fi

for backend in vulkan gl; do
    step "itop verify on $backend"
    wine wine "$itop" verify --adapter $backend
done

step "lanes, and a broken kernel of each family, on DX12"
wine env ITOP_TEST_ADAPTER=dx12 wine "$(program itop lib)" gpu::lanes a_broken_kernel_of_each_family --nocapture

# What is said of files, processes and messages, on the backend that compiles fastest.
step "unit tests"
kind=lib run itop WGPU_BACKEND=vulkan
for name in windows cli kill disk sweep report; do
    step "tests/$name.rs"
    run $name WGPU_BACKEND=vulkan
done

step "tests/compare.rs: what must be the same on Vulkan, GL and DX12"
run compare

step "itop train --preset quick on DX12, and on Vulkan"
work=$($sid root)/tmp/itop-windows
rm -rf "$work"
mkdir -p "$work"
for backend in dx12 vulkan; do
    wine wine "$itop" train --preset quick --adapter $backend --no-autotune --out "Z:\\tmp\\itop-windows\\$backend"
done
python3 scripts/check-windows.py losses "$work/dx12" "$work/vulkan"

step "itop compare --adapters all"
wine wine "$itop" compare --adapters all --steps 6 --out 'Z:\tmp\itop-windows\compare'
python3 scripts/check-windows.py backends "$work/compare/compare.json"
[ -z "${ITOP_WINDOWS_OUT:-}" ] || { mkdir -p "$ITOP_WINDOWS_OUT" && cp "$work"/compare/* "$ITOP_WINDOWS_OUT"; }
step "done"

#!/usr/bin/env bash
# The page in a real browser: builds it, has headless Chromium train on its software GPU (SwiftShader), and holds what the
# browser computed against native runs on the same driver. Usage: test-web.sh [FOLDER for the screenshots].
# Installs chromium, nodejs, npm and procps with apt where it may; says what is left out where it may not.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
. scripts/web-runs.sh

what="the page in a browser"
need "$what" chromium node npm pgrep
driver=$(dpkg -L chromium-common chromium 2>/dev/null | grep vk_swiftshader_icd.json | head -n 1 || true)
[ -n "$driver" ] || skip "$what" "this chromium brings no SwiftShader for Vulkan"
trap 'echo "error: line $LINENO failed: $BASH_COMMAND" >&2' ERR

build_page
npm_packages "$what"

place=$(mktemp -d)
shots=${1:-$place/shots}
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$place"
}
trap cleanup EXIT
mini_cifar "$place/mini-cifar"
mkdir -p "$shots"

# The page on a free port of the loopback.
"$itop" web --port 0 --dir "$target/web" >"$place/server" &
server=$!
for _ in $(seq 50); do
    url=$(grep -o 'http://[0-9.:]*/' "$place/server" || true)
    [ -z "$url" ] || break
    sleep 0.1
done
CHROMIUM=$(command -v chromium) node web/test/browser.mjs "$url" "$place/out" "$place/mini-cifar"
cp "$place"/out/*.png "$shots"

export VK_DRIVER_FILES=$driver
like_natively "$place" SwiftShader
echo "the browser's runs are what the command line makes of them"

#!/usr/bin/env bash
# The page in a real browser: builds it, has headless Chromium train on its software GPU (SwiftShader), and holds what the
# browser computed against native runs on the same driver. Usage: test-web.sh [FOLDER for the screenshots].
# Installs chromium, nodejs, npm and procps with apt where it may; says what is left out where it may not.
set -Eeuo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
itop=$target/release/itop
[ -x "$itop" ] || itop=$target/debug/itop

missing() { for command in chromium node npm pgrep; do command -v "$command" >/dev/null || echo "$command"; done; }
if [ -n "$(missing)" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq >/dev/null 2>&1 || true
    # One by one: where node did not come from Debian, its npm did not either, and cannot stand beside it.
    for package in $(missing | sed 's/^node$/nodejs/; s/^pgrep$/procps/'); do
        apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 || true
    done
fi
if [ -n "$(missing)" ]; then
    echo "== $(missing | xargs) missing, and cannot be installed: the page is not tried in a browser"
    exit 0
fi
# playwright-core wants node 18, which Debian 12 has.
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 18 ]; then
    echo "== node $(node --version) is too old for playwright-core: the page is not tried in a browser"
    exit 0
fi
driver=$(dpkg -L chromium-common chromium 2>/dev/null | grep vk_swiftshader_icd.json | head -n 1 || true)
if [ -z "$driver" ]; then
    echo "== this chromium brings no SwiftShader for Vulkan: the page is not tried in a browser"
    exit 0
fi
trap 'echo "error: line $LINENO failed: $BASH_COMMAND" >&2' ERR

rustup target list --installed 2>/dev/null | grep -q wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown
cargo xtask web ${ITOP_WEB_DEV:+--dev}
if ! (cd web/test && npm ci --ignore-scripts --no-audit --no-fund --silent 2>/dev/null); then
    echo "== npm cannot bring playwright-core: the page is built, but not tried in a browser"
    exit 0
fi

place=$(mktemp -d)
shots=${1:-$place/shots}
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$place"
}
trap cleanup EXIT

# Images of noise whose brightness tells the class, in CIFAR-10's layout.
mkdir -p "$place/mini-cifar" "$shots"
python3 - "$place/mini-cifar" <<'PYTHON'
import random, sys

random.seed(1)
for name, images in [("data_batch_1", 128), ("data_batch_2", 128), ("test_batch", 64)]:
    with open(f"{sys.argv[1]}/{name}.bin", "wb") as file:
        for _ in range(images):
            label = random.randrange(10)
            file.write(bytes([label]) + bytes((random.randrange(64) + 19 * label) % 256 for _ in range(3072)))
PYTHON

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

# Native runs of the configurations that the downloaded runs carry, on the same driver with a browser's limits.
cd "$place"
for run in out/*.tar; do tar -xf "$run"; done
web=$OLDPWD/web/test
export VK_DRIVER_FILES=$driver
for method in rigl set; do
    browser=$(echo resnet8-*-"$method"-*)
    "$itop" train --config "$browser/config.toml" --adapter SwiftShader --limits webgpu --no-report --out "native-$method" >/dev/null 2>&1
done
node "$web/compare.mjs" losses resnet8-*-rigl-* native-rigl
node "$web/compare.mjs" masks resnet8-*-set-* native-set

# The command line takes what the browser wrote: same accuracy of the same weights, and a report.
for browser in resnet8-*-rigl-* resnet8-*-set-*; do
    expected=$(python3 -c 'import json, sys; print("accuracy %.2f %%" % (100 * json.load(open(sys.argv[1]))["test_accuracy"]))' "$browser/summary.json")
    found=$("$itop" eval "$browser" --adapter SwiftShader --limits webgpu 2>/dev/null | tail -n 1)
    [[ "$found" == "$expected"* ]] || { echo "error: $browser: $expected in the browser, natively $found" >&2; exit 1; }
    "$itop" report "$browser" 2>"$place/warnings" >/dev/null
    [ ! -s "$place/warnings" ] || { cat "$place/warnings" >&2; exit 1; }
done
echo "the browser's runs are what the command line makes of them"

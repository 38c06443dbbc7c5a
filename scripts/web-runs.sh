# What the tests of the browser's module share: test-web.sh runs it in Chromium, test-dawn.sh in Node. To be sourced from the
# repository's root; sets `target` and `itop`.
target=${CARGO_TARGET_DIR:-target}
[[ $target = /* ]] || target=$PWD/$target
itop=$target/release/itop
[ -x "$itop" ] || itop=$target/debug/itop
web_test=$PWD/web/test

. scripts/skip.sh

# need WHAT COMMAND...: installs the commands that WHAT needs, with apt where it may.
need() {
    local what=$1 command
    shift
    missing() { for command in "$@"; do command -v "$command" >/dev/null || echo "$command"; done; }
    if [ -n "$(missing "$@")" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq >/dev/null 2>&1 || true
        # One by one: where node did not come from Debian, its npm did not either, and cannot stand beside it.
        for package in $(missing "$@" | sed 's/^node$/nodejs/; s/^pgrep$/procps/'); do
            apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 || true
        done
    fi
    [ -z "$(missing "$@")" ] || skip "$what" "$(missing "$@" | xargs) missing, and cannot be installed"
    # playwright-core and Dawn want node 18, which Debian 12 has.
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip "$what" "node $(node --version) is older than 18"
}

# The module and its page in $target/web: `cargo xtask web`, or with ITOP_WEB_DEV the quick build.
build_page() {
    rustup target list --installed 2>/dev/null | grep -q wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown
    cargo xtask web ${ITOP_WEB_DEV:+--dev}
}

# npm_packages WHAT: those of web/test, as its lock has them.
npm_packages() {
    (cd "$web_test" && npm ci --ignore-scripts --no-audit --no-fund --silent 2>/dev/null) ||
        skip "$1" "npm cannot bring the packages of web/test"
}

# mini_cifar FOLDER: images of noise whose brightness tells the class, in CIFAR-10's layout.
mini_cifar() {
    mkdir -p "$1"
    python3 - "$1" <<'PYTHON'
import random, sys

random.seed(1)
for name, images in [("data_batch_1", 256), ("test_batch", 64)]:
    with open(f"{sys.argv[1]}/{name}.bin", "wb") as file:
        for _ in range(images):
            label = random.randrange(10)
            file.write(bytes([label]) + bytes((random.randrange(64) + 19 * label) % 256 for _ in range(3072)))
PYTHON
}

# like_natively PLACE ADAPTER: PLACE/out has the archives of the two runs, PLACE/mini-cifar the data of one. Runs their
# configurations natively on ADAPTER with a browser's limits, and compares.
like_natively() {
    local place=$1 adapter=$2 method found expected run
    cd "$place"
    for run in out/*.tar; do tar -xf "$run"; done
    for method in rigl set; do
        found=$(echo resnet8-*-"$method"-*)
        "$itop" train --config "$found/config.toml" --adapter "$adapter" --limits webgpu --no-report --out "native-$method" >native.log 2>&1 ||
            { cat native.log >&2; return 1; }
    done
    node "$web_test/compare.mjs" losses resnet8-*-rigl-* native-rigl
    node "$web_test/compare.mjs" masks resnet8-*-set-* native-set

    # The command line takes what the module wrote: same accuracy of the same weights, and a report.
    for run in resnet8-*-rigl-* resnet8-*-set-*; do
        expected=$(python3 -c 'import json, sys; print("accuracy %.2f %%" % (100 * json.load(open(sys.argv[1]))["test_accuracy"]))' "$run/summary.json")
        found=$("$itop" eval "$run" --adapter "$adapter" --limits webgpu 2>/dev/null | tail -n 1)
        [[ "$found" == "$expected"* ]] || { echo "error: $run: $expected in the module, natively $found" >&2; return 1; }
        "$itop" report "$run" 2>warnings >/dev/null
        [ ! -s warnings ] || { cat warnings >&2; return 1; }
    done
}

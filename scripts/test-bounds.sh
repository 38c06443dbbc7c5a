#!/usr/bin/env bash
# Does any kernel read or write beyond its buffers? Vulkan's validation layer puts a test before every access, on a device that is
# opened without the driver's own (`--buffer-checks off`). The short form of `itop verify`, every candidate of one layer, and a
# short run go through it; with `--all` all of `itop verify`, which takes long to compile. As root (scripts/debian-sid.sh).
#
# The layer is Debian unstable's: Debian 12's finds nothing. Unstable's lavapipe (26.2) crashes under it, so the driver is this
# machine's, with the libraries that it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

sid=scripts/debian-sid.sh
$sid install libvulkan1 vulkan-validationlayers
cargo build --release
tests=$(cargo test --release --no-run --test training --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["profile"]["test"]: print(built["executable"])')
target=$(realpath "${CARGO_TARGET_DIR:-target}")
itop=$target/release/itop

fail() {
    echo "error: $1" >&2
    exit 4
}

# Below the target folder, because that is seen from inside.
folder=$target/bounds
rm -rf "$folder"
mkdir -p "$folder"
driver=$(find /usr/lib -name libvulkan_lvp.so -print -quit)
[ -n "$driver" ] || fail "no lavapipe (libvulkan_lvp.so) on this machine: scripts/setup.sh installs one"
libraries=$(ldd "$driver" | awk '$3 ~ /^\// { print $3 }' | grep -vE '/(ld-linux|lib(c|m|pthread|dl|rt|stdc\+\+|gcc_s))[-.]')
# shellcheck disable=SC2086 # a list
cp "$driver" $libraries "$folder"
printf '{"ICD": {"api_version": "1.3.0", "library_path": "%s"}, "file_format_version": "1.0.0"}' \
    "$folder/libvulkan_lvp.so" >"$folder/driver.json"

# Runs a command under the layer; fails where the command does. What the layer says stands in $log.
log=$folder/log
looked_at() {
    $sid run env LD_LIBRARY_PATH="$folder" VK_DRIVER_FILES="$folder/driver.json" ITOP_CACHE="$folder/cache" \
        VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation VK_LAYER_VALIDATE_CORE=false VK_LAYER_GPUAV_ENABLE=true \
        "$@" >"$log" 2>&1 || { tail -n 40 "$log" && fail "$* fails"; }
}

# The layer must find what is there.
looked_at "$tests" --ignored --exact a_write_beyond_a_binding
grep -q "access out of bounds" "$log" || { cat "$log" && fail "the layer does not see a write beyond a binding"; }

# What the command gave, of a device without checks; nothing that the layer found.
clean() {
    looked_at "$itop" "$@" --buffer-checks off
    # The line may be folded anywhere.
    tr -s '[:space:]' ' ' <"$log" | grep "without buffer checks" >/dev/null || fail "$*: the device has the driver's checks"
    ! grep -A 6 "Validation Error" "$log" || fail "$*: a kernel leaves its buffers"
    echo "no kernel leaves its buffers: itop $*"
}

for storage in f32 f16 bf16; do
    clean verify --short $storage
done
clean bench kernels --model resnet8 --layer layer3.0.conv2 --sparsity 0.95
clean train --preset quick --epochs 1 --no-autotune --no-verify --out "$folder/run"
[ "${1:-}" != --all ] || clean verify

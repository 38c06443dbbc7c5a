#!/usr/bin/env bash
# Tests on Debian unstable's Mesa, whose lavapipe multiplies cooperative matrices (Debian 12's do not): `itop verify`, and the
# tests of kernels and training. As root (scripts/debian-sid.sh); 400 MB, minutes to fetch.
set -euo pipefail
cd "$(dirname "$0")/.."

sid=scripts/debian-sid.sh
$sid install mesa-vulkan-drivers libvulkan1
cargo build --release
tests=$(cargo test --release --no-run --test kernels --test training --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["profile"]["test"]: print(built["executable"])')

seen=$(mktemp)
trap 'rm -f "$seen"' EXIT
$sid run "${CARGO_TARGET_DIR:-target}/release/itop" verify | tee "$seen"
grep -q conv_matrix_gather "$seen" || { echo "error: this driver has no cooperative matrices" >&2 && exit 4; }
for path in $tests; do
    $sid run "$path"
done

#!/usr/bin/env bash
# Tests on Debian unstable's Mesa, whose lavapipe multiplies cooperative matrices (Debian 12's do not): `itop verify`, and the
# tests of kernels and training. As root, for it unpacks Debian into a folder and changes its root; 400 MB, minutes to fetch.
#
#   scripts/test-matrices.sh [FOLDER]     # default: target/debian-sid, kept for the next time
set -euo pipefail
cd "$(dirname "$0")/.."

root=${1:-target/debian-sid}
if [ "$(id -u)" != 0 ]; then
    echo "error: only root may change its root; run it with sudo" >&2
    exit 2
fi
command -v debootstrap >/dev/null || apt-get install -qq -y debootstrap >/dev/null

cargo build --release
tests=$(cargo test --release --no-run --test kernels --test training --message-format json |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["profile"]["test"]: print(built["executable"])')

if [ ! -e "$root/usr/share/vulkan/icd.d" ]; then
    debootstrap --variant=minbase --include=mesa-vulkan-drivers,libvulkan1 sid "$root" http://deb.debian.org/debian
fi
# With this folder under its own name, for tests look for what lies beside them.
mkdir -p "$root$PWD"
trap 'umount "$root/proc" "$root/dev" "$root$PWD"' EXIT
for folder in /proc /dev "$PWD"; do
    mount --bind "$folder" "$root$folder"
done
inside() {
    chroot "$root" env -C "$PWD" HOME=/root XDG_RUNTIME_DIR=/tmp "$@"
}
inside "${CARGO_TARGET_DIR:-target}/release/itop" verify | tee "$root/verify.txt"
grep -q conv_matrix_gather "$root/verify.txt" || { echo "error: this driver has no cooperative matrices" >&2 && exit 4; }
for path in $tests; do
    inside "$path"
done

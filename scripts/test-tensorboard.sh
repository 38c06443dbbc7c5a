#!/usr/bin/env bash
# Reads a run's event files back with the real `tensorboard` package and compares them with its logs.
# Usage: test-tensorboard.sh ITOP; the package goes into a virtual environment under the build folder.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/skip.sh
itop=${1:-${CARGO_TARGET_DIR:-target}/release/itop}
place=${CARGO_TARGET_DIR:-target}/tensorboard
if ! "$place/bin/python" -c "import tensorboard" 2>/dev/null; then
    rm -rf "$place"
    python3 -m venv "$place" || { rm -rf "$place"; skip "event files in TensorBoard" "no python3-venv"; }
    "$place/bin/pip" install --quiet tensorboard setuptools || { rm -rf "$place"; skip "event files in TensorBoard" "tensorboard cannot be installed"; }
fi
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
"$itop" train --preset quick --epochs 1 --set delta_t=10 --tensorboard --out "$run/run" >/dev/null 2>&1
"$place/bin/python" scripts/read-tensorboard.py "$run/run"

#!/usr/bin/env bash
# PyTorch on the processor and itop on an adapter in turns, so that a slow minute of the machine falls on both: N times (3) a
# round of each, then one table of the medians. (PyTorch in f32 only: most processors emulate bf16, slowly.)
#
#   benches/peers/interleaved.sh [N] [what `itop bench step` shall be given besides]
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-3}
shift || true
python=benches/peers/.venv/bin/python
itop=${CARGO_TARGET_DIR:-target}/release/itop
for tool in "$python" "$itop"; do
    if ! [ -x "$tool" ]; then
        echo "error: no $tool: benches/peers/setup.sh makes the one, cargo build --release the other" >&2
        exit 2
    fi
done
out=bench-results/interleaved-$(date +%Y%m%d-%H%M%S)
mkdir -p "$out"
for round in $(seq "$rounds"); do
    "$itop" bench step --sparsity 0,0.9,0.95,0.98,0.99 --batch-size 32 --rounds 1 "$@" --json "$out/itop-$round.json" >/dev/null
    "$python" benches/peers/pytorch.py --device cpu --batch-size 32 --rows fp32 --steps 2 --rounds 1 --json "$out/pytorch-$round.json" >/dev/null
    echo "round $round of $rounds (${SECONDS} s)"
done
python3 benches/peers/compare.py "$out"/*.json

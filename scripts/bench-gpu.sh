#!/usr/bin/env bash
# Speed on a machine with a GPU, in one command and under ten minutes: builds itop, times whole steps and PyTorch's where it
# finds a CUDA device (benches/peers/setup.sh installs it), compares them, then times the kernels. Everything stays under
# bench-results/. Each part has its time limit; one that fails or is cut off is named at the end and leaves the others alone.
#
#   scripts/bench-gpu.sh [--adapter A] [--batch-size N] [--sparsity S,S] [--model M] [--software]
#
# --adapter as for itop; --software goes on where the adapter is software (then PyTorch's rows are the processor's). Exit
# codes: 0 done, 2 bad usage, 3 no GPU, 4 a part failed.
set -euo pipefail
cd "$(dirname "$0")/.."

adapter=auto batch=128 sparsity=0,0.8,0.9,0.95,0.98,0.99 model=resnet34 software=
usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; }
while [ $# -gt 0 ]; do
    case $1 in
    --software) software=1 && shift && continue ;;
    --help | -h) usage && exit 0 ;;
    --adapter | --batch-size | --sparsity | --model)
        if [ $# -lt 2 ]; then
            echo "error: $1 lacks its value" >&2
            exit 2
        fi
        ;;
    *) echo "error: \`$1\` is unknown" >&2 && usage >&2 && exit 2 ;;
    esac
    case $1 in
    --adapter) adapter=$2 ;;
    --batch-size) batch=$2 ;;
    --sparsity) sparsity=$2 ;;
    --model) model=$2 ;;
    esac
    shift 2
done
case $batch in
'' | *[!0-9]* | 0*) echo "error: --batch-size takes a number of at least 1, not \`$batch\`" >&2 && exit 2 ;;
esac
for tool in cargo python3; do
    if ! command -v "$tool" >/dev/null; then
        echo "error: $tool is needed and not there" >&2
        exit 2
    fi
done

echo "== build"
cargo build --release
itop=${CARGO_TARGET_DIR:-target}/release/itop

# Which adapter will `--adapter` choose? The same rule as itop's own: auto, an index, a backend, or part of a name.
adapters=$("$itop" adapters --json) || exit 3
chosen=$(python3 - "$adapter" "$adapters" <<'PYTHON'
import json, sys
wanted, found = sys.argv[1].lower(), json.loads(sys.argv[2])
for a in found:
    if wanted in ("auto", str(a["index"]), a["backend"]) or (not wanted.isdigit() and wanted in a["name"].lower()):
        print(a["index"], a["type"], f'{a["name"]} ({a["backend"]}, {a["type"]}, {a["driver"]})', sep="\t")
        break
PYTHON
)
if [ -z "$chosen" ]; then
    echo "error: no adapter is called \`$adapter\`; see: $itop adapters" >&2
    exit 3
fi
IFS=$'\t' read -r index kind name <<<"$chosen"
echo "== adapter: $name"
if [ "$kind" = software ]; then
    echo "warning: this adapter is software: it runs on the processor and is no GPU" >&2
    if [ -z "$software" ]; then
        echo "Nothing is measured. A GPU needs its Vulkan driver here (nvidia: the package with libGLX_nvidia and" >&2
        echo "nvidia_icd.json); --software measures the processor instead, for as long as the time limits allow." >&2
        exit 3
    fi
fi

out=bench-results/$(date +%Y%m%d-%H%M%S)
mkdir -p "$out"
printf '%s\n' "$adapters" >"$out/adapters.json"
{
    echo "adapter: $name"
    echo "commit: $(git rev-parse HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD 2>/dev/null || echo ', changed')"
    echo "system: $(uname -srm)"
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.max.mem,power.limit --format=csv,noheader || true
    fi
} >"$out/environment.txt"

failed=()
part() { # NAME SECONDS COMMAND...: its output to the screen and to NAME.txt
    local name=$1 limit=$2 status=0 command
    shift 2
    command=("$@")
    if command -v timeout >/dev/null; then command=(timeout "$limit" "$@"); fi
    printf '\n== %s (%s s)\n' "$name" "$SECONDS"
    "${command[@]}" 2>"$out/$name.err" | tee "$out/$name.txt" || status=$?
    if [ "$status" != 0 ]; then
        tail -n 5 "$out/$name.err" >&2
        [ "$status" != 124 ] || echo "error: $name was cut off after $limit s" >&2
        failed+=("$name")
    fi
}

step() { # NAME SECONDS FLAGS...
    local name=$1 limit=$2
    shift 2
    part "$name" "$limit" "$itop" bench step --model "$model" --batch-size "$batch" --adapter "$index" --json "$out/$name.json" "$@"
}
# With the default kernels first: to measure which are best takes minutes where there are many shapes and densities. What
# a part that was cut off has measured is kept, and the next one goes on from it.
step step 120 --no-autotune --sparsity "$sparsity" --storage f32,bf16

torch=
device=cuda
[ "$kind" != software ] || device=cpu
for python in ${PYTHON:+"$PYTHON"} benches/peers/.venv/bin/python python3; do
    if "$python" -c "import sys, torch; sys.exit('$device' == 'cuda' and not torch.cuda.is_available())" 2>/dev/null; then
        torch=$python
        break
    fi
done
if [ -n "$torch" ] && [ "$model" = resnet34 ]; then
    steps=10
    [ "$device" = cuda ] || steps=2
    # No row is begun after 130 s; the last may take a minute to compile.
    part pytorch 200 "$torch" benches/peers/pytorch.py --device "$device" --batch-size "$batch" --steps "$steps" \
        --time-limit 130 --json "$out/pytorch.json"
else
    printf '\n== PyTorch left out: %s\n' \
        "$([ -n "$torch" ] && echo "it has resnet34 only" || echo "no Python here has it with $device (benches/peers/setup.sh)")"
fi

files=()
for file in "$out/step.json" "$out/pytorch.json"; do
    [ ! -f "$file" ] || files+=("$file")
done
if [ ${#files[@]} -gt 0 ]; then
    part compare 20 python3 benches/peers/compare.py "${files[@]}"
fi

step tuned 100 --autotune --sparsity 0,0.98 --storage f32 --rounds 3
# In f16 dense layers may be multiplied by cooperative matrices, where the adapter has them.
step tuned-f16 80 --autotune --sparsity 0,0.9 --storage f16 --rounds 3
files=()
for file in "$out/tuned.json" "$out/tuned-f16.json"; do
    [ ! -f "$file" ] || files+=("$file")
done
if [ ${#files[@]} -gt 0 ]; then
    [ ! -f "$out/pytorch.json" ] || files+=("$out/pytorch.json")
    part compare-tuned 20 python3 benches/peers/compare.py "${files[@]}"
fi

left=$((570 - SECONDS))
if [ "$left" -lt 30 ]; then
    printf '\n== kernels left out: %s s are gone\n' "$SECONDS"
    failed+=(kernels)
else
    part kernels "$left" "$itop" bench kernels --model "$model" --sparsity 0.9,0.98 --batch-size "$batch" --samples 3 \
        --adapter "$index" --json "$out/kernels.json"
fi

result="done"
[ ${#failed[@]} -eq 0 ] || result="FAILED: ${failed[*]}"
printf '\n== %s after %s s: %s\n' "$result" "$SECONDS" "$out"
[ ${#failed[@]} -eq 0 ] || exit 4

#!/usr/bin/env bash
# Speed on a machine with a GPU, in one command and under ten minutes (building comes before and is not counted): checks that the
# adapter computes right, times whole steps with every pass beside what a model of the GPU predicts, PyTorch's steps where it
# finds a CUDA device (benches/peers/setup.sh installs it), topology updates, a first autotuning, and the kernels. Everything
# stays under bench-results/: REPORT.md there is the page to read. It is written anew after each part, so that what stops this
# script costs only what was not measured yet. Each part has its time limit; one that fails or is cut off is named at the end
# and leaves the others alone.
#
#   scripts/bench-gpu.sh [--adapter A] [--batch-size N] [--sparsity S,S] [--model M] [--gpu-model G] [--minutes N]
#                        [--out FOLDER] [--itop FILE] [--software]
#
# --adapter as for itop; --gpu-model: the model that predicts (itop bench model; default: the adapter's, or the nearest);
# --out: where to put everything; --itop: a program that is built already, for a machine without cargo (both from the
# repository's root); --software goes on where the adapter is software (then PyTorch's rows are the processor's). Exit
# codes: 0 done, 2 bad usage, 3 no GPU, 4 a part failed.
set -euo pipefail
cd "$(dirname "$0")/.."

# Ways in which active weights may lie, each timed on its own: one more word is one more, if `itop bench step` has --structure.
structures="unstructured block:4x1"
adapter=auto batch=128 sparsity=0,0.8,0.9,0.95,0.98,0.99 model=resnet34 predictor=auto minutes=10
out='' itop='' software=''
usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; }
while [ $# -gt 0 ]; do
    case $1 in
    --software) software=1 && shift && continue ;;
    --help | -h) usage && exit 0 ;;
    --adapter | --batch-size | --sparsity | --model | --gpu-model | --minutes | --out | --itop)
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
    --gpu-model) predictor=$2 ;;
    --minutes) minutes=$2 ;;
    --out) out=$2 ;;
    --itop) itop=$2 ;;
    esac
    shift 2
done
for number in "--batch-size $batch" "--minutes $minutes"; do
    case ${number#* } in
    '' | *[!0-9]* | 0*) echo "error: ${number% *} takes a number of at least 1, not \`${number#* }\`" >&2 && exit 2 ;;
    esac
done
for tool in "${itop:-cargo}" python3; do
    if ! command -v "$tool" >/dev/null; then
        echo "error: $tool is needed and not there" >&2
        exit 2
    fi
done

if [ -z "$itop" ]; then
    echo "== build"
    cargo build --release
    itop=${CARGO_TARGET_DIR:-target}/release/itop
    built="$SECONDS s, not counted, $(rustc --version)"
else
    built="elsewhere"
fi

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

out=${out:-bench-results/$(date +%Y%m%d-%H%M%S)}
mkdir -p "$out"
if [ -e "$out/parts.tsv" ]; then
    echo "error: $out has results already" >&2
    exit 2
fi
# A cache of its own: the autotuning is a first one.
ITOP_CACHE=$(realpath "$out")/cache
export ITOP_CACHE
printf '%s\n' "$adapters" >"$out/adapters.json"
{
    echo "adapter: $name"
    if commit=$(git rev-parse HEAD 2>/dev/null); then
        echo "commit: $commit$(git diff --quiet HEAD 2>/dev/null || echo ', changed')"
    else
        echo "commit: unknown"
    fi
    echo "version: $("$itop" --version)"
    echo "date: $(date -u +%Y-%m-%dT%H:%MZ)"
    echo "system: $(uname -srm)"
    processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1 || true)
    echo "processor: ${processor:-$(uname -p)}, $(getconf _NPROCESSORS_ONLN) cores"
    echo "build: $built"
    if command -v nvidia-smi >/dev/null; then
        smi=$(nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,clocks.max.mem,power.limit --format=csv,noheader || true)
        echo "nvidia-smi: ${smi//$'\n'/; }"
    fi
} >"$out/environment.txt"
cat "$out/environment.txt"

SECONDS=0
failed=()
page() { python3 benches/peers/report.py "$out" || echo "warning: the page could not be written" >&2; }
trap page EXIT
noted() { # NAME RESULT SECONDS LIMIT TEXT: for the page
    local IFS=$'\t'
    printf '%s\n' "$*" >>"$out/parts.tsv"
}
left_out() { # NAME WHY [RESULT]
    printf '\n== %s left out: %s\n' "$1" "$2"
    noted "$1" "${3:-left out}" "" "" "$2"
}
part() { # NAME SECONDS COMMAND...: its output to the screen and to NAME.txt
    local name=$1 limit=$2 status=0 began=$SECONDS left=$((60 * minutes - 5 - SECONDS)) command
    shift 2
    if [ "$left" -lt 10 ]; then
        left_out "$name" "the $minutes minutes are over" "no time"
        [ "$name" = kernels ] || failed+=("$name")
        return
    fi
    # Software takes its time to compile what is tuned.
    [ "$kind" != software ] || limit=$((2 * limit))
    [ "$limit" -lt "$left" ] || limit=$left
    command=("$@")
    if command -v timeout >/dev/null; then command=(timeout -k 5 "$limit" "$@"); fi
    printf '\n== %s (%s s)\n' "$name" "$SECONDS"
    noted "$name" began "" "$limit" "$*"
    "${command[@]}" 2>"$out/$name.err" | tee "$out/$name.txt" || status=$?
    noted "$name" "$status" "$((SECONDS - began))" "$limit" "$*"
    if [ "$name $status" = "kernels 124" ]; then
        echo "The time is up; what was timed is kept."
    elif [ "$status" != 0 ]; then
        tail -n 5 "$out/$name.err" >&2
        [ "$status" != 124 ] || echo "error: $name was cut off after $limit s" >&2
        failed+=("$name")
    fi
    page
}
there() { # FILE...: sets files to those that there are
    files=()
    local file
    for file in "$@"; do
        [ ! -f "$file" ] || files+=("$file")
    done
    [ ${#files[@]} -gt 0 ]
}
step() { # NAME SECONDS FLAGS...
    local name=$1 limit=$2
    shift 2
    part "$name" "$limit" "$itop" bench step --model "$model" --batch-size "$batch" --adapter "$index" --json "$out/$name.json" "$@"
}

# An adapter that computes wrong is still timed: the page says what its times are worth.
part verify 90 "$itop" verify --adapter "$index"

# With the default kernels first: what a part that was cut off has tuned is kept, and the next one goes on from it.
flags=$("$itop" bench step --help)
for structure in $structures; do
    if [ "$structure" = unstructured ]; then
        step step 150 --no-autotune --sparsity "$sparsity" --storage f32,bf16 --predicted "$predictor"
    elif [[ $flags == *--structure* ]]; then
        # The dense network has none.
        step "step-${structure//[^a-z0-9]/-}" 90 --no-autotune --sparsity "${sparsity#0,}" --storage f32,bf16 \
            --predicted "$predictor" --structure "$structure"
    else
        left_out "step-${structure//[^a-z0-9]/-}" "this version has no structures"
    fi
done

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
    # No row is begun after 110 s; the last may take a minute to compile.
    part pytorch 180 "$torch" benches/peers/pytorch.py --device "$device" --batch-size "$batch" --steps "$steps" \
        --time-limit 110 --json "$out/pytorch.json"
elif [ -n "$torch" ]; then
    left_out pytorch "it has resnet34 only"
else
    left_out pytorch "no Python here has it with $device (benches/peers/setup.sh)"
fi
if there "$out"/step*.json "$out/pytorch.json"; then
    part compare 20 python3 benches/peers/compare.py "${files[@]}"
fi

part topology 40 "$itop" bench topology --no-autotune --model "$model" --batch-size "$batch" --adapter "$index" \
    --json "$out/topology.json"

# Tuning a row takes twenty seconds at most on a GPU.
step tuned 90 --autotune --sparsity 0,0.98 --storage f32 --rounds 3
# In f16 dense layers may be multiplied by cooperative matrices, where the adapter has them.
step tuned-f16 70 --autotune --sparsity 0,0.9 --storage f16 --rounds 3
if there "$out/tuned.json" "$out/tuned-f16.json"; then
    [ ! -f "$out/pytorch.json" ] || files+=("$out/pytorch.json")
    part compare-tuned 20 python3 benches/peers/compare.py "${files[@]}"
fi

# For as long as there is time: it keeps what it has.
part kernels $((60 * minutes)) "$itop" bench kernels --model "$model" --sparsity 0.9,0.98 --batch-size "$batch" --samples 3 \
    --adapter "$index" --json "$out/kernels.json"

result="done"
[ ${#failed[@]} -eq 0 ] || result="FAILED: ${failed[*]}"
printf '\n== %s after %s s: %s\n' "$result" "$SECONDS" "$out/REPORT.md"
[ ${#failed[@]} -eq 0 ] || exit 4

#!/usr/bin/env bash
# Compilers of NVIDIA's, Apple's, AMD's and Adreno's GPUs read every pipeline, without the GPUs: drivers of Debian unstable's Mesa with
# shims under them (`cargo xtask isa` has the list). Nothing is executed there. As root: scripts/debian-sid.sh installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release
itop=$(realpath "${CARGO_TARGET_DIR:-target}/release/itop")

# Each device's own tier, through wgpu: whole runs are planned, and all of their pipelines compiled. That nothing is executed is said.
# shellcheck disable=SC2016 # the variables are the inner shell's
cargo xtask on-gpus -- env itop="$itop" bash -euo pipefail -c '
    log=$(mktemp)
    trap "rm -f $log" EXIT
    fail() {
        cat "$log"
        echo "error: $1" >&2
        exit 1
    }
    $itop adapters | tee "$log"
    grep -q "executes nothing" "$log" || fail "this device executes something, or does not open"
    ! $itop train --preset quick --adapter vulkan --out "$log.run" >"$log" 2>&1 || fail "a run starts here"
    grep -q "executes nothing" "$log" || fail "a run does not say what is wrong"
    for model in resnet34 vgg_c mlp_cifar10; do
        for storage in f32 bf16; do
            $itop bench start --adapter vulkan --no-autotune --model $model --storage $storage >"$log" 2>&1 ||
                fail "$model in $storage does not start"
            grep -q "executes nothing" "$log" || fail "it does not say that nothing is executed"
            echo "$model $storage: $(grep "^buffers and pipelines" "$log") ms, $(grep "^adapter:" "$log")"
        done
    done
    $itop bench start --adapter vulkan --no-autotune --model resnet8 --buffer-checks off >"$log" 2>&1 ||
        fail "it does not start without checks of buffers"
    # The line may be folded anywhere.
    tr -s "[:space:]" " " <"$log" | grep "without buffer checks" >/dev/null || fail "the device has checks of buffers"
'

# The same kernels one by one: none may spill, or grow beyond xtask/isa-baseline.tsv.
cargo xtask isa --check

#!/usr/bin/env bash
# Compilers of NVIDIA's, Apple's, AMD's and Adreno's GPUs read every pipeline, without the GPUs: drivers of Debian unstable's Mesa with shims
# under them (`cargo xtask isa` has the list). Nothing is executed there. As root (scripts/debian-sid.sh installs what is missing).
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release
itop=$(realpath "${CARGO_TARGET_DIR:-target}/release/itop")

# Each device's own tier, through wgpu: whole runs are planned, and all of their pipelines compiled.
# shellcheck disable=SC2016 # $itop is for the shell inside
cargo xtask on-gpus -- env itop="$itop" bash -euc '
    $itop adapters
    run() {
        $itop bench start --adapter vulkan --no-autotune --model "$1" --storage "$2" >/tmp/itop-start-$$ 2>&1 || {
            cat /tmp/itop-start-$$
            echo "error: $1 in $2 does not start" >&2
            exit 1
        }
        grep -m 1 "^adapter:" /tmp/itop-start-$$
        grep "pipelines" /tmp/itop-start-$$ | head -n 1
    }
    for model in resnet34 vgg_c mlp_cifar10; do
        for storage in f32 bf16; do
            run $model $storage
        done
    done
    rm -f /tmp/itop-start-$$
'

# The same kernels one by one: none may spill, or grow beyond xtask/isa-baseline.tsv.
cargo xtask isa --check

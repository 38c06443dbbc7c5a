#!/usr/bin/env bash
# The tests of kernels and of topology updates once more: on Vulkan with WebGPU's limits and checked shaders, and on GL where an
# adapter for it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

itop=${CARGO_TARGET_DIR:-target}/release/itop
echo "== kernels with WebGPU's limits and checked shaders"
ITOP_TEST_LIMITS=webgpu ITOP_TEST_SHADERS=checked ITOP_TEST_CASES=2 cargo test --release --test kernels --test topology --test philox

if "$itop" adapters --json 2>/dev/null | grep -q '"gl"'; then
    echo "== kernels on GL"
    # A GL context serves one thread at a time.
    # Candidates without subgroups were all compared above: here the random cases take some of them.
    ITOP_TEST_ADAPTER=gl ITOP_TEST_CASES=2 RUST_TEST_THREADS=1 cargo test --release --test kernels --test topology --test philox -- --skip every_candidate --skip verification
    echo "== lanes, and a broken kernel of each family, on GL"
    ITOP_TEST_ADAPTER=gl RUST_TEST_THREADS=1 cargo test --release --lib -- gpu::lanes a_broken_kernel_of_each_family
    echo "== exploration against brute force on GL"
    ITOP_TEST_ADAPTER=gl RUST_TEST_THREADS=1 cargo test --release --test exploration
else
    . scripts/skip.sh
    skip "tests on GL" "no adapter for it"
fi

#!/usr/bin/env bash
# SwiftShader, the software driver that comes with Chromium, alone and beside the other adapters: its kernels, the comparison
# of all adapters, a sweep over all of them.
set -euo pipefail
cd "$(dirname "$0")/.."

swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
if ! [ -e "$swiftshader" ]; then
    . scripts/skip.sh
    skip "tests on SwiftShader" "it comes with Chromium, which is not there"
fi
VK_DRIVER_FILES=$swiftshader "${CARGO_TARGET_DIR:-target}/release/itop" verify --adapter swiftshader
VK_DRIVER_FILES=$swiftshader cargo test --release --lib -- gpu::lanes a_broken_kernel_of_each_family train::kernels
VK_ADD_DRIVER_FILES=$swiftshader cargo test --release --test compare --test sweep

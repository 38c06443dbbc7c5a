# The two commands for a fresh Debian or Ubuntu machine with a Rust toolchain: `make demo` and `make test`.
.PHONY: demo test soak build setup

# Trains the embedded sample to the end.
demo: setup
	cargo run --release -- train

test: setup
	cargo test --release
	scripts/test-adapters.sh

# What takes longer (docs/reliability.md): 50 kills, 10,000 steps, a million inputs a target. Under an hour on two cores with a software adapter.
soak: setup
	ITOP_KILLS=50 cargo test --release --test kill -- --nocapture
	ITOP_MEMORY_STEPS=10000 cargo test --release --test memory -- --nocapture
	ITOP_HOSTILE_INPUTS=1000000 cargo test --release --test hostile -- --nocapture

build:
	cargo build --release

# A driver to run on: see scripts/setup.sh.
setup: build
	scripts/setup.sh

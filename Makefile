# The two commands for a fresh Debian or Ubuntu machine with a Rust toolchain: `make demo` and `make test`.
.PHONY: demo test soak soak-kill soak-rest build setup

# Trains the embedded sample to the end.
demo: setup
	cargo run --release -- train

test: setup
	cargo test --release
	scripts/test-adapters.sh

# What takes longer (docs/reliability.md): 50 kills; beside them 10,000 steps, then a million inputs a target.
soak: setup
	cargo test --release --no-run --test kill --test memory --test hostile
	$(MAKE) -j 2 soak-kill soak-rest

soak-kill:
	ITOP_KILLS=50 cargo test --release --test kill -- --nocapture

soak-rest:
	ITOP_MEMORY_STEPS=10000 cargo test --release --test memory -- --nocapture
	ITOP_HOSTILE_INPUTS=1000000 cargo test --release --test hostile -- --nocapture

build:
	cargo build --release

# A driver to run on: see scripts/setup.sh.
setup: build
	scripts/setup.sh

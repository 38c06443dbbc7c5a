# The two commands for a fresh Debian or Ubuntu machine with a Rust toolchain: `make demo` and `make test`.
.PHONY: demo test build setup

# Trains the embedded sample to the end.
demo: setup
	cargo run --release -- train

test: setup
	cargo test --release
	scripts/test-adapters.sh

build:
	cargo build --release

# A driver to run on: see scripts/setup.sh.
setup: build
	scripts/setup.sh

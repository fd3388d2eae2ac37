# dpc's two commands: `make demo` shows it, `make test` proves it. Each does its own set-up, once.
# Wanted: Rust, Python 3.11 or newer, Node 20 or newer, a C compiler. Nothing is installed outside this folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON := $(firstword $(shell command -v python3.11 python3))
ifeq ($(PYTHON),)
$(error dpc's tests need Python 3.11 or newer, as `python3.11` or `python3`)
endif

EMULATOR := .venv/emulator/requirements.sha256
JUDGES := .venv/judges/requirements.sha256
NODE := tests/judges/node_modules/.package-lock.json
BENCHES := .venv/benches/requirements.sha256
BENCH_NODE := benches/node_modules/.package-lock.json
JUDGED := target/judged
CARGO_FLAGS := --locked

.PHONY: help demo test lint unit emulator judge bench latency fuzz histories pins clean

help:
	@echo "make demo    three teams whose pipelines start one another, on emulated AWS accounts"
	@echo "make test    everything: lint, unit, emulator, judge"
	@echo "make lint    format and clippy"
	@echo "make unit    cargo test, whole invocations against the emulator included"
	@echo "make emulator  the emulator's own tests"
	@echo "make judge   other people's linters, and our own, on every template that dpc writes"
	@echo "make bench   dpc and two peers on 1, 100, 700 and 10,000 pipelines; how step graphs are lowered"
	@echo "make histories  the trigger engine on 1,000,000 random histories, against a model"
	@echo "make latency  how long after its upstreams a pipeline starts, hop by hop, on the emulator"
	@echo "make fuzz    ten minutes of broken files"
	@echo "make clean   forget everything that was built or set up"

demo: $(EMULATOR)
	cargo build --quiet $(CARGO_FLAGS) --bin dpc
	demo/run target/debug/dpc

test: lint unit emulator judge

lint:
	cargo fmt --check
	cargo clippy --quiet $(CARGO_FLAGS) --all-targets -- --deny warnings

unit: $(EMULATOR)
	cargo test --quiet $(CARGO_FLAGS)
	$(MAKE) histories HISTORIES=100000

emulator: $(EMULATOR)
	cd tests/emulator && ../../.venv/emulator/bin/python -m unittest discover --top-level-directory . --start-directory tests

judge: $(EMULATOR) $(JUDGES) $(NODE)
	cargo build --quiet $(CARGO_FLAGS) --bin dpc
	tests/judges/collect target/debug/dpc $(JUDGED)
	tests/judges/run $(JUDGED)
	cd tests/judges && PYTHONPATH=. ../../.venv/judges/bin/python -m unittest discover --top-level-directory . --start-directory tests

# BENCH='--runs 3 1 700' asks for less.
bench: $(BENCHES) $(BENCH_NODE)
	cargo build --quiet $(CARGO_FLAGS) --release --bin dpc
	benches/run target/release/dpc $(BENCH)
	cargo run --quiet $(CARGO_FLAGS) --example dag_lowering

# HISTORIES=100000 asks for fewer; a failure names the seed that DPC_HISTORY takes.
HISTORIES := 1000000
histories:
	DPC_HISTORIES=$(HISTORIES) cargo test --quiet $(CARGO_FLAGS) --manifest-path tests/histories/Cargo.toml \
	  --target-dir target/histories -- --nocapture

# The binary of `make demo`; LATENCY='--rounds 30' asks for more, DPC=target/release/dpc for another.
DPC := target/debug/dpc
latency: $(EMULATOR)
	cargo build --quiet $(CARGO_FLAGS) --bin dpc
	benches/latency $(DPC) $(LATENCY)

# Also for the seconds that FUZZ_SECONDS says; a failure names the seed that DPC_FUZZ_SEED takes.
FUZZ_SECONDS := 600
fuzz:
	DPC_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test $(CARGO_FLAGS) --test fuzz -- --nocapture

# The environments notice changed requirements themselves; see tests/environment.py.
$(EMULATOR): tests/emulator/requirements.txt
	@$(PYTHON) tests/environment.py emulator >/dev/null
	@touch $@

$(JUDGES): tests/judges/requirements.txt
	@$(PYTHON) tests/environment.py judges >/dev/null
	@touch $@

$(BENCHES): benches/requirements.txt
	@$(PYTHON) tests/environment.py benches >/dev/null
	@touch $@

$(NODE) $(BENCH_NODE): %/node_modules/.package-lock.json: %/package-lock.json
	cd $* && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Pins and hashes anew, after a change of requirements.in. Needs pip-tools in PATH.
pins:
	for folder in tests/emulator tests/judges benches; do \
	  (cd $$folder && CUSTOM_COMPILE_COMMAND="make pins" pip-compile --quiet --generate-hashes --strip-extras --upgrade \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options requirements.in); \
	done

clean:
	rm -rf .venv $(JUDGED) tests/judges/node_modules benches/node_modules
	cargo clean

# Everything a newcomer or CI needs; `make help` lists it. Only Rust and gcc must be there beforehand.
CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

.DEFAULT_GOAL := help
.PHONY: compare-framing fuzz help run test lint fmt clippy doc banned-crates readme image bench-proxy bench-history soak

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "make %-16s %s\n", $$1, $$2 }'

run: ## build Vigie and start the demo: sandbox CRM and ERP, the agent before them, realistic calls
	@CARGO=$(CARGO) bash .ci/rust-version
	$(CARGO) build --release --locked
	$(TARGET_DIR)/release/vigie demo

test: ## install the programs the tests talk to, then run every test
	bash tests/run

lint: fmt clippy doc banned-crates ## formatting, clippy, documentation, banned crates

fmt:
	$(CARGO) fmt --all -- --check

clippy:
	$(CARGO) clippy --locked --all-targets --features peers -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

banned-crates:
	bash .ci/banned-crates

readme: ## write the tables of keys and metrics into README.md
	$(CARGO) build --locked
	bash .ci/readme $(abspath $(TARGET_DIR))/debug/vigie

image: ## build the container image `vigie` (needs Docker; give the base images by digest for a reproducible one)
	docker build --build-arg VIGIE_COMMIT=$$(git describe --always --dirty --abbrev=12 --exclude='*') \
		--build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) -t vigie .

bench-proxy: ## compare the proxy with nginx, haproxy, Envoy and a bare forwarder, side by side
	bench/proxy/run

bench-history: ## what the history costs and how fast it is searched, beside SQLite; ROWS=10000000 for the full figures
	$(CARGO) build --release --locked --example bench_history
	bench/history/run $(abspath $(TARGET_DIR))/release/examples/bench_history $(ROWS)

compare-framing: ## the corpus of raw messages through Vigie, nginx, haproxy and Envoy: who forwards what
	$(CARGO) build --locked
	bench/framing/run

FUZZ_SECONDS ?= 60

# The stable compiler takes what cargo-fuzz asks of it when RUSTC_BOOTSTRAP is set: coverage needs no nightly one. No sanitizer:
# this code is all safe, so what is looked for are broken promises and panics, and runs are several times faster.
fuzz: ## every fuzz target for FUZZ_SECONDS (60); needs cargo-fuzz (cargo install cargo-fuzz) and a C++ compiler
	cd fuzz && for target in fuzz_targets/*.rs; do \
	  name=$$(basename $$target .rs); \
	  mkdir -p corpus/$$name && cp -n seeds/$$name/* corpus/$$name/ 2>/dev/null; \
	  RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none $$name -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

soak: ## the tests with their full figures; takes an hour or more
	bash tests/run --soak

# `make demo` and `make test` set up everything they need; `make help` lists the rest.
# A fresh machine needs Python 3.11+, pip and cargo. Stamp files make repeated calls instant.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip install --disable-pip-version-check --progress-bar off
EV_VENV := .venv-interop
SCANNER_VENV := .venv-sslyze
ORACLE_VENV := .venv-pyslac
API_VENV := .venv-schemathesis
CRATE_EV := build/crate-ev

RUST_SOURCES := $(shell find rust -name '*.rs' -o -name 'Cargo.toml' 2>/dev/null | grep -v /target/)
EXTRA = $(PY) -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['$(1)'], sep='\n')"

.DEFAULT_GOAL := help
.PHONY: help setup crate-ev demo demo-cpo cpo-scale cpo-fuzz conformance conformance-peer ocpp-chaos test check style generated rust coverage docs examples interop scanner oracles fuzz bench bench-write bench-check \
  differential soak walk mutants mutants-safety memcheck sanitize wheel-aarch64 wheel-armv7 test-aarch64 sbom fuzz-rust fuzz-binding fuzz-slac fuzz-smoke build clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort | expand -t 12

# --- set up -----------------------------------------------------------------------------------------------

$(VENV)/.venv:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "secc needs Python 3.11 or newer")'
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	touch $@

# maturin installs the runtime dependencies as well. What is installed and compiled is shown: it takes a minute.
$(VENV)/.extension: $(VENV)/.venv pyproject.toml Cargo.toml Cargo.lock $(RUST_SOURCES)
	@echo "--- the library: its dependencies, and the Rust core"
	$(PIP) '$(shell sed -n 's/^requires = \["\(.*\)"\]/\1/p' pyproject.toml)'
	PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release
	touch $@

$(VENV)/.dev: $(VENV)/.extension pyproject.toml
	@echo "--- tools for tests, checks and documentation"
	$(call EXTRA,dev) > $(VENV)/dev.txt
	$(call EXTRA,docs) > $(VENV)/docs.txt
	$(call EXTRA,cpo) > $(VENV)/cpo.txt
	$(PIP) -r $(VENV)/dev.txt -r $(VENV)/docs.txt -r $(VENV)/cpo.txt
	touch $@

setup: $(VENV)/.extension $(VENV)/.dev  ## virtual environment, extension module, tools

# --- use --------------------------------------------------------------------------------------------------

demo: $(VENV)/.extension  ## a simulated car charges at a simulated station: AC and DC, plain and TLS
	$(BIN)/secc demo

demo-cpo: setup  ## an operator's back end: ecosystem, provisioning service, CSMS, two stations, three cars
	$(BIN)/secc cpo demo

SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist worksteal

test: setup  ## all Python tests, on up to four processors side by side
	$(PY) -m pytest -q $(SIDE_BY_SIDE)

interop: setup crate-ev $(EV_VENV)/.ready  ## an independent EV at `secc serve`, `secc ev` at an independent station (Linux, root, Java)
	$(PY) -m pytest -v tests/interop/sessions.py tests/interop/contract_sessions.py \
	  tests/interop/iso20_ev_sessions.py tests/interop/iso20_sessions.py tests/interop/iso20_contract_sessions.py

crate-ev:  ## the EV of the crate iso15118, for `make interop`; skips with a reason where it cannot be built
	test -x $(CRATE_EV)/bin/v2g_node || cargo install --quiet iso15118@0.7.0 --example v2g_node --all-features \
	  --root $(CRATE_EV) || echo "crate-ev skipped: cargo could not build the example v2g_node of iso15118 0.7.0"

conformance: setup  ## our station before the conformance bench (`secc bench`), in all its shapes: a minute
	$(PY) -m tools.conformance --html build/conformance --json build/conformance/own.json

conformance-peer: setup $(EV_VENV)/.ready  ## the same bench before another station, and the page with both (Linux, root, Java)
	$(PY) -m tools.conformance --json build/conformance/own.json
	$(PY) -m tools.conformance.peer --write

$(EV_VENV)/.ready: $(VENV)/.venv pyproject.toml
	test -x $(EV_VENV)/bin/python || $(PYTHON) -m venv $(EV_VENV)
	$(call EXTRA,interop) > $(EV_VENV)/interop.txt
	$(EV_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(EV_VENV)/interop.txt
	touch $@

scanner: $(SCANNER_VENV)/.ready  ## sslyze, which the TLS tests use when it is there

$(SCANNER_VENV)/.ready: $(VENV)/.venv pyproject.toml
	test -x $(SCANNER_VENV)/bin/python || $(PYTHON) -m venv $(SCANNER_VENV)
	$(call EXTRA,scanner) > $(SCANNER_VENV)/scanner.txt
	$(SCANNER_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(SCANNER_VENV)/scanner.txt
	touch $@

oracles: $(ORACLE_VENV)/.ready  ## pyslac, which the tests of SLAC frames use when it is there

$(ORACLE_VENV)/.ready: $(VENV)/.venv pyproject.toml
	test -x $(ORACLE_VENV)/bin/python || $(PYTHON) -m venv $(ORACLE_VENV)
	$(call EXTRA,oracles) > $(ORACLE_VENV)/oracles.txt
	$(ORACLE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(ORACLE_VENV)/oracles.txt
	touch $@

cpo-fuzz: setup $(API_VENV)/.ready  ## schemathesis on the provisioning service, half a minute
	$(PY) -m tools.fuzz.cpo $(API_VENV)/bin/schemathesis

$(API_VENV)/.ready: $(VENV)/.venv pyproject.toml
	test -x $(API_VENV)/bin/python || $(PYTHON) -m venv $(API_VENV)
	$(call EXTRA,api-fuzz) > $(API_VENV)/api-fuzz.txt
	$(API_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(API_VENV)/api-fuzz.txt
	touch $@

cpo-scale: setup  ## the provisioning service with up to a million contracts: an hour, 20 GB (PostgreSQL)
	$(PY) -m tools.bench.cpo_scale --write

# --- check ------------------------------------------------------------------------------------------------

check: style generated rust coverage docs  ## everything CI checks, but interop

style: setup  ## format, lint, spelling, width of prose, types, stub of the extension
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	git ls-files -z | xargs -0 $(BIN)/codespell
	$(PY) -m tools.checks.prose
	$(BIN)/mypy
	$(PY) -m mypy.stubtest secc._exi

generated: setup  ## generated files are fresh
	$(PY) -m tools.codegen --check
	$(PY) -m tools.docs --check
	$(PY) -m tools.docs.cars --check

rust:  ## format, lint and tests of the crates
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked --workspace --quiet

coverage: setup  ## all Python tests, with coverage
	$(PY) -m pytest -q $(SIDE_BY_SIDE) --cov --cov-report=term

docs: setup  ## the documentation, strictly, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

examples: setup  ## run every example
	$(PY) -m pytest -q tests/test_examples.py

# --- more -------------------------------------------------------------------------------------------------

HOSTILE := tests/slac tests/test_pilot.py tests/test_v2gtp.py tests/test_sdp.py tests/exi/test_random_messages.py tests/test_connection.py tests/session/test_walk.py tests/session/iso20/test_walk.py

walk: setup  ## a million steps of the random walk through the session, and the search of all its states
	$(PY) -m pytest -q -s tests/session/test_walk.py tests/session/test_model.py \
	  tests/session/iso20/test_walk.py tests/session/iso20/test_model.py --hypothesis-profile=walk --timeout=7200

fuzz: setup  ## hostile bytes and random orders, much longer than in the tests
	$(PY) -m pytest -q $(HOSTILE) --hypothesis-profile=fuzz --timeout=1800

PLUG_INS ?= 400

soak: setup  ## PLUG_INS cars one after the other on a bad power line
	SOAK=$(PLUG_INS) SOAK_SEED=$(SEED) $(PY) -m pytest -q -s tests/station/test_plc_soak.py --timeout=36000

ROUNDS ?= 180

ocpp-chaos: setup  ## a real station charges while its CSMS, its line, its disk or the process fails, ROUNDS times
	$(PY) -m tests.ocpp.chaos --rounds $(ROUNDS)

SECONDS_EACH ?= 600
SEED ?= 0

fuzz-rust:  ## the codec under libFuzzer, SECONDS_EACH for each target (nightly Rust, cargo-fuzz)
	tools/fuzz/targets.sh $(SECONDS_EACH) $(SEED)

# Here a random message that fails need not be made small, which takes longer than to find it.
mutants:  ## mutation testing of the codec, SHARD=0/8 for an eighth: two hours (cargo-mutants)
	PROPTEST_MAX_SHRINK_ITERS=0 cargo mutants -p v2g-exi -o build $(if $(SHARD),--sharding round-robin --shard $(SHARD))

mutants-safety: setup  ## mutation testing of the session and the outlet's loop, with the fast tests: an hour
	rm -f build/mutants/coverage.json
	$(PY) -m tools.checks.mutants $(if $(SAMPLE),--sample $(SAMPLE))

fuzz-binding: setup  ## the Python binding under atheris, SECONDS_EACH
	$(call EXTRA,fuzz) > $(VENV)/fuzz.txt
	@if $(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/fuzz.txt; then \
	  $(PY) tools/fuzz/seeds.py build/fuzz-seeds && mkdir -p build/fuzz-corpus && \
	  PYTHONPATH=. $(PY) tools/fuzz/binding.py -seed=$(SEED) -max_total_time=$(SECONDS_EACH) -max_len=8192 -print_final_stats=1 \
	    -verbosity=0 build/fuzz-corpus build/fuzz-seeds; \
	else echo "fuzz-binding skipped: no atheris for this Python"; fi

fuzz-slac: setup  ## frames and matching under atheris, SECONDS_EACH
	$(call EXTRA,fuzz) > $(VENV)/fuzz.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/fuzz.txt
	PYTHONPATH=. $(PY) tools/fuzz/slac.py -max_total_time=$(SECONDS_EACH) -max_len=400 build/fuzz-slac

memcheck: setup  ## the extension under valgrind, with good and with broken streams: a minute
	$(PY) -m tools.checks.memcheck

sanitize: setup  ## the extension under AddressSanitizer and ThreadSanitizer: two minutes (nightly Rust, gcc)
	$(PY) -m tools.checks.sanitize address
	$(PY) -m tools.checks.sanitize thread

fuzz-smoke: setup  ## both for 30 seconds each target, from one seed; skips with a reason where the tools are missing
	tools/fuzz/targets.sh 30 1
	$(MAKE) fuzz-binding SECONDS_EACH=30 SEED=1

bench: setup  ## figures of the codec beside others: times, instructions, size (Linux, valgrind)
	$(PY) -m tools.bench

bench-write: setup  ## the same, and into docs/explanation/speed.md
	$(PY) -m tools.bench --write

bench-check: setup  ## no instruction count has grown by more than 5 %: codec, core, station, start
	$(PY) -m tools.bench.check

differential: setup $(EV_VENV)/.ready  ## 100,000 random messages of each set through EXIficient and the crate iso15118: an hour
	$(PY) -m tools.oracles.compare_many --count 100000
	DIFFERENTIAL=100000 cargo test --locked --release -p v2g-exi-oracle -- --nocapture

build: setup  ## a wheel, into dist/
	$(BIN)/maturin build --release --out dist

# The linker comes from PyPI, the Rust library of the target from Debian; nothing is installed on the machine.
wheel-aarch64 wheel-armv7: wheel-%: setup  ## a wheel for ARM, built here, into build/wheels (Debian, x86-64)
	$(call EXTRA,release) > $(VENV)/release.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/release.txt
	$(PY) -m tools.release.cross $*

test-aarch64: setup  ## the tests of the core with the aarch64 wheel under qemu-user (an hour)
	$(call EXTRA,release) > $(VENV)/release.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/release.txt
	$(PY) -m tools.release.cross aarch64 --try

sbom: build  ## what an installation consists of, as CycloneDX, into build/sbom
	$(call EXTRA,release) > $(VENV)/release.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/release.txt
	$(PY) -m tools.release.sbom $(lastword $(sort $(wildcard dist/*.whl)))

clean:  ## remove what was built; keeps the virtual environments
	rm -rf build dist site target .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis $(VENV)/.extension
	rm -f secc/_exi*.so

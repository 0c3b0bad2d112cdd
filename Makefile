# One entry point for everything; `make help` lists the targets. Needs Python 3.10+ with venv, cargo, a C compiler.
#
#   PYTHON=python3.12   the interpreter from which .venv is made
#   PYTHONS="..."       the interpreters of `make test-all-pythons`
#   FRAMEWORKS="..."    the sets of requirements/frameworks of `make test-frameworks`
#   PROVIDERS="..."     the sets of requirements/providers of `make test-providers`
#   ORACLE=DIR          where the recordings for `make conformance` are
#   CARGO_TARGET_DIR    is respected, as everywhere in cargo

PYTHON ?= python3
FRAMEWORKS ?= $(notdir $(basename $(wildcard requirements/frameworks/*.txt)))
PYTHONS ?= python3.10 python3.11 python3.12 python3.13
PROVIDERS ?= $(notdir $(basename $(wildcard requirements/providers/*.txt)))
ORACLE ?= ../shared/oracle
PYTEST_ARGS ?=
BENCH_ARGS ?=
FUZZ_SECONDS ?= 60

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
# What is measured is the release wheel; it has an environment of its own.
BENCH_VENV := .venv-bench
BENCH_PY := $(BENCH_VENV)/bin/python
# The wheel of `make demo` and `make test`: optimised, but without what makes the release wheel slow to build.
QUICK := .make/wheel
# One source: what the build backend asks for is what is installed here.
MATURIN := $(shell sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml)
# Folders too: their time changes when a file in them goes away.
WHEEL_SOURCES := Cargo.toml Cargo.lock pyproject.toml README.md LICENSE \
	$(shell find src python ! -path '*/__pycache__*' ! -name '*.py[cod]' 2>/dev/null)

# Both cargo and maturin must build against the same interpreter, or each would rebuild what the other built.
export PYO3_PYTHON := $(CURDIR)/$(PY)

.DEFAULT_GOAL := help
# The order of the checks is part of the output: quick ones first.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test soak test-deaths fuzz conformance bench fmt lint wheel prices clean prerequisites
.PHONY: test-all-pythons test-servers test-frameworks test-providers
.PHONY: check-rust test-rust check-python check-types test-python

help: ## list the targets
	@echo 'Targets:'
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' Makefile | awk -F '\t' '{ printf "  make %-18s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed ## build, install, run the example agent in the local server and show its sessions
	@echo '==> running examples/support_agent.py in the local server'
	$(VENV)/bin/sentrial dev -- $(PY) examples/support_agent.py
	@printf '%s\n' '' 'Next:' \
		'  . $(VENV)/bin/activate             # `sentrial` and `python` are now those of this folder' \
		'  sentrial sessions list            # what the demo has recorded; it stays' \
		'  sentrial init                     # the lines to add to your own program' \
		'  sentrial dev -- python agent.py   # your program, with a local server, without an account'

test: check-rust test-rust check-python check-types test-python ## every check: format, lints, types, Rust and Python tests
	@echo '==> make test: all passed'

check-rust: $(VENV)/.created
	@echo '==> rustfmt, clippy with and without the bindings'
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || \
		{ echo 'missing: rustfmt or clippy; rustup component add rustfmt clippy' >&2; exit 1; }
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings

test-rust: $(VENV)/.created
	@echo '==> Rust tests of the core, without any Python'
	cargo test --locked --no-default-features

check-python: $(VENV)/.dev
	@echo '==> ruff'
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

check-types: $(VENV)/.dev
	@echo '==> mypy (strict), and the stub of the extension module against the built one'
	$(PY) -m mypy
	$(PY) -m mypy.stubtest sentrial._core

test-python: $(VENV)/.dev
	@echo '==> pytest on the installed wheel'
	$(PY) -m pytest $(PYTEST_ARGS)

test-deaths: $(VENV)/.dev ## the whole table of ways to die (docs/spool.md); takes several minutes
	@echo '==> every way to die, at every kind of server, with either spool'
	$(PY) -m pytest tests/process/test_ways_to_die.py -m 'deaths or not deaths' $(PYTEST_ARGS)

soak: $(VENV)/.dev ## the tests that take minutes: a thousand forks, long faults
	@echo '==> soak tests'
	$(PY) -m pytest -m soak -o timeout=900 $(PYTEST_ARGS)

test-servers: $(VENV)/.dev ## also the application server that must be compiled: uWSGI
	$(PIP) install -r requirements/servers.txt
	$(PY) -m pytest tests/process/test_application_servers.py $(PYTEST_ARGS)

conformance: $(VENV)/.installed ## compare the traffic with the recordings in ORACLE, if they are there
	@if [ -f '$(ORACLE)/compare.py' ]; then \
		echo '==> comparing with the recordings in $(ORACLE)'; \
		$(PY) tests/conformance/run_recordings.py '$(ORACLE)' --python $(PY); \
	else \
		echo '==> no recordings in $(ORACLE): nothing to compare (ORACLE=DIR names another place)'; \
	fi

bench: $(BENCH_VENV)/.installed ## measure speed and size (figures depend on the machine; read ratios within one run)
	@echo '==> benchmarks'
	$(BENCH_PY) -m pytest benches -p no:cacheprovider -o timeout=0 $(BENCH_ARGS)

fuzz: ## throw bytes at redaction for FUZZ_SECONDS (60)
	@echo '==> fuzzing src/core/redact'
	@sh scripts/fuzz '$(FUZZ_SECONDS)'

fmt: $(VENV)/.dev ## format Rust and Python, apply the safe fixes of ruff
	@echo '==> formatting'
	cargo fmt
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lint: check-rust check-python check-types ## the checks of `make test` without the tests

wheel: dist/.built ## build the release wheel into dist/
	@ls -l dist/*.whl

prices: ## renew the embedded model prices from the PyPI package genai-prices (needs Python 3.11+)
	@echo '==> reading genai-prices'
	@[ -x .venv-prices/bin/python ] || $(PYTHON) -m venv .venv-prices
	.venv-prices/bin/python -m pip --disable-pip-version-check --quiet install --upgrade genai-prices
	.venv-prices/bin/python scripts/update-prices.py

test-all-pythons: dist/.built ## install the one wheel under each of PYTHONS and run pytest there
	@tested=0; \
	for python in $(PYTHONS); do \
		if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
			echo "==> $$python: not here, left out"; continue; \
		fi; \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		venv=".venv-$$version"; \
		wheel=$$(ls dist/sentrial-*.whl) || exit 1; \
		echo "==> $$python ($$version): pytest on $$wheel in $$venv"; \
		{ [ -x "$$venv/bin/python" ] || "$$python" -m venv "$$venv"; } && \
		"$$venv/bin/python" -m pip --disable-pip-version-check --quiet install --force-reinstall --no-deps "$$wheel" && \
		"$$venv/bin/python" -m pip --disable-pip-version-check --quiet install "$$wheel[dev]" && \
		"$$venv/bin/python" -m pytest $(PYTEST_ARGS) || exit 1; \
		tested=$$((tested + 1)); \
	done; \
	if [ "$$tested" -eq 0 ]; then echo 'none of PYTHONS runs here: $(PYTHONS)' >&2; exit 1; fi; \
	echo "==> passed on $$tested Python versions"

test-providers: $(QUICK)/.built ## test the wrapped LLM clients with each set of requirements/providers
	@for set in $(PROVIDERS); do \
		venv=".venv-providers-$$set"; \
		wheel=$$(ls $(QUICK)/sentrial-*.whl) || exit 1; \
		echo "==> $$set: tests/wrappers with $$wheel in $$venv"; \
		{ [ -x "$$venv/bin/python" ] || $(PYTHON) -m venv "$$venv"; } && \
		"$$venv/bin/python" -m pip --disable-pip-version-check --quiet install --upgrade -r "requirements/providers/$$set.txt" && \
		"$$venv/bin/python" -m pip --disable-pip-version-check --quiet install --force-reinstall --no-deps "$$wheel" && \
		"$$venv/bin/python" -m pytest tests/wrappers tests/unit/test_llm_calls.py $(PYTEST_ARGS) || exit 1; \
	done
	@echo '==> passed with: $(PROVIDERS)'

test-frameworks: $(QUICK)/.built ## run the tests of the integrations with each set of requirements/frameworks
	@for set in $(FRAMEWORKS); do \
		venv=".venv-frameworks-$$set"; \
		wheel=$$(ls $(QUICK)/sentrial-*.whl) || exit 1; \
		echo "==> $$set: tests/integrations with $$wheel in $$venv"; \
		{ [ -x "$$venv/bin/python" ] || $(PYTHON) -m venv "$$venv"; } && \
		"$$venv/bin/python" -m pip --disable-pip-version-check --quiet install -r "requirements/frameworks/$$set.txt" && \
		"$$venv/bin/python" -m pip --disable-pip-version-check --quiet install --force-reinstall --no-deps "$$wheel" && \
		"$$venv/bin/python" -m pytest tests/integrations $(PYTEST_ARGS) && \
		if [ -f '$(ORACLE)/compare.py' ]; then \
			"$$venv/bin/python" tests/conformance/run_recordings.py '$(ORACLE)' --python "$$venv/bin/python" --frameworks; \
		fi || exit 1; \
	done
	@echo '==> passed with: $(FRAMEWORKS)'

clean: ## remove the virtual environments, the wheel, caches and ./target (never CARGO_TARGET_DIR)
	@echo '==> removing what make made'
	rm -rf $(VENV) $(BENCH_VENV) .venv-3.* .venv-frameworks-* .venv-providers-* .make dist target .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find python tests examples benches -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

prerequisites:
	@sh scripts/prerequisites '$(PYTHON)'

# Stamp files: a target runs again only when what it depends on is newer.

$(VENV)/.created: | prerequisites
	@echo '==> making $(VENV) with $(PYTHON)'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.maturin: $(VENV)/.created pyproject.toml
	@echo '==> installing the build tool: $(MATURIN)'
	$(PIP) install '$(MATURIN)'
	@touch $@

$(QUICK)/.built: $(VENV)/.maturin $(WHEEL_SOURCES)
	@echo '==> building the wheel (the first time this takes a few minutes)'
	@mkdir -p $(QUICK)
	@rm -f $(QUICK)/sentrial-*.whl
	$(PY) -m maturin build --profile quick --locked --interpreter $(PY) --out $(QUICK)
	@ls $(QUICK)/sentrial-*-cp310-abi3-*.whl >/dev/null
	@touch $@

dist/.built: $(VENV)/.maturin $(WHEEL_SOURCES)
	@echo '==> building the release wheel (link-time optimisation: this takes several minutes)'
	@mkdir -p dist
	@rm -f dist/sentrial-*.whl
	$(PY) -m maturin build --release --locked --interpreter $(PY) --out dist
	@ls dist/sentrial-*-cp310-abi3-*.whl >/dev/null
	@touch $@

$(VENV)/.installed: $(QUICK)/.built
	@echo '==> installing the wheel into $(VENV)'
	$(PIP) install --force-reinstall --no-deps "$$(ls $(QUICK)/sentrial-*.whl)"
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@echo '==> installing the tools of the extra "dev"'
	$(PIP) install "$$(ls $(QUICK)/sentrial-*.whl)[dev]"
	@touch $@

$(BENCH_VENV)/.installed: dist/.built requirements/bench.txt
	@echo '==> installing the release wheel and the tools of the benchmarks into $(BENCH_VENV)'
	[ -x $(BENCH_PY) ] || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_PY) -m pip --disable-pip-version-check --quiet install -r requirements/bench.txt
	$(BENCH_PY) -m pip --disable-pip-version-check --quiet install --force-reinstall --no-deps "$$(ls dist/sentrial-*.whl)"
	@touch $@

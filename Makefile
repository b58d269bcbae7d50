# `make run` starts everything, `make test` tests it; both set up what they need.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
# A service is seven Python processes, and tests start dozens: each would compile all our modules again without this.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run setup setup-dev test test-long test-interop lint bench bench-copies bench-library bench-index bench-anchor bench-faults bench-soft-binding bench-sign bench-upload bench-rights golden contracts vendor \
  fuzz-contract fuzz-rights fuzz-credentials gas-contract lock clean

help:
	@sed -n 's/^## //p' Makefile

## make run        start the service (CAPTURE_HOME, CAPTURE_LISTEN: see README)
run: setup
	@exec $(BIN)/capture up

setup: .venv/.ready node_modules/.ready

setup-dev: setup .venv/.ready-dev

.venv/.ready: requirements.txt pyproject.toml
	@echo "Setting up the virtual environment (a minute or two, once) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Capture needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.venv/.ready-dev: requirements-dev.txt .venv/.ready
	@$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements-dev.txt
	@touch $@

# The embedded chain is a program from npm (install, not ci: the lock lists only the platforms it was made on).
node_modules/.ready: package.json package-lock.json .venv/.ready
	@if [ -z "$$CAPTURE_CHAIN_URL" ]; then \
	  echo "Fetching the embedded chain ..."; \
	  PATH="$$PATH:$(CURDIR)/$(BIN)" npm install --no-save --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null && touch $@; \
	fi

# A test waits for processes and blocks most of its time: three files at once take two cores.
PYTEST = $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder
TESTED = setup-dev tests/tus/node_modules/.ready tests/browser/node_modules/.ready capture_api/vendored/node_modules/.ready

## make test       every test but the long ones: a quarter of an hour on two cores
test: $(TESTED)
	@$(PYTEST) $(or $(TESTS),-m "not long")

## make test-long  the others: services are killed again and again, other databases and chains, random courses of events
test-long: $(TESTED)
	@$(PYTEST) -m long

tests/tus/node_modules/.ready: tests/tus/package.json tests/tus/package-lock.json .venv/.ready
	@cd tests/tus && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --no-save --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null
	@touch $@

tests/browser/node_modules/.ready: tests/browser/package.json tests/browser/package-lock.json .venv/.ready
	@cd tests/browser && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --no-save --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null
	@touch $@

capture_api/vendored/node_modules/.ready: capture_api/vendored/package.json capture_api/vendored/package-lock.json .venv/.ready
	@cd capture_api/vendored && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --no-save --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null
	@touch $@

## make vendor     copy the app page's two libraries anew from npm (versions: capture_api/vendored/package-lock.json)
vendor: capture_api/vendored/node_modules/.ready
	@PATH="$$PATH:$(CURDIR)/$(BIN)" node capture_api/vendored/copy.mjs

## make test-interop  two more C2PA readers, for node, judge what we sign (60 MB from npm)
test-interop: setup-dev tests/interop/node_modules/.ready
	@$(BIN)/python -m pytest tests/provenance/test_interop.py

tests/interop/node_modules/.ready: tests/interop/package.json tests/interop/package-lock.json .venv/.ready
	@cd tests/interop && PATH="$(CURDIR)/$(BIN):$$PATH" npm install --no-save --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null
	@touch $@

## make lint       ruff and mypy --strict
lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

## make bench      speed and memory of the whole service; prints a table, writes bench/results.json
bench: setup-dev
	@$(BIN)/python -m bench.service

## make bench-copies  are copies found, and nothing innocent accused? PHOTOS=folder, about 15 minutes
bench-copies: setup-dev
	@$(BIN)/python -m bench.copies $(if $(PHOTOS),--photos $(PHOTOS)) $(BENCH)

## make bench-library  what do a register and a verify cost among 1,000 and 100,000 photos? PHOTOS=folder
bench-library: setup-dev
	@$(BIN)/python -m bench.library $(if $(PHOTOS),--photos $(PHOTOS)) $(BENCH)

## make bench-index   how fast is the index, and how soon does another process see a photo?
bench-index: setup-dev
	@$(BIN)/python -m bench.index $(BENCH)

## make bench-soft-binding  how far apart are the codes of copies, and of different photos? PHOTOS=folder
bench-soft-binding: setup-dev
	@$(BIN)/python -m bench.soft_binding $(if $(PHOTOS),--photos $(PHOTOS)) $(BENCH)

## make bench-rights  what rights cost: gas, the time until a work, a licence and a claim are done, CPU of a public page
bench-rights: setup-dev
	@$(BIN)/python -m bench.works
	@$(BIN)/python -m bench.rights_page

## make bench-anchor  how fast are leaves sequenced and anchored, and what does a proof cost?
bench-anchor: setup-dev
	@$(BIN)/python -m bench.anchor $(BENCH)

## make bench-faults  1,000 seeded courses of faults: is anything lost, forked or untrue? About 20 minutes
bench-faults: setup-dev
	@$(BIN)/python -m bench.faults $(BENCH)

## make bench-sign  what do signing and judging a photo cost, beside the library's own way?
bench-sign: setup-dev
	@$(BIN)/python -m bench.sign $(BENCH)

## make bench-upload  do uploads of phones keep each other alive, and what does a lost connection cost?
bench-upload: setup-dev
	@$(BIN)/python -m bench.upload

## make fuzz-credentials  are 100,000 spoiled photos judged without a crash, a hang or a call? COUNT=… SEED=…
fuzz-credentials: setup-dev
	@$(BIN)/python -m tests.provenance.fuzz $(or $(COUNT),100000) $(SEED)

## make golden     make the golden vectors again (a diff in tests/golden is a change of format: think twice)
golden: setup-dev
	@for script in tests/golden/make_*.py; do $(BIN)/python $$script; done

## make contracts  compile contracts/ again
contracts: setup-dev
	@PATH="$$PATH:$(CURDIR)/$(BIN)" node contracts/build.mjs

## make fuzz-contract  many times more random sizes, proofs and transactions; ROUNDS=25, about 15 s each
fuzz-contract: setup-dev
	@FUZZ_ROUNDS=$(or $(ROUNDS),25) $(BIN)/python -m pytest tests/contracts/test_fuzz.py tests/contracts/test_invariants.py tests/contracts/test_rights_money.py

## make fuzz-rights  random families of works: are shares, claims and what is left always right? COUNT=2000 SEED=…, an hour
fuzz-rights: setup-dev
	@$(BIN)/python -m tests.contracts.families $(or $(COUNT),2000) $(SEED)

## make gas-contract  measure the contract's gas again: writes contracts/gas.json, which a test compares
gas-contract: setup-dev
	@$(BIN)/python -m tests.contracts.gas

## make lock       choose versions anew for requirements*.txt
lock: setup
	@$(UV) pip compile --quiet --no-header --no-annotate --upgrade requirements.in -o requirements.txt
	@$(UV) pip compile --quiet --no-header --no-annotate --upgrade requirements-dev.in -o requirements-dev.txt

## make clean      remove what setup made (never your data)
clean:
	@rm -rf .venv node_modules tests/interop/node_modules tests/browser/node_modules capture_api/vendored/node_modules .pytest_cache .mypy_cache .ruff_cache *.egg-info

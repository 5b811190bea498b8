# `make` shows the targets.
.DEFAULT_GOAL := help
UV := $(shell command -v uv)
# The first Python of the range that starts; where there is none, uv chooses.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.10; do \
  $$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
READY := $(VENV)/.installed
RANGE := >=3.10,<3.14
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: help demo test check bench lock clean

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) ## install, then train and evaluate a small detector on drawn images, in minutes
	$(BIN)/odtool demo

test: $(READY) ## install, then run every test; exactly what CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal

check: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## benchmarks; each prints ratios against something real in the same run
	$(BIN)/python scripts/bench_prepare.py
	$(BIN)/python scripts/bench_engine.py
	$(BIN)/python scripts/bench_crowds.py
	$(BIN)/python scripts/bench_memory.py

lock: ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.10 --generate-hashes --group dev --no-emit-index-url --no-annotate \
	  --no-strip-extras --custom-compile-command "make lock" --upgrade --quiet pyproject.toml -o requirements.lock

clean: ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# What requirements.lock holds and nothing else, by uv where it is installed, else by venv and pip.
$(LOCKED): requirements.lock
	@rm -rf $(VENV)
ifdef UV
	uv venv --quiet --seed --python '$(or $(PYTHON),$(RANGE))' $(VENV)
	uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements.lock
else
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is needed and none was found"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) makes no virtual environments; on Debian and Ubuntu: sudo apt install python3-venv git make"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-deps --require-hashes --use-pep517 -r requirements.lock
endif
	@touch $@

$(READY): $(LOCKED) pyproject.toml
ifdef UV
	uv pip install --quiet --python $(BIN)/python --no-deps -e .
else
	$(PIP) install --no-deps -e .
endif
	@touch $@

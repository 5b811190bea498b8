# `make` shows the targets.
.DEFAULT_GOAL := help
PYTHON ?= $(shell for python in python3 python3.12 python3.11 python3.10; do \
  $$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: help demo test check bench matrix dist lock clean

help: ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(READY) ## install, then train and evaluate a small detector on drawn images, in minutes
	$(BIN)/odtool demo

test: check ## install, check, then run every test; exactly what CI runs
	$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal

check: $(READY) ## ruff, mypy, codespell, and the schemas of the files that hosting services read
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/pre-commit validate-config

bench: $(READY) ## benchmarks; each prints ratios against something real in the same run
	$(BIN)/python scripts/bench_prepare.py
	$(BIN)/python scripts/bench_engine.py
	$(BIN)/python scripts/bench_crowds.py
	$(BIN)/python scripts/bench_memory.py

matrix: $(READY) ## try odtool on every Python with every TensorFlow, and print a table (needs uv; an hour or more)
	$(BIN)/python scripts/matrix.py

dist: $(READY) ## build the sdist, and the wheel from it, in dist/, and check both
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python scripts/check_dist.py dist

lock: ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.10 --generate-hashes --group dev --no-emit-index-url \
	  --no-annotate --no-strip-extras --custom-compile-command "make lock" --upgrade --quiet pyproject.toml -o requirements.lock

clean: ## remove the environment and caches
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# uv where it is installed, else venv and pip; both from pyproject.toml and requirements.lock.
$(READY): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11 or 3.12 is needed and none was found"; exit 1; }
	@if command -v uv >/dev/null; then \
	  set -ex; uv venv --allow-existing --python $(PYTHON) $(VENV); \
	  uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements.lock; \
	  uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	else \
	  set -ex; $(PYTHON) -m venv $(VENV); \
	  $(BIN)/pip install --quiet --disable-pip-version-check --use-pep517 --no-deps --require-hashes -r requirements.lock; \
	  $(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .; \
	fi
	@touch $@

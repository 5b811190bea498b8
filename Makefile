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

.PHONY: help demo test check docs bench matrix dist lock clean

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

docs: $(READY) ## write the generated pages, and build the site in build/site; a warning is an error
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/draw_rooms.py
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site

bench: $(READY) ## benchmarks; each prints ratios against something real in the same run
	$(BIN)/python scripts/bench_prepare.py
	$(BIN)/python scripts/bench_engine.py
	$(BIN)/python scripts/bench_step.py
	$(BIN)/python scripts/bench_crowds.py
	$(BIN)/python scripts/bench_memory.py
	$(BIN)/python scripts/bench_readers.py

matrix: $(READY) ## try odtool on every Python with every TensorFlow, and print a table (needs uv; an hour or more)
	$(BIN)/python scripts/matrix.py

dist: $(READY) ## build the sdist, and the wheel from it, in dist/, and check both
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python scripts/check_dist.py dist

lock: ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.10 --generate-hashes --group dev --no-emit-index-url --no-annotate \
	  --no-strip-extras --custom-compile-command "make lock" --upgrade --quiet pyproject.toml -o requirements.lock

clean: ## remove the environment and caches
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

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

# Everything a new machine needs: Python 3.11 or newer, make and pip.
PYTHON ?= python3
VENV ?= .venv
EXPERIMENT ?= quickstart
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: setup
setup: $(STAMP) ## Make the virtual environment (.venv) with pinned packages

.PHONY: run
run: setup ## Set-up, then the main job: make run [EXPERIMENT=strategyqa] [ARGS='seed=1']
	$(BIN)/python -m elad_exp +experiment=$(EXPERIMENT) $(ARGS)

.PHONY: test
test: setup ## Set-up, then the fast tests
	$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

.PHONY: test-e2e
test-e2e: setup ## Whole runs, real libraries, servers that fail (minutes)
	$(BIN)/python -m pytest -n auto --dist worksteal tests/integration tests/e2e $(ARGS)

.PHONY: test-slow
test-slow: setup ## All tests, the slow ones as well (many minutes)
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -m 'not gpu and not network' tests $(ARGS)

.PHONY: serve-teacher
serve-teacher: setup ## A small model as a teacher on this machine: make serve-teacher [ARGS='--port 8643']
	$(BIN)/elad-exp serve-teacher $(ARGS)

.PHONY: check
check: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: clean
clean: ## Remove the virtual environment and caches (runs stay)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist

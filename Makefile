# `make help` lists what there is. Everything here works from a clean clone with Python 3.11 and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup run test audit matrix lint fmt bench screenshots lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/installed: requirements/base.txt requirements/uv.txt pyproject.toml
	@./scripts/venv $(VENV) requirements/base.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/developer: $(VENV)/installed requirements/dev.txt requirements/tools.txt tests/strangers/node/package-lock.json
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@./scripts/venv .venv-tools requirements/tools.txt
	@./scripts/browser
	@./scripts/strangers
	@./scripts/postgresql15
	@touch $@

setup: $(VENV)/installed ## Install the program into .venv from the lock file, and nothing else

run: setup ## Start everything and serve https://localhost:8443 (Ctrl-C stops it all)
	@$(BIN)/misentinel run --demo

test: $(VENV)/developer ## The whole suite, browser tests included
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

audit: $(VENV)/developer ## Strangers' tools and slow checks, one line each: clean, findings or unknown
	@$(BIN)/python scripts/audit $(ARGS)

matrix: $(VENV)/developer ## Write tests/permissions/matrix.txt anew; read the diff
	@WRITE_MATRIX=1 $(BIN)/python -m pytest tests/permissions/test_matrix.py

lint: $(VENV)/developer ## ruff, mypy, import contracts, our own checks
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q . && $(BIN)/mypy && $(BIN)/lint-imports

fmt: $(VENV)/developer ## Format and fix what can be fixed by itself
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

bench: $(VENV)/developer ## Measure; each line is {metric, ours, reference, ratio, target}
	@for f in $(filter-out bench/ground.py,$(wildcard bench/*.py)); do $(BIN)/python $$f || exit 1; done

screenshots: $(VENV)/developer ## Remake the pictures that the README and the guide show
	@$(BIN)/python scripts/screenshots.py

lock: $(VENV)/installed ## Renew the lock files from the .in files
	@cd requirements && for f in base dev tools; do ../$(BIN)/uv pip compile -q --upgrade --generate-hashes --no-emit-index-url --no-header --python-version 3.11 $$f.in -o $$f.txt; done

clean: ## Remove what was installed; ./var, where the data lives, stays
	@rm -rf $(VENV) .venv-tools

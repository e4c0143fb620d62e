# Each target sets up what it needs; a second call costs nothing.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test coverage check fix bench soak lock image check-deploy venv servers

# An environment that forbids writing bytecode has each process compile the packages and each test worker the tests anew.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
# Tools of the environment come first: a Go toolchain installed there wins over an old system one.
WITH_BIN := PATH="$(CURDIR)/$(BIN):$$PATH"
PYTEST := $(WITH_BIN) $(BIN)/python -m pytest
# Two for each core: many tests wait for a server.
PROCESSES = $$(( $$(getconf _NPROCESSORS_ONLN) * 2 ))

# Of the whole suite the golden lake is built from the start, beside the tests: built by its own test, the shortest file
# and so the last, a new machine waited for it with one core.
GOLDEN = $(if $(TESTS),,$(WITH_BIN) $(BIN)/python -m tests.golden.lake &)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: venv ## run sample data through the whole pipeline
	@$(BIN)/dataflow demo

test: venv servers ## run every test, side by side; real servers are started and stopped by the tests
	@$(GOLDEN) \
	    failed=0; $(PYTEST) -n $(PROCESSES) --dist loadfile $(TESTS) || failed=$$?; wait; exit $$failed

coverage: venv servers ## every test once more, measured: which lines of the packages no test runs
	@$(PYTEST) -n $(PROCESSES) --dist loadfile --cov --cov-report=term-missing:skip-covered $(TESTS)

check: venv ## lint, formatting, strict types, direction of imports, declared packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/deptry .
	@$(PYTEST) tests/test_architecture.py

fix: venv ## repair what ruff can repair, and write the reference anew
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/dataflow docs --out .github

bench: venv servers ## print measured figures of this machine: the pipeline, then sources on real servers
	@$(BIN)/dataflow bench
	@$(WITH_BIN) $(BIN)/python -m tests.lib.bench

soak: venv servers ## the tests again, with many more rounds of crashes, races and generated data
	@$(PYTEST) --soak $(TESTS)

lock: venv ## resolve the dependencies anew, with hashes
	@bash deployments/lock.sh

image: ## build the image of runs and workers, without a Docker engine too
	@bash deployments/image.sh build

check-deploy: ## build the image where its files have changed, and try it: a whole run as non-root, read-only root
	@bash deployments/image.sh check

venv:
	@bash deployments/bootstrap.sh venv

servers: venv
	@bash deployments/bootstrap.sh servers

# Everything that is done to this repo. `make` alone says what there is.
#
# A machine needs make and Python 3.11 or newer (with venv and pip), nothing else: the environment in .venv is made
# by Python itself, uv is put into it, and uv installs exactly what uv.lock says.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

BIN        := .venv/bin
READY      := .venv/.installed
CLIENTS    := .clients/.installed
UV_VERSION := uv>=0.13.9,<0.14
# uv trusts whom the machine trusts, where the machine keeps a list (behind a company's proxy it has to).
CERTS      := $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),UV_SYSTEM_CERTS=1)
UV         := env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never $(CERTS) $(BIN)/uv

# The first Python that is new enough and can make environments; `make PYTHON=python3.12 …` chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$name -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; \
	done)

.PHONY: help
help: ## say what can be made
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## install everything into .venv, exactly as uv.lock has it

.PHONY: demo
demo: $(READY) ## the main job, end to end, on real flights: features, training set, model, predictions
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh .ci/demo

.PHONY: test
test: $(READY) ## lint, then all tests
	@$(MAKE) -j2 lint $(CLIENTS)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: properties
properties: $(READY) ## all random tests on examples that were never tried before (ARGS="--hypothesis-seed=7")
	SQLFEAT_EXAMPLES=$${SQLFEAT_EXAMPLES:-1} $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m hypothesis --hypothesis-profile=random $(ARGS)

.PHONY: fuzz-pushes
fuzz-pushes: $(READY) ## random histories of pushes and publications, online held against offline (ARGS="--seeds 1137-1200")
	@$(BIN)/python -m tests.properties.push_campaign $(ARGS)

.PHONY: lint
lint: $(READY) ## style, formatting, types, and the layers of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

.PHONY: typecheck
typecheck: $(READY) ## types alone
	$(BIN)/mypy

.PHONY: format
format: $(READY) ## write all Python as ruff wants it
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: docs
docs: $(READY) ## follow the README and the docs: type every command in them, compare what it prints
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/docs $(ARGS)

.PHONY: wheel
wheel: $(READY) ## the package as it is published, into dist/
	$(BIN)/python -m hatchling build -t wheel -t sdist

.PHONY: lock
lock: $(BIN)/uv ## resolve uv.lock anew after a change of dependencies in pyproject.toml
	$(UV) lock --default-index https://pypi.org/simple

.PHONY: bench-pit
bench-pit: $(READY) ## measure point-in-time lookups and windows beside their peers (ARGS="--quick": a tenth of it)
	@$(BIN)/python -m benchmarks.pit $(ARGS)

.PHONY: bench-check
bench-check: $(READY) ## measure check beside compile and ls on a project of 1,000 models (ARGS="--models 200")
	@$(BIN)/python -m benchmarks.check $(ARGS)

.PHONY: bench-training
bench-training: $(READY) ## measure the way from a training set to a LightGBM Dataset beside that through pandas
	@$(BIN)/python -m benchmarks.training $(ARGS)

.PHONY: fuzz-check
fuzz-check: $(READY) ## random programs: what check calls safe must not be refuted by data (ARGS="--seed 1 --programs 6000")
	@$(BIN)/python -m tests.check.fuzz $(ARGS)

.PHONY: faults
faults: $(READY) ## every fault of docs/reference/faults.md, at length; writes that page (SEED=7, ARGS="--share 0.1")
	@$(BIN)/python -m tests.faults.page --seed $(or $(SEED),1) $(ARGS)

.PHONY: faults-registry
faults-registry: $(READY) ## kill writers of a registry, at random and at every durable step (ARGS="--seed 1 --kills 200")
	@$(BIN)/python -m tests.faults.registry --kills 60 $(ARGS)
	@$(BIN)/python -m tests.faults.registry --steps
	@$(BIN)/python -m tests.faults.registry --writers 60

.PHONY: faults-online
faults-online: $(READY) ## kill publishers to a Redis server, fail the server under readers (ARGS="--kind valkey --seed 2")
	@$(BIN)/python -m tests.faults.online --kills 40 $(ARGS)
	@$(BIN)/python -m tests.faults.online --steps $(ARGS)
	@$(BIN)/python -m tests.faults.online --outages 300 $(ARGS)

.PHONY: fuzz-expressions
fuzz-expressions: $(READY) ## random expressions, compiled and by DuckDB: no difference (ARGS="--seed 1 --batches 100")
	@$(BIN)/python -m tests.compiler.expressions.fuzz $(ARGS)

.PHONY: clients
clients: $(CLIENTS) ## the clients of others that tests talk to sqlfeat serve with, in an environment of their own

.PHONY: fuzz-serve
fuzz-serve: $(READY) $(CLIENTS) ## schemathesis over the server's OpenAPI document (ARGS="--examples 500 --seed 7")
	@$(BIN)/python -m tests.clients.fuzzing $(ARGS)

.PHONY: soak-serve
soak-serve: $(READY) ## half an hour of requests while snapshots and aliases change (ARGS="--minutes 5")
	@$(BIN)/python -m tests.serve.soak $(ARGS)

.PHONY: bench-monitoring
bench-monitoring: $(READY) ## false alarms and power of monitoring beside Evidently and frouros, ten minutes (ARGS="--no-peers")
	@$(BIN)/python -m benchmarks.monitoring $(ARGS)

.PHONY: look-report
look-report: $(READY) ## reports of monitor in a real Chromium: is a word cut or hidden; pictures (ARGS="report.html")
	@$(BIN)/python -m tests.ops.monitoring.look $(ARGS)

.PHONY: bench-expressions
bench-expressions: $(READY) ## twelve on-demand expressions for one row, beside DuckDB and pandas
	@$(BIN)/python -m benchmarks.expressions $(ARGS)

.PHONY: bench-online-windows
bench-online-windows: $(READY) ## windows at request time over few events and many (ARGS="--beside FOLDER", other sources)
	@$(BIN)/python -m benchmarks.online_windows $(ARGS)

.PHONY: bench-online
bench-online: $(READY) ## measure online lookups and servers beside LMDB, Redis, FastAPI and Feast (ARGS="--no-feast")
	@$(BIN)/python -m benchmarks.online $(ARGS)

.PHONY: bench-publish
bench-publish: $(READY) ## a snapshot of a million entities published, beside what LMDB alone takes (ARGS="--redis URL")
	@$(BIN)/python -m benchmarks.online_publish $(ARGS)

.PHONY: clean
clean: ## delete all that was made here, the environment included
	rm -rf .venv .clients .demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): $(BIN)/uv uv.lock pyproject.toml
	@echo "Installing what uv.lock names into .venv"
	@$(UV) sync --locked --quiet
	@touch $@

$(CLIENTS): $(READY) tests/clients/requirements.txt
	@echo "Installing Feast's, Triton's and schemathesis' clients into .clients"
	@rm -rf .clients
	@$(UV) venv --quiet --python $(BIN)/python .clients
	@$(UV) pip sync --quiet --python .clients/bin/python tests/clients/requirements.txt
	@touch $@

$(BIN)/uv:
	@if [ -z "$(PYTHON)" ]; then \
		echo "sqlfeat needs Python 3.11 or newer with venv and pip. Here is: $$(python3 --version 2>&1 || echo no python3)."; \
		echo "On Debian or Ubuntu: apt install python3-venv. Another Python: make PYTHON=/path/to/python3.12 …"; \
		exit 1; \
	fi
	@echo "Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(UV_VERSION)"

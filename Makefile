# `make` lists the targets. Everything happens inside .venv; nothing is installed elsewhere.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE # what is compiled once makes every start quicker
.DEFAULT_GOAL := help
.PHONY: help run serve test coverage lint format requirements bench docs lock system-test-tools clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/run ## serve http://localhost:8000 for development (PORT=8001 moves it)
	@GATEHOUSE_ENV=development PORT=$(PORT) $(BIN)/flask serve

serve: .venv/run ## serve with the settings of your environment, for production
	@$(BIN)/flask serve

test: .venv/test lint ## everything: checks, then the whole suite on SQLite, PostgreSQL and Valkey
	@echo "Running the suite on 3 processes (some tests wait for a server or a clock) ..."
	@$(BIN)/python -m pytest -n 3 --dist=worksteal $(ARGS)

coverage: ## the suite once more, telling which lines and branches no test reaches
	@$(MAKE) test ARGS="--cov --cov-report=term:skip-covered"

lint: .venv/test ## ruff, mypy --strict, and that the generated pages are current
	@echo "Checking style, types and generated pages ..."
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@GATEHOUSE_ENV=development $(BIN)/flask docs check

format: .venv/test ## let ruff format and mend what it can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

requirements: .venv/test ## which rows of docs/security-requirements.md tests prove, and which not
	@$(BIN)/python -m pytest --collect-only -q --requirements

bench: .venv/test ## measure, as ratios in one run, on PostgreSQL
	@$(BIN)/python -m bench $(ARGS)

docs: .venv/run ## write the generated pages anew
	@GATEHOUSE_ENV=development $(BIN)/flask docs build

lock: .venv/test ## requirements*.in -> requirements*.txt, with hashes (needs uv on the PATH)
	uv pip compile -q requirements.in --universal --python-version 3.11 --generate-hashes -o requirements.txt
	uv pip compile -q requirements-dev.in --universal --python-version 3.11 --generate-hashes -o requirements-dev.txt

system-test-tools: ## install what only Debian can give: a browser, wrk for the bench, ip for a network of a test
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell wrk iproute2

clean: ## forget the virtual environment and all caches; your instance/ stays
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

.venv/run: requirements.txt
	@echo "Installing what the service needs into .venv ..."
	@$(PYTHON) -m venv .venv || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.txt && touch $@

.venv/test: .venv/run requirements-dev.txt
	@echo "Installing what the tests need into .venv ..."
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt && touch $@

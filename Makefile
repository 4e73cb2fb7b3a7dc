# `make` lists the targets. Everything is installed into .venv, nothing elsewhere.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE # cached bytecode makes every start faster
.PHONY: help run serve test coverage lint collect format requirements mutants endurance interop bench docs lock system-test-tools clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/run ## serve http://localhost:8000 for development (PORT=8001 changes the port)
	@GATEHOUSE_ENV=development PORT=$(PORT) bin/gatehouse serve

serve: .venv/run ## serve with the settings of your environment, for production
	@bin/gatehouse serve

test: .venv/test ## lint, then all tests on SQLite, PostgreSQL and Valkey
	@$(MAKE) --no-print-directory -j 2 lint collect && echo "Running all tests in 3 processes (some tests wait for a server or a timer) ..."
	@$(BIN)/python -m pytest -n 3 --dist=worksteal $(ARGS)

coverage: ## run all tests and list lines and branches that they do not reach
	@$(MAKE) test ARGS="--cov --cov-report=term:skip-covered"

lint: .venv/test ## check style, types, banned words and that the generated pages are current
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/python tools/check_words.py && $(BIN)/mypy && GATEHOUSE_ENV=development bin/gatehouse docs check

collect: .venv/test # imports all tests while mypy uses one core
	@output=$$($(BIN)/python -m pytest --collect-only -qq 2>&1) || { echo "$$output" | tail -40; exit 1; }

format: .venv/test ## format, and fix what ruff can fix
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

requirements: .venv/test ## list the rows of docs/security-requirements.md that tests verify, and the others
	@$(BIN)/python -m pytest --collect-only -q --requirements

mutants: .venv/test ## plant small faults one by one, and list those that no test notices (ONLY="login mfa")
	@$(BIN)/python -m tools.run_mutants $(ONLY)

endurance: .venv/test ## kill, restart and rotate keys under load, about ten minutes
	@$(BIN)/python -m tests.endurance

interop: .venv/test ## sign in with clients that others wrote: openid-client, mod_auth_openidc, oidc-client-ts
	@$(BIN)/python -m interop

bench: .venv/test ## measure performance as ratios, on PostgreSQL
	@$(BIN)/python -m bench $(ARGS)

docs: .venv/run ## regenerate the generated pages
	@GATEHOUSE_ENV=development bin/gatehouse docs build

lock: .venv/test ## requirements*.in -> requirements*.txt, with hashes (needs uv on the PATH)
	for f in requirements requirements-dev; do uv pip compile -q $$f.in --universal --python-version 3.11 --generate-hashes -o $$f.txt || exit 1; done

system-test-tools: ## install Debian packages that tests and bench use: a browser, wrk, iproute2, nginx, PgBouncer
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell wrk iproute2 nginx-light pgbouncer

clean: ## delete the virtual environment and all caches; instance/ is kept
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*

.venv/run: requirements.txt
	@echo "Installing the service's dependencies into .venv ..." && $(PYTHON) -m venv .venv || { echo "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; } && $(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.txt && touch $@
.venv/test: .venv/run requirements-dev.txt
	@echo "Installing the tests' dependencies into .venv ..." && $(BIN)/pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt && touch $@

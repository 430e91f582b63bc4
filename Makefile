# One command for each habit. Python 3.11 or newer, make and git are all that a fresh machine needs.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export XDG_RUNTIME_DIR ?= $(CURDIR)/.tmp

.PHONY: help demo test prove cover check bench lock format openapi clean
help: ## what there is
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/:/'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer with its venv module is needed (Debian: apt install python3-venv), or set PYTHON"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@mkdir -p .tmp && touch $@

demo: $(READY) ## the story of one family on a running gateway; ARGS=--once stops after it
	$(BIN)/gateway demo $(ARGS)

test: $(READY) ## every test, on SQLite and on a real PostgreSQL
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

prove: $(READY) ## the same tests at full counts: kills, interleavings, mutations
	GATEWAY_PROVE=1 $(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)
	$(MAKE) cover
	$(BIN)/python -m tests.mutants

cover: $(READY) ## every branch of the decision is taken by its own tests
	$(BIN)/coverage run --branch --source gateway/disclosure --data-file .tmp/coverage -m pytest -q tests/core/disclosure
	$(BIN)/coverage report --data-file .tmp/coverage --show-missing --skip-covered --fail-under 100

check: $(READY) ## lint, types, import contracts, maps, agreements: under a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gateway mappings check
	$(BIN)/gateway agreements check --folder mappings/agreements/example

bench: $(READY) ## benchmarks, each a ratio in one run; ONLY=lookup runs one
	$(BIN)/python -m benchmarks $(ONLY)

format: $(READY) ## the formatter and the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: $(READY) ## write openapi/gateway.json anew
	$(BIN)/python -m tests.write_openapi

lock: $(READY) ## requirements.lock from pyproject.toml, without addresses
	$(BIN)/uv lock -q
	$(BIN)/uv export -q --all-groups --no-emit-project --no-header --no-annotate --format requirements.txt -o requirements.lock
	$(BIN)/uv export -q --no-default-groups --no-emit-project --no-header --no-annotate --format requirements.txt -o docker/requirements.runtime.lock
	@! grep -nE 'https?://' requirements.lock docker/requirements.runtime.lock

clean: ## what the demo and the tests left
	rm -rf demo-data demo-data.keys demo-data.copy .tmp .pytest_cache .mypy_cache .ruff_cache .hypothesis

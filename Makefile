# Every target sets up what it needs, and is quick when nothing has changed.
PYTHON ?= python3
DATA ?= shop
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SPARK := deploy/spark
JARS := $(SPARK)/jars/.ready

# Each kind of data has a lake of its own.
export LAKEHOUSE_ROOT ?= $(CURDIR)/.lakehouse$(if $(filter-out shop,$(DATA)),-$(DATA))

.DEFAULT_GOAL := help
.PHONY: help setup demo dev spark test test-fast lint format bench lock clean

help: ## Show what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Install everything into .venv, from the exact lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed, this is %d.%d; try make PYTHON=python3.12" % sys.version_info[:2] if not (3, 11) <= sys.version_info[:2] < (3, 14) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check --quiet
	@touch $@

demo: $(READY) ## Messy data from landing to gold, with a scorecard (DATA=online_retail for real data)
	$(BIN)/lakehouse demo --data $(DATA)

dev: $(READY) ## Dagster UI, daemon and sensors on this lake (PORT=3000)
	$(BIN)/lakehouse dev --port $(PORT)

spark: $(JARS) ## Jars for LAKEHOUSE_ENGINE=spark (needs a JDK, 17 or newer, and Maven)

$(JARS): $(SPARK)/pom.xml $(wildcard $(SPARK)/src/main/java/lakehouse/*.java)
	@command -v javac >/dev/null || { echo 'Spark needs a JDK, 17 or newer, and there is no javac here; install one (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless)' >&2; exit 1; }
	@command -v mvn >/dev/null || { echo 'The jars are fetched by Maven, and there is no mvn here; install it (Debian, Ubuntu: apt-get install maven)' >&2; exit 1; }
	rm -rf $(SPARK)/jars $(SPARK)/target
	mvn --batch-mode --no-transfer-progress --quiet --file $(SPARK)/pom.xml package
	@touch $@

test: test-fast ## All tests; the slow ones start servers and browsers and want the machine for themselves
	$(BIN)/python -m pytest -m slow

test-fast: $(READY) ## The tests that take seconds
	$(BIN)/python -m pytest -m "not slow" --numprocesses auto

lint: $(READY) ## Style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Measure speed and memory against a plain script
	$(BIN)/python -m bench

lock: ## Pin every dependency anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--group pyproject.toml:dev pyproject.toml --output-file requirements.lock

clean: ## Remove the environment and the lake of the demo
	rm -rf $(VENV) .lakehouse .lakehouse-online_retail

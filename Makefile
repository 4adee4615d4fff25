# Every target sets up what it needs, and is quick when nothing has changed.
PYTHON ?= python3
DATA ?= shop
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DOCS := .venv-docs
SPARK := deploy/spark
JARS := $(SPARK)/jars/.ready

# A Spark that runs here needs the jars; one that only is connected to has its own.
ENGINE_READY = $(if $(filter spark,$(LAKEHOUSE_ENGINE)),$(if $(filter sc://% databricks,$(LAKEHOUSE_SPARK_URL)),,$(JARS)))
MINIO := .tools/minio
AZURITE := .tools/azurite/node_modules/.bin/azurite-blob
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

# A module's tests run in one process: they share what the module makes.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadscope --no-loadscope-reorder

# Each kind of data has a lake of its own, and so has each engine.
ifeq ($(origin ROOT),command line)
export LAKEHOUSE_ROOT := $(ROOT)
endif
ifeq ($(origin ENGINE),command line)
export LAKEHOUSE_ENGINE := $(ENGINE)
endif
NAME := .lakehouse$(if $(filter-out shop,$(DATA)),-$(DATA))$(if $(filter-out sail,$(LAKEHOUSE_ENGINE)),-$(LAKEHOUSE_ENGINE))
export LAKEHOUSE_ROOT ?= $(CURDIR)/$(NAME)

.DEFAULT_GOAL := help
.PHONY: help setup demo dev spark minio azurite test test-long lint format bench docs lock clean

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

demo: $(READY) $(ENGINE_READY) ## Messy data from landing to gold, with a scorecard (DATA=online_retail, ENGINE=spark, ROOT=s3://bucket/lake)
	$(BIN)/lakehouse demo --data $(DATA)

dev: $(READY) $(ENGINE_READY) ## Dagster UI, daemon and sensors on this lake (PORT=3000)
	$(BIN)/lakehouse dev --port $(PORT)

spark: $(JARS) ## Jars for LAKEHOUSE_ENGINE=spark (needs a JDK, 17 or newer, and Maven)

$(JARS): $(SPARK)/pom.xml $(wildcard $(SPARK)/src/main/java/lakehouse/*.java)
	@command -v javac >/dev/null || { echo 'Spark needs a JDK, 17 or newer, and there is no javac here; install one (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless)' >&2; exit 1; }
	@command -v mvn >/dev/null || { echo 'The jars are fetched by Maven, and there is no mvn here; install it (Debian, Ubuntu: apt-get install maven)' >&2; exit 1; }
	rm -rf $(SPARK)/jars $(SPARK)/target
	mvn --batch-mode --no-transfer-progress --quiet --file $(SPARK)/pom.xml package
	@touch $@

minio: $(MINIO) ## An S3 server for the tests, beside moto's (needs Go; takes minutes)

$(MINIO):
	@command -v go >/dev/null || { echo 'MinIO is built from source, and there is no go here; install Go (https://go.dev/dl)' >&2; exit 1; }
	GOBIN=$(CURDIR)/.tools go install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c

azurite: $(AZURITE) ## Azure's storage emulator for the tests (needs Node.js)

$(AZURITE):
	@command -v npm >/dev/null || { echo 'Azurite comes with npm, and there is no npm here; install Node.js (Debian, Ubuntu: apt-get install npm)' >&2; exit 1; }
	npm install --silent --no-audit --no-fund --prefix .tools/azurite azurite@3.35.0

test: $(READY) ## All tests, at a small dose of what is random or takes long (TESTS=tests/lakehouse/delta)
	$(PYTEST) -m "not long" $(TESTS)

test-long: $(READY) ## All tests, at the full dose; takes hours
	$(PYTEST) $(TESTS)

lint: $(READY) ## Style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Measure speed and memory against a plain script
	$(BIN)/python -m bench

docs: $(READY) $(DOCS)/.ready ## Build the documentation into build/site; strict, with links checked
	@mkdir -p build
	$(BIN)/python -m typer lakehouse.cli.main utils docs --name lakehouse --output build/commands.raw.md
	@sed 's/^#/##/' build/commands.raw.md > build/commands.md
	$(DOCS)/bin/zensical build --strict --clean

$(DOCS)/.ready: requirements-docs.lock
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --no-deps --require-hashes --requirement requirements-docs.lock
	@touch $@

lock: ## Pin every dependency anew (needs uv)
	$(LOCK) --group pyproject.toml:dev pyproject.toml --output-file requirements.lock
	$(LOCK) --group pyproject.toml:docs --output-file requirements-docs.lock

clean: ## Remove the environment and the lake of the demo
	rm -rf $(VENV) $(DOCS) build .lakehouse .lakehouse-online_retail .lakehouse-spark .lakehouse-online_retail-spark

# make run: set up, write the demo company's files if there are none, run everything.
# make test: set up, run every test.   make dev: the Dagster UI on loopback.   make dashboards: the dashboards on loopback.

PYTHON ?= python3
BIN := .venv/bin
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes

.PHONY: install run test test-slow test-spark bench-identity dashboards dev spark spark-s3 screenshots lint types locks clean

install: .venv/run.stamp

run: .venv/run.stamp
	$(BIN)/kinship run

dev: .venv/run.stamp
	$(BIN)/kinship dev

dashboards: .venv/run.stamp
	$(BIN)/kinship dashboards

test: .venv/dev.stamp
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/spark.stamp
	$(BIN)/pytest -m slow

# The Spark extra (Java 17 or later must be there), then the demo on both engines, every table compared.
spark: .venv/spark.stamp
	$(BIN)/python benchmarks/engines.py

# What a lake on S3 needs besides: Amazon's client for Java, 690 MB.
spark-s3: .venv/spark.stamp
	$(BIN)/python -m kinship.spark.jars s3

test-spark: .venv/spark.stamp
	$(BIN)/pytest -m "spark and not slow"

bench-identity: .venv/dev.stamp
	$(BIN)/python benchmarks/identity.py

# The README's pictures, of what is published in KINSHIP_DATA, in a real browser.
screenshots: .venv/dev.stamp
	PYTHONPATH=. $(BIN)/python tests/screenshots.py

lint: .venv/dev.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	KINSHIP_WAREHOUSE=:memory: $(BIN)/sqlfluff lint models --processes 2

types: .venv/dev.stamp
	$(BIN)/mypy

# Compiled from pyproject.toml; the smaller lock takes its versions from the larger, so that one environment serves both.
locks:
	$(UV) pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-emit-index-url --extra build --extra dev pyproject.toml -o requirements-dev.lock
	$(UV) pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-emit-index-url --extra build pyproject.toml -c requirements-dev.lock -o requirements.lock
	$(UV) pip compile --quiet --python-version 3.11 --universal --generate-hashes --no-header --no-emit-index-url --extra build --extra dev --extra spark pyproject.toml -c requirements-dev.lock -o requirements-spark.lock

clean:
	rm -rf .venv .uv target logs

.uv/bin/uv:
	@echo "Fetching uv, the installer"
	@$(PYTHON) -m venv .uv
	@.uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock

.venv/bin/python: $(filter .uv/bin/uv,$(UV))
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv

.venv/run.stamp: .venv/bin/python requirements.lock pyproject.toml
	@test -e .venv/dev.stamp && test .venv/dev.stamp -nt requirements.lock || { set -e; \
		echo "Installing Kinship and what it needs (about a minute)"; \
		$(INSTALL) -r requirements.lock; \
		$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	}
	@touch $@

.venv/spark.stamp: .venv/dev.stamp requirements-spark.lock kinship/spark/jars.txt
	@echo "Installing Spark and Delta Lake (about a minute)"
	@$(INSTALL) -r requirements-spark.lock
	@$(BIN)/python -m kinship.spark.jars
	@touch $@

.venv/dev.stamp: .venv/bin/python requirements-dev.lock pyproject.toml
	@echo "Installing Kinship and what its tests need (about a minute)"
	@$(INSTALL) -r requirements-dev.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Countersign. `make run` opens the control room; `make test` is everything a contributor needs to trust a change.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
export MLFLOW_DISABLE_TELEMETRY := true
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION := false

.DEFAULT_GOAL := help
# No command makes a file of its own name.
.PHONY: ramp replicas lock sbom bench-drift help run setup setup-dev test check lint types imports unit coverage journeys journeys-mlflow journeys-databricks fmt bench defences reset clean python-version

help:  ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

run: setup  ## prepare the embedded workspace if needed, then run app, worker and local endpoint (Ctrl-C stops all)
	@exec $(PY) -m services.supervisor

setup: $(VENV)/.installed  ## environment for running, from requirements.txt

setup-dev: $(VENV)/.installed-dev  ## the same plus test and style tools

python-version:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Countersign needs Python 3.11 or newer; this is %d.%d. Name another one: make run PYTHON=python3.12" % sys.version_info[:2])'

$(BIN)/uv: | python-version
	@echo "Creating the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv

# uv resolves and installs the same pinned ranges as pip in a fifth of the time; bytecode is compiled now, not at first start.
$(VENV)/.installed: requirements.txt | $(BIN)/uv
	@echo "Installing requirements (about 1.3 GB on disk, once) ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(PY) -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt | $(VENV)/.installed
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(PY) -r requirements-dev.txt
	@touch $@

test: check  ## format, style, types, import contracts, then every test

check: lint types imports unit journeys

lint: setup-dev  ## formatting, style, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell README.md docs services pages app.py

types: setup-dev  ## strict types
	$(BIN)/mypy

imports: setup-dev  ## who may import whom
	$(BIN)/lint-imports --no-cache

unit: setup-dev  ## unit, contract, golden, screen and architecture tests
	$(PY) -m pytest tests --ignore=tests/journeys --ignore=tests/benchmarks -n 2 --dist loadfile -q

# Tracing every branch takes about a third longer, so it is a command of its own and not part of `make test`.
coverage: setup-dev  ## the same tests, with branch coverage
	$(PY) -m pytest tests --ignore=tests/journeys --ignore=tests/benchmarks -n 2 --dist loadfile --cov --cov-report=term:skip-covered --cov-report=xml:.artifacts/coverage.xml -q

journeys: setup-dev  ## the whole path in a real browser against a really prepared workspace
	$(PY) -m pytest tests/journeys -q -p no:randomly

# Not part of `make test`, for its time. A prepared workspace can be named: COUNTERSIGN_JOURNEY_HOME=FOLDER (it is copied).
journeys-mlflow: setup-dev  ## the same journeys on an MLflow server, PostgreSQL and an endpoint of its own
	COUNTERSIGN_JOURNEY_PROFILE=mlflow $(PY) -m pytest tests/journeys -q -p no:randomly

# From a copy, because Unity Catalog knows names of three parts only: the demonstration's four models get them there.
journeys-databricks: setup-dev  ## the same journeys on the profile databricks, behind the workspace of the contract tests
	$(PY) -m tests.journeys.catalog_names .artifacts/databricks
	cd .artifacts/databricks && COUNTERSIGN_JOURNEY_PROFILE=databricks $(abspath $(PY)) -m pytest tests/journeys -q -p no:randomly

# Half an hour in which nothing else may run: a busy machine breaks the promised answer times, and the watcher holds.
ramp: setup-dev  ## shadow, 5, 10, 20 % and everything in a browser with real traffic, days lived through (a quiet machine)
	COUNTERSIGN_JOURNEY_RAMP=1 $(PY) -m pytest tests/journeys -v -p no:randomly -k "test_04_a_breach or test_request_to_rollback"

# Ten minutes of random kills; `make test` does thirty seconds of it.
replicas: setup-dev  ## two apps' services and two workers on one PostgreSQL, killed at random, nothing done twice
	COUNTERSIGN_REPLICA_SECONDS=600 $(PY) -m pytest tests/contract/test_replicas.py -q -s -p no:randomly

fmt: setup-dev  ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-dev  ## promised figures, as ratios measured side by side
	$(PY) -m tests.benchmarks

# Sizes and parts can be chosen: make bench-drift ARGS="peers --rows 100000"
bench-drift: setup-dev  ## drift side by side with Evidently and NannyML, with a plain scan, and with scipy on raw rows
	$(PY) -m tests.benchmarks.drift $(ARGS)

defences: setup-dev  ## take each defence out of a copy and see that the test named for its attack fails (minutes)
	$(PY) -m tests.attacks.removed_defences

lock:  ## pin every requirement with the digest of its files in requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate --custom-compile-command "make lock" -o requirements.lock requirements.txt

sbom: setup-dev  ## list of every package that ships, with its digests, CycloneDX, in .artifacts/sbom.cdx.json
	@mkdir -p .artifacts
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file .artifacts/sbom.cdx.json requirements.lock

reset: setup  ## delete the embedded workspace and start over (asks first)
	@$(PY) -m services reset

clean:  ## delete caches and the environment
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .artifacts

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_PROCESSES := 2
MINUTES ?= 30
# The tests that write figures to docs/guarantees.md.
# The last two tests kill the parts of the stack that all tests share.
GUARANTEES := tests/unit/schedules/test_recurrence.py tests/integration/test_one_snapshot.py \
	tests/acceptance/test_one_click_one_export.py tests/acceptance/test_file_is_the_table.py \
	tests/acceptance/test_fair_share.py tests/faults/test_cancel.py tests/faults/test_links.py \
	tests/faults/test_rescue.py tests/faults/test_fault_points.py tests/faults/test_storage_faults.py \
	tests/faults/test_prefect_away.py tests/faults/test_chaos.py
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
ADVISORIES := https://api.osv.dev
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" pyproject.toml
LOCK_OLDEST := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" --no-deps

.PHONY: up test test-faults test-scale test-image soak check audit coverage lock clean

up: $(VENV)/.runtime  ## start the whole stack with sample data
	@$(BIN)/report-exports up $(ARGS)

test: $(VENV)/.dev  ## run all tests against the real services
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

test-faults: $(VENV)/.dev  ## run the fault tests in their long form (15 to 20 minutes), and write docs/guarantees.md
	@$(BIN)/python -m pytest $(GUARANTEES) --faults all $(if $(SEED),--seed $(SEED)) $(ARGS)

soak: $(VENV)/.dev  ## start an export per second under 500 pollers for MINUTES minutes
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) $(ARGS)

test-scale: $(VENV)/.dev  ## measure and lose hosts of a cluster (needs root, redis-server, nginx, socat and iproute2)
	@$(BIN)/python -m benchmarks.hosts $(ARGS)

test-image: $(VENV)/.dev  ## build the image with its locked dependencies, and run its roles (needs root)
	@$(BIN)/python -m pytest tests/integration/test_image.py --locked-image $(ARGS)

check: $(VENV)/.dev  ## check lint, format, types, import layers, the image and the rendered chart
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/hadolint deployments/Dockerfile
	@$(BIN)/python -m pytest --quiet tests/integration/test_chart.py

audit: $(VENV)/.dev  ## check the locked packages for known vulnerabilities, if the advisory database is reachable
	@if $(BIN)/python -c 'import httpx; httpx.get("$(ADVISORIES)", timeout=10)' 2>/dev/null; then \
		$(BIN)/pip-audit --vulnerability-service osv --disable-pip --progress-spinner off \
			--requirement requirements-dev.txt $(ARGS); \
	else \
		echo "Audit: $(ADVISORIES) is not reachable, so the packages were not checked."; \
	fi

coverage: $(VENV)/.dev  ## measure branch coverage of the unit tests; child processes are not counted
	@$(BIN)/python -m pytest -q tests/unit --cov --cov-report=term:skip-covered $(ARGS)

lock:  ## update the lock files from pyproject.toml and tests/requirements-oldest.in (needs uv)
	$(LOCK) --extra build --extra local --output-file requirements.txt $(ARGS)
	$(LOCK) --extra build --extra local --extra dev --extra otel --constraint requirements.txt \
		--output-file requirements-dev.txt $(ARGS)
	$(LOCK) --extra build --extra otel --constraint requirements-dev.txt \
		--output-file deployments/requirements.txt $(ARGS)
	$(LOCK_OLDEST) tests/requirements-oldest.in --output-file tests/requirements-oldest.txt

clean:  ## remove the environment and the local data
	rm -rf $(VENV) .local

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is required. Choose one with PYTHON=python3.12 make ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked packages into $(VENV) (once, about a minute) ..."
	@$(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

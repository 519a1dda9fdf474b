# Two set-up commands: `make demo` and `make test`. Each makes its own virtual environment.
PYTHON ?= python3
DEMO_VENV ?= .venv
TEST_VENV ?= .venv-test

.PHONY: demo test slurm test-environment check-python

demo: check-python
	@test -x $(DEMO_VENV)/bin/python || $(PYTHON) -m venv $(DEMO_VENV)
	@echo "Installing fastalliance into $(DEMO_VENV) ..."
	@$(DEMO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check .
	$(DEMO_VENV)/bin/fastalliance run configs/tipping_map.yaml --plot results/tipping_map.png

test: test-environment
	$(TEST_VENV)/bin/ruff check .
	$(TEST_VENV)/bin/ruff format --check .
	$(TEST_VENV)/bin/mypy
	$(TEST_VENV)/bin/python -m pytest -n auto

# Studies on a real SLURM of this machine; needs root, Debian and some minutes.
slurm: test-environment
	$(TEST_VENV)/bin/python -m tests.cluster.slurm

test-environment: check-python
	@test -x $(TEST_VENV)/bin/python || $(PYTHON) -m venv $(TEST_VENV)
	@echo "Installing fastalliance and its test tools into $(TEST_VENV) ..."
	@$(TEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[test]"

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; try: make demo PYTHON=/path/to/python3.11"; exit 1; }

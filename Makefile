# make demo   install psim in .venv and run the quickstart
# make test   install what tests need, then lint, types, layers and tests (make check: the same)
# make lint   without the tests
# make bench  measure psim against what one would run instead, with the figures it aims at
# make clean  remove .venv, caches and builds; runs/ stays

PYTHON ?= python3
VENV := .venv

.PHONY: demo test check lint bench clean

demo: $(VENV)/installed
	$(VENV)/bin/psim run configs/quickstart.yaml

test check: $(VENV)/installed-test
	scripts/check

lint: $(VENV)/installed-test
	scripts/check lint

bench: $(VENV)/installed
	scripts/bench $(VENV)/bin/python

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find master psim workers tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'psim needs Python 3.11 or newer, and "$(PYTHON)" is not.' \
	       'Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt scripts/install | $(VENV)/bin/python
	scripts/install $(VENV)/bin/python -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	scripts/install $(VENV)/bin/python -e '.[test]'
	@touch $@

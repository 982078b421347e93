# Every target sets up what it needs; stamp files in .venv make the second run quick.

# A Python that is named gets an environment of its own: make test PYTHON=python3.13 works in .venv-python3.13.
VENV ?= .venv$(if $(filter command line,$(origin PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
DEMO ?= demo
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# Two workers even where there are more cores: the big nets' tests need some GB of memory each.
JOBS ?= 2
CONSTRAINTS ?=
PYTEST_OPTIONS ?=
INSTALL = $(BIN)/python -m pip install -q --disable-pip-version-check $(if $(CONSTRAINTS),-c $(CONSTRAINTS))

.DEFAULT_GOAL := help
.PHONY: help demo setup setup-dev test test-long test-oldest test-newest lint docs gallery looks library bench gpu clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: setup  ## set up, train a small net, analyse it, write its report into ./demo
	$(BIN)/rftools demo -o $(DEMO)

setup: $(VENV)/.ready  ## a virtual environment with rftools and its data sets

setup-dev: $(VENV)/.ready-dev  ## and what tests, checks and docs need

test: setup-dev  ## set up and run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) -m "not slow" $(PYTEST_OPTIONS)

test-long: setup-dev  ## the long suites too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS)

# Old libraries warn of each other; there only failures count.
test-oldest:  ## the tests on the oldest versions allowed (tests/oldest.txt), in .venv-oldest
	$(MAKE) test PYTHON=python3.11 VENV=.venv-oldest CONSTRAINTS=tests/oldest.txt PYTEST_OPTIONS="-W default"

test-newest:  ## the tests on Python 3.14 and the newest versions, in .venv-newest
	$(MAKE) test PYTHON=python3.14 VENV=.venv-newest

lint: setup-dev  ## style, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy benchmarks
	$(BIN)/lint-imports

docs: setup-dev  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

gallery: setup-dev  ## run the gallery; its pictures go to docs/gallery
	$(BIN)/python docs/make_gallery.py

looks: setup-dev  ## take the small pictures anew that the page's drawings are compared with
	RFTOOLS_TAKE_LOOKS=1 $(VENV)/bin/python -m pytest -q tests/reporting/test_looks.py -k as_it_did

library:  ## the pages' JavaScript libraries anew, by npm: versions and hashes are those of their lock files
	cd rftools/reporting/page/library && npm ci && npm run build && rm -rf node_modules
	cd rftools/plots/library && npm ci --ignore-scripts && npm run build && rm -rf node_modules

bench: setup-dev  ## run every benchmark
	set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script; done

gpu: setup-dev  ## on a machine with CUDA: its tests and what it gains, one table within ten minutes
	$(BIN)/python benchmarks/gpu.py

clean:  ## remove what was built (not the environment)
	rm -rf build dist site $(DEMO) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "rftools needs Python 3.11 or newer, and none was found: install one, or say make PYTHON=/path/to/python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: pyproject.toml | $(BIN)/python
	$(INSTALL) -e '.[vision,data]'
	touch $@

$(VENV)/.ready-dev: pyproject.toml | $(VENV)/.ready
	$(INSTALL) -e '.[dev]'
	touch $@

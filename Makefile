# make demo   install what is needed and run the whole graph on a simulated sky
# make quick  the tests that are fast and need no server, browser or real frames
# make test   install the development tools and run every check and test
# make soak   long proofs: a season of kills and damage, and skies of other seeds
# make gpu    where there is a GPU: does training work on it, and how fast
# make ui     start the Dagster UI and MLflow on this machine
# make docs   build the documentation into docs/_build/html
#
# Works without root. Only package registries are reached, and only when
# pyproject.toml or constraints.txt changed since the last installation.

PYTHON ?= python3
VENV ?= .venv
PYTEST_WORKERS ?= 2
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
# pip compiles on one core. What cannot be compiled is no module: templates of packages.
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
# The stamps hold the checksum of what was installed: a fresh checkout of the same
# files (new times, same content) installs nothing.
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
WANTED := $(shell cat pyproject.toml constraints.txt | cksum)

# Where it is set, each of the many processes of a test run compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
SCIENCE := astrid_assets_tests/science
# The workers share the cores: none gains by a second thread. Files run in the order of
# conftest.py, the long ones first; xdist's own order would leave those for the end.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest \
  --dist loadfile --no-loadscope-reorder -n
# The floors are judged once all data are there, and only if every test of science/ ran.
COVER := --cov --cov-report= --cov-fail-under=0
.PHONY: help venv install install-dev demo quick test coverage soak gpu lint format ui docs clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"AstrID needs Python 3.11, 3.12 or 3.13; $(PYTHON) is {v[0]}.{v[1]}. Name another one: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); \
	  echo "The virtual environment could not be made; on Debian and Ubuntu: apt install python3-venv" >&2; \
	  exit 1; }

install: venv  ## Install AstrID into .venv
	@if [ "$$(cat $(RUN_STAMP) 2>/dev/null)" != "$(WANTED)" ]; then \
	  echo "Installing AstrID into $(VENV) (some minutes the first time) ..."; \
	  $(PIP) -c constraints.txt -e . && { $(COMPILE); } && echo "$(WANTED)" > $(RUN_STAMP); \
	fi

install-dev: venv  ## Install AstrID and the development tools
	@if [ "$$(cat $(DEV_STAMP) 2>/dev/null)" != "$(WANTED)" ]; then \
	  echo "Installing AstrID and its development tools into $(VENV) (some minutes the first time) ..."; \
	  $(PIP) -c constraints.txt -e '.[dev]' && { $(COMPILE); } && echo "$(WANTED)" | tee $(DEV_STAMP) > $(RUN_STAMP); \
	fi

demo: install  ## Run the graph on two simulated surveys and write the report
	$(BIN)/astrid demo

ui: install  ## Start the Dagster UI and MLflow on 127.0.0.1; Ctrl-C stops both
	$(BIN)/astrid ui

lint: install-dev  ## ruff, pyright, import contracts, docstrings, plain English
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m astrid_assets_tests.lint_docstrings
	$(BIN)/python -m astrid_assets_tests.plain_english

quick: install-dev  ## The fast tests: a first signal in less than a minute
	$(PYTEST) $(PYTEST_WORKERS) --quick $(PYTEST_ARGS)

# Coverage sees nothing of compiled code, so kernels run once more as Python.
coverage: install-dev  ## The tests of science/, and which lines and branches they reach
	$(PYTEST) $(PYTEST_WORKERS) $(COVER) $(SCIENCE) $(PYTEST_ARGS)
	NUMBA_DISABLE_JIT=1 $(PYTEST) $(PYTEST_WORKERS) $(COVER) --cov-append -W ignore::RuntimeWarning \
	  $(wildcard $(SCIENCE)/*/test_*_kernels.py)
ifeq ($(strip $(PYTEST_ARGS)),)
	$(BIN)/python -m coverage report --omit='*_kernels.py'
	$(BIN)/python -m coverage report --include='*_kernels.py' --fail-under=95
endif

# Types are checked by one process: a core would be idle meanwhile. The tests outside
# science/ wait for servers, disks and clocks: one worker more uses the cores then.
test: install-dev  ## Every check, then every test
	$(MAKE) --jobs=2 lint coverage
	$(PYTEST) $$(($(PYTEST_WORKERS) + 1)) --ignore=$(SCIENCE) $(PYTEST_ARGS)

soak: install-dev  ## Long proofs; their figures go to benchmarks/results
	$(BIN)/python -m pytest -m soak -s $(PYTEST_ARGS)

gpu: install-dev  ## Train on a GPU for some minutes; resume a training of the CPU
	$(BIN)/python -m benchmarks.gpu $(if $(KEEP),--keep)

docs: install-dev  ## Build the documentation; any warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -j auto -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

format: install-dev  ## Let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environment and the caches; results in .astrid stay
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find astrid_assets astrid_assets_tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

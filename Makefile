# A fresh machine needs Python >= 3.11, gcc and make; everything else is installed into $(VENV).
PYTHON ?= python3
VENV ?= .venv
WHEEL_VENV ?= build/wheel-venv
OUT ?= demo
PYTEST_ARGS ?=
# Processes that share the tests out among them.
WORKERS ?= 2
# Address where the sources are published, for the links of the built package.
REPOSITORY ?=
# `test-cuda` also compiles the CUDA kernels, for which no GPU is needed.
TEST_EXTRA ?= test

bin := $(VENV)/bin
install := $(bin)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt
editable := --config-settings editable_mode=strict --editable
sources := $(shell find bindings kernels inversion nn -name '*.py' -o -name '*.cu' -o -name '*.cuh' -o -name '*.csv')
pytest := pytest --numprocesses $(WORKERS) --dist loadfile
fast := -m "not slow and not gpu"

.PHONY: help demo test test-all bench docs lint format wheel wheel-native wheel-test clean

help:
	@echo "make demo        find the fault of a real earthquake and draw it (into $(OUT)/)"
	@echo "make test        the tests that take seconds and need no GPU"
	@echo "make test-all    all tests; those for a GPU are skipped where there is none"
	@echo "make bench       speed beside that of other codes, written to bench/results/"
	@echo "make docs        the documentation with its gallery, in docs/_build/html/"
	@echo "make lint        ruff, mypy, pyright"
	@echo "make format      let ruff sort the imports and lay out the code"
	@echo "make wheel-test  build the wheel and run the tests against it in an environment of its own"
	@echo "make wheel-native  a wheel that brings machine code along, for this system and this Python"
	@echo "make clean       remove what these commands built, save $(VENV)"

demo: $(VENV)/.with-plot,sample
	$(bin)/dislok demo --out $(OUT)

test: $(VENV)/.with-$(TEST_EXTRA)
	$(bin)/$(pytest) $(fast) $(PYTEST_ARGS)

test-all: $(VENV)/.with-$(TEST_EXTRA)
	$(bin)/$(pytest) $(PYTEST_ARGS)

bench: $(VENV)/.with-bench
	$(bin)/python -m bench --json bench/results/$$(date +%Y-%m-%d).json

docs: $(VENV)/.with-docs
	$(bin)/python -m sphinx -W --keep-going -b html docs docs/_build/html

lint: $(VENV)/.with-lint
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/pyright --pythonpath $(bin)/python

format: $(VENV)/.with-lint
	$(bin)/ruff check --select I --fix .
	$(bin)/ruff format .

wheel: $(VENV)/.with-lint
	rm -rf build/lib build/bdist* dist
	DISLOK_REPOSITORY="$(REPOSITORY)" $(bin)/python -m build --wheel --outdir dist .

# The same with machine code for the first calls, for this system and this Python: minutes.
wheel-native: $(VENV)/.with-lint
	rm -rf kernels/code
	$(bin)/dislok compile --ship kernels/code
	$(MAKE) wheel; status=$$?; rm -rf kernels/code; exit $$status

wheel-test: wheel
	rm -rf $(WHEEL_VENV)
	$(PYTHON) -m venv $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint .ci/constraints.txt "$$(echo dist/*.whl)[$(TEST_EXTRA)]"
	@$(WHEEL_VENV)/bin/python -c 'import dislok, sys; sys.exit(not dislok.__file__.startswith(sys.prefix))'
	$(WHEEL_VENV)/bin/$(pytest) $(fast) $(PYTEST_ARGS)

clean:
	rm -rf build dist docs/_build docs/gallery docs/api/generated .numba_cache .pytest_cache .mypy_cache \
		.ruff_cache $(VENV)/.with-*

$(bin)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "dislok needs Python 3.11 or later: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One rule for every extra: installing again is what shows a new file to a strict editable install.
$(VENV)/.with-%: $(bin)/python pyproject.toml $(sources)
	$(install) $(editable) ".[$*]"
	@touch $@

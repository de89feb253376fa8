# make demo, make test, make lint and make bench need Python 3.11 or newer and make, nothing else:
# the first call makes a virtual environment in .venv with the versions of requirements.lock.

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
VARIANT ?= full

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench study lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[test]'
	@touch $@

demo: $(VENV)/.installed ## prepare, train, resume, evaluate and restore, small; pictures in demo_output
	$(BIN)/dehaze-jax demo --output demo_output

test: $(VENV)/.installed-test ## all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

test-slow: $(VENV)/.installed-test ## those tests that take minutes each
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

lint: $(VENV)/.installed-test ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: $(VENV)/.installed ## speed and memory, as tables
	$(BIN)/python experiments/bench/restore_4k.py
	$(BIN)/python experiments/bench/bilateral.py --scaling runs/bilateral_scaling.png
	$(BIN)/python experiments/bench/large.py
	$(BIN)/python experiments/bench/bake.py
	$(BIN)/python experiments/bench/lut.py
	$(BIN)/python experiments/bench/flow.py
	$(BIN)/python experiments/bench/folder.py
	$(BIN)/python experiments/bench/checkpoints.py

study: $(VENV)/.installed ## solver study and LUT ablation, in runs/; VARIANT=smoke takes two minutes
	$(BIN)/python experiments/solver_study/run.py --variant $(VARIANT) --output runs/solver_study_$(VARIANT)
	$(BIN)/python experiments/lut_study/run.py --variant $(VARIANT) --output runs/lut_study_$(VARIANT)

lock: ## requirements.lock anew, for all supported versions of Python (needs uv)
	uv pip compile pyproject.toml --extra test --universal --python-version 3.11 --upgrade \
		--no-header --no-annotate --quiet -o requirements.lock

clean: ## removes the virtual environment and what the commands wrote
	rm -rf $(VENV) demo_output

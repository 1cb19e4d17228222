# One word per chore, the same here and in CI.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test test-real check bench docs clean

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) install -c constraints.txt -e ".[tokenizers,dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(PIP) install -c constraints.txt -e ".[docs]"
	@touch $@

demo: $(VENV)/.core  ## the main job, on the simulated provider
	$(BIN)/latency-lens demo

test: $(VENV)/.dev  ## everything that needs no server
	$(BIN)/python -m pytest -n 2 -rs --cov --cov-report=term

test-real: $(VENV)/.dev  ## real servers, installed here first
	$(BIN)/python tests/real/install.py
	$(BIN)/python -m pytest tests/real -m real --require-real

check: $(VENV)/.docs  ## lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev  ## speed, memory and truth, as ratios
	$(BIN)/python -m benchmarks

docs: $(VENV)/.docs  ## the site, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .venv-real site dist build .coverage* .pytest_cache .mypy_cache .ruff_cache

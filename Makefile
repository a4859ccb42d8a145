# One environment, two stamps: `make app` installs what runs, `make test` what checks it too.
PYTHON := $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SHELL := /bin/bash

.PHONY: app test check style docs wheel train bench screenshots clean
.DEFAULT_GOAL := app

app: $(VENV)/.runtime
	@$(BIN)/deqviz app

# pytest comes last and nothing after it: its closing line is the verdict. A process per core, a file at a time, in the
# order of tests/conftest.py; pyright runs among the tests, for it keeps one core alone. Bytecode is kept whatever the
# shell says: every process would compile the package anew.
test: style
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: style
	@$(BIN)/pyright

style: $(VENV)/.dev
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports

# The sdist and the wheel, in dist/.
wheel: $(VENV)/.dev
	@$(BIN)/python -m build --no-isolation

# The site, in build/docs. Warnings are errors, and so is a page that would ask another machine for something.
docs: $(VENV)/.dev
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html -d build/doctrees docs build/docs
	@echo "build/docs/index.html"

# make train RECIPE=convex_ridge DATA=path/to/bsds400
train: $(VENV)/.runtime
	@$(BIN)/deqviz train $(RECIPE) $(if $(DATA),--data "$(DATA)")

# make bench KIND=quality DATA=path/to/test
KIND ?= speed
bench: $(VENV)/.runtime
	@$(BIN)/deqviz bench $(KIND) $(if $(DATA),--data "$(DATA)")

# Those that the site shows; make screenshots ONLY=noise,batch
screenshots: $(VENV)/.dev
	@$(BIN)/python -m docs.screenshots.take $(if $(ONLY),--only "$(ONLY)")

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find deqviz tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "DEQViz needs Python 3.11 or newer: install python3.11 and its venv module, then try again."; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python's venv module is missing: install python3-venv, then try again."; exit 1; }

# A stamp is remade when the pins or the metadata change, not at every call.
$(VENV)/.runtime: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what DEQViz needs into $(VENV): once, and a few minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what DEQViz and its tests need into $(VENV): once, and a few minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(VENV)/.runtime $@

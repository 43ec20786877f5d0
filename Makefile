# Two commands: `make serve` and `make test`. Each sets up what it needs first.
PYTHON ?= python3
VENV ?= .venv
PORT ?=
HOST ?=
# On Linux the default index holds torch for CUDA (several GB). Without a GPU a smaller one is at
# TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Each of a dozen processes would compile every module anew where this is set.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install serve test check bench demo

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## set up .venv with every dependency pinned

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -c constraints.txt -e '.[dev]'
	@touch $@

serve: install ## start the service; PORT=9000 HOST=0.0.0.0 change where
	@exec $(BIN)/orrery serve $(if $(PORT),--port $(PORT)) $(if $(HOST),--host $(HOST))

# Processes, sockets and clusters that start anew can be slow on a busy machine: a test with them gets
# two more tries, and the report shows them.
test: install ## run every test: units first, then real databases, real Ray, a real browser
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit
	$(BIN)/python -m pytest -n 2 --dist loadfile --reruns 2 -rR tests/contract tests/api tests/training tests/workflow
	$(BIN)/python -m pytest --reruns 2 -rR tests/serve tests/browser

check: install ## lint, format, types, layers, dependencies, dead code, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/codespell

bench: install ## measure what the README claims
	$(BIN)/python -m benchmarks

demo: install ## draw a few pictures with the running service, PORT=9000 where it is not at 8000
	$(BIN)/orrery demo $(if $(PORT),--url http://127.0.0.1:$(PORT))

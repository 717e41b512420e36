# Each target does the set-up it needs; nothing has to be run first.
PYTHON := .venv/bin/python

.PHONY: help setup demo lab test bench

help:
	@echo 'make demo    a recorded session, really executed in the sandbox: no key, no network'
	@echo 'make lab     JupyterLab with the demo notebook'
	@echo 'make setup   .venv with everything that development needs'
	@echo 'make test    lint, types, spelling and the whole test suite'
	@echo 'make bench   speed and size, beside stock ipykernel'

setup:
	@scripts/setup dev

demo:
	@scripts/setup run
	@$(PYTHON) -P -m codeact_kernel.cli demo

lab:
	@scripts/setup run
	@$(PYTHON) -P -m codeact_kernel.cli demo --lab

test:
	@scripts/setup dev
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	$(PYTHON) -m codespell_lib
	$(PYTHON) -m pytest

bench:
	@scripts/setup dev
	$(PYTHON) -m benchmarks

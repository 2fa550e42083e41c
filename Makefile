# Development commands: `make help` lists them. They use the virtual environment in .venv.
BIN := .venv/bin

.PHONY: help install test test-all lint format types docs screenshots bench packages

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

install: ## Create .venv and install flowbridge with its test extra
	python3 -m venv .venv
	$(BIN)/pip install -e '.[test]'

test: ## Run the quick tests
	$(BIN)/pytest

test-all: ## Run all tests
	$(BIN)/pytest --all

lint: ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: ## Format the code
	$(BIN)/ruff format .

types: ## Check types
	$(BIN)/mypy

docs: ## Regenerate the generated parts of the docs
	$(BIN)/python docs/generate.py

screenshots: ## Take the pictures of the console in README.md again
	$(BIN)/python docs/screenshots.py

bench: ## Measure durable acknowledgements against a bare Flask view
	$(BIN)/python bench/ingest.py

packages: ## Build wheel, sdist, pyz, Debian package and SBOM of the last commit into dist/
	deploy/build/packages.sh dist

# Thin targets: scripts/bootstrap.py sets up, scripts/check.py checks, everything else is the `pocketrec` command.
# The interpreter: 3.11 to 3.13, the versions for which TensorFlow 2.21 has wheels. Override with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 && echo "$$p" && break; done)
BIN := .venv/bin
STAMP := .venv/.pocketrec-ready
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test coverage check figures model-check chaos soak compose-check fuzz docs lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: $(STAMP) ## Make .venv from the locked requirements (instant when nothing changed)

$(STAMP): requirements/dev.txt requirements/uv.txt pyproject.toml scripts/bootstrap.py
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11, 3.12 or 3.13 found on PATH; install one, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" scripts/bootstrap.py

demo: $(STAMP) ## Run the main job on MovieLens-100K through the real service (ARGS="--data PATH" for your own log)
	@exec $(BIN)/pocketrec demo $(ARGS)

serve: $(STAMP) ## Start the service on this machine
	@exec $(BIN)/pocketrec serve $(ARGS)

test: $(STAMP) ## Everything that CI runs: lint, types, import contracts, all tests
	@$(BIN)/python scripts/check.py --tests

coverage: $(STAMP) ## The same, and which lines the tests reach (some minutes more)
	@$(BIN)/python scripts/check.py --coverage

check: $(STAMP) ## The same without the tests: seconds
	@$(BIN)/python scripts/check.py

fuzz: $(STAMP) ## Requests of every kind against a running service: no 5xx, no answer that isn't described (ARGS="--examples 250")
	@$(BIN)/python scripts/fuzz.py $(ARGS)

figures: $(STAMP) ## Train every ready config on MovieLens-100K and compare with the figures in its first lines
	@POCKETREC_ALL_FIGURES=1 $(BIN)/python -m pytest tests/e2e/test_preset_figures.py -q $(ARGS)

model-check: $(STAMP) ## Walk at random through the state machine of jobs, on both databases (ARGS="--walks 5000 --seed 7")
	@$(BIN)/python -m chaos.model $(ARGS)

chaos: $(STAMP) ## The service under fire: killed processes, lost brokers, full disks; hours (ARGS="--short --stock": some minutes)
	@$(BIN)/python -m chaos $(ARGS)

soak: $(STAMP) ## A thousand small jobs through two workers: memory, files, zombies and disk stay flat (ARGS="--plot soak.svg")
	@$(BIN)/python -m chaos.soak $(ARGS)

compose-check: $(STAMP) ## Test docker-compose.yml and Dockerfile, without Docker, on this machine's PostgreSQL and Redis
	@$(BIN)/python scripts/check_compose.py $(ARGS)

docs: $(STAMP) ## Write the generated tables in docs/ anew
	@$(BIN)/python scripts/docs.py

bench: $(STAMP) ## Presets side by side; steps of training; the API's footprint, downloads beside nginx, reads during training (ARGS="--data PATH")
	@$(BIN)/python benchmarks/encoders.py $(ARGS)
	@$(BIN)/python benchmarks/training.py
	@$(BIN)/python benchmarks/api_footprint.py
	@$(BIN)/python benchmarks/downloads.py
	@$(BIN)/python benchmarks/status_reads.py

lock: ## Resolve the requirements anew into requirements/*.txt (needs uv: make setup first)
	@"$(PYTHON)" scripts/bootstrap.py --lock

clean: ## Remove .venv, .tools and all caches
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*

# Every target does its own set-up: the virtual environment is made on first use and remade when requirements change.
DATA ?= mnist
MODEL ?=
MODELS ?=
ARGS ?=
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CHOICES = $(basename $(notdir $(wildcard experiments/*.yaml)))
NEEDS_DATA = test -f "experiments/$(DATA).yaml" || { echo "DATA=$(DATA) is none of: $(CHOICES)"; exit 2; }
NEEDS_RUN = test -n "$(RUN)" || { echo "usage: make $@ RUN=lightning_logs/<experiment>/version_N"; exit 2; }

# glibc keeps the memory that a step frees for the next one; else the system clears pages anew in every step of conv.
export MALLOC_TRIM_THRESHOLD_ ?= 2147483647
export MALLOC_MMAP_THRESHOLD_ ?= 33554432

.DEFAULT_GOAL := help
.PHONY: help install train compare evaluate figures report export test test-slow lint docs bench sample-data clean

help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  DATA is a file of experiments/ without .yaml:" $(CHOICES)
	@echo "  ARGS passes any setting on, e.g. ARGS=\"--trainer.max_epochs 20 --model.z_dim 40\""

install: $(READY)  ## Make .venv with everything needed

$(READY): requirements.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

train: $(READY)  ## Train: DATA=mnist MODEL=UGVAE ARGS="--trainer.max_epochs 20"
	@$(NEEDS_DATA)
	$(BIN)/python -m ugvae fit --config experiments/$(DATA).yaml $(if $(MODEL),--model $(MODEL)) $(ARGS)

compare: $(READY)  ## Train all models under one budget, one table and plot: DATA=mnist MODELS="VAE grouped" ARGS="--epochs 10 --seeds 3"
	@$(NEEDS_DATA)
	$(BIN)/python -m ugvae compare --data $(DATA) $(if $(MODELS),--models $(MODELS)) $(ARGS)

evaluate: $(READY)  ## Test a run, write its latents, every figure and table: RUN=DIR ARGS="--data.root MOVED"
	@$(NEEDS_RUN)
	$(BIN)/python -m ugvae evaluate "$(RUN)" $(ARGS)

figures: $(READY)  ## Every figure of the paper that applies to a run: RUN=lightning_logs/mnist/version_0
	@$(NEEDS_RUN)
	$(BIN)/python -m ugvae figures "$(RUN)" $(ARGS)

report: $(READY)  ## One HTML page of all that a run has left: RUN=lightning_logs/mnist/version_0
	@$(NEEDS_RUN)
	$(BIN)/python -m ugvae report "$(RUN)"

export: $(READY)  ## A folder to share, with a model card: RUN=lightning_logs/mnist/version_0 ARGS="--onnx"
	@$(NEEDS_RUN)
	$(BIN)/python -m ugvae export "$(RUN)" $(ARGS)

test: $(READY)  ## Run the tests, on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-slow: $(READY)  ## Run the slow tests and those that need the network
	$(BIN)/python -m pytest -m "slow or network" $(ARGS)

lint: $(READY)  ## Check style
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .

docs: $(VENV)/.docs  ## Build the pages and the reference into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

bench: $(READY)  ## Time everything, at most 8:20 minutes: ARGS="--json FILE --doc docs/performance.md"
	$(BIN)/python -m experiments.bench $(ARGS)

sample-data: $(READY)  ## Write tiny data sets in the real formats into data/sample, to try commands on
	$(BIN)/python -m tests.data data/sample

clean:  ## Remove the environment and caches; runs and data stay
	rm -rf $(VENV) build site .pytest_cache .ruff_cache *.egg-info src/*.egg-info
	find src datamodules experiments tests -name __pycache__ -prune -exec rm -rf {} +

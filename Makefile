# Every target does its own set-up: the virtual environment is made on first use and remade when requirements change.
DATA ?= mnist
MODEL ?=
MODELS ?=
ARGS ?=
PYTHON ?= python3
TORCH ?=
CPU_WHEELS ?= https://download.pytorch.org/whl/cpu
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
CHOICES = $(basename $(notdir $(wildcard experiments/*.yaml)))
NEEDS_DATA = test -f "experiments/$(DATA).yaml" || { echo "DATA=$(DATA) is none of: $(CHOICES)"; exit 2; }
NEEDS_RUN = test -n "$(RUN)" || { echo "usage: make $@ RUN=lightning_logs/<experiment>/version_N"; exit 2; }

# glibc keeps the memory that a step frees for the next one; else the system clears pages anew in every step of conv.
export MALLOC_TRIM_THRESHOLD_ ?= 2147483647
export MALLOC_MMAP_THRESHOLD_ ?= 33554432

.DEFAULT_GOAL := help
.PHONY: help install train compare evaluate figures report export explore test test-slow lint docs bench sample-data clean

help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  DATA is a file of experiments/ without .yaml:" $(CHOICES)
	@echo "  ARGS passes any setting on, e.g. ARGS=\"--trainer.max_epochs 20 --model.z_dim 40\""

install: $(READY)  ## Make .venv with what training needs; TORCH=cpu: PyTorch without CUDA, a fraction of the size

$(READY): requirements.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
ifeq ($(TORCH),cpu) # no other index, which might give the wheels with CUDA; where this one does not answer, no waiting
	@PIP_CONFIG_FILE=/dev/null $(BIN)/python -m pip --isolated install --quiet --disable-pip-version-check \
	  --timeout 10 --retries 0 --index-url $(CPU_WHEELS) $$(sed -nE 's/^(torch(vision)?>=[0-9.]+).*/\1/p' requirements.txt) 2> /dev/null || \
	  echo "TORCH=cpu: $(CPU_WHEELS) cannot be reached; going on with the ordinary wheels, which hold CUDA"
endif
	$(BIN)/python -m pip install --quiet --editable '.[icons]'
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

explore: $(VENV)/.explore  ## A page in the browser to move z, d and beta by hand: RUN=DIR ARGS="--compare RUN2 --data.root MOVED"
	@$(NEEDS_RUN)
	$(BIN)/python -m ugvae explore "$(RUN)" $(ARGS)

test: $(DEV)  ## Run the tests, on two cores
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-slow: $(DEV)  ## Run the slow tests and those that need the network
	$(BIN)/python -m pytest -m "slow or network" $(ARGS)

lint: $(DEV)  ## Check style
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .

docs: $(VENV)/.docs  ## Build the pages and the reference into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(DEV) $(VENV)/.docs $(VENV)/.explore: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[$(patsubst .%,%,$(@F))]'
	@touch $@

bench: $(READY)  ## Time everything, at most 8:20 minutes: ARGS="--json FILE --doc docs/performance.md"
	$(BIN)/python -m experiments.bench $(ARGS)

sample-data: $(READY)  ## Write tiny data sets in the real formats into data/sample, to try commands on
	$(BIN)/python -m tests.data data/sample

clean:  ## Remove the environment and caches; runs and data stay
	rm -rf $(VENV) build site .pytest_cache .ruff_cache *.egg-info src/*.egg-info
	find src datamodules experiments tests -name __pycache__ -prune -exec rm -rf {} +

# make run    set up and run the demo cohort offline, to its page
# make test   set up and run all tests        make test-quick   those that take no time
# make check  format, lint and types

PYTHON ?= python3
SOAK_MINUTES ?= 20
DOUBLE_RUNS ?= 50
KILLS ?= 20
# tests wait for servers and processes for a part of their time
WORKERS ?= $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN) * 3 + 1) / 2 )))
# the quick tests write many small files, and sync them: in memory, where that has room for them
IN_MEMORY = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 {print "TMPDIR=/dev/shm"}')
BIN := .venv/bin
# tests start many processes: modules are compiled once, whatever the shell says
export PYTHONDONTWRITEBYTECODE :=
READY := .venv/.ready

.PHONY: run test test-quick test-full check lock slurm

run: $(READY)
	@echo "Running the demo cohort: 486 generations by offline models, half a minute or so"
	@$(BIN)/snakemake --cores 16 --quiet all --config cohort=demo
	@$(BIN)/daydream top --cohort demo
	@echo "The page of the demo cohort: $(CURDIR)/data/cohorts/demo/reports/html/index.html"

test: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not full"

test-quick: $(READY)
	$(IN_MEMORY) $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --hypothesis-profile quick \
		-o tmp_path_retention_policy=failed -m "not slow and not full"

# Slurm (make slurm && scripts/slurm-node start), full disks, KILLS, DOUBLE_RUNS, a soak of SOAK_MINUTES;
# in short: make test-full SOAK_MINUTES=1 DOUBLE_RUNS=5 KILLS=3
test-full: $(READY)
	SOAK_MINUTES=$(SOAK_MINUTES) DOUBLE_RUNS=$(DOUBLE_RUNS) KILLS=$(KILLS) $(BIN)/python -m pytest -q -n $(WORKERS) -m full

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/mypy

# the lock file holds every package by version and hash, for all platforms and Python >= 3.11;
# versions stay as they are, unless `make lock UPGRADE=--upgrade` asks for the newest
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra dev \
		$(UPGRADE) pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra slurm \
		--constraint requirements.lock $(UPGRADE) pyproject.toml -o requirements-slurm.lock

# what profiles/slurm needs beside it; every snakemake starts half a second later where it is installed
slurm: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-slurm.lock

# twice quiet: pip shows errors, and none of the warnings that are about the machine
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check

$(READY): requirements.lock pyproject.toml
	@echo "Setting up .venv from requirements.lock: a minute or two"
	@$(PYTHON) -m venv .venv
	@$(PIP_INSTALL) --no-deps --require-hashes -r requirements.lock
	@PYTHONWARNINGS=ignore $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $(READY)

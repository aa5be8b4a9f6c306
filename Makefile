# Everything a person needs; `make` alone lists it. The commands below only set up .venv and call Python.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

# Quiet installs: no progress bars, no advice about pip itself.
PIP := $(RUN) -m pip --quiet --disable-pip-version-check install --editable

# What `make bench` compares with has a Ray of its own, and so an environment of its own (with our PyTorch).
PEERS := benchmarks/peers/.venv

# Two at a time: more would need half a gigabyte each.
FAST_TESTS := $(RUN) -m pytest -m "not ray and not e2e and not cluster" -n 2
# In the order of tests/conftest.py; a file's tests share what is costly, so one process has them all.
SLOW_TESTS := $(RUN) -m pytest -m "(ray or e2e) and not faults and not cluster and not walk" \
  -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast walk faults fuzz cluster-test bench lint ui clean

help: ## list the targets
	@echo "profl-ray: make TARGET [PYTHON=python3.11]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.installed ## install, start a local Ray, sweep, write the report, stop Ray
	@$(RUN) -m profl_ray demo

test: $(VENV)/.installed-dev lint ## install, lint, type check, all tests (fast ones first)
	@$(FAST_TESTS)
	@$(SLOW_TESTS)

test-fast: $(VENV)/.installed-dev ## the tests that start no Ray: about 3 minutes
	@$(FAST_TESTS)

walk: $(VENV)/.installed-dev ## type the commands of README and docs/ as they stand there, on a fresh machine: 22 minutes on two busy cores
	@$(RUN) -m pytest tests/walk

faults: $(VENV)/.installed-dev ## kill, freeze and fill for real, and compare the weights: about 12 minutes
	@$(RUN) -m pytest tests/faults --fault-table docs/results/faults.md

cluster-test: $(VENV)/.installed-dev ## several nodes, one of them lost, MLflow on PostgreSQL: about 5 minutes
	@$(PIP) ".[dev,postgres]"
	@$(RUN) -m pytest tests/live_cluster

fuzz: $(VENV)/.installed-dev ## damaged and made-up input by the ten thousands: about 10 minutes
	@$(RUN) -m pytest tests/fuzz --hypothesis-profile=many --fuzz-table docs/results/fuzz.md

bench: $(VENV)/.installed-dev $(PEERS)/.installed ## Flower, pfl, a hand-written loop and profl-ray, one after another: about 10 minutes
	@$(RUN) benchmarks/peers/bench.py --write docs/results/performance.md

lint: $(VENV)/.installed-dev ## ruff and mypy
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy

ui: $(VENV)/.installed ## show the runs in the MLflow UI (Ctrl-C ends it)
	@$(RUN) -m profl_ray ui

clean: ## remove .venv, caches and builds (keeps runs/)
	@rm -rf $(VENV) $(PEERS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

CHECK_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
  { echo "profl-ray needs Python 3.11 or newer, and '$(PYTHON)' is not: try make PYTHON=python3.11" >&2; exit 1; }

# PyTorch's wheels bring CUDA along: a disk that cannot hold them is named before minutes of work, not after.
CHECK_DISK = test -e $(VENV)/.installed || df -Pk . | awk 'NR == 2 && $$4 < 7500000 \
  { printf "the install takes 7.5 GB of disk, and %s has %.1f GB free\n", $$6, $$4 / 1e6; exit 1 }' >&2

# A stamp is written only after a whole install; a failed one is tried again next time.
$(VENV)/.installed: pyproject.toml
	@$(CHECK_PYTHON)
	@$(CHECK_DISK)
	@echo "installing profl-ray into $(VENV) (PyTorch, Ray, MLflow: 2 to 5 minutes, about 7 GB, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml
	@$(CHECK_PYTHON)
	@$(CHECK_DISK)
	@echo "installing profl-ray and its test tools into $(VENV) (2 to 5 minutes, about 7 GB, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) ".[dev]"
	@touch $(VENV)/.installed $@

$(PEERS)/.installed: benchmarks/peers/requirements.txt $(VENV)/.installed-dev
	@echo "installing Flower and pfl into $(PEERS) (1 minute, 350 MB, once); pip will say that they have another Ray than we ..."
	@$(RUN) -m venv $(PEERS)
	@$(RUN) -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $(PEERS)/project.pth
	@mv $(PEERS)/project.pth "$$($(PEERS)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")"
	@$(PEERS)/bin/python -m pip --quiet --disable-pip-version-check install -r $<
	@touch $@

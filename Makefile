# The verbs of this repository; `make help` lists them.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PROJECTS := $(wildcard $(addsuffix /pyproject.toml,protos sdk client cli services/* deploy/*))
DISTRIBUTIONS := $(dir $(PROJECTS))
PACKAGES := $(wildcard $(addsuffix nsml*,$(DISTRIBUTIONS)))
PROTOS := $(wildcard protos/nsml_protos/*.proto)
PIP := $(BIN)/python -m pip --disable-pip-version-check

TORCH ?= torch==2.13.0

.PHONY: help setup quickstart up test integrations check bench faults swarm image
.PHONY: protos wheels lock clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.protos ## Make .venv with everything in it; at once when nothing changed.
	@:

quickstart: $(VENV)/.quickstart $(VENV)/.protos ## Do the main job on real data while you watch.
	@$(BIN)/python examples/quickstart.py

up: setup ## Start the platform on this machine.
	@$(BIN)/nsml up

# What fails beside others is tried once more, alone; passing then, it has raced.
test: setup ## Run all tests.
	@$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=8 --dist=loadgroup $(TESTS) || \
		{ test $$? = 1 && echo "Once more, what failed, alone:" && \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures=none --maxfail=1 $(TESTS); }

integrations: $(VENV)/integrations/.made setup ## Try the integrations with the real frameworks.
	@$(BIN)/python -m pytest tests/integrations

check: setup ## Check form, types, who imports whom, and the style guide.
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --diff .
	@$(BIN)/mypy $(PACKAGES) protos/hatch_build.py $(wildcard bench examples/*.py scripts tests)
	@PYTHONPATH=. $(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest --quiet tests/style

bench: setup ## Measure ourselves beside the peers; results go to bench/results.
	@$(BIN)/python -m bench

faults: setup ## Break platforms on purpose, a thousand kills; figures go to bench/results.
	@$(BIN)/python -m tests.simulation --histories 100000 --save
	@$(BIN)/python -m tests.faults --seeds 8 --kills 125 --at-once 2 --save $(FAULTS)
	@$(BIN)/python -m tests.faults.damage --log 400 --archive 150 --database 40 --blobs 400 --save
	@$(BIN)/python -m tests.faults.endure --seconds 100 --save

swarm: setup ## Try the platform on three machines, made of namespaces, that fail in turn.
	@export NSML_TEST_SWARM=all; $(BIN)/python -m pytest -rs tests/swarm || \
		{ test $$? = 1 && echo "Once more, what failed, alone:" && \
		$(BIN)/python -m pytest --last-failed --last-failed-no-failures=none tests/swarm; }

# With WHEELS, a folder of what requirements/platform.txt names and of pip, the build needs no
# network; BASE is another base, BUILD other words for Docker.
image: IMAGE ?= nsml:latest
image: setup ## Build the platform's image, nsml:latest, for a Docker Swarm.
	@rm -rf dist/image && mkdir -p dist/image
	@$(PIP) wheel --quiet --quiet --no-deps --no-build-isolation --no-index \
		--wheel-dir dist/image $(addprefix ./,$(DISTRIBUTIONS))
	@$(if $(WHEELS),cp $(WHEELS)/* dist/image,\
		$(PIP) download --quiet --quiet --no-deps --dest dist/image pip)
	@cp requirements/platform.txt dist/image
	@docker build --tag $(IMAGE) --file deploy/swarm/Dockerfile $(BUILD) \
		$(if $(BASE),--build-arg BASE=$(BASE)) \
		$(if $(WHEELS),--build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/wheels) dist/image

protos: setup ## Generate the code of changed proto files.
	@:

lock: $(VENV)/.lock ## Pin requirements/*.in to *.txt; LOCK=--upgrade takes newer versions.
	@scripts/lock $(LOCK)

# Installed with no index in reach, and so by what the wheels themselves say that they need.
wheels: setup ## Build all distributions and install them in a fresh environment.
	@rm -rf dist
	@$(PIP) wheel --quiet --quiet --no-deps --no-build-isolation --no-index \
		--wheel-dir dist $(addprefix ./,$(DISTRIBUTIONS))
	@$(PIP) download --quiet --quiet --require-hashes --requirement requirements/platform.txt \
		--dest dist/requirements
	@PYTHON=$(BIN)/python scripts/make-venv dist/venv
	@dist/venv/bin/python -m pip install --quiet --quiet --no-index \
		--find-links dist --find-links dist/requirements dist/*.whl
	@dist/venv/bin/nsml --help >dist/help.txt
	@cd dist && venv/bin/python -c 'import nsml'
	@ls dist/*.whl

clean: ## Remove .venv and everything else that the verbs above made.
	@rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@rm -f protos/nsml_protos/*_pb2*

# An environment knows where it was made: half-made or copied elsewhere, it is made anew, since a
# copy would run the code of the clone that it was copied from.
ifneq ($(shell cat $(VENV)/.made-in 2>/dev/null),$(CURDIR))
.PHONY: $(BIN)/python
endif
$(BIN)/python:
	@echo "Making $(VENV)"
	@PYTHON="$(PYTHON)" scripts/make-venv $(VENV)
	@echo "$(CURDIR)" > $(VENV)/.made-in

$(VENV)/.requirements: requirements/dev.txt $(BIN)/python
	@echo "Installing pinned requirements into $(VENV); this takes a minute the first time"
	@$(PIP) install --quiet --quiet --require-hashes --requirement $<
	@touch $@

$(VENV)/.quickstart: requirements/quickstart.txt $(VENV)/.requirements
	@echo "Installing what the example trains with"
	@$(PIP) install --quiet --quiet --require-hashes --requirement $<
	@touch $@

$(VENV)/integrations/.made: requirements/integrations.txt $(VENV)/.requirements
	@echo "Installing PyTorch and the frameworks beside it; this takes some minutes"
	@PYTHON=$(BIN)/python scripts/make-venv $(VENV)/integrations
	@$(@D)/bin/python -m pip install --quiet --quiet "$(TORCH)"
	@$(@D)/bin/python -m pip install --quiet --quiet --no-deps --require-hashes --requirement $<
	@touch $@

$(VENV)/.distributions: $(PROJECTS) protos/hatch_build.py $(VENV)/.requirements
	@echo "Installing our own distributions, editable"
	@$(PIP) install --quiet --quiet --no-deps --no-build-isolation --no-index \
		$(addprefix --editable ./,$(DISTRIBUTIONS))
	@touch $@

$(VENV)/.protos: $(PROTOS) $(VENV)/.distributions
	@$(BIN)/python protos/hatch_build.py
	@touch $@

$(VENV)/.lock: requirements/lock.txt $(VENV)/.requirements
	@$(PIP) install --quiet --quiet --require-hashes --requirement $<
	@touch $@

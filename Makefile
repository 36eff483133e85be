# Each line is a command anyone could type; make only remembers the order.
#
#   make demo      see it work: a year of an invented shop, replayed and proved
#   make up        the whole stack on a local AWS, until make down
#   make test      the whole test suite
#   make simulate  races, faults and midnights: two thousand seeded runs of the real code
#   make check     everything a change must pass besides the tests
#   make help      all targets

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ENGINES ?= dynoxide,dynamodb-local,ministack
SAM    := SAM_CLI_TELEMETRY=0 ../.venv-sam/bin/sam

.PHONY: help setup demo python3.13 up down test simulate engines e2e replay-orders test-full check format bench load \
	validate build deploy update clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | sed -n '1,8p'; grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/ -/'

# Two environments in one folder: what it takes to run comes first, so that the demo does not wait for the rest.
$(VENV)/run.stamp: requirements/run.txt layers/common/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Jifen needs Python 3.11 or newer; set PYTHON=…")'
	@echo 'fetching what it needs'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@touch $@

# The SAM command line pins what clashes with the layer's pins, so it lives in an environment of its own.
.venv-sam/stamp: requirements/sam.txt
	@echo 'fetching what it needs, some two minutes the first time'
	test -x .venv-sam/bin/python || $(PYTHON) -m venv .venv-sam
	.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/sam.txt
	@touch $@

setup: $(VENV)/dev.stamp .venv-sam/stamp ## make .venv with everything for work and the jifen command

demo: $(VENV)/run.stamp ## replay a year of an invented shop and look at it
	$(BIN)/jifen demo

# Said before anything large is fetched for it.
python3.13: $(VENV)/run.stamp
	@$(BIN)/python -c 'import sys; from local.aws import sam; sys.exit(sam.missing_python())'

up: $(VENV)/run.stamp python3.13 .venv-sam/stamp ## build and deploy everything to a local AWS (needs a python3.13)
	$(BIN)/jifen up

down: $(VENV)/run.stamp ## end the local AWS; its state is kept
	$(BIN)/jifen down

test: $(VENV)/dev.stamp ## the test suite
	$(BIN)/python -m pytest -m "not full and not e2e" -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

SEEDS ?= 2000

simulate: $(VENV)/run.stamp ## two thousand seeded races of the real code, each judged (some seven minutes)
	$(BIN)/jifen simulate --seeds $(SEEDS)

engines: $(VENV)/dev.stamp ## store, faults and races on dynoxide, DynamoDB Local (Java) and MiniStack, kill -9 included
	JIFEN_TEST_ENGINES=$(ENGINES) $(BIN)/python -m pytest tests/store tests/local/test_engines.py -rs

e2e: $(VENV)/dev.stamp .venv-sam/stamp ## the whole stack on a local AWS, over HTTP and fuzzed (needs a python3.13)
	$(BIN)/python -m pytest -m e2e tests/e2e -vv -rs

replay-orders: $(VENV)/dev.stamp ## one whole file of real orders against an independent reference
	$(BIN)/python -m pytest -m full -v -k "independent_reference"

test-full: $(VENV)/dev.stamp ## the long replays of real orders (some ten minutes)
	$(BIN)/python -m pytest -m full -v

check: $(VENV)/dev.stamp ## lint, types, import contracts, template, permissions, drift of API and event schemas
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/cfn-lint --regions us-east-1 eu-west-1 --template infra/template.yaml
	$(BIN)/python -m infra.expand --lint
	$(BIN)/python -m infra.permissions --check
	$(BIN)/python -m local.openapi --check
	$(BIN)/python -m local.event_schemas --check

format: $(VENV)/dev.stamp ## put code, API document and event schemas in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m local.openapi
	$(BIN)/python -m local.event_schemas

bench: $(VENV)/dev.stamp ## every figure of bench/RESULTS.md but those of make load (some twenty minutes)
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.cold
	$(BIN)/python -m bench.warm
	$(BIN)/python -m bench.compare
	$(BIN)/python -m bench.simulation

load: $(VENV)/dev.stamp ## what operations and sweeps cost in tables of up to a million members (some twenty minutes)
	$(BIN)/python -m bench.load
	$(BIN)/python -m bench.night

validate: .venv-sam/stamp ## what SAM says of the template
	cd infra && $(SAM) validate --region us-east-1
	cd infra && $(SAM) validate --region us-east-1 --lint

build: .venv-sam/stamp $(VENV)/run.stamp ## build the functions and the layer for Lambda (needs a python3.13 on PATH)
	cd infra && $(SAM) build
	$(BIN)/python -m infra.trim infra/.aws-sam/build
	python3.13 -m compileall -q --invalidation-mode unchecked-hash infra/.aws-sam/build

deploy: build ## deploy to the AWS account of your credentials
	cd infra && $(SAM) deploy --guided

update: build ## deploy what has changed, with the parameters of the last time
	cd infra && $(SAM) deploy

clean: ## remove what make made
	rm -rf $(VENV) .venv-sam .jifen infra/.aws-sam

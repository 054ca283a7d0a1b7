# From a fresh clone: `make up`, or `make demo`. Nothing is written outside this folder.

PYTHON ?= python3
LOCAL = .venv/bin/python -m config.devstack

# What `check --deploy` is to find: production, with no server behind it.
NO_SERVERS = DATABASE_URL=postgresql://nobody@127.0.0.1:1/none CELERY_BROKER_URL=amqp://nobody@127.0.0.1:1//
PRODUCTION = $(NO_SERVERS) ENVIRONMENT=production ALLOWED_HOSTS=brokerage.example \
	SECRET_KEY=only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEF
DESCRIBE = $(NO_SERVERS) .venv/bin/python manage.py spectacular --validate --fail-on-warn

# Whatever looks further when it may take longer.
LONG_FORMS = tests/test_twins.py $(addprefix tests/trades/,lifecycle test_machine.py test_fees_add_up.py test_simulated.py \
	test_reference.py) $(addprefix tests/exchange/,test_matching.py test_messages.py)

.DEFAULT_GOAL := help
.PHONY: help setup up demo test proofs screenshots check openapi lock clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

setup: # the virtual environment; every command brings it about by itself
	@command -v "$(PYTHON)" >/dev/null || { echo "error: Python 3.11 or newer is needed ($(PYTHON) not found)" >&2; exit 1; }
	@"$(PYTHON)" config/devstack/bootstrap.py

up: setup ## run everything in the foreground, until Ctrl-C (PORT=8000, EXCHANGE=external, EXCHANGE_SCRIPTS=1)
	@exec $(LOCAL) up

demo: setup ## trade by a script on a fresh stack, and check every result
	@exec $(LOCAL) demo

test: setup ## run the tests on a PostgreSQL and a RabbitMQ of their own (ARGS="-k name")
	@exec $(LOCAL) test $(ARGS)

proofs: setup ## the long forms of the property, model and state machine tests
	@PROOFS=1 $(LOCAL) test $(LONG_FORMS) $(ARGS)

screenshots: setup ## take the screenshots in docs/images anew
	@exec $(LOCAL) screenshots

check: setup ## format, lint, types, import contracts, migrations and API description in step, deployment files and settings
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m ruff check .
	$(NO_SERVERS) .venv/bin/python -m mypy
	.venv/bin/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()"
	$(NO_SERVERS) .venv/bin/python -W ignore manage.py makemigrations --check --dry-run
	$(DESCRIBE) | diff -u docs/openapi.yaml - || { echo "docs/openapi.yaml is out of step: make openapi" >&2; exit 1; }
	$(PRODUCTION) .venv/bin/python manage.py check --deploy --fail-level WARNING
	.venv/bin/hadolint Dockerfile
	.venv/bin/python -m check_jsonschema --builtin-schema vendor.compose-spec compose.yaml
	bash -n .ci/run

openapi: setup ## write the API's description, docs/openapi.yaml
	$(DESCRIBE) --file docs/openapi.yaml

lock: setup ## compile requirements*.in into requirements*.txt, with hashes
	.venv/bin/python -m uv --no-cache pip compile --quiet --no-header --generate-hashes --output-file requirements.txt requirements.in
	.venv/bin/python -m uv --no-cache pip compile --quiet --no-header --generate-hashes --output-file requirements-dev.txt requirements-dev.in

clean: setup ## remove databases, queues and logs of the stacks here (not .venv, not the downloads)
	@exec $(LOCAL) clean

# What to type; `make help` lists it. Needs Python >= 3.11 and make, nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locks
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
# Where the kernel can do it, `up` stops in order when make is killed.
TIED := $(if $(shell command -v setpriv),setpriv --pdeathsig TERM)
UP ?=
SOAK_MINUTES ?= 30
SOAK_SEED ?=
PYTEST ?=
BENCH ?=
BY_CLOCK := tests/journeys tests/faults tests/scale tests/browser tests/local

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv where it can be had, plain pip otherwise: both install exactly what the locks name, checked by hash.
$(STAMP): requirements.txt requirements-dev.txt
	@if [ -z "$(PYTHON)" ]; then echo "ripen: no Python of version 3.11 or later found: install one, or set PYTHON" >&2; exit 1; fi
	@echo "Installing the environment into $(VENV) ..."
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@if $(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv; then \
		$(BIN)/python -m uv pip sync --quiet --require-hashes --python $(BIN)/python requirements-dev.txt 2>/dev/null \
		|| { echo "uv cannot fetch here, plain pip takes over ..."; \
			$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt; }; \
	else \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt; \
	fi
	@touch $(STAMP)

.PHONY: up
up: $(STAMP) ## run everything in the foreground: http://127.0.0.1:8000 (UP="--port 8001 --empty")
	@exec $(TIED) $(BIN)/python manage.py up $(UP)

.PHONY: test
test: $(STAMP) browser proxy check ## all gates, then all tests (PYTEST="tests/local -x" narrows)
ifeq ($(PYTEST),)
	@# What waits for the running application by the clock has the machine to itself.
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(BY_CLOCK:%=--ignore %)
	@$(BIN)/python -m pytest $(BY_CLOCK)
else
	@$(BIN)/python -m pytest $(PYTEST)
endif

.PHONY: browser
browser: ## Debian's chromium where root may install it; elsewhere browser tests say why they skip
	@if command -v chromium >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then exit 0; fi; \
	echo "Installing chromium ..."; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null \
	|| echo "ripen: chromium could not be installed" >&2

.PHONY: proxy
proxy: $(STAMP) ## Debian's nginx, unpacked into the environment for its tests: nothing is installed, nothing starts
	@if command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || [ -x $(VENV)/nginx/usr/sbin/nginx ] || [ "$$(id -u)" != 0 ] \
		|| ! command -v apt-get >/dev/null; then exit 0; fi; \
	echo "Fetching nginx ..."; folder=$$(mktemp -d); \
	(apt-get update -qq; chmod 755 "$$folder"; cd "$$folder"; apt-get download -qq nginx >/dev/null) \
	&& dpkg -x "$$folder"/nginx_*.deb $(VENV)/nginx || echo "ripen: nginx could not be fetched" >&2; rm -rf "$$folder"

.PHONY: soak
soak: $(STAMP) ## faults in any order, then a flood, for SOAK_MINUTES (30); SOAK_SEED repeats a run
	@SOAK_MINUTES="$(SOAK_MINUTES)" SOAK_SEED="$(SOAK_SEED)" $(BIN)/python -m tests.faults.soak

.PHONY: probe
probe: $(STAMP) ## schemathesis at length, then sqlmap against an application of its own (PROBE="--sqlmap-only")
	@$(BIN)/python -m tests.security.probe $(PROBE)

.PHONY: check
check: $(STAMP) ## style, types, import contracts, templates, migrations; no tests
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@find templates -name '*.html' -print0 | xargs -0 -r $(BIN)/djade --check --target-version 5.2
	@$(BIN)/lint-imports --no-cache --no-logo
	@RIPEN_STATE_DIR=$$(mktemp -d); export RIPEN_STATE_DIR; trap 'rm -rf "$$RIPEN_STATE_DIR"' EXIT; \
	$(BIN)/mypy; \
	$(BIN)/python manage.py makemigrations --check --dry-run; \
	$(BIN)/python manage.py check --fail-level WARNING

.PHONY: fmt
fmt: $(STAMP) ## format code and templates, fix what can be fixed
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format
	@# djade answers 1 when it has changed something, which xargs makes 123
	@find templates -name '*.html' -print0 | xargs -0 -r $(BIN)/djade --target-version 5.2 || [ $$? = 123 ]

.PHONY: words
words: $(STAMP) ## bring the catalogues of translated words in step with the code
	@RIPEN_STATE_DIR=$$(mktemp -d); export RIPEN_STATE_DIR; trap 'rm -rf "$$RIPEN_STATE_DIR"' EXIT; \
	$(BIN)/python manage.py words

.PHONY: pictures
pictures: $(STAMP) browser ## take the pictures of the main screens that docs show, on demo data
	@RIPEN_PICTURES=docs/images $(BIN)/python -m pytest --quiet tests/browser/test_pictures.py

.PHONY: bench
bench: $(STAMP) ## repeatable measurements, a table of ratios (BENCH="--size full", BENCH="--only ingest due")
	@$(BIN)/python benchmarks/run.py $(BENCH)

.PHONY: lock
lock: ## compile the hashed locks from requirements*.in
	@$(BIN)/python -m $(LOCK) requirements.in --output-file requirements.txt
	@$(BIN)/python -m $(LOCK) requirements-learn.in --output-file requirements-learn.txt
	@$(BIN)/python -m $(LOCK) requirements-dev.in --output-file requirements-dev.txt

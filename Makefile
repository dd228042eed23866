# Two commands do everything on a fresh Debian machine with Python 3.11: `make run` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CACHE := .cache

.PHONY: help run test check format pictures bench bench-calls bench-routing bench-desk bench-law bench-video bench-phone bench-recording faults clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/run.stamp  ## the switchboard with everything embedded and demonstration data
	$(BIN)/python -m switchboard.pages.build
	bash video/native/compiler.sh $(BIN)/python
	bash switchboard/papers/fonts.sh
	$(BIN)/python -m video.native --quiet
	SWITCHBOARD_CACHE_DIR=$(CACHE) $(BIN)/switchboard run

test: $(VENV)/dev.stamp  ## all tests, with the real Asterisk, Redis/Valkey, PostgreSQL, SIPp and Chromium
	bash tests/support/system.sh
	bash video/native/compiler.sh $(BIN)/python
	$(BIN)/python -m video.native
	$(BIN)/python -m ivr.server.fetch --cache $(CACHE)
	$(BIN)/python -m switchboard.pages.build
	$(BIN)/python -m tests.support.whole -n 2 --dist worksteal -m 'not alone'
	$(BIN)/pytest -m alone

check: $(VENV)/dev.stamp  ## linters and type checkers, Python and pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m switchboard.pages.build --check

format: $(VENV)/dev.stamp  ## put the sources into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pictures: $(VENV)/dev.stamp  ## pictures of the volunteer desk for the documentation, taken anew
	bash tests/support/system.sh
	$(BIN)/python -m tests.pictures

bench: bench-calls bench-routing bench-desk bench-law bench-video bench-phone bench-recording  ## all benchmarks, each against what one would use instead

bench-calls: $(VENV)/dev.stamp  ## calls per second and key to prompt, against Asterisk's own app_queue
	bash tests/support/system.sh
	$(BIN)/python -m tests.load.calls

bench-routing: $(VENV)/dev.stamp  ## cost of a decision from 100 to 100,000 waiting
	$(BIN)/python -m tests.load.routing

bench-desk: $(VENV)/dev.stamp  ## reservation to painted card, against a page that asks each second
	bash tests/support/system.sh
	$(BIN)/python -m tests.load.desk

bench-law: $(VENV)/dev.stamp  ## questions to a collection of 20,000 articles of law, on both databases
	$(BIN)/python -m tests.load.law

bench-recording: $(VENV)/dev.stamp  ## CPU of tape and mux, against aiortc's MediaRecorder
	$(BIN)/python -m tests.load.recording

bench-video: $(VENV)/dev.stamp  ## CPU a forwarded packet in C and in Python, rooms of four and 200 viewers, against Janus's videoroom
	bash tests/support/janus.sh
	bash video/native/compiler.sh $(BIN)/python
	$(BIN)/python -m tests.load.video --rooms 4 8 16 40 --viewers 200 --against janus

bench-phone: $(VENV)/dev.stamp  ## CPU of a telephone in a room beside 1, 3 and 7 talkers
	bash tests/support/system.sh
	$(BIN)/python -m tests.load.phone

faults: $(VENV)/dev.stamp  ## the long form of the promises
	bash tests/support/system.sh
	bash video/native/compiler.sh $(BIN)/python
	SWITCHBOARD_LONG=1 $(BIN)/pytest tests/faults tests/integration tests/pages tests/routing tests/switchboard tests/video

clean:  ## forget the virtual environment, built pages and caches; data stays
	rm -rf $(VENV) $(CACHE) switchboard/web/static switchboard/pages/node_modules

$(VENV)/made.stamp:
	@if ! $(PYTHON) -m venv $(VENV); then \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); \
	  else echo 'Python has no venv module here: apt-get install python3-venv'; exit 1; fi; fi
	$(BIN)/pip install --quiet --upgrade pip
	@touch $@

$(VENV)/run.stamp: $(VENV)/made.stamp pyproject.toml
	@echo 'Installing Python packages (about a minute the first time)…'
	$(BIN)/pip install --quiet -e '.[build]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/made.stamp pyproject.toml
	@echo 'Installing Python packages for development (about two minutes the first time)…'
	$(BIN)/pip install --quiet -e '.[build,dev]'
	@touch $@ $(VENV)/run.stamp

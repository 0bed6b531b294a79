# make setup | demo | test | test-answers | test-versions | lint | bench | bench-class | export.  Needs Python 3.10 or newer; everything goes into .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# More than cores: some tests wait for a time limit or for another process.
WORKERS ?= 3

.PHONY: setup demo test test-answers test-versions lint bench bench-class export
.SILENT:

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	echo "preparing $(VENV) (a few minutes the first time)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	echo "  1 of 2  torch"
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt torch
	echo "  2 of 2  everything else"
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: setup
	$(BIN)/gradus demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

test: lint
	$(BIN)/gradus export --check
	$(BIN)/python -m pytest tests -n $(WORKERS) --dist loadscope

test-answers: setup     # each wrong answer meets all tasks that could notice it, on both sides of the wall
	GRADUS_ALL_ANSWERS_IN_FULL=1 $(BIN)/python -m pytest tests/test_answers.py -n $(WORKERS) --dist loadscope

# The lowest and the newest of what pyproject.toml allows, on each Python; VERSIONS="3.10:lowest 3.13:newest" for some.
test-versions: setup
	$(BIN)/python tests/versions.py $(VERSIONS)

bench: setup
	$(BIN)/python tests/benchmarks/run.py

bench-class: setup     # some ten minutes: a class of 30 with gradus and with stock nbgrader, and 2,000 submissions
	$(BIN)/python tests/benchmarks/classroom.py

export: setup
	$(BIN)/gradus export

# From RNN to BERT: every command of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
HTML := _build/html
BOOK_DONE := _build/.book-done
AXE_VERSION := 4.14.1
BROWSER_DONE := .cache/.browser-done-axe-$(AXE_VERSION)
BOOK_SOURCES := _config.yml _toc.yml $(shell find book notebooks -type f -not -path '*/.*' \
	-not -path '*/__pycache__/*' 2>/dev/null)
# What file times do not show: a page that is gone (the mark lists what was built), a book that is.
BOOK_STALE := $(shell test -e $(HTML)/index.html && cmp -s $(BOOK_DONE) \
	<(printf '%s\n' $(sort $(BOOK_SOURCES))) || echo FORCE)

.PHONY: FORCE help book test lab run-notebooks student train bench lint format test-matrix clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

book: $(BOOK_DONE) ## render the book into _build/html
	@echo
	@echo "The book is in $(CURDIR)/$(HTML)"
	@echo "Open it:      file://$(CURDIR)/$(HTML)/index.html"
	@echo "or serve it:  $(BIN)/python -m http.server --directory $(HTML) 8000   and visit http://localhost:8000"

# Two processes with one thread each are quicker than one with two. A file's tests stay together,
# and files come in their order, in which the longest (the browser's) are among the first.
test: $(BOOK_DONE) $(BROWSER_DONE) ## install what the tests need, then run all of them
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_OPTIONS)

lab: $(INSTALLED) ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

run-notebooks: $(INSTALLED) ## re-execute the notebooks in place (widget state and timestamps stripped)
	$(BIN)/python tools/run_notebooks.py

student: $(INSTALLED) ## write the notebooks without their solutions into _build/student
	$(BIN)/python tools/student_version.py

train: $(INSTALLED) ## train the shipped checkpoints, and run the long experiments, again (hours)
	$(BIN)/python -m tools.train $(NAMES)

bench: $(INSTALLED) ## measure speeds into bench/*.json
	$(BIN)/python tools/bench.py

lint: $(INSTALLED) ## check style, in modules and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED) ## rewrite code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-matrix: $(INSTALLED) ## notebooks under other thread counts and other CPU instruction sets
	$(BIN)/python tools/test_matrix.py

clean: ## remove what was built (the environment and the downloaded tools stay)
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# ---- what the commands above need; each is made once and again only when its sources change ----

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "This book needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)."; \
	  echo "Name another one:  make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments (on Debian or Ubuntu: apt-get install python3-venv)."; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

# Built beside the old one and swapped in when whole; a failed build leaves the old book and no mark.
$(BOOK_DONE): $(INSTALLED) $(BOOK_SOURCES) $(BOOK_STALE)
	@rm -rf _build/next && mkdir -p _build/next
	$(BIN)/jupyter-book build . --path-output _build/next -W -n --keep-going --all 2>&1 \
	  | tee _build/book.log
	@rm -rf $(HTML) && mv _build/next/_build/html $(HTML) && rm -rf _build/next
	@printf '%s\n' $(sort $(BOOK_SOURCES)) > $@

$(BROWSER_DONE): tools/install_browser.sh
	AXE_VERSION=$(AXE_VERSION) bash tools/install_browser.sh
	@mkdir -p $(@D) && touch $@

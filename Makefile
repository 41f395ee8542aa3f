# Everything one does with this repository is one command here; `make help` lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The versions that users have in Slicer.
PINS   := Testing/Slicer/slicers_own_packages.txt

# A CT to segment (file or DICOM folder) and where the result goes. Both reach the shell as environment variables,
# so that spaces and quotes in them are safe: make segment CT='/data/my scan.nii.gz' OUT='/data/my results'
CT  ?= ParotidSeg/Resources/SampleData/average_anatomy_ct.nii.gz
OUT ?= out
export CT OUT

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help segment test lint dicom references bench bench-batch fuzz kill screenshots cmake-lists clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

segment: $(VENV)/.segment  ## contour the sample CT, or CT=..., into out/ or OUT=...
	@$(BIN)/parotidseg segment "$$CT" --output "$$OUT"

# Slicer's modules are tested in a process of their own: its libraries and Qt, TensorFlow and OpenVINO crash in one.
# pytest ends with 5 where no test was found: the packages for it (extra slicer-test) exist for some systems alone.
test: lint  ## style, types, import rules and all tests
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest Testing/Slicer || [ $$? -eq 5 ]

lint: $(VENV)/.test  ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=ParotidSeg:ParotidSegTraining $(BIN)/lint-imports --no-cache

dicom: $(VENV)/.test  ## DICOM results with the newest highdicom; `make test` has the one that Slicer brings
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/newest 'highdicom<0.29'
	PYTHONPATH=$(VENV)/newest $(BIN)/python -m pytest -k dicom Testing/Python/writing Testing/References/test_dicom_against_readers.py

references: $(VENV)/.references  ## losses, networks and metrics against torch, MONAI and other packages
	$(BIN)/python -m pytest Testing/References

# A version to compare with, in turns: make bench AGAINST=HEAD~1
AGAINST ?=
export AGAINST

bench: $(VENV)/.test  ## time a segmentation, each stage against its floor; AGAINST=COMMIT in turns with that version
	$(BIN)/python Testing/Benchmarks/segment_speed.py $${AGAINST:+--against "$$AGAINST"}

bench-batch: $(VENV)/.test  ## memory of many scans, a list of ten thousand, and several processes against one
	$(BIN)/python Testing/Benchmarks/batch_speed.py

# Files of each format; seconds of each format for the fuzzer that coverage guides, which has wheels for some systems alone.
FILES   ?= 10000
SECONDS ?= 60

fuzz: $(VENV)/.test  ## feed changed files to all that is read: FILES=10000 of each format, then SECONDS=60 guided by coverage
	$(BIN)/python Testing/Fuzzing/fuzz.py --count $(FILES)
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'; then \
	  for format in $$($(BIN)/python Testing/Fuzzing/guided.py --list); do \
	    $(BIN)/python Testing/Fuzzing/guided.py $$format --seconds $(SECONDS) || exit 1; \
	  done; \
	else echo "atheris does not install here: fuzzing was not guided by coverage."; fi

kill: $(VENV)/.test  ## kill every command 100 times at random moments and see what stays
	$(BIN)/python Testing/Reliability/kill.py

screenshots: $(VENV)/.test  ## grab the panel of the Slicer module in its states
	$(BIN)/python Testing/Slicer/make_screenshots.py

cmake-lists:  ## write the lists of files that Slicer ships, from the tree
	@$(PYTHON) Testing/update_cmake_lists.py

clean:  ## remove the environment, results and caches
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -maxdepth 1 -name '*.egg-info' -exec rm -rf {} +

# --- the environment ---------------------------------------------------------------------------------------------

$(BIN)/python:
	@command -v '$(PYTHON)' >/dev/null 2>&1 || { \
	  echo "Python is missing: install Python 3.10 to 3.13 (on Debian or Ubuntu: sudo apt install python3 python3-venv)." >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "$$('$(PYTHON)' --version) will not do: TensorFlow needs Python 3.10 to 3.13; name one with make PYTHON=python3.12 ..." >&2; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is missing: install it (on Debian or Ubuntu: sudo apt install python3-venv)." >&2; exit 1; }
	'$(PYTHON)' -m venv $(VENV)

$(VENV)/.segment: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tensorflow]'
	@touch $@

$(VENV)/.test: pyproject.toml $(PINS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(PINS) --editable '.[all]'
	@touch $@ $(VENV)/.segment

# A name of its own: torch takes more disk than all the rest.
$(VENV)/.references: pyproject.toml $(PINS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(PINS) --editable '.[all,references]'
	@touch $@ $(VENV)/.test $(VENV)/.segment

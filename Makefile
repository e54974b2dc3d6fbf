# Sets itself up: the first target that needs Python creates .venv. Nothing but Python, g++, make and perl is assumed.
#
#   make demo     the whole flow: train, quantize, compile, generate, simulate, compare
#   make test     all tests
#   make lint     ruff and mypy
#   make docs     the checks of README and docs: commands run, links exist, tables are true
#   make bench    measurements
#   make bitstreams   of all boards, in build, JOBS at a time; half an hour on two cores
#   make clean    removes what make made
#
# PYTHON=python3.12       another Python (at least 3.11)
# JOBS=4                  test files side by side, each up to 1 GB of memory (2 if not told otherwise)
# TORCH_INDEX=ADDRESS     package index for PyTorch; the CPU index of PyTorch's installation page saves gigabytes

PYTHON ?= python3
JOBS   ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1
VENV   := .venv
BIN    := $(VENV)/bin
TORCH  := torch==2.13.0
BOARDS := ulx3s-85f orangecrab-r0-2 ulx3s-25f tang-nano-9k icebreaker hx8k-evn

.PHONY: demo test lint docs bench bitstreams clean
.DELETE_ON_ERROR:

demo: $(VENV)/flow.stamp
	$(BIN)/nomul demo --folder demo --json demo/results.json

test: $(VENV)/dev.stamp
	$(BIN)/pytest -q -n $(JOBS) --dist loadfile

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/dev.stamp
	$(BIN)/pytest -q tests/test_docs.py

bench: $(VENV)/dev.stamp
	@set -e; for file in bench/*.py; do echo "== $$file"; $(BIN)/python $$file; done

bitstreams: $(VENV)/dev.stamp
	@mkdir -p build
	@printf '%s\n' $(BOARDS) | xargs -P $(JOBS) -I BOARD $(BIN)/nomul build --board BOARD -o build/BOARD --json build/BOARD.json

clean:
	rm -rf $(VENV) build demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps. PyTorch comes first and alone, so that it can come from an index of its own.

$(VENV)/torch.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "nomul needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "nomul needs Python's venv module, for example: apt install python3-venv" >&2; exit 1; }
	@for tool in g++ perl; do command -v $$tool >/dev/null || \
		{ echo "nomul needs $$tool (besides make, g++ and perl), for example: apt install g++ make perl" >&2; exit 1; }; done
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@touch $@

$(VENV)/flow.stamp: $(VENV)/torch.stamp pyproject.toml setup.py
	$(BIN)/pip install --quiet --editable ".[train,cosim]"
	@touch $@

$(VENV)/dev.stamp: $(VENV)/flow.stamp
	$(BIN)/pip install --quiet --editable ".[train,cosim,synth,dev]"
	@touch $@

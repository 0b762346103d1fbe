# The project's commands; `make` or `make help` lists them.

# Given on the command line only: `make clean` must not delete what a variable OUTPUT happens to name.
TASK    = mrpc
DATA    =
ENCODER =
OUTPUT  = output
ARGS    =

# The samples are small. MRPC's is balanced otherwise too: always answering 1 is right on 60 %, F1 0.75.
SAMPLE_ARGS_mrpc  = --set epochs=5 --set min_accuracy=0.70 --set min_f1=0.78 --set min_auc=0.75
SAMPLE_ARGS_squad = --set epochs=8 --set batch_size=16 --set min_exact_match=0.25 --set min_f1=0.35
SAMPLE_ARGS       = $(SAMPLE_ARGS_$(TASK))

PYTHON   := .venv/bin/python
BERT_TFX := .venv/bin/bert-tfx
PYTEST   := $(PYTHON) -m pytest -n auto --dist loadfile
RUN_DATA  = $(or $(DATA),$(OUTPUT)/data/$(TASK))

.DEFAULT_GOAL := help
.PHONY: help setup doctor run test test-fast test-all test-serving coverage check docs bench sweep airflow-demo lock test-debian13 clean distclean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make run takes     TASK=mrpc|squad  DATA=folder  ENCODER=name|url|folder  OUTPUT=output  ARGS="..."'
	@echo '  make test, bench   ARGS="..." goes to pytest and to the benchmark'
	@echo '  make setup takes   STACK=116|121 (TFX 1.16 or 1.21; otherwise the glibc of this machine decides)'
	@echo '                     WITH_CUDA=0|1 (NVIDIA libraries; otherwise where there is an NVIDIA driver)'
	@echo '                     WITH_DEVELOP=0 (what running needs, without tests and lint)'
	@echo '  make exits 2 on every failure; the exit code of the command itself is in the line "make: *** ... Error N"'

setup: ## make .venv from the lock that fits this machine
	@tools/setup.sh

doctor: ## check the environment, one line per check
	@test -x $(PYTHON) || { echo 'doctor: there is no .venv yet; remedy: make setup'; exit 1; }
	@$(BERT_TFX) doctor

run: setup ## run the pipeline on this machine; without DATA on the sample in samples/
ifeq ($(DATA),)
	@$(BERT_TFX) prepare $(TASK) --source "samples/$(TASK)" --output "$(RUN_DATA)"
endif
	@$(BERT_TFX) run --task $(TASK) --data "$(RUN_DATA)" --output "$(OUTPUT)" $(if $(ENCODER),--encoder "$(ENCODER)") $(if $(DATA),,$(SAMPLE_ARGS)) $(ARGS)

airflow-demo: setup ## run the pipeline once in Airflow, installed into .airflow (PORT=8080); takes what run takes
ifeq ($(DATA),)
	@$(BERT_TFX) prepare $(TASK) --source "samples/$(TASK)" --output "$(RUN_DATA)"
endif
	@tools/airflow_demo.sh $(TASK) --data "$(RUN_DATA)" --output "$(OUTPUT)" $(if $(ENCODER),--encoder "$(ENCODER)") $(if $(DATA),,$(SAMPLE_ARGS)) $(ARGS)

# They need what developing needs, also where .venv was made without.
test test-fast test-all test-serving coverage check: export WITH_DEVELOP = 1

test: setup ## run the tests that find a broken behaviour quickly, file by file on all processors
	@$(PYTEST) -m "not full" $(ARGS)

test-fast: setup ## run the tests that need no run of the pipeline, for every save
	@$(PYTEST) -m "not full and not run" $(ARGS)

test-all: setup ## run what `make test` leaves out: orchestrators, kills, fuzz, notebook, other kinds of task
	@$(PYTEST) -m full $(ARGS)

coverage: setup ## all tests, and which branches of which module they never take
	@$(PYTEST) --cov $(ARGS)

test-serving: setup ## the long forms of the serving tests: 32 clients for a minute, 10,000 fuzzed requests, 50 kills
	@TF_CPP_MIN_LOG_LEVEL=3 $(PYTHON) -m pytest tests/test_model_server.py tests/components/serving/test_versions.py --long -s $(ARGS)

check: setup ## lint, check the format and the types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

docs: setup ## build docs/ into .docs/site, in an environment of its own
	@tools/docs.sh

sweep: setup ## try learning rates, epochs and seeds, judged on held-out train examples; takes TASK, DATA, ENCODER, ARGS
ifeq ($(DATA),)
	@$(BERT_TFX) prepare $(TASK) --source "samples/$(TASK)" --output "$(RUN_DATA)"
endif
	@$(BERT_TFX) sweep --task $(TASK) --data "$(RUN_DATA)" --output "$(OUTPUT)/sweep" $(if $(ENCODER),--encoder "$(ENCODER)") $(ARGS)

bench: setup ## measure what the results table is made from
	@$(PYTHON) -m benchmarks $(ARGS)

# The inputs are locks/*.in (what is asked for) and locks/overrides.txt (what is asked of others differently).
# uv keeps the versions that the lock already holds where they still fit: to move one, name it in the .in
# file, or UPGRADE="--upgrade-package NAME". Then run the tests on both stacks.
lock: setup ## resolve locks/*.in into the locks again
	@tools/lock.sh $(UPGRADE)

test-debian13: ## set up and test stack 121 in a Debian 13 chroot (as root)
	@tools/test_debian13.sh

clean: ## remove output and caches, keep .venv
	rm -rf "$(OUTPUT)" build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean ## remove .venv as well
	rm -rf .venv

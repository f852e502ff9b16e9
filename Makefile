# airs: everything that needs more than one command. `make` alone lists it.
#
# Nothing here touches the machine outside this folder: .venv and .venv-guests are made on first use from the lock files,
# and made current again when those change.

VENV := .venv
GUESTS := .venv-guests
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet --quiet
INSTALL := $(PIP) install --require-hashes -r
# The build backend is in the lock too, so that installing ourselves fetches nothing.
INSTALL_US := $(PIP) install --no-deps --no-build-isolation --editable .
# The optional extension in C is built as we are installed, where there is a compiler: .ci/extension.py.
US := pyproject.toml bin/airs .ci/extension.py orchestrator/runtime/engine/_crossing.c
ZIG_CC := $(CURDIR)/$(GUESTS)/bin/python -m ziglang cc
JOBS ?= 4
SOAK_S ?= 300
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help demo test soak check format components generate lock bench wheel wheels clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/runtime.stamp ## show the main job on examples/01-hello, in about a minute
	@$(BIN)/python examples/demo.py

test: $(VENV)/dev.stamp ## run the tests; TESTS=tests/plan for some of them, JOBS=8 for more at once
	$(BIN)/pytest --numprocesses $(JOBS) --dist worksteal $(TESTS) || { [ $$? = 1 ] && $(BIN)/python .ci/unsteady.py; }

soak: $(VENV)/dev.stamp ## run what takes long: random messages amid crashes, generated worlds; SOAK_S=900 for longer
	AIRS_SOAK_S=$(SOAK_S) AIRS_WORLDS=2000 AIRS_INTERLEAVINGS=1000 SEEDS=0-1999 $(BIN)/pytest -o faulthandler_timeout=0 \
	  tests/e2e/test_soak.py tests/e2e/test_crash.py tests/interface/test_text.py tests/simulation tests/supervise/test_interleavings.py
	$(BIN)/python -m benchmarks.parsers policies policy-values state state-planned state-values
	AIRS_KILLS=40 $(BIN)/pytest -o faulthandler_timeout=0 tests/e2e/test_components_killed.py tests/e2e/test_policy_killed.py

check: $(VENV)/dev.stamp ## look at the code without running it: format, lint, types, imports, generated files, sentences
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python .ci/generated.py
	$(BIN)/python .ci/words.py

format: $(VENV)/dev.stamp ## format the code, and repair what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

components: $(GUESTS)/guests.stamp ## compile the guests of examples/, tests/ and benchmarks/ from their C sources
	$(GUESTS)/bin/python examples/build.py

generate: $(VENV)/dev.stamp ## make the schemas of what airs prints, and the made parts of the documents
	$(BIN)/python -m orchestrator.plan.schema >schemas/plan.schema.json
	$(BIN)/python -m orchestrator.cli.documents schemas
	$(BIN)/python docs/draw.py
	$(BIN)/python docs/draw_calls.py
	$(BIN)/python docs/draw_scale.py

lock: $(VENV)/dev.stamp ## resolve the dependencies anew into requirements*.lock; UPGRADE=1 for the newest of each
	$(BIN)/python .ci/lock.py $(if $(UPGRADE),--upgrade)

bench: $(VENV)/bench.stamp ## measure beside stock wasmtime-py, Extism, pykka and Thespian; write and draw the results
	$(BIN)/python -m benchmarks
	$(BIN)/python docs/draw_calls.py

wheel: $(VENV)/dev.stamp ## build dist/*.whl, without the extension in C
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

wheels: wheel $(GUESTS)/guests.stamp ## build those with the extension too, for Linux on x86-64 and arm64, by the guests' zig
	for each in x86_64 aarch64; do \
	    CC="$(ZIG_CC) -target $$each-linux-gnu.2.17" AIRS_PLATFORM=manylinux_2_17_$$each \
	    $(BIN)/python -m build --wheel --no-isolation --outdir dist . || exit 1; done

clean: ## remove everything that make made
	rm -rf $(VENV) $(GUESTS) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: newer than what they were made of when the environment is current. The development environment is the runtime
# one and more, so that either may come first.
$(VENV)/runtime.stamp: requirements.lock $(US) | $(BIN)/python
	@echo "Installing the locked dependencies into $(VENV) …"
	@$(BIN)/python $(INSTALL) requirements.lock
	@$(BIN)/python $(INSTALL_US)
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(US) | $(BIN)/python
	@echo "Installing the locked development dependencies into $(VENV) …"
	@$(BIN)/python $(INSTALL) requirements-dev.lock
	@$(BIN)/python $(INSTALL_US)
	@touch $@ $(VENV)/runtime.stamp

$(VENV)/bench.stamp: requirements-bench.lock $(VENV)/dev.stamp
	@echo "Installing what the benchmarks compare with into $(VENV) …"
	@$(BIN)/python $(INSTALL) requirements-bench.lock
	@touch $@

$(GUESTS)/guests.stamp: requirements-guests.lock | $(GUESTS)/bin/python
	@echo "Installing the guests' compilers into $(GUESTS) …"
	@$(GUESTS)/bin/python $(INSTALL) requirements-guests.lock
	@touch $@

$(VENV)/bin/python $(GUESTS)/bin/python:
	@.ci/venv $(@:/bin/python=)

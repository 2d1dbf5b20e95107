# Sidewall's errands.  `make demo` and `make test` need git, make, a C compiler and Python 3.11 or later, nothing else.
.POSIX:
.SUFFIXES:

VENV = .venv
BIN = $(VENV)/bin
JOBS = 2
# One more than the usual two processors: a quarter of the time tests wait, for a deadline or a disk.  A fourth gains
# nothing.
WORKERS = 3
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist worksteal
FUZZ_SECONDS = 600

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

demo: setup ## a real package's test suite in the sandbox, then attacks that fail, then the guarantees
	@$(BIN)/python -m demo

test: setup tools ## everything, in about ten minutes on two cores
	@$(MAKE) -s -j $(JOBS) lint types
	@$(PYTEST)

quick: setup ## the tests that take seconds
	@$(PYTEST) -m "not slow"

nt-differential: setup tools ## the Windows model against other engines, on 100,000 random cases and more
	@SIDEWALL_DIFFERENTIAL_CASES=100000 $(BIN)/pytest -s tests/nt/differential

nt-mutation: setup ## small errors put into the Windows model, one at a time: the tests must notice each (hours)
	@nice -n 19 $(BIN)/python -m tests.nt.mutation

nt-fuzz: setup ## damaged input for every parser of the Windows model and for captures, ten minutes each (or FUZZ_SECONDS)
	@$(BIN)/python -m tests.nt.fuzz $(FUZZ_SECONDS)
	@SIDEWALL_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest -q tests/plan/windows/test_world_fuzz.py

lint: setup ## ruff, and the rules about who may import whom
	@$(BIN)/ruff check
	@$(BIN)/lint-imports

types: types-linux types-windows ## mypy, strict, for Linux and for Windows

types-linux: setup ## mypy for Linux
	@$(BIN)/mypy --platform linux --cache-dir .mypy_cache/linux

types-windows: setup ## mypy for Windows
	@$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/windows --exclude platforms/linux --follow-imports silent

bench: setup ## measure against bare and against the peers that are installed; writes docs/performance.md
	@$(BIN)/python -m bench

bench-peers: setup ## install the peers into .peers (half a gigabyte)
	@sh bench/install-peers.sh

setup: ## the virtual environment with the locked packages, and Sidewall itself
	@python=$$(sh scripts/find-python.sh) && "$$python" scripts/setup.py "$(VENV)"

tools: ## programs of Debian's that some tests drive; installed when root, else their tests say that they skip
	@sh scripts/tools.sh

lock: ## pin the development dependencies anew
	@sh scripts/lock.sh

dist: setup ## wheel and source archive
	@$(BIN)/hatchling build -c

clean: ## remove what was made here
	@rm -rf "$(VENV)" .peers dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo test quick nt-differential nt-fuzz nt-mutation lint types types-linux types-windows bench bench-peers setup tools lock dist clean

# Everything a newcomer needs: `make demo` and `make test`. See `make help`.

ROBOT ?= rover
MINUTES ?= 30
TORCH ?= 1
export ROS PYTHON
export FOURNEX_SOAK_MINUTES = $(MINUTES)

boot := $(shell for python in python3 python3.12 python3.11 python3.13 python3.10 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2> /dev/null && \
	echo $$python && break; done)
ifeq ($(boot),)
boot := echo 'Python 3.10 to 3.13 is needed and not on PATH. Install it, for instance on Debian \
or Ubuntu: sudo apt install python3 python3-venv python3-dev' >&2; exit 2;
endif

environment := $(boot) .ci/environment.py
torch := $(if $(filter-out 0,$(TORCH)),--torch)

.DEFAULT_GOAL := help
.PHONY: help demo test soak lint bench bench-quick bench-parts setup clean

help:
	@echo 'make demo    a trained policy drives a simulated robot over ROS 2, then the bag is'
	@echo '             replayed bit for bit; ROBOT=rover (default), arm or pendulum'
	@echo 'make test    linters and all tests; TORCH=0 leaves out torch and what needs it;'
	@echo '             TESTS="test/record -k ring" chooses'
	@echo 'make soak    the tests that are too long for every change, of which the longest drives a robot'
	@echo '             with faults at random for MINUTES=30, and looks for what grows'
	@echo 'make lint    linters and type checks alone'
	@echo 'make bench   the control loop beside bare rclpy nodes and the kernel, into build/bench and'
	@echo '             docs/benchmarks.md (three hours; BENCH="--seconds 3 --rounds 3": 20 minutes);'
	@echo '             make bench-quick: two minutes; make bench-parts: tick, recorder, worker'
	@echo 'make setup   only what the others need; then, in a shell: . build/jazzy/setup.sh'
	@echo 'make clean   remove environments and builds'
	@echo
	@echo 'ROS=jazzy (default) or kilted chooses the distribution, PYTHON=python3.12 the Python'
	@echo '(3.10 to 3.13). A ROS 2 that is sourced is used. Nothing is written outside this folder.'

demo:
	@$(environment) run --steps 4 -- fournex demo $(ROBOT) --steps-before 2

test:
	@$(environment) run --steps $(if $(torch),5,4) $(torch) -- .ci/check $(TESTS)

soak:
	@$(environment) run --steps $(if $(torch),5,4) $(torch) -- .ci/check -m soak $(or $(TESTS),test)

lint:
	@$(environment) run -- .ci/lint

bench:
	@$(environment) run -- python bench/control_loop.py --docs $(BENCH)

bench-quick:
	@$(environment) run -- python bench/control_loop.py --quick $(BENCH)

bench-parts:
	@$(environment) run -- sh -c 'python bench/tick_cost.py && python bench/recording_cost.py && \
		python bench/recording_throughput.py && \
		python bench/worker_cost.py && python bench/onnx_binding.py'

setup:
	@$(environment) prepare

clean:
	rm -rf build .venv-jazzy .venv-kilted .venv-torch .venv-*-sourced \
		.mypy_cache .pytest_cache .ruff_cache fournex_runtime.egg-info

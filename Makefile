# The README's two commands are `make run` and `make test`.
SWIFT ?= swift
# One configuration everywhere: optimised, with testing enabled, so that tests and the binary share one build. On x86 it is
# for the vector units every server since 2013 has; `weir` checks the processor before it does anything else.
VECTORS := $(if $(filter x86_64,$(shell uname -m)),-Xcc -march=x86-64-v3 -Xcc -fno-math-errno)
# What the compiler proves exclusive stays proven; checks at run time would cost a step 15 to 50 % (make count). Debug builds, so
# make sanitize, have them.
FLAGS := -c release -Xswiftc -enable-testing -Xswiftc -enforce-exclusivity=unchecked $(VECTORS)
WEIR := .build/release/weir
SANITIZERS ?= address
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# TensorFlow, for what compares with it; `make bench` uses it, too.
VENV := .build/tensorflow-venv
PYTHON := $(VENV)/bin/python
# NVIDIA's compiler of kernels, for `make cuda-sources`.
NVRTC := .build/nvrtc/libnvrtc.so.12
# Random graphs compared with TensorFlow: the same seeds each time; for others see docs/testing.md.
INTEROP_SEED ?= 1
INTEROP_GRAPHS ?= 250

.PHONY: run compare test test-cuda emulator cuda-sources check consumer docs interop recovery fuzz fuzz-short sanitize build deps bench count growth clean

## Trains the example network on a cluster of one parameter server and two workers, on this machine.
run: build
	$(WEIR) train --model dnn --data iris --cluster local:ps=1,worker=2 --strategy sync --seed 1

## Runs every strategy for some steps on small clusters of this machine; fails when one fails.
compare: build
	$(WEIR) compare --model dnn --data iris --steps 12 --batch 16 --out .build/compare \
		--clusters 'local:ps=1,worker=2;local:worker=4;gpu=2' --mesh data=2,model=2

## Builds everything and runs all tests but those of test-cuda.
test: deps
	$(SWIFT) build $(FLAGS) --product weirPackageTests
	$(SWIFT) test $(FLAGS) --skip-build --parallel --skip '$(CUDA_TESTS)'

## Runs the tests of the GPU's code on emulated cards. They compile a thousand kernels the first time, so they are on their own.
CUDA_TESTS := CUDA|EmulatedCard|OpCaseTests/cuda
test-cuda: deps emulator
	$(SWIFT) build $(FLAGS) --product weirPackageTests
	$(SWIFT) test $(FLAGS) --skip-build --parallel --filter '$(CUDA_TESTS)'

## Builds the emulated CUDA driver, on which the tests run CUDA kernels without a GPU. The tests leave the kernels' sources beside it.
EMULATOR := .build/cuda-emulator
export CUEMU_SOURCES := $(CURDIR)/$(EMULATOR)/sources
emulator:
	Tests/CUDAEmulator/build.sh $(EMULATOR)
	mkdir -p $(CUEMU_SOURCES)

## Compiles the CUDA sources that the tests have left with NVIDIA's compiler, which needs no GPU: each for as many architectures as said.
CUDA_ARCHITECTURES_EACH ?= 2
cuda-sources: $(NVRTC)
	Scripts/check-cuda-sources $(CUEMU_SOURCES) --nvrtc $(NVRTC) --each $(CUDA_ARCHITECTURES_EACH)

$(NVRTC):
	@python3 -c 'import ensurepip' 2> /dev/null || \
		{ echo "installing python3-venv"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	python3 -m venv --clear .build/nvrtc
	.build/nvrtc/bin/python -m pip install --quiet --disable-pip-version-check nvidia-cuda-nvrtc-cu12==12.9.86
	cp .build/nvrtc/lib/python3*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc* $(dir $(NVRTC))

## What a reviewer should not have to look for: format, rows of dependencies, lists of op names, documentation.
check:
	Scripts/check

## Builds and runs the examples as a package that depends on Weir by version, from a clone of what is committed.
consumer: deps
	Examples/run.sh

## Builds the documentation of the module Weir, with a tutorial, into .build/docs.
docs: build
	Scripts/build-docs

## Compares Weir with TensorFlow: schemas, clusters of both kinds of servers, and random graphs with a seed it prints.
interop: build $(VENV)/installed
	$(PYTHON) Tests/Interop/schemas.py --weir $(WEIR)
	$(PYTHON) Tests/Interop/run.py --weir $(WEIR)
	$(PYTHON) Tests/Interop/fuzz_graphs.py --weir $(WEIR) --seed $(INTEROP_SEED) --count $(INTEROP_GRAPHS) --findings 3

## Kills and stops the processes of trainings at random moments, and fills their disks.
recovery: build
	Tests/Recovery/run.py --weir $(WEIR)

$(VENV)/installed:
	@python3 -c 'import ensurepip' 2> /dev/null || \
		{ echo "installing python3-venv"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq python3-venv; }
	@echo "installing tensorflow-cpu into $(VENV); a large download"
	python3 -m venv --clear $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check tensorflow-cpu==2.21.0 tensorboard==2.21.0
	touch $@

## All tests, and random cases of every op, in a debug build, with assertions and checks of exclusive access, under
## AddressSanitizer (half an hour). Bounds that a release build does not check are checked there.
# What tests ask for that nobody has is refused, as it is without a sanitizer; and variables are on the stack, whose depth
# is measured. ThreadSanitizer (SANITIZERS=thread) builds and runs, but on Linux it cannot see that Synchronization's Mutex
# orders anything, and reports whatever one guards.
SANITIZED_CASES ?= 20000
sanitize: export ASAN_OPTIONS = detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=0
sanitize: deps
	for kind in $(SANITIZERS); do \
		$(SWIFT) test --scratch-path .build-$$kind --sanitize=$$kind --no-parallel && \
		$(SWIFT) build --scratch-path .build-$$kind --sanitize=$$kind --product weir-fuzz && \
		.build-$$kind/debug/weir-fuzz ops --cases $(SANITIZED_CASES) --jobs 2 --seed $(FUZZ_SHORT_SEED) || exit 1; \
	done

## Leaves the binary at .build/release/weir.
build: deps
	$(SWIFT) build $(FLAGS) --product weir
	Scripts/link-whole weir

## Installs the system libraries that Weir links: oneDNN, zlib, and those that decode pictures.
deps:
	@[ -f /usr/include/zlib.h ] || [ -f /usr/local/include/zlib.h ] || \
		{ echo "installing zlib1g-dev"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq zlib1g-dev; }
	@[ -f /usr/include/oneapi/dnnl/dnnl.h ] || [ -f /usr/local/include/oneapi/dnnl/dnnl.h ] || \
		{ echo "installing libdnnl-dev"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq libdnnl-dev; }
	@[ -f /usr/include/png.h ] || [ -f /usr/local/include/png.h ] || \
		{ echo "installing libpng-dev"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq libpng-dev; }
	@[ -f /usr/include/turbojpeg.h ] || [ -f /usr/local/include/turbojpeg.h ] || \
		{ echo "installing libturbojpeg0-dev"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq libturbojpeg0-dev; }

clean:
	rm -rf .build

## Counts instructions and allocations of the benchmark cases, and compares them with Benchmarks/thresholds.json.
count: deps
	@command -v valgrind > /dev/null || { echo "installing valgrind"; $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq valgrind; }
	# Names of functions are enough for valgrind, which does not get through clang's debug information.
	$(SWIFT) build $(FLAGS) -Xlinker --strip-debug --product count-cases
	python3 Benchmarks/count.py

## Measures and draws how costs grow with nodes, workers, sizes, clients and steps (ten minutes).
growth: build
	python3 Benchmarks/growth.py --weir $(WEIR)

## Times Weir and its peers on the same graphs; installs TensorFlow into .build/tensorflow-venv when it is not there.
bench: build
	python3 Benchmarks/run.py --weir $(WEIR)

## Random cases against every door, for as long as asked: make fuzz SECONDS=3600 SEED=7. Prints seeds and what it finds.
SECONDS ?= 600
FUZZ = .build/release/weir-fuzz
fuzz: deps
	$(SWIFT) build $(FLAGS) --product weir-fuzz
	$(FUZZ) all --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

## What decides of a change: 100,000 cases altogether, and random graphs on random clusters. The seed is the same each time,
## so that a change is not blamed for what `make fuzz` has still to find.
FUZZ_SHORT_SEED ?= 1
FUZZ_SHORT_GRAPHS ?= 1000
fuzz-short: deps
	$(SWIFT) build $(FLAGS) --product weir-fuzz
	$(FUZZ) all --cases 100000 --seed $(FUZZ_SHORT_SEED)
	$(FUZZ) graphs --cases $(FUZZ_SHORT_GRAPHS) --jobs 2 --seed $(FUZZ_SHORT_SEED)

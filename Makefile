# SPDX-License-Identifier: Apache-2.0
# A thin layer over CMakePresets.json: `make help` lists what there is.
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600
STRESS_SEEDS ?= 10
STRESS_CALLS ?= 1000

.PHONY: all release debug asan tsan fuzz demo test lint format test-reference test-kills stress bench install clean help

all: release

release debug asan tsan:
	@cmake --preset $@ --log-level=WARNING >/dev/null
	cmake --build --preset $@ --parallel $(JOBS)

demo:
	scripts/setup build
	@cmake --preset release --log-level=WARNING >/dev/null
	cmake --build --preset release --parallel $(JOBS) --target mm
	scripts/setup models
	scripts/demo

test:
	scripts/setup
	$(MAKE) --no-print-directory release
	scripts/run-tests --build-dir build --jobs $(JOBS) $(TEST_ARGUMENTS)

lint:
	scripts/lint

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i

test-reference:
	scripts/setup
	$(MAKE) --no-print-directory release
	scripts/test-reference

test-kills:
	scripts/setup test
	$(MAKE) --no-print-directory release
	KILLS=200 build/venv/bin/python -m pytest -q tests/hub/test_pull_together.py

stress: release asan tsan
	for seed in $$(seq $(STRESS_SEEDS)); do for build in build build-asan build-tsan; do \
	    MM_STRESS_SEED=$$seed MM_STRESS_CALLS=$(STRESS_CALLS) $$build/tests/manager/test_stress || exit 1; \
	done; done

bench:
	scripts/setup
	$(MAKE) --no-print-directory release
	bench/run
	bench/run generation
	bench/run manager
	build/venv/bin/python bench/tokenizer_speed.py --out bench/TOKENIZERS.md
	build/venv/bin/python bench/hub_speed.py --out bench/DOWNLOADS.md

fuzz:
	scripts/fuzz $(FUZZ_SECONDS)

install: release
	cmake --install build --prefix $(PREFIX)

clean:
	rm -rf build-*
	test ! -f build/build.ninja || ninja -C build -t clean

help:
	@echo 'make                 build/mm, build/libmodelmanager.so and .a'
	@echo 'make demo            set up, build, search sentences by meaning with a real model, and have one write'
	@echo 'make test            set up, build, and run every test that needs no framework'
	@echo 'make lint            layers, formatting, lengths, banned calls, public headers'
	@echo 'make format          clang-format all of it in place'
	@echo 'make test-reference  compare with sentence-transformers (installs torch in .venv-reference)'
	@echo 'make test-kills      kill 200 downloads at random moments, and see that nothing is spoiled'
	@echo 'make stress          STRESS_SEEDS=10 games of random calls to the manager, also under ASan and TSan'
	@echo 'make bench           time it against other engines and its own limits, writes the tables in bench/'
	@echo 'make fuzz            each fuzzer for FUZZ_SECONDS=600 seconds'
	@echo 'make install         into PREFIX=/usr/local (DESTDIR is honoured)'
	@echo 'make debug|asan|tsan other builds, in build-debug, build-asan, build-tsan'
	@echo 'make clean           remove what was built; keeps the venv and the models in build/'

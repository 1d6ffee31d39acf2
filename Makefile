# SPDX-License-Identifier: Apache-2.0
#
# Shortcuts over the CMake presets. Every goal works in a fresh clone: what is missing is installed first.
.SUFFIXES:
.DEFAULT_GOAL := all
.PHONY: all packages configure demo test install bench fuzz clean help

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
RELEASE := build/release

help:
	@printf '%s\n' \
	  'make          build/release/bin/kebound and build/release/lib' \
	  'make demo     indices out of range, and what can be made of them' \
	  'make test     build everything, run every test (sanitizer builds included)' \
	  'make install  PREFIX=$(PREFIX), DESTDIR for packagers' \
	  'make bench    what an exception, a dispatch and a registration cost here' \
	  'make fuzz     each fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS) seconds' \
	  'make packages install the Debian packages that are missing (root or sudo)' \
	  'make clean    remove build/'

packages:
	@scripts/install-packages.sh

$(RELEASE)/build.ninja: | packages
	cmake --preset release

configure: $(RELEASE)/build.ninja

all: packages configure
	cmake --build $(RELEASE) -j $(JOBS)

demo: packages configure
	@cmake --build $(RELEASE) -j $(JOBS) --target kebound kebound_preload_64 examples
	@scripts/demo.sh $(RELEASE)

test: packages
	@scripts/test.sh $(JOBS)

install: all
	cmake --install $(RELEASE) --prefix $(PREFIX)

bench: all
	@cmake --build $(RELEASE) --target bench-core bench-inproc bench-report
	@bench/supervisor/run --build $(RELEASE)
	@bench/supervisor/rules --build $(RELEASE)
	@bench/scan/run --build $(RELEASE)
	@cmake --build $(RELEASE) --target bench-sites-programs
	@bench/sites/run --build $(RELEASE)
	@bench/bare/run $(RELEASE)

fuzz: packages
	@scripts/fuzz.sh $(FUZZ_SECONDS) $(JOBS)

clean:
	cmake -E rm -rf build

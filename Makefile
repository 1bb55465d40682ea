# Front door to the repository.  The work is done by Meson (meson.build) and the scripts in scripts/.
#
#   make run [PORT=9000]     build, start agentcored, deploy a sample agent, and send it a first request
#   make help                all targets

PORT ?= 8484
FUZZ_SECONDS ?= 60
SAN ?= plain

.PHONY: build run test conformance bench bench-code bench-memory bench-runtime bench-service fuzz lint install clean help

build:
	@scripts/setup.sh build
	@scripts/build.sh

run:
	@scripts/setup.sh build
	@scripts/build.sh agentcored examples/minimal_agent examples/deploy_agent examples/invoke_agent guest/agentcore-init guest/agentcore-code
	@scripts/run.sh $(PORT)

test:
	@scripts/setup.sh build test code
	@scripts/test.sh $(SAN)

conformance:
	@scripts/setup.sh build test code bench
	@scripts/conformance.sh $(CONFORMANCE_ARGS)

bench:
	@scripts/setup.sh build bench
	@scripts/build.sh
	@bench/run.py $(BENCH_ARGS)

bench-runtime:
	@scripts/setup.sh build
	@scripts/build.sh
	@bench/runtime.py $(BENCH_ARGS)

bench-code:
	@scripts/setup.sh build code
	@scripts/build.sh agentcored guest/agentcore-init guest/agentcore-code
	@bench/code.py $(BENCH_ARGS)

bench-memory:
	@scripts/setup.sh build
	@scripts/build.sh
	@bench/memory.py $(BENCH_ARGS)

bench-service:
	@scripts/setup.sh build bench
	@scripts/build.sh
	@bench/service.py $(BENCH_ARGS)

fuzz:
	@scripts/setup.sh build fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh $(FUZZ)

lint:
	@scripts/setup.sh build lint
	@scripts/lint.sh

install:
	@PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) scripts/install.sh

clean:
	rm -rf build build-asan build-tsan build-fuzz build-install

help:
	@echo 'make [build]                the library, examples and tests into build/'
	@echo 'make run [PORT=9000]        build, start agentcored, deploy a sample agent, send it a request; Ctrl-C ends it'
	@echo 'make test [SAN=asan|tsan]   all tests; SAN: under the address+undefined or the thread sanitizer'
	@echo 'make conformance            agentcored driven by boto3, bedrock-agentcore and the AWS SDK for JavaScript (PyPI, npm)'
	@echo 'make lint                   warnings, clang-tidy, formatting, include arrows'
	@echo 'make fuzz [FUZZ_SECONDS=60] [FUZZ=fuzz_json]   each fuzzer for so long'
	@echo 'make bench                  measure against the reference programs'
	@echo 'make bench-code             measure the code interpreter beside python3 and bubblewrap alone'
	@echo 'make bench-memory           measure the memory service'
	@echo 'make bench-service          measure agentcored beside the server of moto (from PyPI)'
	@echo 'make bench-runtime          measure what agentcored adds to agents, and how fast sessions start'
	@echo 'make install [PREFIX=/usr/local] [DESTDIR=]    library, headers, pkg-config file, manual pages'
	@echo 'make clean                  remove everything that was built'
	@echo 'Packages that are missing on Debian 12 or 13 are installed by scripts/setup.sh, which says what and why.'

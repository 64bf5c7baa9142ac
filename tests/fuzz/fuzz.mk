# Fuzzing: tests/fuzz/fuzz_NAME.c is a target for libFuzzer, tests/fuzz/corpus/NAME its inputs, and
# tests/fuzz/dict/NAME.dict, where there is one, words that its inputs are made of.

FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

# Seconds for each target, and which: make fuzz FUZZ_TIME=60 FUZZ='packet config'
FUZZ_TIME ?= 600
FUZZ ?= $(FUZZ_TARGETS)

# With libFuzzer, and with any compiler just to run inputs.
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)
FUZZ_REPLAYS := $(FUZZ_TARGETS:%=$(BUILD)/replay/%)
FUZZ_OBJECTS := $(filter-out $(MAIN_OBJECT),$(OBJECTS))
FUZZ_COMPILE = $(COMPILE) -Itests/fuzz -Itests/unit $(LDFLAGS) $(MODE_LDFLAGS)
FUZZ_LIBS = $(LIBRARY_LIBS) -lcmocka

$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c $(FUZZ_OBJECTS) Makefile
	@mkdir -p $(@D)
	$(call QUIET,CC)$(FUZZ_COMPILE) -fsanitize=fuzzer -o $@ $< $(FUZZ_OBJECTS) $(FUZZ_LIBS)

$(BUILD)/replay/%: tests/fuzz/fuzz_%.c $(BUILD)/replay/replay.o $(FUZZ_OBJECTS) Makefile
	@mkdir -p $(@D)
	$(call QUIET,CC)$(FUZZ_COMPILE) -o $@ $< $(BUILD)/replay/replay.o $(FUZZ_OBJECTS) $(FUZZ_LIBS)

$(BUILD)/replay/replay.o: tests/fuzz/replay.c tests/fuzz/fuzz.h Makefile
	@mkdir -p $(@D)
	$(call QUIET,CC)$(COMPILE) -c -o $@ $<

.PHONY: fuzz-programs fuzz-replays
fuzz-programs: $(FUZZ_PROGRAMS)
fuzz-replays: $(FUZZ_REPLAYS)

# Runs what has been found so far: a part of make check, with BUILD=build/asan.
.PHONY: fuzz-replay
fuzz-replay: fuzz-replays
	tests/fuzz/run replay $(BUILD) $(FUZZ_TARGETS)

# Looks for more, with both sanitizers: docs/reliability.md. fuzz-keep adds what was found to the
# inputs.
.PHONY: fuzz fuzz-build fuzz-keep
fuzz-build:
	$(if $(filter-out $(FUZZ_TARGETS),$(FUZZ)),$(error \
		No fuzz target '$(filter-out $(FUZZ_TARGETS),$(FUZZ))'; FUZZ takes: $(FUZZ_TARGETS)))
	tests/install-packages fuzz
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC=clang CFLAGS='-O2 -g' \
		SANITIZE=address,undefined,fuzzer-no-link fuzz-programs
fuzz: fuzz-build
	FUZZ_TIME=$(FUZZ_TIME) tests/fuzz/run fuzz build/fuzz $(FUZZ)
fuzz-keep: fuzz-build
	tests/fuzz/run keep build/fuzz $(FUZZ)

# How much of the program the tests reach: docs/reliability.md. Every process of a test writes a
# profile, also one that has given up its rights or is killed: that is a file mapped into its memory.
# Debian's own clang, whose tools read what it writes.
COVERAGE_NETNS ?= tests/netns
COVERAGE_CFLAGS := -O1 -g -DTRAFFICDUPLICATOR_INSTRUMENTED -fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation
.PHONY: coverage
coverage:
	tests/install-packages check coverage
	tests/unpack-packages build/engines keepalived bird2
	tests/unpack-packages --alone build/engines prometheus
	@$(MAKE) $(JOBS) --no-print-directory BUILD=build/coverage CC=clang CFLAGS='$(COVERAGE_CFLAGS)' \
		all unit-programs fuzz-replays
	tests/coverage/run build/coverage '$(FUZZ_TARGETS)' $(COVERAGE_NETNS)

-include $(FUZZ_PROGRAMS:=.d) $(FUZZ_REPLAYS:=.d)

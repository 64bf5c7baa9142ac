# Traffic Duplicator. `make help` lists what can be made.
#
# One object tree per kind of build: build/ (release), build/asan, build/tsan. Each is made by this
# same file, called again with BUILD and SANITIZE set.

VERSION := $(shell cat VERSION)
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= /lib/systemd/system
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib/trafficduplicator

BUILD ?= build
SANITIZE ?=
CC ?= gcc
PKG_CONFIG ?= pkg-config
# Debian's own, which has its pytest and scapy; another may come first in PATH.
PYTHON := /usr/bin/python3
LIBRARIES := json-c libmnl libnetfilter_queue libnl-3.0 libnl-route-3.0 libevent_core libevent_extra \
	     libcap-ng libseccomp ncursesw libbpf

# What the compiler lacks of these, it is not given: `hardening` asks it once.
try = $(shell echo 'int main(void){return 0;}' | $(CC) -Werror $(1) -x c - -o /dev/null 2>/dev/null && echo '$(1)')
HARDENING := $(call try,-fstack-protector-strong) $(call try,-fstack-clash-protection) \
	     $(call try,-fcf-protection) $(call try,-ftrivial-auto-var-init=zero)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion
CPPFLAGS += -Iinclude -D_GNU_SOURCE -DTRAFFICDUPLICATOR_VERSION='"$(VERSION)"'
ifeq ($(SANITIZE),)
CFLAGS ?= -O2 -g
# Level 3 where compiler and libc know it; without optimisation there is none.
FORTIFY := $(if $(call try,-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -include stdio.h),3,2)
CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(FORTIFY)
# The same sources give the same bytes, in whatever folder they lie.
MODE_CFLAGS := $(HARDENING) -fPIE -ffile-prefix-map=$(CURDIR)=.
MODE_LDFLAGS := -pie -Wl,-z,relro,-z,now
else
CFLAGS ?= -O1 -g
CPPFLAGS += -DTRAFFICDUPLICATOR_INSTRUMENTED
MODE_CFLAGS := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
# Inside the program the sanitizer starts in less time, which hundreds of starts of a test run have.
MODE_LDFLAGS := -fsanitize=$(SANITIZE) $(call try,-static-libasan) $(call try,-static-libubsan) \
		$(call try,-static-libtsan)
endif

# Targets that install what they lack, and then call make again.
DRIVERS := demo check check-vm bench bench-quick fuzz fuzz-build fuzz-keep coverage screenshots \
	   browser-tools sbom-schema dist deb rpm container check-container lint sbom soak uninstall \
	   clean help
ifneq ($(filter-out $(DRIVERS),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell $(PKG_CONFIG) --exists $(LIBRARIES) && echo found),found)
$(error libraries are missing. On Debian: sudo tests/install-packages build)
endif
LIBRARY_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(LIBRARIES))
LIBRARY_LIBS := $(shell $(PKG_CONFIG) --libs $(LIBRARIES))
endif
# What bpftool writes is not held to our warnings.
COMPILE = $(CC) -std=gnu17 $(WARNINGS) $(WERROR) $(CPPFLAGS) -isystem $(BUILD)/bpf \
	  $(LIBRARY_CFLAGS) $(CFLAGS) $(MODE_CFLAGS) -pthread -MMD -MP

SOURCES := $(wildcard src/*/*.c)
OBJECTS := $(SOURCES:src/%.c=$(BUILD)/obj/%.o)
MAIN_OBJECT := $(BUILD)/obj/cli/main.o
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)
PROGRAM := $(BUILD)/trafficduplicator

# V=1 shows whole command lines.
V ?=
QUIET = $(if $(V),,@echo '  $(1) $@';)

.PHONY: all
all: $(PROGRAM)

$(PROGRAM): $(OBJECTS)
	$(call QUIET,LD)$(CC) $(CFLAGS) $(MODE_CFLAGS) $(LDFLAGS) $(MODE_LDFLAGS) -pthread -o $@ $^ $(LIBRARY_LIBS)

$(BUILD)/obj/%.o: src/%.c Makefile VERSION
	@mkdir -p $(@D)
	$(call QUIET,CC)$(COMPILE) -c -o $@ $<

# The fast path's kernel program: compiled for the BPF machine, and wrapped up in a header by which
# libbpf loads it. The kernel's headers lie in a folder for each architecture. It has line numbers for
# the verifier's messages, but not the folder that it was built in: programs should not depend on that.
BPF_CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
BPF_INCLUDES := -Iinclude -Isrc/datapath/bpf -isystem /usr/include/$(shell $(CC) -print-multiarch)

$(BUILD)/bpf/fastpath.bpf.o: src/datapath/bpf/fastpath.bpf.c Makefile
	@mkdir -p $(@D)
	$(call QUIET,BPF)$(BPF_CLANG) -target bpf -mcpu=v3 -O2 -g '-ffile-prefix-map=$(CURDIR)=.' \
		-Wall -Wextra -Wshadow $(WERROR) $(BPF_INCLUDES) -MMD -MP -c -o $@ $<

$(BUILD)/bpf/fastpath.skel.h: $(BUILD)/bpf/fastpath.bpf.o
	$(call QUIET,GEN)$(BPFTOOL) gen skeleton $< name fastpath_bpf >$@.new && mv $@.new $@

$(BUILD)/obj/datapath/fastpath.o: $(BUILD)/bpf/fastpath.skel.h

# The status page is a part of the program.
$(BUILD)/obj/control/page.o: $(wildcard src/control/page/*)

# Where the program looks for its script depends on PREFIX: another one builds that object anew.
$(BUILD)/obj/cli/options.o: CPPFLAGS += -DTRAFFICDUPLICATOR_LIBDIR='"$(LIBDIR)"'
$(BUILD)/obj/cli/main.o: CPPFLAGS += -DTRAFFICDUPLICATOR_LIBDIR='"$(LIBDIR)"'
$(BUILD)/obj/cli/options.o $(BUILD)/obj/cli/main.o: $(BUILD)/libdir

.PHONY: FORCE
$(BUILD)/libdir: FORCE
	@mkdir -p $(@D)
	@echo '$(LIBDIR)' | cmp -s - $@ || echo '$(LIBDIR)' >$@

# Unit tests link the program's objects without its main().
$(BUILD)/unit/%: tests/unit/%.c $(filter-out $(MAIN_OBJECT),$(OBJECTS)) Makefile
	@mkdir -p $(@D)
	$(call QUIET,CC)$(COMPILE) -Itests/unit $(LDFLAGS) $(MODE_LDFLAGS) -o $@ $< \
		$(filter-out $(MAIN_OBJECT),$(OBJECTS)) $(LIBRARY_LIBS) -lcmocka

# tests/unit/no_memory.h
NO_MEMORY := malloc calloc realloc reallocarray strdup strndup open_memstream fclose vasprintf \
	     __vasprintf_chk asprintf __asprintf_chk
$(BUILD)/unit/test_no_memory: MODE_LDFLAGS += $(NO_MEMORY:%=-Wl,--wrap=%)

.PHONY: unit-programs
unit-programs: $(UNIT_TESTS)

.PHONY: unit $(UNIT_TESTS:=.run)
unit: $(UNIT_TESTS:=.run)
$(UNIT_TESTS:=.run): %.run: %
	@echo '$<'; $<

# The benchmark's generator and its clock.
BENCH_TOOLS := $(BUILD)/bench/generator $(BUILD)/bench/latency
$(BENCH_TOOLS): $(BUILD)/bench/%: tests/bench/%.c tests/bench/frames.c tests/bench/frames.h Makefile
	@mkdir -p $(@D)
	$(call QUIET,CC)$(COMPILE) $(LDFLAGS) $(MODE_LDFLAGS) -o $@ $< tests/bench/frames.c

.PHONY: bench-tools
bench-tools: $(BENCH_TOOLS)

# What drives Chromium for the tests of the status page, from the npm registry.
BROWSER_TOOLS := build/browser/node_modules/.package-lock.json
$(BROWSER_TOOLS): tests/browser/package.json tests/browser/package-lock.json
	@mkdir -p build/browser
	cp $^ build/browser
	cd build/browser && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

.PHONY: browser-tools
browser-tools: $(BROWSER_TOOLS)

# The pictures of the status page in docs/images, from five minutes of real traffic.
.PHONY: screenshots
screenshots:
	tests/install-packages check browser screenshots
	@$(MAKE) --no-print-directory -s all browser-tools
	$(PYTHON) tests/browser/screenshots.py

# The same build under other names.
.PHONY: asan tsan clang
asan:
	$(MAKE) BUILD=build/asan SANITIZE=address,undefined all unit-programs fuzz-replays
tsan:
	$(MAKE) BUILD=build/tsan SANITIZE=thread all
clang:
	$(MAKE) BUILD=build/clang CC=clang all bench-tools

# The main job, shown with real rsyslog servers in network namespaces.
.PHONY: demo
demo:
	tests/install-packages demo
	@$(MAKE) --no-print-directory -s all
	tests/demo/run

# How fast it is, and how fast others are: docs/benchmarks.md. BENCH_OPTIONS='--contenders pmacct'
BENCH_OPTIONS ?=
.PHONY: bench bench-quick
bench bench-quick:
	tests/install-packages bench
	tests/bench/get-peers build/bench/peers
	@$(MAKE) --no-print-directory -s all bench-tools
	$(PYTHON) tests/bench/bench.py $(if $(filter bench-quick,$@),--quick) $(BENCH_OPTIONS)

# Every test that runs on this machine. check-vm runs those that need a machine of their own. The
# network tests run once for each way that copies can take (tests/netns/lib/ways.py); they wait more
# than they work, so that there are more processes than CPUs.
CHECK_WAYS := ip link fastpath
JOBS := -j$(shell nproc)
PYTEST := TD_TIMEOUT_SCALE=3 $(PYTHON) -m pytest -p no:cacheprovider -q

SHELL_SCRIPTS = iptables/trafficduplicator-rules packaging/bash-completion/trafficduplicator \
	packaging/make-dist packaging/make-deb packaging/make-rpm packaging/aws/prepare-image \
	packaging/container/start packaging/container/healthy $(HA_SCRIPTS) \
	packaging/systemd/trafficduplicator-handover \
	tests/install-packages tests/unpack-packages tests/debian-sources tests/demo/run \
	tests/bench/get-peers tests/aws/get-validators tests/container/run \
	tests/fuzz/run tests/coverage/run \
	tests/vm/run tests/vm/make-image tests/vm/guest/run-tests

.PHONY: check
check:
	tests/install-packages check browser
	tests/unpack-packages build/engines keepalived bird2
	tests/unpack-packages --alone build/engines prometheus
	tests/aws/get-validators build/aws
	@$(MAKE) --no-print-directory lint-quick
	$(MAKE) $(JOBS) WERROR=-Werror all bench-tools browser-tools sbom-schema
	$(MAKE) $(JOBS) WERROR=-Werror clang
	$(MAKE) $(JOBS) WERROR=-Werror asan
	$(MAKE) $(JOBS) WERROR=-Werror tsan
	$(MAKE) $(JOBS) -O --no-print-directory BUILD=build/asan SANITIZE=address,undefined unit fuzz-replay
	$(MAKE) -O --no-print-directory WERROR=-Werror build/unit/test_confine.run
	set -e; for way in $(CHECK_WAYS); do \
		echo "copies by $$way:"; \
		TD_WAY=$$way $(PYTEST) -n 10 -m 'not alone' tests/netns tests/faults; \
		TD_WAY=$$way $(PYTEST) -m alone tests/netns tests/faults; \
	done
	$(PYTEST) -n 2 --dist loadfile tests/browser tests/aws tests/packages
	$(PYTEST) tests/bench

.PHONY: check-vm
check-vm:
	tests/vm/run

.PHONY: clean
clean:
	rm -rf build

.PHONY: help
help:
	@echo 'make              build the program: build/trafficduplicator'
	@echo 'sudo make demo    show it at work with two real rsyslog servers, on this machine'
	@echo 'sudo make check   build with every compiler and sanitizer, run every test'
	@echo 'sudo make check-vm  test the service in a virtual machine with Debian'"'"'s cloud kernel'
	@echo 'sudo make soak    under faults and reloads for SOAK_TIME (20m), every packet accounted for'
	@echo 'sudo make bench-quick  the ratios that count, in three minutes; make bench: all, half an hour'
	@echo 'sudo make fuzz    look for inputs that break the parsers, FUZZ_TIME=600 seconds each'
	@echo 'sudo make coverage  how much of the program the tests reach, in a quarter of an hour'
	@echo 'sudo make screenshots   the pictures of the status page in docs/images, in six minutes'
	@echo 'sudo make lint    what clang-tidy, cppcheck, shellcheck and gcc'"'"'s analyzer find in the sources'
	@echo 'make deb, rpm     build a package for Debian or for Fedora: build/deb, build/rpm'
	@echo 'sudo make container  build a container image: docs/container.md; check-container: test it'
	@echo 'make dist         the source tarball: build/trafficduplicator-$(VERSION).tar.gz'
	@echo 'make sbom         the libraries that the program is made of, in CycloneDX'
	@echo 'sudo make install, uninstall   PREFIX ($(PREFIX)), DESTDIR'

include tests/fuzz/fuzz.mk
include packaging/install.mk
include packaging/package.mk
include tests/lint.mk
include tests/soak/soak.mk

-include $(OBJECTS:.o=.d) $(BUILD)/bpf/fastpath.bpf.d $(UNIT_TESTS:=.d)

# SPDX-License-Identifier: MIT
# make lint: what reads the sources and does not run them. Included by the Makefile.
#
# Leaks are left to LeakSanitizer, under which every test runs: gcc's analyzer loses sight of memory
# that a list or a table holds (-Wno-analyzer-malloc-leak).

LINT_SOURCES := $(wildcard src/*/*.c)
LINT_CPPFLAGS = -std=gnu17 $(CPPFLAGS) -DTRAFFICDUPLICATOR_LIBDIR='"/"' -isystem $(BUILD)/bpf \
		$(patsubst -I%,-isystem %,$(LIBRARY_CFLAGS))

# Macros that it must know to read what is written with them.
CPPCHECK := cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --error-exitcode=1 -Iinclude -D_GNU_SOURCE -DTRAFFICDUPLICATOR_VERSION='""' \
	    --include=/usr/include/$(shell $(CC) -print-multiarch)/sys/queue.h \
	    --include=/usr/include/bpf/libbpf_common.h

.PHONY: lint lint-quick lint-all $(LINT_SOURCES:=.tidy)
lint:
	tests/install-packages lint
	@$(MAKE) --no-print-directory $(JOBS) -O lint-all
	@echo 'lint: nothing found'

# The part of seconds, which `make check` has too.
lint-quick:
	shellcheck $(SHELL_SCRIPTS)
	$(CPPCHECK) $(JOBS) -i src/datapath/bpf src

lint-all: lint-quick $(LINT_SOURCES:=.tidy)
	$(MAKE) --no-print-directory BUILD=build/analyzer WERROR=-Werror \
		CFLAGS='-O2 -g -fanalyzer -Wno-analyzer-malloc-leak' all

# The header that bpftool wrote frees by a function of libbpf's, which is not seen here.
src/datapath/fastpath.c.tidy: TIDY_OPTIONS := --checks=-clang-analyzer-unix.Malloc

$(LINT_SOURCES:=.tidy): %.tidy: % $(BUILD)/bpf/fastpath.skel.h
	$(call QUIET,TIDY)clang-tidy --quiet $(TIDY_OPTIONS) $< -- $(LINT_CPPFLAGS) 2>&1 | \
		{ ! grep -v 'warnings generated\|warning generated'; }

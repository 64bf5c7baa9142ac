# SPDX-License-Identifier: MIT
# make install and make uninstall; included by the Makefile. PREFIX and DESTDIR as usual. With
# DESTDIR nothing outside it is touched, as packages and images need it.

SYSUSERSDIR ?= /usr/lib/sysusers.d
COMPLETIONSDIR ?= $(PREFIX)/share/bash-completion/completions
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/trafficduplicator

CONFIG := config/trafficduplicator.config
CONFIG_DIR := $(SYSCONFDIR)/trafficduplicator
CONFIG_INSTALLED := $(DESTDIR)$(CONFIG_DIR)/trafficduplicator.config
UNIT := packaging/systemd/trafficduplicator.service
MAN5 := docs/man/trafficduplicator.config.5
MAN8 := docs/man/trafficduplicator.8 docs/man/trafficduplicator-rules.8
HA_SCRIPTS := packaging/ha/trafficduplicator-healthy packaging/ha/trafficduplicator-announce \
	packaging/ha/trafficduplicator-drain
SCRIPTS := iptables/trafficduplicator-rules packaging/systemd/trafficduplicator-handover \
	$(HA_SCRIPTS)

# Examples, and what others are set up with: below DOCDIR as they lie here. They name LIBDIR as it is
# with PREFIX=/usr.
EXAMPLES := $(wildcard config/examples/*.config)
OTHERS := $(wildcard packaging/aws/* packaging/grafana/* packaging/prometheus/*) \
	$(filter-out $(HA_SCRIPTS),$(wildcard packaging/ha/*.* packaging/ha/*/*))
DOCUMENTS := $(EXAMPLES:config/%=%) $(OTHERS:packaging/%=%)
DOCUMENT_DIRS := $(patsubst %/,%,$(sort $(dir $(DOCUMENTS))))

# Said to systemd only when it runs here, and when the files went to where it looks for them.
to_systemd = if [ -z "$(DESTDIR)" ] && [ -d /run/systemd/system ]; then $(1); fi

.PHONY: install
install: $(PROGRAM)
	umask 022 && mkdir -p $(addprefix $(DESTDIR),$(SBINDIR) $(LIBDIR) $(CONFIG_DIR) $(UNITDIR) \
		$(SYSUSERSDIR) $(COMPLETIONSDIR) $(MANDIR)/man5 $(MANDIR)/man8 \
		$(addprefix $(DOCDIR)/,$(DOCUMENT_DIRS)))
	install -m 0755 $(PROGRAM) $(DESTDIR)$(SBINDIR)/trafficduplicator
	install -m 0755 $(SCRIPTS) $(DESTDIR)$(LIBDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|g; s|@LIBDIR@|$(LIBDIR)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g' $(UNIT).in \
		| install -m 0644 /dev/stdin $(DESTDIR)$(UNITDIR)/trafficduplicator.service
	install -m 0644 packaging/systemd/trafficduplicator.sysusers \
		$(DESTDIR)$(SYSUSERSDIR)/trafficduplicator.conf
	install -m 0644 packaging/bash-completion/trafficduplicator \
		$(DESTDIR)$(COMPLETIONSDIR)/trafficduplicator
	install -m 0644 $(MAN5) $(DESTDIR)$(MANDIR)/man5
	install -m 0644 $(MAN8) $(DESTDIR)$(MANDIR)/man8
	@echo 'examples and settings for others: $(DESTDIR)$(DOCDIR)'
	@for file in $(DOCUMENTS); do \
		sed 's|/usr/lib/trafficduplicator|$(LIBDIR)|' $$(ls config/$$file packaging/$$file 2>/dev/null) \
			| install -m 0644 /dev/stdin $(DESTDIR)$(DOCDIR)/$$file || exit; done
	@if [ -e $(CONFIG_INSTALLED) ]; then echo "$(CONFIG_INSTALLED) is there already: kept"; \
	else set -x; install -m 0644 $(CONFIG) $(CONFIG_INSTALLED); fi
	@if [ -z "$(DESTDIR)" ] && command -v systemd-sysusers >/dev/null; then \
		set -x; systemd-sysusers $(SYSUSERSDIR)/trafficduplicator.conf; fi
	@$(call to_systemd,set -x; systemctl daemon-reload)

# The user stays, as is the custom: its number might come back as somebody else's.
.PHONY: uninstall
uninstall:
	@$(call to_systemd,set -x; systemctl disable --now trafficduplicator.service || true)
	rm -f $(addprefix $(DESTDIR),$(UNITDIR)/trafficduplicator.service \
		$(SYSUSERSDIR)/trafficduplicator.conf $(COMPLETIONSDIR)/trafficduplicator \
		$(addprefix $(MANDIR)/man5/,$(notdir $(MAN5))) \
		$(addprefix $(MANDIR)/man8/,$(notdir $(MAN8))) \
		$(addprefix $(LIBDIR)/,$(notdir $(SCRIPTS))) $(SBINDIR)/trafficduplicator \
		$(addprefix $(DOCDIR)/,$(DOCUMENTS)))
	@if cmp -s $(CONFIG) $(CONFIG_INSTALLED); then set -x; rm -f $(CONFIG_INSTALLED); \
	elif [ -e $(CONFIG_INSTALLED) ]; then echo "$(CONFIG_INSTALLED) was changed: kept"; fi
	@rmdir $(addprefix $(DESTDIR),$(LIBDIR) $(CONFIG_DIR) \
		$(addprefix $(DOCDIR)/,$(DOCUMENT_DIRS)) $(DOCDIR)/ha $(DOCDIR)) 2>/dev/null || true
	@$(call to_systemd,set -x; systemctl daemon-reload)

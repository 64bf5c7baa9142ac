# A long run under everything at once: docs/reliability.md. SOAK_SEED repeats a run, SOAK_OPTIONS
# are those of tests/soak/soak.py, as in SOAK_OPTIONS='--program build/asan/trafficduplicator'.
SOAK_TIME ?= 20m
SOAK_SEED ?=
SOAK_OPTIONS ?=
.PHONY: soak
soak:
	tests/install-packages soak
	@$(MAKE) --no-print-directory -s all
	$(PYTHON) tests/soak/soak.py --time $(SOAK_TIME) $(if $(SOAK_SEED),--seed $(SOAK_SEED)) \
		$(SOAK_OPTIONS)

/* SPDX-License-Identifier: MIT */
/* A look at the kernel's settings before traffic is touched: warns, and changes nothing. */
#ifndef TRAFFICDUPLICATOR_CONTROL_PREFLIGHT_H
#define TRAFFICDUPLICATOR_CONTROL_PREFLIGHT_H

#include "core/config.h"

/*
 * Logs a warning for each setting that keeps packets in transit from going on or from being seen
 * at all: forwarding off, bridges that netfilter does not see, strict reverse path filtering. Each
 * says what it means and the command that changes it.
 */
void preflight_warn(const struct config *config);

#endif

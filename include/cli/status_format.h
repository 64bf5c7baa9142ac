/* SPDX-License-Identifier: MIT */
/* Numbers and rates as people read them. All return out. */
#ifndef TRAFFICDUPLICATOR_CLI_STATUS_FORMAT_H
#define TRAFFICDUPLICATOR_CLI_STATUS_FORMAT_H

#include <stdint.h>

/* "18,446,744,073,709,551,615" and its NUL. */
#define STATUS_FORMAT_SIZE 27

/* With commas between thousands. */
const char *status_format_number(uint64_t value, char out[static STATUS_FORMAT_SIZE]);

/* The same, rounded; "-" for an unknown rate. */
const char *status_format_pps(double pps, char out[static STATUS_FORMAT_SIZE]);

/* "1.6 Mbit/s": decimal multiples, as link speeds have them; "-" for an unknown rate. */
const char *status_format_bits(double bytes_per_s, char out[static STATUS_FORMAT_SIZE]);

#endif

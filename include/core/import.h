/* SPDX-License-Identifier: MIT */
/*
 * Other duplicators' configurations, turned into ours. Pure: text in, text and messages out; names
 * are not resolved.
 *
 *   samplicator  the file of samplicate's -c (its README): "CLIENT[/MASK]: DESTINATION ...", where
 *                a destination is HOST[/PORT[/INTERVAL[,TTL]]]; "#" begins a comment; every line
 *                that matches a client applies
 *   pmacct       the tee plugin's tee_receivers map (its examples/tee_receivers.lst.example):
 *                "id=N ip=HOST:PORT,... [tag=] [balance-alg=] [src_port=]"; "!" begins a comment
 */
#ifndef TRAFFICDUPLICATOR_CORE_IMPORT_H
#define TRAFFICDUPLICATOR_CORE_IMPORT_H

#include "core/config.h"

struct import_format;

struct import_result {
	char *config;		       /* JSON, or NULL where nothing could be converted */
	bool complete;		       /* all of the text has its equivalent in config */
	struct config_errors messages; /* "FILE:LINE: ...", in the order of the lines */
};

/* The format of this name, "samplicator" or "pmacct", or NULL. */
const struct import_format *import_format_find(const char *name);

/*
 * Converts a text. file is the name for messages. port is the UDP port, in host byte order, that
 * clients send to, which neither format says; 0: the default of the program that the format
 * belongs to. The messages name each thing that has no equivalent, with what to do instead, and
 * begin with "note: " after the place where nothing is missing from config on that account. A rule
 * that would send too much without what is missing is written with ENABLED false. The caller
 * frees *result with import_result_free.
 */
void import_convert(const struct import_format *format, const char *text, size_t length,
		    const char *file, uint16_t port, struct import_result *result);

void import_result_free(struct import_result *result);

#endif

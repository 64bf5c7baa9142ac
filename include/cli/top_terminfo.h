/* SPDX-License-Identifier: MIT */
/* What is known about types of terminals. Apart, because term.h makes macros of common words. */
#ifndef TRAFFICDUPLICATOR_CLI_TOP_TERMINFO_H
#define TRAFFICDUPLICATOR_CLI_TOP_TERMINFO_H

enum top_terminfo {
	TOP_TERMINFO_FIT,
	TOP_TERMINFO_UNKNOWN, /* there is no description of it on this machine */
	TOP_TERMINFO_UNFIT,   /* it cannot put text at a place, as "dumb" */
};

enum top_terminfo top_terminfo_examine(const char *type);

#endif

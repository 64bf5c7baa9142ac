/* SPDX-License-Identifier: MIT */
/* Notices that the configuration file has changed (inotify(7)). */
#ifndef TRAFFICDUPLICATOR_CONTROL_AUTORELOAD_H
#define TRAFFICDUPLICATOR_CONTROL_AUTORELOAD_H

#include <event2/event.h>

struct autoreload;

/* Called on the loop once a change is complete: nothing more has happened for a moment. */
typedef void autoreload_changed(void *context);

/*
 * Watches the folder of path, so that a file which is replaced, as editors do, is noticed as well
 * as one that is written in place or whose mode has changed; and, behind symbolic links, the folder
 * where the file itself is. What it says may be the same as before. Returns 0 or -errno.
 */
int autoreload_open(struct autoreload **autoreload, struct event_base *base, const char *path,
		    autoreload_changed *changed, void *context);
void autoreload_close(struct autoreload *autoreload);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The status page: the files of src/control/page, which are part of the program. They ask for
 * status.json and history.json, and for nothing of any other server.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_PAGE_H
#define TRAFFICDUPLICATOR_CONTROL_PAGE_H

#include "control/http.h"

#define PAGE_ROUTE_COUNT 17

/* "/" and what it needs, below "/page/". */
extern const struct http_route page_routes[PAGE_ROUTE_COUNT];

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Protection from DNS rebinding: a web page whose own name is made to point to this machine, and
 * that reads what the machine answers as if it were the page's own site.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_HTTP_HOST_H
#define TRAFFICDUPLICATOR_CONTROL_HTTP_HOST_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a Host header is one that nobody was led here by: none (NULL: no browser), an address,
 * "localhost" and names below it (RFC 6761 6.3), machine (the host name; "": not known), or any
 * name with another port than ours, host byte order, at which a browser would not have come here: a
 * web server before us passes on what its own clients say. What is not a Host is not ours.
 */
bool http_host_is_ours(const char *host, uint16_t port, const char *machine);

/*
 * Whether a browser on this machine was led here: the client of a connected TCP socket has come to
 * a loopback address, by a Host that is not ours. Elsewhere clients come by names that nobody here
 * knows, and any Host will do.
 */
bool http_host_is_led_here(int fd, const char *host, const char *machine);

#endif

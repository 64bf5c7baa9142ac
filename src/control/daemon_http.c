/* SPDX-License-Identifier: MIT */
/* HTTP in the daemon's life. That it cannot be had is logged, and no reason to stop. */
#include "control/daemon_state.h"
#include "control/http.h"
#include "control/log.h"
#include "control/metrics.h"
#include "control/page.h"
#include "control/status.h"
#include "control/timer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 3000

#define OWN_ROUTE_COUNT 4

struct daemon_http {
	struct http *server;
	struct http_route routes[OWN_ROUTE_COUNT + PAGE_ROUTE_COUNT];
	struct config_settings wanted; /* its HTTP counts */
	int error;		       /* why it listens nowhere, -errno; 0: it does, or is off */
	uint64_t retry_at_ms;
};

static int make_health(void *context, char **text)
{
	const char *ill = daemon_health(context);

	if (asprintf(text, "%s\n", ill ? ill : "ok") < 0)
		*text = NULL;
	return ill ? 503 : 200;
}

static int make_status(void *context, char **text)
{
	const struct daemon *daemon = context;

	if (daemon->stage == DAEMON_STARTING) {
		*text = strdup("{ \"health\": \"starting\" }\n");
		return 503;
	}
	*text = daemon_status_text(daemon, status_json);
	return 200;
}

static int make_metrics(void *context, char **text)
{
	*text = daemon_status_text(context, metrics_text);
	return 200;
}

static int make_history(void *context, char **text)
{
	*text = daemon_history_text(context);
	return 200;
}

static const struct http_route own_routes[OWN_ROUTE_COUNT] = {
	{.path = "/healthz", .type = HTTP_TYPE_TEXT, .make = make_health},
	{.path = "/status.json", .type = HTTP_TYPE_JSON, .make = make_status, .is_shared = true},
	{.path = "/metrics", .type = METRICS_CONTENT_TYPE, .make = make_metrics, .is_shared = true},
	{.path = "/history.json", .type = HTTP_TYPE_JSON, .make = make_history, .is_shared = true},
};

/* What to do about an error, for behind "HTTP cannot listen on ADDRESS: ". */
static void explain(int error, const struct config_settings *wanted, char *text, size_t size)
{
	switch (error) {
	case -EADDRINUSE:
		snprintf(text, size,
			 "another program listens there; 'ss -ltnp sport = :%u' shows it",
			 wanted->http_port);
		break;
	case -EADDRNOTAVAIL:
		snprintf(text, size, "this machine does not have the address");
		break;
	case -EACCES:
		snprintf(text, size,
			 "a port below 1024 takes CAP_NET_BIND_SERVICE, which is given up after "
			 "the start: restart the daemon as root or with it");
		break;
	default:
		snprintf(text, size, "%s", strerror(-error));
	}
}

/* To the one who asked for it, or else to the log. */
static void __attribute__((format(printf, 2, 3)))
warn(struct evbuffer *report, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (report)
		evbuffer_add_printf(report, "warning: %s\n", text);
	else
		log_warning("%s", text);
}

/* Does what is wanted, and says where that cannot be. */
static void listen_as_wanted(struct daemon_http *http, struct evbuffer *report)
{
	char where[CONFIG_HTTP_SIZE], why[256];

	http->error = 0;
	if (!http->wanted.http_port) {
		http_listen_nowhere(http->server);
		return;
	}
	config_http_format(&http->wanted, where);
	if (config_http_is_exposed(&http->wanted))
		warn(report, "SETTINGS: HTTP: \"%s\": " CONFIG_HTTP_EXPOSED, where);
	http->error = http_listen(http->server, &http->wanted.http_address, http->wanted.http_port);
	http->retry_at_ms = timer_now_ms() + RETRY_MS;
	if (!http->error)
		return;
	explain(http->error, &http->wanted, why, sizeof(why));
	warn(report,
	     "HTTP cannot listen on %s: %s; packets are duplicated all the same, and it is tried "
	     "again every %d s",
	     where, why, RETRY_MS / 1000);
}

void daemon_http_open(struct daemon *daemon)
{
	struct daemon_http *http = calloc(1, sizeof(*http));

	if (http) {
		memcpy(http->routes, own_routes, sizeof(own_routes));
		memcpy(http->routes + OWN_ROUTE_COUNT, page_routes, sizeof(page_routes));
		http->server = http_create(daemon->base, http->routes,
					   sizeof(http->routes) / sizeof(*http->routes), daemon);
	}
	if (!http || !http->server) {
		log_warning("no HTTP: out of memory");
		free(http);
		return;
	}
	daemon->http = http;
	http->wanted = daemon->program.config->settings;
	listen_as_wanted(http, NULL);
}

void daemon_http_follow(struct daemon *daemon, struct evbuffer *report)
{
	const struct config_settings *new = &daemon->program.config->settings;
	struct daemon_http *http = daemon->http;
	bool is_same;

	if (!http)
		return;
	is_same = new->http_port ==
		  http->wanted.http_port &&ip_equal(&new->http_address, &http->wanted.http_address);
	http->wanted = *new;
	if (!is_same)
		listen_as_wanted(http, report);
}

void daemon_http_retry(struct daemon *daemon)
{
	struct daemon_http *http = daemon->http;
	char where[CONFIG_HTTP_SIZE];

	if (!http || !http->error || timer_now_ms() < http->retry_at_ms)
		return;
	http->error = http_listen(http->server, &http->wanted.http_address, http->wanted.http_port);
	http->retry_at_ms = timer_now_ms() + RETRY_MS;
	if (!http->error)
		log_info("HTTP listens on %s now", config_http_format(&http->wanted, where));
}

const char *daemon_http_describe(const struct daemon *daemon, char text[static DAEMON_HTTP_SIZE])
{
	const struct daemon_http *http = daemon->http;
	char why[DAEMON_HTTP_SIZE - 32];

	if (!http)
		return "unavailable: out of memory";
	if (!http->error)
		return config_http_format(&http->wanted, text);
	explain(http->error, &http->wanted, why, sizeof(why));
	snprintf(text, DAEMON_HTTP_SIZE, "unavailable: %s", why);
	return text;
}

void daemon_http_close(struct daemon *daemon)
{
	if (daemon->http)
		http_free(daemon->http->server);
	free(daemon->http);
	daemon->http = NULL;
}

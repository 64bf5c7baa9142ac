/* SPDX-License-Identifier: MIT */
#include "control/daemon_state.h"
#include "control/helper.h"
#include "control/log.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

static enum control_answer answer_status(struct daemon *daemon, struct evbuffer *body)
{
	char *json = daemon_status_text(daemon, status_json);
	enum control_answer answer = CONTROL_OK;

	if (!json || evbuffer_add(body, json, strlen(json)) < 0) {
		evbuffer_add_printf(body, "out of memory\n");
		answer = CONTROL_ERROR;
	}
	free(json);
	return answer;
}

/* The report goes to the one who asked; the log says that somebody did. */
static enum control_answer answer_reload(struct daemon *daemon, struct evbuffer *body)
{
	enum control_answer answer = daemon_reload(daemon, body);

	if (answer == CONTROL_OK)
		log_info("reload: done, as asked for on the control socket");
	else
		log_warning(
			"reload: refused; the one who asked on the control socket was told why");
	return answer;
}

enum control_answer daemon_on_request(void *context, const char *request, struct evbuffer *body)
{
	struct daemon *daemon = context;

	if (daemon->stage != DAEMON_SERVING) {
		evbuffer_add_printf(body, "%s\n", daemon_health(daemon));
		return CONTROL_ERROR;
	}
	if (strcmp(request, "status") == 0)
		return answer_status(daemon, body);
	if (strcmp(request, "reload") == 0)
		return answer_reload(daemon, body);
	if (strcmp(request, "handover") == 0)
		return daemon_handover_ask(daemon, body);
	/* The text in force, for those who compare it with the file's. */
	if (strcmp(request, "config") == 0) {
		evbuffer_add(body, daemon->program.file.text, daemon->program.file.length);
		return CONTROL_OK;
	}
	evbuffer_add_printf(body, "unknown request '%.40s'\n", request);
	return CONTROL_ERROR;
}

void daemon_requests_follow(struct daemon *daemon)
{
	const char *path = daemon->options->socket_path;
	int result = control_socket_look(daemon->control);
	bool is_missing;

	if (result == -ENOENT) {
		result = helper_make_socket(daemon->helper);
		if (result >= 0) {
			control_socket_adopt(daemon->control, result);
			log_warning("somebody had removed the control socket %s: it is there again",
				    path);
		}
	}
	is_missing = result < 0;
	if (is_missing && !daemon->requests_cut_off)
		log_warning(
			"somebody has removed the control socket %s, and it cannot be made anew: "
			"%s; 'status' and 'reload' do not reach this daemon (SIGHUP does)",
			path,
			result == -EADDRINUSE ? "something else is in its place"
					      : strerror(-result));
	daemon->requests_cut_off = is_missing;
}

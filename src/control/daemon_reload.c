/* SPDX-License-Identifier: MIT */
/* Reads the configuration anew: all of it comes into force, or nothing. */
#include "control/cpus.h"
#include "control/daemon_state.h"
#include "control/log.h"
#include "control/notify.h"
#include "core/config_diff.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void report_fixed(struct evbuffer *report, const char *key, const char *old, const char *new)
{
	evbuffer_add_printf(report, "SETTINGS.%s: %s instead of %s takes a restart\n", key, new,
			    old);
}

static void report_fixed_number(struct evbuffer *report, const char *key, unsigned old,
				unsigned new)
{
	char old_text[16], new_text[16];

	snprintf(old_text, sizeof(old_text), "%u", old);
	snprintf(new_text, sizeof(new_text), "%u", new);
	if (old != new)
		report_fixed(report, key, old_text, new_text);
}

/* Reports what only a start can change, since sockets and queues hang on it. Returns whether there
 * is anything. */
static bool changes_fixed_settings(const struct daemon *daemon, const struct config_settings *new,
				   struct evbuffer *report)
{
	const struct config_settings *old = &daemon->program.config->settings;
	size_t length = evbuffer_get_length(report);
	char old_mark[16], new_mark[16];

	report_fixed_number(report, "QUEUE", old->queue, new->queue);
	/* 0 is as many as there are now: that changes nothing. */
	if (config_workers(new, cpus_usable()) != datapath_worker_count(daemon->datapath))
		report_fixed_number(report, "WORKERS", old->workers, new->workers);
	report_fixed_number(report, "QUEUELENGTH", old->queue_length_pkts, new->queue_length_pkts);
	if (old->when_full != new->when_full)
		report_fixed(report, "WHENFULL", when_full_name(old->when_full),
			     when_full_name(new->when_full));
	snprintf(old_mark, sizeof(old_mark), "0x%x", old->mark);
	snprintf(new_mark, sizeof(new_mark), "0x%x", new->mark);
	if (old->mark != new->mark)
		report_fixed(report, "MARK", old_mark, new_mark);
	return evbuffer_get_length(report) > length;
}

/* Undoes what the rules script has done, or half done, for a program that does not come in force.
 */
static void put_back(struct daemon *daemon, struct evbuffer *report)
{
	if (daemon_run_rules_script(daemon, "up", &daemon->program))
		return;
	evbuffer_add_printf(report, "the running rules' netfilter rules could not be put back "
				    "either: some packets may not be duplicated until they can\n");
	daemon_follow_rules_failed(daemon);
}

/* Puts a loaded program in the place of the running one. */
static bool switch_program(struct daemon *daemon, struct program *program, struct evbuffer *report)
{
	int error;

	if (changes_fixed_settings(daemon, &program->config->settings, report))
		return false;
	error = daemon_follow_prepare(daemon, program);
	/* "up" brings up to date what is there, and puts back what somebody has taken away. */
	if (!error && !daemon_run_rules_script(daemon, "up", program)) {
		evbuffer_add_printf(report, "the rules script failed: see the daemon's log\n");
		put_back(daemon, report);
		return false;
	}
	if (!error && (error = daemon_follow_program(daemon, program)) != 0)
		put_back(daemon, report);
	if (error)
		evbuffer_add_printf(report, "cannot put the new rules in force: %s\n",
				    strerror(-error));
	return !error;
}

static void report_errors(const struct config_errors *errors, struct evbuffer *report)
{
	for (size_t i = 0; i < errors->count; i++)
		evbuffer_add_printf(report, "%s\n", errors->messages[i]);
}

/* The most that is kept of a reload's report, in bytes; it ends with a line. */
#define REPORT_KEPT_MAX 4096

/* Keeps how it went, for those who were not there. */
static void remember(struct daemon *daemon, bool ok, struct evbuffer *report)
{
	size_t length = evbuffer_get_length(report);
	char *text = calloc(1, REPORT_KEPT_MAX + sizeof "...\n"), *end;

	if (!text)
		return;
	evbuffer_copyout(report, text, length < REPORT_KEPT_MAX ? length : REPORT_KEPT_MAX);
	if (length > REPORT_KEPT_MAX) {
		end = strrchr(text, '\n');
		strcpy(end ? end + 1 : text, "...\n");
	}
	free(daemon->last_reload.report);
	daemon->last_reload = (struct status_reload){.at = time(NULL), .ok = ok, .report = text};
}

enum control_answer daemon_reload(struct daemon *daemon, struct evbuffer *report)
{
	struct config_errors errors = {0};
	struct program program;
	enum control_answer answer = CONTROL_ERROR;
	enum config_file_result result =
		program_load(&program, daemon->options->config_path, &errors);
	char *changes;

	if (result != CONFIG_FILE_OK) {
		report_errors(&errors, report);
		answer = result == CONFIG_FILE_INVALID ? CONTROL_INVALID : CONTROL_ERROR;
	} else if (switch_program(daemon, &program, report)) {
		struct program former = daemon->program;

		daemon->program = program;
		program = former;
		changes = config_diff(former.config, daemon->program.config);
		evbuffer_add_printf(report, "%s", changes ? changes : "");
		free(changes);
		daemon_apply_settings(daemon);
		daemon_http_follow(daemon, report);
		daemon_exposure_warn(daemon, report);
		answer = CONTROL_OK;
	}
	if (answer != CONTROL_OK)
		evbuffer_add_printf(report, "not reloaded: the running rules stay in force\n");
	remember(daemon, answer == CONTROL_OK, report);
	config_errors_free(&errors);
	program_free(&program);
	return answer;
}

bool daemon_has_file(const struct daemon *daemon)
{
	const struct config_file *ours = &daemon->program.file;
	struct config_errors errors = {0};
	struct config_file file;
	bool same;

	if (config_file_read(daemon->options->config_path, CONFIG_FILE_REGULAR, &file, &errors) !=
	    CONFIG_FILE_OK) {
		config_errors_free(&errors);
		return false;
	}
	same = file.length == ours->length && memcmp(file.text, ours->text, file.length) == 0;
	free(file.text);
	return same;
}

void daemon_reload_and_log(struct daemon *daemon)
{
	struct evbuffer *report = evbuffer_new();
	const char *text;
	bool done;

	if (!report) {
		log_error("out of memory: not reloaded");
		return;
	}
	notify_reloading();
	done = daemon_reload(daemon, report) == CONTROL_OK;
	evbuffer_add(report, "", 1);
	text = (const char *)evbuffer_pullup(report, -1);
	if (text)
		log_lines(done ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "reload: ", text);
	evbuffer_free(report);
	notify_send("READY=1");
}

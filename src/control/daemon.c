/* SPDX-License-Identifier: MIT */
#include "control/daemon.h"

#include "control/cpus.h"
#include "control/daemon_state.h"
#include "control/helper.h"
#include "control/log.h"
#include "control/notify.h"
#include "control/preflight.h"
#include "control/privileges.h"
#include "control/rules_script.h"
#include "control/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	EXIT_FINE = 0,
	EXIT_FAILED = 1,
	EXIT_INVALID_CONFIG = 3,
};

static void on_file_changed(void *context)
{
	if (daemon_has_file(context)) {
		log_info("the configuration file is the one in force");
		return;
	}
	log_info("the configuration file has changed");
	daemon_reload_and_log(context);
}

/* AUTORELOAD of the program in force. That it cannot be had is no reason to stop. */
static void apply_auto_reload(struct daemon *daemon)
{
	bool wanted = daemon->program.config->settings.auto_reload;
	int error = 0;

	if (!wanted) {
		autoreload_close(daemon->autoreload);
		daemon->autoreload = NULL;
	} else if (!daemon->autoreload) {
		error = autoreload_open(&daemon->autoreload, daemon->base,
					daemon->options->config_path, on_file_changed, daemon);
	}
	if (error)
		log_warning("cannot watch %s for AUTORELOAD: %s", daemon->options->config_path,
			    strerror(-error));
}

void daemon_apply_settings(struct daemon *daemon)
{
	log_set_level(daemon->options->verbose ? LOG_LEVEL_DEBUG
					       : daemon->program.config->settings.log_level);
	apply_auto_reload(daemon);
	daemon_fastpath_follow(daemon);
}

/* The addresses that a program's host names have by now, each once. NULL when memory runs out. */
static char *resolved_addresses(const struct ruleset *ruleset)
{
	char *list = calloc(1, RULES_SCRIPT_RESOLVED_MAX), text[IP_TEXT_SIZE];
	bool *listed = calloc(ruleset->route_count, sizeof(*listed));
	size_t used = 0;

	for (size_t i = 0; list && listed && i < ruleset->destination_count; i++) {
		const struct ruleset_destination *to = &ruleset->destinations[i];

		if (!to->config->host || to->config->address.family == AF_UNSPEC ||
		    listed[to->route])
			continue;
		if (used + IP_TEXT_SIZE >= RULES_SCRIPT_RESOLVED_MAX) {
			log_warning("more host names than the rules script can be told of: clients "
				    "may hear of copies that cannot be delivered");
			break;
		}
		used += (size_t)sprintf(list + used, "%s ", ip_format(&to->config->address, text));
		listed[to->route] = true;
	}
	free(listed);
	return list;
}

/* The service manager's watchdog is fed while every worker lives. */
static void feed_watchdog(struct daemon *daemon)
{
	daemon_health_listen(daemon);
	if (notify_watchdog_us() > 0 && daemon->workers_alive)
		notify_send("WATCHDOG=1");
}

/* The script takes seconds where rules are many or CPUs few, and may be run again at once. */
static void show_life(void *context)
{
	feed_watchdog(context);
	daemon_fastpath_beat(context);
}

bool daemon_run_rules_script(struct daemon *daemon, const char *verb, const struct program *program)
{
	char *resolved;
	int result;

	if (daemon->options->no_rules) {
		daemon_guard_accept(daemon, true);
		return true;
	}
	resolved = resolved_addresses(program->ruleset);
	show_life(daemon);
	result = helper_run_script(
		daemon->helper, verb,
		&(struct helper_script_input){
			.config_text = program->file.text,
			.config_length = program->file.length,
			.worker_count = datapath_worker_count(daemon->datapath),
			.resolved = resolved ? resolved : "",
			.is_tidying = daemon->stage == DAEMON_STARTING && strcmp(verb, "up") != 0,
			.waiting = show_life,
			.context = daemon,
		});
	free(resolved);
	daemon_fastpath_beat(daemon);
	if (strcmp(verb, "up") == 0)
		daemon_guard_accept(daemon, result == 0);
	return result == 0;
}

/* However many of them come meanwhile, one reload is enough, and others have their turn between. */
static void on_hangup(evutil_socket_t signal_number, short what, void *context)
{
	struct daemon *daemon = context;

	(void)signal_number;
	(void)what;
	event_active(daemon->reload, EV_TIMEOUT, 0);
}

static void on_reload(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)what;
	if (daemon->stage == DAEMON_SERVING)
		daemon_reload_and_log(daemon);
}

static void on_stop(evutil_socket_t signal_number, short what, void *context)
{
	struct daemon *daemon = context;

	(void)what;
	log_info("%s: stopping", strsignal((int)signal_number));
	event_base_loopbreak(daemon->base);
}

/* Once a second: the watchdog is fed while every worker lives, and losses are told. */
static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct daemon *daemon = context;
	uint64_t dropped_pkts = datapath_queue_totals(daemon->datapath).dropped_kernel_pkts;

	(void)fd;
	(void)what;
	daemon->dropped_pkts = dropped_pkts;
	feed_watchdog(daemon);
	daemon_fastpath_beat(daemon);
	daemon_follow_retry(daemon);
	daemon_guard_tick(daemon);
	daemon_http_retry(daemon);
	daemon_requests_follow(daemon);
	daemon_history_follow(daemon);
	/* Now it is worth what it may cost to attach. */
	if (dropped_pkts > 0 && daemon->ingress_count == 0)
		daemon_fastpath_follow(daemon);
	daemon_log_tick(daemon, dropped_pkts);
}

static struct event *add_event(struct daemon *daemon, int fd, short what,
			       event_callback_fn callback, const struct timeval *timeout)
{
	struct event *event = event_new(daemon->base, fd, what, callback, daemon);

	if (event && event_add(event, timeout) < 0) {
		event_free(event);
		return NULL;
	}
	return event;
}

static bool add_events(struct daemon *daemon)
{
	const struct timeval second = {.tv_sec = 1};
	const short on_signal = EV_SIGNAL | EV_PERSIST;

	daemon->terminate = add_event(daemon, SIGTERM, on_signal, on_stop, NULL);
	daemon->interrupt = add_event(daemon, SIGINT, on_signal, on_stop, NULL);
	daemon->hangup = add_event(daemon, SIGHUP, on_signal, on_hangup, NULL);
	daemon->tick = add_event(daemon, -1, EV_PERSIST, on_tick, &second);
	daemon->reload = event_new(daemon->base, -1, 0, on_reload, daemon);
	return daemon->reload && daemon->terminate && daemon->interrupt && daemon->hangup &&
	       daemon->tick;
}

/* Everything that needs privileges: control socket, queues, raw sockets. */
static bool open_sockets(struct daemon *daemon)
{
	const struct config_settings *settings = &daemon->program.config->settings;
	const char *socket_path = daemon->options->socket_path;
	char error_text[DATAPATH_ERROR_BYTES];
	int error;

	error = control_socket_open(&daemon->control, daemon->base, socket_path, daemon_on_request,
				    daemon);
	if (error == -EADDRINUSE)
		log_error("another trafficduplicator is running: it answers on %s", socket_path);
	else if (error)
		log_error("cannot open the control socket %s: %s", socket_path, strerror(-error));
	if (error || !daemon_guard_open(daemon))
		return false;
	if (datapath_open(&daemon->datapath, settings, config_workers(settings, cpus_usable()),
			  daemon_handover_legacy(daemon), error_text) < 0) {
		log_error("%s", error_text);
		return false;
	}
	daemon_fastpath_open(daemon);
	daemon_loops_open(daemon);
	if (!daemon_follow_open(daemon))
		return false;
	daemon_http_open(daemon);
	return daemon_confine(daemon);
}

/* Sockets and queues, then workers, then rules: no packet is queued that nobody serves. */
static bool start(struct daemon *daemon)
{
	int error;

	clock_gettime(CLOCK_MONOTONIC, &daemon->started);
	daemon->started_at = time(NULL);
	daemon->base = event_base_new();
	if (!daemon->base || !add_events(daemon)) {
		log_error("cannot make the event loop");
		return false;
	}
	daemon_apply_settings(daemon);
	if (!open_sockets(daemon))
		return false;
	daemon_handover_names(daemon);
	error = daemon_follow_prepare(daemon, &daemon->program);
	if (!error)
		error = daemon_follow_program(daemon, &daemon->program);
	if (error) {
		log_error("cannot start the workers: %s", strerror(-error));
		return false;
	}
	preflight_warn(daemon->program.config);
	daemon_exposure_warn(daemon, NULL);
	/* Also what a failed attempt may have left is taken down in the end. */
	daemon->rules_up = true;
	if (!daemon_run_rules_script(daemon, "up", &daemon->program))
		return false;
	daemon_fastpath_start(daemon);
	daemon_handover_count(daemon);
	daemon_handover_close(daemon);
	return true;
}

static void announce_ready(const struct daemon *daemon)
{
	const struct config_settings *settings = &daemon->program.config->settings;
	unsigned workers = datapath_worker_count(daemon->datapath);

	printf("trafficduplicator %s: rules %zu, destinations %zu, queues %u-%u: ready\n",
	       TRAFFICDUPLICATOR_VERSION, daemon->program.ruleset->rule_count,
	       daemon->program.ruleset->destination_count, settings->queue,
	       settings->queue + workers - 1);
	fflush(stdout);
	/* That a disk is full is no reason to have failed in the end. */
	clearerr(stdout);
	notify_send("READY=1");
}

/* Loads the configuration. Returns an exit code, having logged every error. */
static int load(struct daemon *daemon)
{
	struct config_errors errors = {0};
	enum config_file_result result =
		program_load(&daemon->program, daemon->options->config_path, &errors);
	const char *missing = privileges_missing();

	for (size_t i = 0; i < errors.count; i++)
		log_error("%s", errors.messages[i]);
	config_errors_free(&errors);
	if (result != CONFIG_FILE_OK)
		return result == CONFIG_FILE_INVALID ? EXIT_INVALID_CONFIG : EXIT_FAILED;
	if (missing) {
		log_error("%s", missing);
		return EXIT_FAILED;
	}
	return EXIT_FINE;
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = {
		.options = options,
		.program_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC),
	};
	int code;

	/* That nobody reads what we say is no reason to stop. */
	signal(SIGPIPE, SIG_IGN);
	/* Nor is a reload that is asked for before there is anything to reload. */
	signal(SIGHUP, SIG_IGN);
	if (daemon.program_fd < 0) {
		log_error("cannot open /proc/self/exe: %s", strerror(errno));
		return EXIT_FAILED;
	}
	daemon_log_open();
	daemon_handover_take(&daemon);
	code = load(&daemon);
	if (code == EXIT_FINE)
		code = daemon_helper_start(&daemon) && start(&daemon) ? EXIT_FINE : EXIT_FAILED;
	if (code == EXIT_FINE) {
		daemon.stage = DAEMON_SERVING;
		daemon.workers_heard_ms = timer_now_ms();
		announce_ready(&daemon);
		log_limit_begin(timer_now_ms);
		event_base_dispatch(daemon.base);
		daemon.stage = DAEMON_STOPPING;
		log_limit_end();
		notify_send("STOPPING=1");
	}
	if (!daemon_stop(&daemon) && code == EXIT_FINE)
		code = EXIT_FAILED;
	close(daemon.program_fd);
	return code;
}

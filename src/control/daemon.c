/* SPDX-License-Identifier: MIT */
#include "control/daemon.h"

#include "control/config_file.h"
#include "control/control_socket.h"
#include "control/cpus.h"
#include "control/log.h"
#include "control/netmon.h"
#include "control/notify.h"
#include "control/preflight.h"
#include "control/privileges.h"
#include "control/rules_script.h"
#include "control/status.h"
#include "datapath/datapath.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	EXIT_FINE = 0,
	EXIT_FAILED = 1,
	EXIT_INVALID_CONFIG = 3,
	DRAIN_MS = 2000, /* longest wait for the queues to empty before the rules go */
	DRAIN_STEP_MS = 5,
	DROPS_QUIET_S = 60, /* between two warnings of the same kind */
};

/* A configuration in force, from text to tables. */
struct program {
	struct config_file file;
	struct config *config;
	struct ruleset *ruleset;
};

struct daemon {
	const struct daemon_options *options;
	struct program program;
	struct netview *netview;
	struct event_base *base;
	struct control_socket *control;
	struct netmon *netmon;
	struct datapath *datapath;
	struct event *terminate, *interrupt, *hangup, *tick;
	struct timespec started;
	bool rules_up;
	uint64_t drops_told_pkts;
	unsigned drops_quiet_s;
};

static void program_free(struct program *program)
{
	ruleset_free(program->ruleset);
	config_free(program->config);
	free(program->file.text);
	*program = (struct program){0};
}

/* Reads, checks and compiles. Returns an exit code, having logged every error. */
static int program_load(struct program *program, const char *path)
{
	struct config_errors errors = {0};
	enum config_file_result result = config_file_read(path, &program->file, &errors);

	if (result == CONFIG_FILE_OK)
		result = config_file_parse(path, &program->file, CONFIG_FILE_WRITABLE_REFUSE,
					   &program->config, &errors);
	for (size_t i = 0; i < errors.count; i++)
		log_error("%s", errors.messages[i]);
	config_errors_free(&errors);
	if (result != CONFIG_FILE_OK)
		return result == CONFIG_FILE_INVALID ? EXIT_INVALID_CONFIG : EXIT_FAILED;
	program->ruleset = ruleset_compile(program->config);
	if (!program->ruleset) {
		log_error("out of memory for the rules");
		return EXIT_FAILED;
	}
	return EXIT_FINE;
}

static void apply_log_level(const struct daemon *daemon)
{
	log_set_level(daemon->options->verbose ? LOG_LEVEL_DEBUG
					       : daemon->program.config->settings.log_level);
}

static bool run_rules_script(const struct daemon *daemon, const char *verb,
			     const struct program *program)
{
	return daemon->options->no_rules ||
	       rules_script_run(daemon->options->rules_script, verb, program->file.text,
				program->file.length, datapath_worker_count(daemon->datapath)) == 0;
}

static uint64_t uptime_s(const struct daemon *daemon)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - daemon->started.tv_sec);
}

static bool answer_status(struct daemon *daemon, struct evbuffer *body)
{
	struct datapath_queue_totals queue = datapath_queue_totals(daemon->datapath);
	struct counters *counters = datapath_read(daemon->datapath);
	struct status status = {
		.uptime_s = uptime_s(daemon),
		.config_path = daemon->options->config_path,
		.ruleset = daemon->program.ruleset,
		.counters = counters,
		.queue_waiting_pkts = queue.waiting_pkts,
		.queue_dropped_kernel_pkts = queue.dropped_kernel_pkts,
	};
	char *json = counters ? status_json(&status) : NULL;

	evbuffer_add_printf(body, "%s", json ? json : "out of memory\n");
	counters_free(counters);
	free(json);
	return json != NULL;
}

static bool on_request(void *context, const char *request, struct evbuffer *body)
{
	struct daemon *daemon = context;

	if (!daemon->datapath || !daemon->netview) {
		evbuffer_add_printf(body, "still starting\n");
		return false;
	}
	if (strcmp(request, "status") == 0)
		return answer_status(daemon, body);
	evbuffer_add_printf(body, "unknown request '%.40s'\n", request);
	return false;
}

/* Publishes a program, with a view of the network made for it. Returns 0 or -errno. */
static int publish(struct daemon *daemon, const struct program *program)
{
	struct netview *view = NULL;
	int error = netmon_view(daemon->netmon, program->ruleset, &view);

	if (!error)
		error = datapath_publish(daemon->datapath, program->ruleset, view);
	if (error) {
		netview_free(view);
		return error;
	}
	netview_free(daemon->netview);
	daemon->netview = view;
	return 0;
}

static void on_network_changed(void *context)
{
	struct daemon *daemon = context;
	int error = publish(daemon, &daemon->program);

	if (error)
		log_warning("cannot follow a change of addresses or routes: %s", strerror(-error));
	else
		log_debug("addresses or routes have changed");
}

/* What only a start can change, since sockets and queues hang on it: its name, or NULL. */
static const char *fixed_setting_changed(const struct config_settings *old,
					 const struct config_settings *new)
{
	if (old->queue != new->queue)
		return "QUEUE";
	if (old->workers != new->workers)
		return "WORKERS";
	if (old->queue_length_pkts != new->queue_length_pkts)
		return "QUEUELENGTH";
	if (old->when_full != new->when_full)
		return "WHENFULL";
	return old->mark != new->mark ? "MARK" : NULL;
}

/* Puts a loaded program in the place of the running one. */
static bool switch_program(struct daemon *daemon, struct program *program)
{
	const char *fixed = fixed_setting_changed(&daemon->program.config->settings,
						  &program->config->settings);
	int error;

	if (fixed) {
		log_error("SETTINGS.%s has changed, which takes a restart", fixed);
		return false;
	}
	/* "up" brings up to date what is there, and puts back what somebody has taken away. */
	if (!run_rules_script(daemon, "up", program))
		return false;
	error = publish(daemon, program);
	if (error) {
		log_error("cannot put the new rules in force: %s", strerror(-error));
		run_rules_script(daemon, "up", &daemon->program);
		return false;
	}
	program_free(&daemon->program);
	daemon->program = *program;
	*program = (struct program){0};
	return true;
}

static void on_hangup(evutil_socket_t signal_number, short what, void *context)
{
	struct daemon *daemon = context;
	struct program program = {0};

	(void)signal_number;
	(void)what;
	notify_reloading();
	if (program_load(&program, daemon->options->config_path) == EXIT_FINE &&
	    switch_program(daemon, &program)) {
		apply_log_level(daemon);
		log_info("reloaded: rules %zu, destinations %zu",
			 daemon->program.ruleset->rule_count,
			 daemon->program.ruleset->destination_count);
	} else {
		log_error("not reloaded: the running rules stay in force");
	}
	program_free(&program);
	notify_send("READY=1");
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
	if (notify_watchdog_us() > 0 && datapath_alive(daemon->datapath))
		notify_send("WATCHDOG=1");
	if (daemon->drops_quiet_s > 0) {
		daemon->drops_quiet_s--;
	} else if (dropped_pkts > daemon->drops_told_pkts) {
		log_warning("the kernel could not queue %llu packets: more arrive than are served",
			    (unsigned long long)(dropped_pkts - daemon->drops_told_pkts));
		daemon->drops_told_pkts = dropped_pkts;
		daemon->drops_quiet_s = DROPS_QUIET_S;
	}
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
	return daemon->terminate && daemon->interrupt && daemon->hangup && daemon->tick;
}

/* Everything that needs privileges: control socket, queues, raw sockets. */
static bool open_sockets(struct daemon *daemon)
{
	const struct config_settings *settings = &daemon->program.config->settings;
	const char *socket_path = daemon->options->socket_path;
	char error_text[DATAPATH_ERROR_BYTES];
	int error;

	error = control_socket_open(&daemon->control, daemon->base, socket_path, on_request,
				    daemon);
	if (error == -EADDRINUSE)
		log_error("another trafficduplicator is running: it answers on %s", socket_path);
	else if (error)
		log_error("cannot open the control socket %s: %s", socket_path, strerror(-error));
	if (error)
		return false;
	if (datapath_open(&daemon->datapath, settings, config_workers(settings, cpus_usable()),
			  error_text) < 0) {
		log_error("%s", error_text);
		return false;
	}
	error = privileges_drop();
	if (error)
		log_error("cannot give up privileges: %s", strerror(-error));
	return !error;
}

/* Sockets and queues, then workers, then rules: no packet is queued that nobody serves. */
static bool start(struct daemon *daemon)
{
	int error;

	clock_gettime(CLOCK_MONOTONIC, &daemon->started);
	daemon->base = event_base_new();
	if (!daemon->base || !add_events(daemon)) {
		log_error("cannot make the event loop");
		return false;
	}
	if (!open_sockets(daemon))
		return false;
	error = netmon_open(&daemon->netmon, daemon->base, daemon->program.config->settings.mark,
			    on_network_changed, daemon);
	if (!error)
		error = publish(daemon, &daemon->program);
	if (error) {
		log_error("cannot start the workers: %s", strerror(-error));
		return false;
	}
	preflight_warn(daemon->program.config);
	/* Also what a failed attempt may have left is taken down in the end. */
	daemon->rules_up = true;
	return run_rules_script(daemon, "up", &daemon->program);
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
	notify_send("READY=1");
}

static void drain_queues(struct daemon *daemon)
{
	const struct timespec step = {.tv_nsec = DRAIN_STEP_MS * 1000000};

	for (int waited_ms = 0; waited_ms < DRAIN_MS; waited_ms += DRAIN_STEP_MS) {
		if (datapath_queue_totals(daemon->datapath).waiting_pkts == 0)
			return;
		nanosleep(&step, NULL);
	}
	log_warning("packets still wait in a queue after %d ms: they are lost", DRAIN_MS);
}

/* The rules go while the queues are served and empty, so that no packet is lost with them. */
static bool take_rules_down(struct daemon *daemon)
{
	if (!daemon->rules_up || daemon->options->no_rules)
		return true;
	if (run_rules_script(daemon, "pause", &daemon->program))
		drain_queues(daemon);
	return run_rules_script(daemon, "down", &daemon->program);
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

/* Returns whether nothing was left behind. */
static bool stop(struct daemon *daemon)
{
	bool clean = take_rules_down(daemon);

	netmon_close(daemon->netmon);
	datapath_close(daemon->datapath);
	control_socket_close(daemon->control);
	free_event(daemon->terminate);
	free_event(daemon->interrupt);
	free_event(daemon->hangup);
	free_event(daemon->tick);
	if (daemon->base)
		event_base_free(daemon->base);
	netview_free(daemon->netview);
	program_free(&daemon->program);
	return clean;
}

int daemon_run(const struct daemon_options *options)
{
	struct daemon daemon = {.options = options};
	const char *missing;
	int code;

	/* That nobody reads what we say is no reason to stop. */
	signal(SIGPIPE, SIG_IGN);
	code = program_load(&daemon.program, options->config_path);

	if (code == EXIT_FINE) {
		missing = privileges_missing();
		if (missing) {
			log_error("%s", missing);
			code = EXIT_FAILED;
		}
	}
	if (code == EXIT_FINE) {
		apply_log_level(&daemon);
		code = start(&daemon) ? EXIT_FINE : EXIT_FAILED;
	}
	if (code == EXIT_FINE) {
		announce_ready(&daemon);
		event_base_dispatch(daemon.base);
		notify_send("STOPPING=1");
	}
	if (!stop(&daemon) && code == EXIT_FINE)
		code = EXIT_FAILED;
	return code;
}

/* SPDX-License-Identifier: MIT */
/* The fast path in the daemon's life: loaded, attached, kept alive, taken away. */
#include "control/daemon_state.h"
#include "control/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_wanted(const struct daemon *daemon)
{
	return daemon->program.config->settings.fast_path == FASTPATH_AUTO;
}

/* A thread that loads the program, and what comes of it. */
struct fastpath_loading {
	pthread_t thread;
	const struct config *config;
	struct fastpath *fastpath;
	int error;
	char why[FASTPATH_ERROR_BYTES];
};

static void *load(void *argument)
{
	struct fastpath_loading *loading = argument;

	loading->error = fastpath_open(&loading->fastpath, loading->config, loading->why);
	return NULL;
}

/* Returns false where there can be no thread. */
static bool load_aside(struct daemon *daemon)
{
	struct fastpath_loading *loading = calloc(1, sizeof(*loading));
	sigset_t all, before;
	int error;

	if (!loading)
		return false;
	loading->config = daemon->program.config;
	/* Signals are the control thread's; a new thread inherits what is blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&loading->thread, NULL, load, loading);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		free(loading);
	else
		daemon->loading = loading;
	return !error;
}

/* What has been loaded takes part from now on. */
static void use(struct daemon *daemon, int error)
{
	if (!error) {
		datapath_use_fastpath(daemon->datapath, daemon->fastpath);
		return;
	}
	daemon->fastpath = NULL;
	if (is_wanted(daemon))
		log_warning("no fast path: %s; all packets are queued", daemon->no_fastpath);
	else if (!daemon->options->no_rules)
		log_info("more packets than can be served will cost more than they have to: no "
			 "program can be loaded that refuses them at once: %s",
			 daemon->no_fastpath);
}

void daemon_fastpath_open(struct daemon *daemon)
{
	int error = -ENOTSUP;

	/* What the administrator's own rules queue, and how they treat what has been served, only
	 * the administrator knows. */
	if (daemon->options->no_rules)
		snprintf(daemon->no_fastpath, sizeof(daemon->no_fastpath),
			 "--no-rules leaves the choice of packets to the administrator's rules");
	else if (daemon->handover && load_aside(daemon))
		return;
	else
		error = fastpath_open(&daemon->fastpath, daemon->program.config,
				      daemon->no_fastpath);
	use(daemon, error);
}

/* Waits for the thread that loads it, and takes over what it has. Returns 0 or -errno. */
static int join(struct daemon *daemon)
{
	struct fastpath_loading *loading = daemon->loading;
	int error;

	pthread_join(loading->thread, NULL);
	error = loading->error;
	daemon->fastpath = error ? NULL : loading->fastpath;
	memcpy(daemon->no_fastpath, loading->why, sizeof(loading->why));
	daemon->loading = NULL;
	free(loading);
	return error;
}

void daemon_fastpath_beat(const struct daemon *daemon)
{
	if (daemon->fastpath)
		fastpath_beat(daemon->fastpath, 0);
}

void daemon_fastpath_start(struct daemon *daemon)
{
	if (daemon->loading) {
		use(daemon, join(daemon));
		/* The workers have begun without it, and so has the search for loops. */
		if (daemon->fastpath) {
			daemon_loops_share(daemon);
			daemon_follow_anew(daemon);
		}
	}
	if (!daemon->fastpath)
		return;
	daemon->ingress = ingress_create(fastpath_program_fd(daemon->fastpath));
	if (!daemon->ingress)
		log_warning("no fast path: out of memory; all packets are queued");
	daemon_handover_ingress(daemon);
	daemon_fastpath_beat(daemon);
	daemon_fastpath_follow(daemon);
	if (is_wanted(daemon) && daemon->ingress_count > 0)
		log_debug("fast path: at the ingress of %u interfaces", daemon->ingress_count);
	else if (is_wanted(daemon))
		log_warning("no fast path: no interface can have it; all packets are queued");
}

/* Where only a qdisc will do, the program is worth it for the fast path, or once packets have been
 * lost anyway. */
void daemon_fastpath_follow(struct daemon *daemon)
{
	bool is_worth_it;

	if (!daemon->ingress)
		return;
	is_worth_it = is_wanted(daemon) ||
		      datapath_queue_totals(daemon->datapath).dropped_kernel_pkts > 0;
	daemon->ingress_count =
		ingress_follow(daemon->ingress, is_worth_it ? INGRESS_ANY : INGRESS_LINKS_ONLY);
}

void daemon_fastpath_stop(struct daemon *daemon)
{
	ingress_free(daemon->ingress);
	daemon->ingress = NULL;
}

void daemon_fastpath_close(struct daemon *daemon)
{
	if (daemon->loading)
		join(daemon);
	fastpath_close(daemon->fastpath);
	daemon->fastpath = NULL;
}

const char *daemon_fastpath_describe(const struct daemon *daemon,
				     char text[static DAEMON_FASTPATH_SIZE])
{
	if (!is_wanted(daemon))
		return "off";
	if (daemon->fastpath && daemon->ingress_count > 0)
		return "on";
	snprintf(text, DAEMON_FASTPATH_SIZE, "unavailable: %s",
		 daemon->fastpath ? "no interface can have it" : daemon->no_fastpath);
	return text;
}

const struct fastpath_verdict *daemon_fastpath_verdicts(const struct daemon *daemon)
{
	bool is_on = is_wanted(daemon) && daemon->fastpath && daemon->ingress_count > 0;

	return is_on ? fastpath_verdicts(daemon->fastpath) : NULL;
}

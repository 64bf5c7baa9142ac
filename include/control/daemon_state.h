/* SPDX-License-Identifier: MIT */
/* What the daemon's own files share: daemon.c and daemon_*.c, no others. */
#ifndef TRAFFICDUPLICATOR_CONTROL_DAEMON_STATE_H
#define TRAFFICDUPLICATOR_CONTROL_DAEMON_STATE_H

#include "control/autoreload.h"
#include "control/control_socket.h"
#include "control/daemon.h"
#include "control/health.h"
#include "control/history.h"
#include "control/ingress.h"
#include "control/names.h"
#include "control/netmon.h"
#include "control/program.h"
#include "control/status.h"
#include "datapath/datapath.h"
#include "datapath/fastpath.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum daemon_stage { DAEMON_STARTING, DAEMON_SERVING, DAEMON_STOPPING };

struct daemon_http;
struct helper;
struct daemon_guard;
struct fastpath_loading;
struct handover;
struct daemon_loops;

struct daemon {
	const struct daemon_options *options;
	int program_fd;		/* of our own program file */
	struct program program; /* in force */
	struct netview *netview;
	uint8_t *is_up; /* per destination of program.ruleset */
	struct helper *helper;
	struct event *helper_ended;
	struct event_base *base;
	struct control_socket *control;
	bool requests_cut_off; /* somebody has removed the socket, and it cannot be put back */
	struct netmon *netmon;
	struct names *names;
	struct health *health;
	struct autoreload *autoreload;
	struct datapath *datapath;
	struct fastpath *fastpath;		/* NULL: the kernel cannot have it */
	struct fastpath_loading *loading;	/* NULL: none is under way */
	struct handover *handover;		/* what a former daemon has left; NULL: nothing */
	uint64_t handover_until_ms;		/* an end until then is one (timer_now_ms) */
	struct ingress *ingress;		/* NULL: it is attached nowhere, and not to be */
	unsigned ingress_count;			/* interfaces that have it */
	char no_fastpath[FASTPATH_ERROR_BYTES]; /* why */
	struct event *terminate, *interrupt, *hangup, *tick;
	struct event *reload; /* made active by a SIGHUP */
	enum daemon_stage stage;
	struct timespec started; /* by the monotonic clock */
	time_t started_at;	 /* by the calendar */
	struct daemon_http *http;
	struct daemon_guard *guard;
	struct daemon_loops *loops;	  /* NULL: they are not looked for */
	uint64_t dropped_pkts;		  /* by the kernel, as of the last second */
	struct history *history;	  /* NULL: nobody can ask for it */
	uint64_t history_next_ms;	  /* timer_now_ms */
	struct status_reload last_reload; /* text NULL: there has been none */
	bool workers_alive;		  /* when they were last listened for */
	uint64_t workers_heard_ms;	  /* all of them; timer_now_ms */
	bool rules_up;
	/* What could not be brought up to date, and when it is tried again (timer_now_ms). */
	bool workers_stale, rules_stale;
	uint64_t retry_at_ms;
	uint32_t retry_wait_ms; /* 0: nothing is to be tried again */
	uint64_t drops_told_pkts;
	unsigned drops_quiet_s;
};

/* daemon.c: runs the rules script for a program, unless the administrator installs the rules. */
bool daemon_run_rules_script(struct daemon *daemon, const char *verb,
			     const struct program *program);
void daemon_apply_settings(struct daemon *daemon);

/*
 * daemon_confine.c: starts the helper, before anything else is opened. Returns false, having logged
 * why.
 */
bool daemon_helper_start(struct daemon *daemon);
/* Gives up all that serving does not need: from here on no file can be opened but to be read, and
 * no process started. Before threads are. Returns false, having logged why. */
bool daemon_confine(struct daemon *daemon);
void daemon_helper_end(struct daemon *daemon);
#define DAEMON_HELPER_IS_GONE                                                                      \
	"the helper process is gone, without which the netfilter rules cannot be changed: "        \
	"restart the daemon"

/*
 * daemon_follow.c: opens what listens to the world: network, names, health. Before privileges are
 * given up. Returns false, having logged why.
 */
bool daemon_follow_open(struct daemon *daemon);
void daemon_follow_close(struct daemon *daemon);

/* Gives a program's names the addresses that are known, and compiles it. Returns 0 or -errno. */
int daemon_follow_prepare(struct daemon *daemon, struct program *program);

/*
 * Gives a prepared program to the workers, with what is known of the network and of its
 * destinations' health; from then on these and its names are followed for it. Returns 0 or -errno;
 * on an error all goes on as before.
 */
int daemon_follow_program(struct daemon *daemon, const struct program *program);

/* The netfilter rules are not those of the program in force: to be tried again. */
void daemon_follow_rules_failed(struct daemon *daemon);

/* Gives the fast path another choice of rules, when loops have been found or have ended. */
void daemon_follow_loops(struct daemon *daemon);

/* Once a second: tries again what has failed, when its time has come. */
void daemon_follow_retry(struct daemon *daemon);

/* What they are given has changed in kind, though not the program: it is published anew. */
void daemon_follow_anew(struct daemon *daemon);

/*
 * daemon_guard.c: sees to it that what is ours stays ours: the netfilter rules, the queues, the
 * network namespace. Before privileges are given up. Returns false, having logged why: another
 * daemon has the rules.
 */
bool daemon_guard_open(struct daemon *daemon);
/* The rules script has been run for the program in force, or is not ours to run: what netfilter has
 * now is what it should have. done: it succeeded. */
void daemon_guard_accept(struct daemon *daemon, bool done);
/* Once a second. */
void daemon_guard_tick(struct daemon *daemon);
/* NULL, or what of ours is missing. */
const char *daemon_guard_ill(const struct daemon *daemon);
/* How often the rules were put back. */
uint64_t daemon_guard_restored(const struct daemon *daemon);
/* From now on the rules may go. */
void daemon_guard_stop(struct daemon *daemon);
/* Once they have: lets another daemon have the network namespace. */
void daemon_guard_close(struct daemon *daemon);

/*
 * daemon_fastpath.c: loads the fast path's program, before privileges are given up. That it cannot
 * be had is logged, and no reason to stop. Where packets wait that a former daemon has left, it is
 * loaded by a thread, since that may take long.
 */
void daemon_fastpath_open(struct daemon *daemon);
/* Attaches it, once it is loaded and all else is ready. */
void daemon_fastpath_start(struct daemon *daemon);
/* Attaches it where interfaces have appeared. */
void daemon_fastpath_follow(struct daemon *daemon);
/* Once a second at least. */
void daemon_fastpath_beat(const struct daemon *daemon);
/* Detaches it, before the rules go. */
void daemon_fastpath_stop(struct daemon *daemon);
void daemon_fastpath_close(struct daemon *daemon);

/* "off", "on", or "unavailable: " and why; written to text where need be. */
#define DAEMON_FASTPATH_SIZE (FASTPATH_ERROR_BYTES + 64)
const char *daemon_fastpath_describe(const struct daemon *daemon,
				     char text[static DAEMON_FASTPATH_SIZE]);
/* One per rule in force; NULL unless it is on. */
const struct fastpath_verdict *daemon_fastpath_verdicts(const struct daemon *daemon);

/*
 * daemon_reload.c: reads the configuration anew and puts it in force, or changes nothing. Writes
 * what has changed, or every error, to report.
 */
enum control_answer daemon_reload(struct daemon *daemon, struct evbuffer *report);
/* Whether the configuration file says, to the letter, what is in force. */
bool daemon_has_file(const struct daemon *daemon);
/* As daemon_reload, with the report going to the log; also tells the service manager. */
void daemon_reload_and_log(struct daemon *daemon);

/* daemon_status.c: a text about what runs now, as writer has it; the caller frees it. NULL when
 * memory runs out. Only once there are workers. */
typedef char *daemon_status_writer(const struct status *status);
char *daemon_status_text(const struct daemon *daemon, daemon_status_writer *writer);

uint64_t daemon_uptime_ms(const struct daemon *daemon);

/* daemon_history.c: once a second; takes part in the history when its time has come. */
void daemon_history_follow(struct daemon *daemon);
/* Its JSON; the caller frees it. NULL when memory runs out. */
char *daemon_history_text(const struct daemon *daemon);
void daemon_history_close(struct daemon *daemon);

/*
 * daemon_health.c: NULL while packets can be duplicated, else why not. Cheap, and true at this
 * moment.
 */
const char *daemon_health(const struct daemon *daemon);
/* Listens whether all workers live, about once a second. */
void daemon_health_listen(struct daemon *daemon);

/*
 * daemon_http.c: opens the HTTP server, before privileges are given up. What cannot be had is
 * logged, and tried again.
 */
void daemon_http_open(struct daemon *daemon);
/* After a reload. What there is to warn of goes to report. */
void daemon_http_follow(struct daemon *daemon, struct evbuffer *report);
/* Once a second. */
void daemon_http_retry(struct daemon *daemon);
void daemon_http_close(struct daemon *daemon);

/*
 * daemon_exposure.c: one warning where rules in force are open to the Internet
 * (control/exposure.h), to report, or to the log where that is NULL.
 */
void daemon_exposure_warn(const struct daemon *daemon, struct evbuffer *report);

/* "127.0.0.1:9514", "off", or "unavailable: " and why; written to text where need be. */
#define DAEMON_HTTP_SIZE 256
const char *daemon_http_describe(const struct daemon *daemon, char text[static DAEMON_HTTP_SIZE]);

/*
 * daemon_loops.c: looks for loops from now on, before privileges are given up. That it cannot be
 * done is logged, and no reason to stop.
 */
void daemon_loops_open(struct daemon *daemon);
/* The fast path has come after that. Its packets are looked at from the next publication on. */
void daemon_loops_share(struct daemon *daemon);
/* Looks no more; what has been found stays in force. */
void daemon_loops_pause(struct daemon *daemon);
/* Once no worker is left. */
void daemon_loops_close(struct daemon *daemon);
/* What workers go by with a ruleset that is about to be published; then whether it was. */
struct loop_orders daemon_loops_prepare(struct daemon *daemon, const struct ruleset *ruleset);
void daemon_loops_follow(struct daemon *daemon, const struct ruleset *ruleset, bool is_published);
/* Per destination in force, whether its copies come back; NULL: nobody knows. */
const uint8_t *daemon_loops_found(const struct daemon *daemon);
struct status_probes daemon_loops_probes(const struct daemon *daemon);

/* daemon_requests.c: answers a request of the control socket (control_socket.h); context is the
 * daemon. */
enum control_answer daemon_on_request(void *context, const char *request, struct evbuffer *body);
/* Once a second: puts the socket back where somebody has removed it. */
void daemon_requests_follow(struct daemon *daemon);

/*
 * daemon_handover.c: one daemon takes over from another. Of the one that goes: has its next end be
 * a handover; what is wrong with that goes to body.
 */
enum control_answer daemon_handover_ask(struct daemon *daemon, struct evbuffer *body);
/* Leaves queues, rules and fast path to the next one. Returns false where that was not asked for,
 * or cannot be: all is as before then. */
bool daemon_handover_leave(struct daemon *daemon);

/* Of the one that comes: what was left, if anything, is in our hands from here on. */
void daemon_handover_take(struct daemon *daemon);
/* The queues among it. */
struct legacy *daemon_handover_legacy(struct daemon *daemon);
/* Host names have the addresses that they had, where the configuration is the same. */
void daemon_handover_names(struct daemon *daemon);
/* The former program at every ingress gives way to ours: before daemon_fastpath_follow. */
void daemon_handover_ingress(struct daemon *daemon);
/* Counters go on. Once our program is attached. */
void daemon_handover_count(struct daemon *daemon);
/* What nobody has taken over by now ends; packets that wait go on uncopied. */
void daemon_handover_close(struct daemon *daemon);

/* daemon_stop.c: takes the rules away, waits for what is queued, and gives everything back; or
 * hands it over. Returns whether nothing was left behind. */
bool daemon_stop(struct daemon *daemon);

/* daemon_log.c: what libevent has to say goes to our log. */
void daemon_log_open(void);
/* Once a second: tells of packets that the kernel has dropped so far, and of lines held back. */
void daemon_log_tick(struct daemon *daemon, uint64_t dropped_pkts);

#endif

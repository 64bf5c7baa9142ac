/* SPDX-License-Identifier: MIT */
/*
 * One daemon takes over from another at a restart by the service manager, and no packet is lost.
 * The queues' sockets lie in the service manager's store meanwhile, so that packets go on waiting
 * in the queues; rules stay, and so does the program at the ingress, which serves by itself for a
 * while. Only where that is asked for on the control socket: at any other end nothing may wait for
 * somebody who does not come.
 */
#include "control/daemon_state.h"
#include "control/fd_store.h"
#include "control/handover_state.h"
#include "control/log.h"
#include "control/notify.h"
#include "control/timer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ASKED_FOR_MS = 20000, /* the end must come so soon after it was asked for */
	BARRIER_MS = 2000,
	/* The kernel program works alone so long at most: longer than any start takes. */
	ALONE_S = 30,
	STATE_MAX_BYTES = 64 << 20,
};

static const char name_state[] = "state";
static const char name_totals[] = "fastpath-totals";
static const char name_rules[] = "fastpath-rules";
static const char name_destinations[] = "fastpath-destinations";
static const char queue_format[] = "queue-%u";
static const char link_format[] = "ingress-%u";

/* ---- Leaving ---- */

enum control_answer daemon_handover_ask(struct daemon *daemon, struct evbuffer *body)
{
	int error = daemon->options->no_rules ? -ENOTSUP : notify_barrier(BARRIER_MS);

	if (error == -ENOTSUP)
		evbuffer_add_printf(body, "with --no-rules the rules are not the daemon's\n");
	else if (error)
		evbuffer_add_printf(body, "no service manager keeps the queues: %s\n",
				    strerror(-error));
	if (error)
		return CONTROL_ERROR;
	daemon->handover_until_ms = timer_now_ms() + ASKED_FOR_MS;
	return CONTROL_OK;
}

/* What is put into the store: each is taken out again where it is all in vain. */
struct bundle {
	bool remove;
	int error;
};

static void put(struct bundle *bundle, const char *name, int fd)
{
	int error = 0;

	if (bundle->remove)
		fd_store_remove(name);
	else
		error = fd_store_put(name, fd);
	if (error)
		bundle->error = error;
}

static void put_link(void *context, int interface, int fd)
{
	char name[FD_STORE_NAME_SIZE];

	snprintf(name, sizeof(name), link_format, (unsigned)interface);
	put(context, name, fd);
}

/* All but the state, which is not known yet. */
static void put_all(const struct daemon *daemon, const struct fastpath_left *left,
		    struct bundle *bundle)
{
	unsigned queue = daemon->program.config->settings.queue;
	int fds[CONFIG_WORKERS_MAX];
	size_t count = datapath_descriptors(daemon->datapath, fds);
	char name[FD_STORE_NAME_SIZE];

	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), queue_format, queue + (unsigned)i);
		put(bundle, name, fds[i]);
	}
	if (!daemon->ingress)
		return;
	put(bundle, name_totals, left->totals_fd);
	put(bundle, name_rules, left->rules_fd);
	put(bundle, name_destinations, left->destinations_fd);
	ingress_links(daemon->ingress, put_link, bundle);
}

static void take_back(const struct daemon *daemon, const struct fastpath_left *left, int error)
{
	log_warning("the queues cannot be left to the next daemon, so all ends: %s",
		    strerror(-error));
	put_all(daemon, left, &(struct bundle){.remove = true});
}

static int put_state(const char *text)
{
	size_t length = strlen(text);
	int fd = memfd_create("handover", MFD_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, length) != (ssize_t)length)
		error = -EIO;
	if (!error)
		error = fd_store_put(name_state, fd);
	close(fd);
	return error;
}

/* From here on, packets wait. */
static void leave(struct daemon *daemon, const struct fastpath_left *left)
{
	struct legacy legacy;
	char *status, *text = NULL;
	int error = -ENOMEM;

	datapath_leave(daemon->datapath, &legacy);
	if (daemon->ingress)
		fastpath_leave(daemon->fastpath, ALONE_S);
	status = daemon_status_text(daemon, status_json);
	if (status)
		text = handover_state_write(status, daemon->program.file.text, &legacy,
					    daemon->ingress ? left : NULL);
	if (text)
		error = put_state(text);
	if (!error)
		error = notify_barrier(BARRIER_MS);
	if (error)
		log_warning("the next daemon is not told what was counted: %s", strerror(-error));
	free(status);
	free(text);
	ingress_leave(daemon->ingress);
	daemon->ingress = NULL;
}

bool daemon_handover_leave(struct daemon *daemon)
{
	struct fastpath_left left = {-1, -1, -1, 0, 0, 0};
	struct bundle bundle = {.remove = false};

	if (timer_now_ms() >= daemon->handover_until_ms)
		return false;
	if (daemon->ingress)
		fastpath_counter_maps(daemon->fastpath, &left);
	put_all(daemon, &left, &bundle);
	if (!bundle.error)
		bundle.error = notify_barrier(BARRIER_MS);
	if (bundle.error) {
		take_back(daemon, &left, bundle.error);
		return false;
	}
	log_info("rules and queues stay for the next daemon");
	leave(daemon, &left);
	return true;
}

/* ---- Taking over ---- */

/* One of the former daemon's links at an ingress. */
struct link {
	unsigned interface;
	int fd;
};

struct handover {
	struct legacy legacy;
	struct handover_state *state;
	struct fastpath_left left;
	struct link *links;
	size_t link_count;
	bool gave_way; /* their program, to ours */
};

static struct handover_state *read_state(int fd)
{
	struct handover_state *state = NULL;
	struct stat file;
	char *text = NULL;

	if (fstat(fd, &file) == 0 && file.st_size < STATE_MAX_BYTES)
		text = calloc(1, (size_t)file.st_size + 1);
	if (text && pread(fd, text, (size_t)file.st_size, 0) == file.st_size)
		state = handover_state_read(text);
	free(text);
	return state;
}

static bool keep_queue(struct handover *handover, unsigned number, int fd)
{
	struct legacy *legacy = &handover->legacy;

	for (size_t i = 0; i < legacy->queue_count; i++)
		if (legacy->queues[i].number == number) {
			legacy->queues[i].fd = fd;
			return true;
		}
	/* There is no word of it: what waits there is all that can be saved. */
	datapath_let_go(&(struct legacy){.queue_count = 1,
					 .queues[0] = {.fd = fd, .number = (uint16_t)number}});
	return true;
}

/* Returns whether the descriptor is kept. */
static bool keep(struct handover *handover, const struct fd_store_item *item)
{
	unsigned number;

	if (sscanf(item->name, queue_format, &number) == 1 && number <= UINT16_MAX)
		return keep_queue(handover, number, item->fd);
	if (strcmp(item->name, name_totals) == 0)
		handover->left.totals_fd = item->fd;
	else if (strcmp(item->name, name_rules) == 0)
		handover->left.rules_fd = item->fd;
	else if (strcmp(item->name, name_destinations) == 0)
		handover->left.destinations_fd = item->fd;
	else if (handover->links && sscanf(item->name, link_format, &number) == 1)
		handover->links[handover->link_count++] = (struct link){number, item->fd};
	else
		return false;
	return true;
}

void daemon_handover_take(struct daemon *daemon)
{
	struct fd_store_item *items;
	size_t count = fd_store_take(&items);
	struct handover *handover = count ? calloc(1, sizeof(*handover)) : NULL;

	if (!handover) {
		free(items);
		return;
	}
	handover->left = (struct fastpath_left){-1, -1, -1, 0, 0, 0};
	handover->links = calloc(count, sizeof(*handover->links));
	for (size_t i = 0; i < count && !handover->state; i++)
		if (strcmp(items[i].name, name_state) == 0)
			handover->state = read_state(items[i].fd);
	if (handover->state) {
		handover_state_legacy(handover->state, &handover->legacy);
		handover_state_left(handover->state, &handover->left);
	}
	for (size_t i = 0; i < count; i++)
		if (!keep(handover, &items[i]))
			close(items[i].fd);
	free(items);
	daemon->handover = handover;
	daemon->drops_told_pkts = handover->legacy.dropped_pkts;
}

struct legacy *daemon_handover_legacy(struct daemon *daemon)
{
	static struct legacy none;

	return daemon->handover ? &daemon->handover->legacy : &none;
}

void daemon_handover_names(struct daemon *daemon)
{
	const struct handover *handover = daemon->handover;
	struct config *config = daemon->program.config;

	if (!handover || !handover->state ||
	    !handover_state_is_of(handover->state, daemon->program.file.text))
		return;
	for (size_t r = 0; r < config->rule_count; r++)
		for (size_t d = 0; d < config->rules[r].destination_count; d++) {
			struct config_destination *to = &config->rules[r].destinations[d];
			struct ip_address address;

			if (to->host && handover_state_address(handover->state, &config->rules[r],
							       to, &address))
				to->address = address;
		}
}

void daemon_handover_ingress(struct daemon *daemon)
{
	struct handover *handover = daemon->handover;

	if (!handover || !daemon->ingress)
		return;
	ingress_succeed(daemon->ingress);
	for (size_t i = 0; i < handover->link_count; i++)
		if (!ingress_inherit(daemon->ingress, (int)handover->links[i].interface,
				     handover->links[i].fd))
			close(handover->links[i].fd);
	handover->link_count = 0;
	handover->gave_way = true;
}

/* Adds counters, by the former daemon's indices, to ours. */
static void add(struct daemon *daemon, const struct counters *theirs, uint64_t dropped_pkts)
{
	struct counters *ours = theirs ? handover_state_translate(daemon->handover->state, theirs,
								  daemon->program.ruleset)
				       : NULL;

	if (ours)
		datapath_add(daemon->datapath, ours, dropped_pkts);
	else
		log_warning("out of memory: counters begin anew");
	counters_free(ours);
}

/* What the former program counted while it was alone. */
static void add_left(struct daemon *daemon)
{
	const struct handover *handover = daemon->handover;
	struct counters *theirs = handover_state_counters(handover->state);
	struct counters *tail =
		theirs ? counters_create(theirs->rule_count, theirs->destination_count) : NULL;
	uint64_t refused_pkts = 0;
	int error = tail ? fastpath_left_read(&handover->left, tail, &refused_pkts) : -ENOMEM;

	if (error)
		log_warning("packets that the former fast path served meanwhile are not counted: "
			    "%s",
			    strerror(-error));
	else
		add(daemon, tail, refused_pkts);
	counters_free(theirs);
	counters_free(tail);
}

void daemon_handover_count(struct daemon *daemon)
{
	struct handover *handover = daemon->handover;
	struct counters *theirs;

	if (!handover || !handover->state)
		return;
	theirs = handover_state_counters(handover->state);
	add(daemon, theirs, 0);
	counters_free(theirs);
	if (handover->left.totals_fd >= 0)
		add_left(daemon);
	log_info("took over from the former daemon: queues, rules and counters go on");
}

void daemon_handover_close(struct daemon *daemon)
{
	struct handover *handover = daemon->handover;

	if (!handover)
		return;
	datapath_let_go(&handover->legacy);
	if (handover->left.totals_fd >= 0 && !handover->gave_way)
		ingress_clear();
	for (size_t i = 0; i < handover->link_count; i++)
		close(handover->links[i].fd);
	if (handover->left.totals_fd >= 0)
		close(handover->left.totals_fd);
	if (handover->left.rules_fd >= 0)
		close(handover->left.rules_fd);
	if (handover->left.destinations_fd >= 0)
		close(handover->left.destinations_fd);
	handover_state_free(handover->state);
	free(handover->links);
	free(handover);
	daemon->handover = NULL;
}

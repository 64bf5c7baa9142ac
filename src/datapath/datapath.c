/* SPDX-License-Identifier: MIT */
#include "datapath/datapath.h"

#include "datapath/fastpath.h"
#include "datapath/fastpath_counters.h"
#include "datapath/generation.h"
#include "datapath/queue.h"
#include "datapath/queue_owner.h"
#include "datapath/queue_stats.h"
#include "datapath/worker.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel's 32-bit drop counters of one queue, as 64 bits. */
struct drop_count {
	uint32_t last_full, last_user;
	uint64_t total;
};

struct slot {
	struct worker *worker;
	struct drop_count drops;
	uint64_t last_beats;
};

struct datapath {
	struct config_settings settings;
	unsigned worker_count;
	struct slot slots[CONFIG_WORKERS_MAX];
	struct generation *generation;
	struct fastpath *fastpath;    /* NULL: there is none */
	uint64_t dropped_before_pkts; /* by the kernel, in the time of those who left us this */
	int stats_fd;
};

/* The CPU for worker index: those that this process may use, in turn. */
static unsigned cpu_for(unsigned index)
{
	cpu_set_t allowed;
	unsigned skip, count;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return index;
	count = (unsigned)CPU_COUNT(&allowed);
	skip = index % (count ? count : 1);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && skip-- == 0)
			return cpu;
	return index;
}

static void describe_error(const struct datapath *datapath, unsigned queue, int error,
			   char text[static DATAPATH_ERROR_BYTES])
{
	struct queue_stats stats;

	if (error == -EPERM && queue_stats_read(datapath->stats_fd, (uint16_t)queue, &stats) == 0) {
		char owner[QUEUE_OWNER_TEXT_BYTES];

		snprintf(text, DATAPATH_ERROR_BYTES,
			 "queue %u belongs to %s: stop that one, or choose other numbers with "
			 "SETTINGS.QUEUE",
			 queue, queue_owner_describe(stats.port_id, owner));
	} else {
		snprintf(text, DATAPATH_ERROR_BYTES, "cannot open queue %u and its sockets: %s",
			 queue, strerror(-error));
	}
}

/* The queue of this number among those that are left, NULL where there is none or it is not that
 * socket's any more. */
static struct legacy_queue *find_left(const struct datapath *datapath, struct legacy *legacy,
				      unsigned number)
{
	struct queue_stats stats;

	for (size_t i = 0; i < legacy->queue_count; i++) {
		struct legacy_queue *left = &legacy->queues[i];
		struct sockaddr_nl address = {0};
		socklen_t bytes = sizeof(address);

		if (left->number == number && left->fd >= 0 &&
		    getsockname(left->fd, (struct sockaddr *)&address, &bytes) == 0 &&
		    queue_stats_read(datapath->stats_fd, (uint16_t)number, &stats) == 0 &&
		    stats.port_id == address.nl_pid)
			return left;
	}
	return NULL;
}

static int open_slot(struct datapath *datapath, unsigned i, struct legacy *legacy)
{
	struct slot *slot = &datapath->slots[i];
	const struct config_settings *settings = &datapath->settings;
	struct legacy_queue *left = find_left(datapath, legacy, settings->queue + i);

	if (left)
		slot->drops = (struct drop_count){.last_full = left->dropped_full_pkts,
						  .last_user = left->dropped_user_pkts};
	return worker_open(&slot->worker, settings, i, cpu_for(i), left);
}

int datapath_open(struct datapath **out, const struct config_settings *settings,
		  unsigned worker_count, struct legacy *legacy,
		  char error_text[static DATAPATH_ERROR_BYTES])
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));
	int error = 0;

	if (!datapath) {
		snprintf(error_text, DATAPATH_ERROR_BYTES, "out of memory");
		return -ENOMEM;
	}
	datapath->settings = *settings;
	datapath->dropped_before_pkts = legacy->dropped_pkts;
	datapath->stats_fd = queue_stats_open();
	for (unsigned i = 0; i < worker_count && !error; i++) {
		error = open_slot(datapath, i, legacy);
		if (error)
			describe_error(datapath, settings->queue + i, error, error_text);
		else
			datapath->worker_count++;
	}
	/* The first queue of all is what has the kernel load the module whose file it is. */
	if (!error && datapath->stats_fd == -ENOENT)
		datapath->stats_fd = queue_stats_open();
	if (!error && datapath->stats_fd < 0) {
		error = datapath->stats_fd;
		snprintf(error_text, DATAPATH_ERROR_BYTES,
			 "cannot read /proc/net/netfilter/nfnetlink_queue, without which drops "
			 "could not be counted: %s; run as root, or open it as standard input",
			 strerror(-error));
	}
	if (error)
		datapath_close(datapath);
	else
		*out = datapath;
	return error;
}

void datapath_let_go(struct legacy *legacy)
{
	enum { LET_GO_LENGTH_PKTS = 1024 }; /* from then on the kernel lets them go by itself */

	for (size_t i = 0; i < legacy->queue_count; i++) {
		struct legacy_queue *left = &legacy->queues[i];
		struct queue *queue;

		if (left->fd < 0)
			continue;
		if (queue_inherit(&queue, left->fd, left->number, LET_GO_LENGTH_PKTS,
				  WHEN_FULL_FORWARD) == 0) {
			queue_let_go(queue);
			queue_close(queue);
		} else {
			close(left->fd);
		}
		left->fd = -1;
	}
}

void datapath_use_fastpath(struct datapath *datapath, struct fastpath *fastpath)
{
	datapath->fastpath = fastpath;
	for (unsigned i = 0; i < datapath->worker_count; i++) {
		struct admission admission = admission_of_worker(fastpath_state(fastpath), i);

		worker_use_admission(datapath->slots[i].worker, &admission);
	}
}

/* What the fast path is to work by; NULL when memory runs out. */
static struct fastpath_publication *prepare_fastpath(struct datapath *datapath,
						     const struct generation_basis *basis,
						     const struct generation *generation,
						     bool goes_on)
{
	bool has_kinship = generation->kinship.ruleset != NULL;
	struct fastpath_publication *publication = fastpath_prepare(
		datapath->fastpath, basis, has_kinship ? &generation->kinship : NULL);

	/* Workers at work on this ruleset have been told already. */
	for (unsigned i = 0; publication && !goes_on && i < datapath->worker_count; i++)
		fastpath_share_samples(datapath->fastpath, publication,
				       generation->orders[i].selection);
	return publication;
}

int datapath_publish(struct datapath *datapath, const struct generation_basis *basis)
{
	struct generation *former = datapath->generation;
	struct generation *generation = generation_create(basis, datapath->worker_count, former);
	struct fastpath_publication *publication = NULL;
	int error = 0;

	if (!generation)
		return -ENOMEM;
	if (datapath->fastpath) {
		publication = prepare_fastpath(datapath, basis, generation,
					       former && former->memory == generation->memory);
		if (!publication) {
			generation_free(generation);
			return -ENOMEM;
		}
	}
	for (unsigned i = 0; i < datapath->worker_count && !error; i++) {
		if (former)
			worker_publish(datapath->slots[i].worker, &generation->orders[i]);
		else
			error = worker_start(datapath->slots[i].worker, &generation->orders[i]);
	}
	if (error) {
		/* Those that have started must not outlive what they were given. */
		for (unsigned i = 0; i < datapath->worker_count; i++)
			worker_stop(datapath->slots[i].worker);
		fastpath_discard(publication);
		generation_free(generation);
		return error;
	}
	if (publication)
		fastpath_publish(datapath->fastpath, publication, former ? former->former : NULL);
	datapath->generation = generation;
	if (former)
		generation_take_over(generation, former);
	generation_free(former);
	return 0;
}

struct counters *datapath_read(const struct datapath *datapath)
{
	const struct generation *generation = datapath->generation;
	struct counters *sum = counters_create(generation->former->rule_count,
					       generation->former->destination_count);

	if (!sum)
		return NULL;
	if (datapath->fastpath)
		fastpath_harvest(datapath->fastpath, generation->former);
	counters_accumulate(sum, generation->former);
	for (unsigned i = 0; i < datapath->worker_count; i++)
		worker_read(datapath->slots[i].worker, sum);
	return sum;
}

static void add_sent(const struct counters *counters, uint64_t *sent_pkts)
{
	for (size_t d = 0; d < counters->destination_count; d++)
		sent_pkts[d] += counter_read(&counters->destinations[d].sent_pkts);
}

/* What a CPU has served since its counters were last emptied; 0 where it has had no packet. */
static uint64_t served_pkts(const struct fastpath_counters *at)
{
	return __atomic_load_n(&at->total->originals_forwarded_pkts, __ATOMIC_RELAXED) +
	       __atomic_load_n(&at->total->originals_dropped_pkts, __ATOMIC_RELAXED);
}

void datapath_read_sent(const struct datapath *datapath, uint64_t *sent_pkts)
{
	const struct generation *generation = datapath->generation;
	size_t count = generation->former->destination_count;
	struct fastpath_counters at;

	memset(sent_pkts, 0, count * sizeof(*sent_pkts));
	add_sent(generation->former, sent_pkts);
	for (unsigned i = 0; i < datapath->worker_count; i++)
		add_sent(generation->orders[i].counters, sent_pkts);
	for (size_t copy = 0;
	     datapath->fastpath && fastpath_counters_at(datapath->fastpath, copy, &at); copy++)
		for (size_t d = 0; served_pkts(&at) > 0 && d < count; d++)
			sent_pkts[d] +=
				__atomic_load_n(&at.destinations[d].sent_pkts, __ATOMIC_RELAXED);
}

uint64_t datapath_received_pkts(const struct datapath *datapath)
{
	const struct generation *generation = datapath->generation;
	struct fastpath_counters at;
	uint64_t sum;

	if (!generation)
		return 0;
	sum = counter_read(&generation->former->total.received_pkts);
	for (unsigned i = 0; i < datapath->worker_count; i++)
		sum += counter_read(&generation->orders[i].counters->total.received_pkts);
	for (size_t copy = 0;
	     datapath->fastpath && fastpath_counters_at(datapath->fastpath, copy, &at); copy++)
		sum += served_pkts(&at);
	return sum;
}

/* Packets that the kernel let pass without us. It counts none of them itself. */
static uint64_t passed_pkts(const struct worker *worker, const struct queue_stats *stats)
{
	uint64_t missed_pkts = worker_missed_pkts(worker);
	int32_t behind = (int32_t)(stats->last_packet_id - worker_last_packet_id(worker));

	/* With nothing on its way to us, ids beyond the last one that came are lost as well; it is
	 * us who may be ahead, by what came since the kernel's numbers were read. */
	if (stats->waiting_pkts == 0 && behind > 0)
		missed_pkts += (uint64_t)behind;
	return missed_pkts;
}

struct datapath_queue_totals datapath_queue_totals(struct datapath *datapath)
{
	struct datapath_queue_totals totals = {.dropped_kernel_pkts =
						       datapath->dropped_before_pkts};

	for (unsigned i = 0; i < datapath->worker_count; i++) {
		struct slot *slot = &datapath->slots[i];
		struct queue_stats stats;

		if (queue_stats_read(datapath->stats_fd, (uint16_t)(datapath->settings.queue + i),
				     &stats) == 0) {
			totals.waiting_pkts += stats.waiting_pkts;
			slot->drops.total += stats.dropped_full_pkts - slot->drops.last_full;
			slot->drops.total += stats.dropped_user_pkts - slot->drops.last_user;
			slot->drops.last_full = stats.dropped_full_pkts;
			slot->drops.last_user = stats.dropped_user_pkts;
			if (datapath->settings.when_full == WHEN_FULL_FORWARD)
				slot->drops.total = passed_pkts(slot->worker, &stats);
		}
		totals.dropped_kernel_pkts += slot->drops.total;
	}
	if (datapath->fastpath)
		totals.dropped_kernel_pkts += fastpath_refused_pkts(datapath->fastpath);
	return totals;
}

/* Whether a queue is not ours; then *loss is written, and it is bound anew where it can be. */
static bool find_loss(struct datapath *datapath, unsigned index, struct datapath_queue_loss *loss)
{
	struct slot *slot = &datapath->slots[index];
	uint16_t queue = (uint16_t)(datapath->settings.queue + index);
	struct queue_stats stats;
	int error = queue_stats_read(datapath->stats_fd, queue, &stats);

	if (error == -ENOENT) {
		/* The counters of what is bound now begin at zero. */
		slot->drops.last_full = slot->drops.last_user = 0;
		worker_bind_again(slot->worker);
		error = queue_stats_read(datapath->stats_fd, queue, &stats);
		*loss = (struct datapath_queue_loss){
			.queue = queue,
			.is_mended = !error && stats.port_id == worker_port_id(slot->worker),
			.port_id = error ? 0 : stats.port_id,
		};
		return true;
	}
	if (error || stats.port_id == worker_port_id(slot->worker))
		return false;
	*loss = (struct datapath_queue_loss){.queue = queue, .port_id = stats.port_id};
	return true;
}

bool datapath_find_loss(struct datapath *datapath, struct datapath_queue_loss *loss)
{
	struct datapath_queue_loss next;
	bool any = false;

	for (unsigned i = 0; i < datapath->worker_count; i++) {
		if (!find_loss(datapath, i, &next))
			continue;
		if (!any || loss->is_mended)
			*loss = next;
		any = true;
	}
	return any;
}

void datapath_add(struct datapath *datapath, const struct counters *counters, uint64_t dropped_pkts)
{
	counters_accumulate(datapath->generation->former, counters);
	datapath->dropped_before_pkts += dropped_pkts;
}

size_t datapath_descriptors(const struct datapath *datapath, int fds[static CONFIG_WORKERS_MAX])
{
	for (unsigned i = 0; i < datapath->worker_count; i++)
		fds[i] = queue_descriptor(worker_queue(datapath->slots[i].worker));
	return datapath->worker_count;
}

void datapath_leave(struct datapath *datapath, struct legacy *legacy)
{
	bool forward = datapath->settings.when_full == WHEN_FULL_FORWARD;

	*legacy = (struct legacy){.queue_count = datapath->worker_count};
	for (unsigned i = 0; i < datapath->worker_count; i++)
		worker_leave(datapath->slots[i].worker);
	/* What it refused after this would be counted by nobody. */
	if (datapath->fastpath)
		fastpath_admit_all(datapath->fastpath);
	legacy->dropped_pkts = datapath_queue_totals(datapath).dropped_kernel_pkts;
	for (unsigned i = 0; i < datapath->worker_count; i++) {
		const struct slot *slot = &datapath->slots[i];

		legacy->queues[i] = (struct legacy_queue){
			.fd = queue_descriptor(worker_queue(slot->worker)),
			.number = (uint16_t)(datapath->settings.queue + i),
			.last_packet_id = worker_last_packet_id(slot->worker),
			.dropped_full_pkts = slot->drops.last_full,
			.dropped_user_pkts = slot->drops.last_user,
		};
		/* What came after the last id that we had, the next one finds by that id. */
		if (forward)
			legacy->dropped_pkts -=
				slot->drops.total - worker_missed_pkts(slot->worker);
	}
}

unsigned datapath_worker_count(const struct datapath *datapath)
{
	return datapath->worker_count;
}

bool datapath_alive(struct datapath *datapath)
{
	bool alive = true;

	for (unsigned i = 0; i < datapath->worker_count; i++) {
		struct slot *slot = &datapath->slots[i];
		uint64_t beats = worker_beats(slot->worker);

		alive &= beats != slot->last_beats;
		slot->last_beats = beats;
	}
	return alive;
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;
	for (unsigned i = 0; i < datapath->worker_count; i++)
		worker_stop(datapath->slots[i].worker);
	for (unsigned i = 0; i < datapath->worker_count; i++)
		worker_close(datapath->slots[i].worker);
	generation_free(datapath->generation);
	if (datapath->stats_fd > 0)
		close(datapath->stats_fd);
	free(datapath);
}

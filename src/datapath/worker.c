/* SPDX-License-Identifier: MIT */
#include "datapath/worker.h"

#include "core/fragment.h"
#include "core/packet.h"
#include "datapath/queue.h"
#include "datapath/tx.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
	IDLE_MS = 500,
	/* Between two looks at what a worker is doing. */
	PAUSE_NS = 20000,
	/* A reader takes what it sees when the worker has not come to the end of its burst by then.
	 */
	READ_TRIES = 30000,
};

struct worker {
	/* The thread's own. */
	_Alignas(64) struct queue *queue;
	struct tx *tx;
	uint32_t last_id;

	/* Written by the thread, read by others. */
	_Atomic uint64_t burst; /* odd while a burst is being worked on */
	_Atomic uint64_t beats;
	counter missed_pkts;
	_Atomic uint32_t last_packet_id;

	/* Written by others. */
	_Alignas(64) _Atomic(const struct worker_orders *) orders;
	_Atomic bool stop;
	/* Where the thread is to add its counters up, between two bursts. It takes the pointer away
	 * when it begins, and sets answered when it is done. */
	_Atomic(struct counters *) wanted;
	_Atomic bool answered;
	int wake_fd;
	unsigned cpu;
	pthread_t thread;
	bool started;
};

/*
 * Identifications of fragmented datagrams, from one row for all workers: two copies for the same
 * host must not share one, whichever worker sends them. Fragmenting is rare enough for an atomic.
 */
static uint32_t next_identification(void)
{
	static _Atomic uint32_t next;
	uint32_t id;

	do
		id = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
	while ((id & 0xffff) == 0); /* the kernel would choose another one for each fragment */
	return id;
}

static void send_fragments(struct worker *worker, const struct packet *packet,
			   const struct ruleset_destination *destination, uint32_t mtu_bytes,
			   uint8_t ttl, struct counters_destination *counters)
{
	uint8_t headers[PACKET_HEADERS_MAX];
	struct tx_message message = {.to = &destination->target.address,
				     .counters = counters,
				     .copy_bytes = packet->length_bytes};
	struct fragmenter fragmenter;
	struct fragment fragment;
	uint8_t *room = tx_room(worker->tx, FRAGMENT_HEADERS_MAX);

	packet_rewrite(packet, &destination->target, ttl, headers);
	if (!fragment_begin(&fragmenter, packet, headers, mtu_bytes, next_identification())) {
		counter_add(&counters->dropped_pkts[REASON_OVERSIZE], 1);
		return;
	}
	while (fragment_next(&fragmenter, room, &fragment)) {
		message.headers = room;
		message.headers_bytes = fragment.headers_bytes;
		message.payload = fragment.payload;
		message.payload_bytes = fragment.payload_bytes;
		message.last = fragmenter.offset_bytes == fragmenter.fragmentable_bytes;
		tx_add(worker->tx, &message);
		if (!message.last)
			room = tx_room(worker->tx, FRAGMENT_HEADERS_MAX);
	}
}

static void send_whole(struct worker *worker, const struct packet *packet,
		       const struct ruleset_destination *destination, uint8_t ttl,
		       struct counters_destination *counters)
{
	uint8_t *room = tx_room(worker->tx, packet->headers_bytes);
	struct tx_message message = {
		.to = &destination->target.address,
		.headers = room,
		.headers_bytes = packet->headers_bytes,
		.payload = packet->data + packet->headers_bytes,
		.payload_bytes = packet->length_bytes - packet->headers_bytes,
		.counters = counters,
		.copy_bytes = packet->length_bytes,
		.last = true,
	};

	packet_rewrite(packet, &destination->target, ttl, room);
	tx_add(worker->tx, &message);
}

static void send_copy(struct worker *worker, const struct worker_orders *orders,
		      const struct packet *packet, uint32_t index)
{
	const struct ruleset_destination *destination = &orders->ruleset->destinations[index];
	const struct config_rule *rule = orders->ruleset->rules[destination->rule].config;
	struct counters_destination *counters = &orders->counters->destinations[index];
	uint32_t mtu_bytes = orders->netview->mtu_bytes[destination->route];
	uint8_t ttl = packet_ttl(packet);

	counter_add(&counters->due_pkts, 1);
	if (rule->ttl.mode == TTL_SET) {
		ttl = rule->ttl.value;
	} else if (rule->ttl.mode == TTL_DECREMENT) {
		if (ttl <= 1) {
			counter_add(&counters->dropped_pkts[REASON_LOOP], 1);
			return;
		}
		ttl--;
	}
	if (mtu_bytes == NETVIEW_MTU_UNKNOWN || packet->length_bytes <= mtu_bytes)
		send_whole(worker, packet, destination, ttl, counters);
	else if (rule->oversize == OVERSIZE_DROP)
		counter_add(&counters->dropped_pkts[REASON_OVERSIZE], 1);
	else
		send_fragments(worker, packet, destination, mtu_bytes, ttl, counters);
}

/* Whether the original of a packet goes on to where it was going. */
static bool original_goes_on(const struct worker_orders *orders, const struct packet *packet,
			     enum original_mode mode)
{
	if (mode == ORIGINAL_AUTO)
		return !netview_is_own(orders->netview, &packet->destination);
	return mode == ORIGINAL_FORWARD;
}

static bool serve_matched(struct worker *worker, const struct worker_orders *orders,
			  const struct packet *packet, const struct ruleset_action *action)
{
	struct counters_total *total = &orders->counters->total;
	bool goes_on = original_goes_on(orders, packet, action->original);

	for (size_t i = 0; i < action->rule_count; i++) {
		struct counters_rule *rule = &orders->counters->rules[action->rules[i]];

		counter_add(&rule->matched_pkts, 1);
		counter_add(&rule->matched_bytes, packet->length_bytes);
		counter_add(&rule->duplicated_pkts, 1);
	}
	for (size_t i = 0; i < action->destination_count; i++)
		send_copy(worker, orders, packet, action->destinations[i]);
	counter_add(&total->matched_by_any_pkts, 1);
	counter_add(goes_on ? &total->originals_forwarded_pkts : &total->originals_dropped_pkts, 1);
	return goes_on;
}

/* Returns whether the original goes on. What cannot be duplicated always does. */
static bool serve_packet(struct worker *worker, const struct worker_orders *orders,
			 const struct nfq_wire_message *message)
{
	struct counters_total *total = &orders->counters->total;
	const struct ruleset_action *action;
	struct packet packet;

	counter_add(&total->received_pkts, 1);
	if (message->truncated) {
		counter_add(&total->truncated_pkts, 1);
		return true;
	}
	switch (packet_parse(message->payload, message->payload_bytes, &packet)) {
	case PACKET_OK:
		break;
	case PACKET_NOT_UDP:
		counter_add(&total->unmatched_pkts, 1);
		return true;
	case PACKET_MALFORMED:
		counter_add(&total->malformed_pkts, 1);
		return true;
	}
	action = ruleset_lookup(orders->ruleset, packet.destination.family,
				packet.destination_port_be);
	if (!action) {
		counter_add(&total->unmatched_pkts, 1);
		return true;
	}
	return serve_matched(worker, orders, &packet, action);
}

/* Ids go up by one; what is missing between two was lost between the kernel and us. */
static void note_packet_id(struct worker *worker, uint32_t id)
{
	counter_add(&worker->missed_pkts, id - worker->last_id - 1);
	worker->last_id = id;
	atomic_store_explicit(&worker->last_packet_id, id, memory_order_relaxed);
}

static void serve_burst(struct worker *worker, int count)
{
	const struct worker_orders *orders;

	/* From here until burst is even again, worker_publish waits for us. */
	atomic_fetch_add(&worker->burst, 1);
	orders = atomic_load(&worker->orders);
	for (int i = 0; i < count; i++) {
		struct nfq_wire_message message;

		if (queue_message(worker->queue, i, &message) != NFQ_WIRE_PACKET)
			continue;
		note_packet_id(worker, message.packet_id);
		queue_decide(worker->queue, message.packet_id,
			     serve_packet(worker, orders, &message));
	}
	tx_flush(worker->tx);
	/* A verdict that is refused has no packet any more: nothing is left to be done for it. */
	queue_send_verdicts(worker->queue);
	atomic_fetch_add(&worker->burst, 1);
}

/* Only here, between two bursts, do the equations hold that users are promised. */
static void answer_reader(struct worker *worker)
{
	struct counters *sum;

	if (!atomic_load_explicit(&worker->wanted, memory_order_relaxed))
		return;
	sum = atomic_exchange(&worker->wanted, NULL);
	if (!sum)
		return;
	counters_accumulate(sum, atomic_load(&worker->orders)->counters);
	atomic_store(&worker->answered, true);
}

/* Takes a wake-up, so that the next poll waits again. What we were woken for is looked at after. */
static void take_wake(const struct worker *worker)
{
	uint64_t woken;

	if (read(worker->wake_fd, &woken, sizeof(woken)) < 0)
		return; /* nobody has */
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;

	for (;;) {
		bool stop = atomic_load(&worker->stop);
		int count = queue_receive(worker->queue, worker->wake_fd, stop ? 0 : IDLE_MS);

		atomic_fetch_add_explicit(&worker->beats, 1, memory_order_relaxed);
		if (count > 0)
			serve_burst(worker, count);
		else
			take_wake(worker);
		answer_reader(worker);
		if (count <= 0 && stop)
			return NULL;
	}
}

int worker_open(struct worker **out, const struct config_settings *settings, unsigned index,
		unsigned cpu)
{
	struct worker *worker = aligned_alloc(64, sizeof(*worker));
	int error;

	if (!worker)
		return -ENOMEM;
	*worker = (struct worker){.cpu = cpu, .wake_fd = -1};
	error = tx_open(&worker->tx, settings->mark);
	if (error)
		goto out;
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0) {
		error = -errno;
		goto out;
	}
	error = queue_open(&worker->queue, (uint16_t)(settings->queue + index),
			   settings->queue_length_pkts, settings->when_full);
out:
	if (error)
		worker_close(worker);
	else
		*out = worker;
	return error;
}

int worker_start(struct worker *worker, const struct worker_orders *orders)
{
	sigset_t all, before;
	cpu_set_t cpus;
	int error;

	atomic_store(&worker->orders, orders);
	/* Signals are the control thread's; a new thread inherits what is blocked. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, worker_main, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	worker->started = true;
	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	/* A CPU that was taken away meanwhile is no reason not to work on another. */
	pthread_setaffinity_np(worker->thread, sizeof(cpus), &cpus);
	return 0;
}

static void pause_briefly(void)
{
	struct timespec pause = {.tv_nsec = PAUSE_NS};

	nanosleep(&pause, NULL);
}

void worker_publish(struct worker *worker, const struct worker_orders *orders)
{
	uint64_t burst;

	atomic_store(&worker->orders, orders);
	/* A burst that began before the store may still use the former orders. */
	burst = atomic_load(&worker->burst);
	while (burst % 2 == 1 && atomic_load(&worker->burst) == burst)
		pause_briefly();
}

static void wake(const struct worker *worker)
{
	uint64_t one = 1;

	/* An eventfd takes this unless its count is full, and then it wakes all the same. */
	if (write(worker->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void worker_read(struct worker *worker, struct counters *sum)
{
	atomic_store(&worker->answered, false);
	atomic_store(&worker->wanted, sum);
	wake(worker);
	for (int tries = 0; !atomic_load(&worker->answered); tries++) {
		/* Once the worker has begun, it also comes to an end. */
		if (tries >= READ_TRIES && atomic_exchange(&worker->wanted, NULL)) {
			counters_accumulate(sum, atomic_load(&worker->orders)->counters);
			return;
		}
		pause_briefly();
	}
}

uint64_t worker_missed_pkts(const struct worker *worker)
{
	return counter_read(&worker->missed_pkts);
}

uint32_t worker_last_packet_id(const struct worker *worker)
{
	return atomic_load_explicit(&worker->last_packet_id, memory_order_relaxed);
}

uint64_t worker_beats(const struct worker *worker)
{
	return atomic_load_explicit(&worker->beats, memory_order_relaxed);
}

void worker_stop(struct worker *worker)
{
	if (!worker->started)
		return;
	atomic_store(&worker->stop, true);
	wake(worker);
	pthread_join(worker->thread, NULL);
	worker->started = false;
}

void worker_close(struct worker *worker)
{
	if (!worker)
		return;
	queue_close(worker->queue);
	tx_close(worker->tx);
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	free(worker);
}

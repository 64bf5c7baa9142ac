/* SPDX-License-Identifier: MIT */
#include "datapath/worker.h"

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
	READ_WAIT_MS = 3000,
};

/* When the thread ends: when nothing waits any more, or after the burst in hand. */
enum stop { STOP_NOT, STOP_WHEN_EMPTY, STOP_NOW };

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
	_Alignas(64) _Atomic(const struct serve_orders *) orders;
	/* Its queue's state goes there; may come late. */
	_Atomic(const struct admission *) admission;
	_Atomic enum stop stop;
	/* Where the thread is to add its counters up, between two bursts. It takes the pointer away
	 * when it begins, and sets answered when it is done. */
	_Atomic(struct counters *) wanted;
	_Atomic bool answered;
	bool is_silent; /* it did not answer the last reader, when it had beaten so often: */
	uint64_t silent_beats;
	int wake_fd;
	unsigned cpu;
	pthread_t thread;
	bool started;
	bool has_served;
	struct admission given_admission;
};

/* Ids go up by one; what is missing between two was lost between the kernel and us. Only a queue
 * that was bound anew begins anew, at 1. */
static void note_packet_id(struct worker *worker, uint32_t id)
{
	if ((int32_t)(id - worker->last_id) <= 0)
		worker->last_id = 0;
	counter_add(&worker->missed_pkts, id - worker->last_id - 1);
	worker->last_id = id;
	atomic_store_explicit(&worker->last_packet_id, id, memory_order_relaxed);
}

/* Good enough for rates, and costs no system call. */
static uint64_t coarse_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void serve_burst(struct worker *worker, int count)
{
	const struct admission *admission = atomic_load(&worker->admission);
	const struct serve_orders *orders;
	uint64_t now_ns = coarse_now_ns();

	/* From here until burst is even again, worker_publish waits for us. */
	atomic_fetch_add(&worker->burst, 1);
	orders = atomic_load(&worker->orders);
	for (int i = 0; i < count; i++) {
		struct nfq_wire_message message;

		if (queue_message(worker->queue, i, &message) != NFQ_WIRE_PACKET)
			continue;
		note_packet_id(worker, message.packet_id);
		queue_decide(worker->queue, message.packet_id,
			     serve_packet(worker->tx, admission, orders, now_ns, &message));
	}
	tx_flush(worker->tx);
	/* A verdict that is refused has no packet any more: nothing is left to be done for it. */
	queue_send_verdicts(worker->queue);
	admission_set_fill(admission, queue_fill_permille(worker->queue));
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
		enum stop stop = atomic_load(&worker->stop);
		int count;

		if (stop == STOP_NOW)
			return NULL;
		count = queue_receive(worker->queue, worker->wake_fd, stop ? 0 : IDLE_MS);
		atomic_fetch_add_explicit(&worker->beats, 1, memory_order_relaxed);
		if (count > 0)
			serve_burst(worker, count);
		else
			take_wake(worker);
		answer_reader(worker);
		if (count <= 0 && stop == STOP_WHEN_EMPTY)
			return NULL;
	}
}

/* A queue of its own, or the one that was left to us. */
static int get_queue(struct worker *worker, const struct config_settings *settings, unsigned index,
		     struct legacy_queue *left)
{
	uint16_t number = (uint16_t)(settings->queue + index);
	int error;

	if (!left)
		return queue_open(&worker->queue, number, settings->queue_length_pkts,
				  settings->when_full);
	error = queue_inherit(&worker->queue, left->fd, number, settings->queue_length_pkts,
			      settings->when_full);
	if (error)
		return error;
	left->fd = -1;
	/* Ids go on where the former worker has left them. */
	worker->last_id = left->last_packet_id;
	atomic_store(&worker->last_packet_id, left->last_packet_id);
	return 0;
}

int worker_open(struct worker **out, const struct config_settings *settings, unsigned index,
		unsigned cpu, struct legacy_queue *left)
{
	static const struct admission none;
	struct worker *worker = aligned_alloc(64, sizeof(*worker));
	int error;

	if (!worker)
		return -ENOMEM;
	*worker = (struct worker){.cpu = cpu, .wake_fd = -1, .admission = &none};
	error = tx_open(&worker->tx, settings->mark);
	if (error)
		goto out;
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0) {
		error = -errno;
		goto out;
	}
	error = get_queue(worker, settings, index, left);
out:
	if (error)
		worker_close(worker);
	else
		*out = worker;
	return error;
}

const struct queue *worker_queue(const struct worker *worker)
{
	return worker->queue;
}

void worker_use_admission(struct worker *worker, const struct admission *admission)
{
	worker->given_admission = *admission;
	atomic_store(&worker->admission, &worker->given_admission);
}

int worker_start(struct worker *worker, const struct serve_orders *orders)
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
	worker->has_served = true;
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

void worker_publish(struct worker *worker, const struct serve_orders *orders)
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

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Asks the worker to add its counters to *sum. Returns whether it has. */
static bool ask(struct worker *worker, struct counters *sum)
{
	int64_t deadline_ms = now_ms() + READ_WAIT_MS;

	atomic_store(&worker->answered, false);
	atomic_store(&worker->wanted, sum);
	wake(worker);
	while (!atomic_load(&worker->answered)) {
		/* Once the worker has begun, it also comes to an end. */
		if (now_ms() >= deadline_ms && atomic_exchange(&worker->wanted, NULL))
			return false;
		pause_briefly();
	}
	return true;
}

void worker_read(struct worker *worker, struct counters *sum)
{
	uint64_t beats = worker_beats(worker);

	/* One that hangs is waited for once: whoever reads has other things to do. */
	if (!worker->started || (worker->is_silent && worker->silent_beats == beats)) {
		counters_accumulate(sum, atomic_load(&worker->orders)->counters);
		return;
	}
	worker->is_silent = !ask(worker, sum);
	worker->silent_beats = worker_beats(worker);
	if (worker->is_silent)
		counters_accumulate(sum, atomic_load(&worker->orders)->counters);
}

int worker_bind_again(const struct worker *worker)
{
	return queue_bind_again(worker->queue);
}

uint32_t worker_port_id(const struct worker *worker)
{
	return queue_port_id(worker->queue);
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

static void end_thread(struct worker *worker, enum stop how)
{
	if (!worker->started)
		return;
	atomic_store(&worker->stop, how);
	wake(worker);
	pthread_join(worker->thread, NULL);
	worker->started = false;
}

void worker_stop(struct worker *worker)
{
	end_thread(worker, STOP_WHEN_EMPTY);
}

void worker_leave(struct worker *worker)
{
	end_thread(worker, STOP_NOW);
}

void worker_close(struct worker *worker)
{
	if (!worker)
		return;
	/* What was left to us is not to be lost for our failure to start. */
	if (worker->queue && !worker->has_served)
		queue_let_go(worker->queue);
	queue_close(worker->queue);
	tx_close(worker->tx);
	if (worker->wake_fd >= 0)
		close(worker->wake_fd);
	free(worker);
}

/* SPDX-License-Identifier: MIT */
#include "cli/top_source.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PERIOD_S 1

struct top_source {
	const char *socket_path;
	int event_fd;
	pthread_mutex_t mutex; /* for all that follows */
	pthread_cond_t stopping;
	int users; /* the caller, the thread: the last one frees */
	bool stopped;
	bool has_answer;
	struct top_answer answer;
};

static void destroy(struct top_source *source)
{
	status_sample_release(&source->answer.sample);
	pthread_cond_destroy(&source->stopping);
	pthread_mutex_destroy(&source->mutex);
	close(source->event_fd);
	free(source);
}

/* Takes the locked mutex. */
static void leave(struct top_source *source)
{
	bool is_last = --source->users == 0;

	pthread_mutex_unlock(&source->mutex);
	if (is_last)
		destroy(source);
}

/* With the mutex locked, before and after. */
static void ask(struct top_source *source)
{
	struct top_answer answer;

	pthread_mutex_unlock(&source->mutex);
	status_sample_take(&answer.sample, source->socket_path, answer.failure);
	pthread_mutex_lock(&source->mutex);
	status_sample_release(&source->answer.sample);
	source->answer = answer;
	source->has_answer = true;
	eventfd_write(source->event_fd, 1);
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static void *work(void *context)
{
	struct top_source *source = context;
	struct timespec next, now;

	clock_gettime(CLOCK_MONOTONIC, &next);
	pthread_mutex_lock(&source->mutex);
	for (;;) {
		next.tv_sec += PERIOD_S;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (is_before(&next, &now))
			next = now;
		while (!source->stopped &&
		       pthread_cond_timedwait(&source->stopping, &source->mutex, &next) == 0)
			;
		if (source->stopped)
			break;
		ask(source);
	}
	leave(source);
	return NULL;
}

/* The thread handles no signals. */
static int start_thread(struct top_source *source)
{
	sigset_t all, former;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &former);
	error = pthread_create(&thread, NULL, work, source);
	pthread_sigmask(SIG_SETMASK, &former, NULL);
	if (!error)
		pthread_detach(thread);
	return -error;
}

int top_source_start(struct top_source **source, const char *socket_path)
{
	struct top_source *fresh = calloc(1, sizeof(*fresh));
	pthread_condattr_t attributes;
	int error;

	if (!fresh)
		return -ENOMEM;
	fresh->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fresh->event_fd < 0) {
		error = -errno;
		free(fresh);
		return error;
	}
	fresh->socket_path = socket_path;
	fresh->users = 2;
	pthread_mutex_init(&fresh->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&fresh->stopping, &attributes);
	pthread_condattr_destroy(&attributes);
	error = start_thread(fresh);
	if (error) {
		destroy(fresh);
		return error;
	}
	*source = fresh;
	return 0;
}

void top_source_stop(struct top_source *source)
{
	if (!source)
		return;
	pthread_mutex_lock(&source->mutex);
	source->stopped = true;
	pthread_cond_signal(&source->stopping);
	leave(source);
}

int top_source_fd(const struct top_source *source)
{
	return source->event_fd;
}

bool top_source_take(struct top_source *source, struct top_answer *answer)
{
	eventfd_t count;
	bool has_answer;

	pthread_mutex_lock(&source->mutex);
	eventfd_read(source->event_fd, &count);
	has_answer = source->has_answer;
	if (has_answer)
		*answer = source->answer;
	source->answer.sample.state = NULL;
	source->has_answer = false;
	pthread_mutex_unlock(&source->mutex);
	return has_answer;
}

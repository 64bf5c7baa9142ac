/* SPDX-License-Identifier: MIT */
#include "cli/status_read.h"
#include "cli/status_sample.h"
#include "cli/top_page.h"
#include "cli/top_screen.h"
#include "cli/top_source.h"
#include "cli/verbs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { POLL_KEYS, POLL_SIGNALS, POLL_ANSWERS, POLL_COUNT };

struct top {
	SCREEN *screen;
	struct top_source *source;
	int signal_fd;
	struct status_sample earlier;
	struct status_sample later;
	char failure[STATUS_SAMPLE_FAILURE_SIZE];
	struct top_page page;
};

/*
 * Whether the later state comes from the same daemon as the earlier one: whether its uptime grew by
 * the time between them, but for the rounding to whole seconds and the answer's own way. That does
 * not tell apart two daemons that began within two seconds; their counters are small.
 */
static bool is_same_daemon(const struct status_sample *earlier, const struct status_sample *later)
{
	double grown_s = (double)status_read_number(later->state, "uptime_s") -
			 (double)status_read_number(earlier->state, "uptime_s");

	return grown_s > status_sample_elapsed_s(earlier, later) - 2;
}

/* Takes the sample over. */
static void take_sample(struct top *top, const struct status_sample *sample)
{
	struct top_page *page = &top->page;

	status_sample_release(&top->earlier);
	top->earlier = top->later;
	top->later = *sample;
	page->later = top->later.state;
	page->answered = time(NULL);
	page->failure = NULL;
	page->earlier = NULL;
	if (!top->earlier.state || !is_same_daemon(&top->earlier, &top->later))
		return;
	page->earlier = top->earlier.state;
	page->elapsed_s = status_sample_elapsed_s(&top->earlier, &top->later);
}

/* The last totals stay on the page; the rates go, for nobody knows them. */
static void take_failure(struct top *top, const struct top_answer *answer)
{
	struct top_page *page = &top->page;

	memcpy(top->failure, answer->failure, sizeof(top->failure));
	if (!page->failure)
		page->failing_since = time(NULL);
	page->failure = top->failure;
	page->earlier = NULL;
}

static void take_answer(struct top *top)
{
	struct top_answer answer;

	if (!top_source_take(top->source, &answer))
		return;
	if (answer.sample.state)
		take_sample(top, &answer.sample);
	else
		take_failure(top, &answer);
}

/* Returns whether to go on: SIGWINCH alone does not end it. */
static bool take_signals(const struct top *top)
{
	struct signalfd_siginfo info;

	while (read(top->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGWINCH)
			return false;
		top_screen_fit();
	}
	return true;
}

/* Returns whether to go on. */
static bool take_keys(struct top *top)
{
	int key;

	while ((key = top_screen_key()) != ERR) {
		if (key == 'q' || key == 'Q')
			return false;
		top_page_key(&top->page, key);
	}
	return true;
}

/* Until q, a signal that ends, or the terminal's own end. Returns 0 or -errno. */
static int watch(struct top *top)
{
	struct pollfd fds[POLL_COUNT] = {
		[POLL_KEYS] = {.fd = STDIN_FILENO, .events = POLLIN},
		[POLL_SIGNALS] = {.fd = top->signal_fd, .events = POLLIN},
		[POLL_ANSWERS] = {.fd = top_source_fd(top->source), .events = POLLIN},
	};

	for (;;) {
		top_page_draw(&top->page);
		if (poll(fds, POLL_COUNT, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[POLL_KEYS].revents & (POLLHUP | POLLERR | POLLNVAL))
			return 0;
		if (!take_signals(top) || !take_keys(top))
			return 0;
		take_answer(top);
	}
}

/* Has them read from a descriptor, which is returned, or -errno. */
static int take_over_signals(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGWINCH);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGQUIT);
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &signals, NULL);
	return fd;
}

static void close_everything(struct top *top)
{
	top_screen_close(top->screen);
	top_source_stop(top->source);
	status_sample_release(&top->earlier);
	status_sample_release(&top->later);
	if (top->signal_fd >= 0)
		close(top->signal_fd);
}

int verb_top(const struct options *options)
{
	struct top top = {.signal_fd = -1};
	struct status_sample first;
	int code = EXIT_FAILED, error = 0;

	if (status_sample_take(&first, options->socket_path, top.failure) != 0) {
		fprintf(stderr, "trafficduplicator: %s\n", top.failure);
		return EXIT_FAILED;
	}
	take_sample(&top, &first);
	top.signal_fd = error = take_over_signals();
	if (error >= 0)
		error = top_source_start(&top.source, options->socket_path);
	if (error < 0)
		goto out;
	top.screen = top_screen_open();
	if (!top.screen)
		goto out;
	error = watch(&top);
	code = error < 0 ? EXIT_FAILED : EXIT_FINE;
out:
	close_everything(&top);
	if (error < 0)
		fprintf(stderr, "trafficduplicator: top: %s\n", strerror(-error));
	return code;
}

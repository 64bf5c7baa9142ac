/* SPDX-License-Identifier: MIT */
/* The daemon's side; helper_serve.c has the other. */
#include "control/helper.h"

#include "control/helper_serve.h"
#include "control/log.h"
#include "control/timer.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The helper ends a script that takes too long; this is for a helper that does not answer. */
enum { ANSWER_MS = RULES_SCRIPT_TIMEOUT_MS + 1000, WAITING_MS = 1000 };

struct helper {
	int fd;
	pid_t pid;
	bool lost;
	const char *rules_script;
	struct helper_answer answer; /* the last one */
	int answer_fd;		     /* that came with it; -1: none */
};

/* Waits until there is an answer; input NULL: nobody waits beside. Returns 0 or -errno. */
static int await_answer(const struct helper *helper, const struct helper_script_input *input)
{
	struct pollfd fd = {.fd = helper->fd, .events = POLLIN};
	uint64_t now_ms = timer_now_ms(), deadline_ms = now_ms + ANSWER_MS;
	int ready = 0;

	/* Only handlers that do nothing but write to a pipe could run meanwhile. */
	for (; ready == 0 && now_ms < deadline_ms; now_ms = timer_now_ms()) {
		ready = poll(&fd, 1, WAITING_MS);
		if (ready < 0 && errno == EINTR)
			ready = 0;
		if (ready == 0 && input && input->waiting)
			input->waiting(input->context);
	}
	if (ready < 0)
		return -errno;
	return ready == 0 ? -ETIMEDOUT : 0;
}

/* Waits for an answer and takes it. Returns 0 or -errno. */
static int take_answer(struct helper *helper, const struct helper_script_input *input)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec data = {.iov_base = &helper->answer, .iov_len = sizeof(helper->answer)};
	struct msghdr message = {.msg_iov = &data,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int error = await_answer(helper, input);
	struct cmsghdr *part;
	ssize_t got;

	if (error)
		return error;
	do
		got = recvmsg(helper->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	part = CMSG_FIRSTHDR(&message);
	helper->answer_fd = -1;
	if (part && part->cmsg_type == SCM_RIGHTS && part->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&helper->answer_fd, CMSG_DATA(part), sizeof(int));
	if ((size_t)got != sizeof(helper->answer))
		return -EPIPE;
	helper->answer.output.text[RULES_SCRIPT_OUTPUT_MAX] = '\0';
	return 0;
}

/* Sends a request, with HELPER_FDS descriptors or fds NULL. Returns 0 or -errno. */
static int send_request(const struct helper *helper, const struct helper_request *request,
			const int *fds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int[HELPER_FDS]))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)request, .iov_len = sizeof(*request)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fds) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(sizeof(int[HELPER_FDS]))};
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int[HELPER_FDS]));
	}
	return sendmsg(helper->fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A helper that fails to answer is not asked again: what it says later belongs to no question. */
static int ask(struct helper *helper, const struct helper_request *request, const int *fds,
	       const struct helper_script_input *input)
{
	int error;

	if (helper->lost)
		return -EPIPE;
	error = send_request(helper, request, fds);
	if (!error)
		error = take_answer(helper, input);
	if (!error)
		return helper->answer.result;
	helper_lost(helper);
	return error == -ECONNRESET ? -EPIPE : error;
}

/* Returns the helper's pid, or -errno. */
static pid_t start_process(const struct helper_options *options, int ends[2])
{
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid < 0) {
		pid = -errno;
		close(ends[0]);
		close(ends[1]);
		return pid;
	}
	if (pid == 0) {
		close(ends[0]);
		helper_serve(ends[1], options);
	}
	close(ends[1]);
	return pid;
}

int helper_start(struct helper **out, const struct helper_options *options,
		 char why[static CONFINE_ERROR_BYTES])
{
	struct helper *helper = calloc(1, sizeof(*helper));
	int ends[2], error;

	snprintf(why, CONFINE_ERROR_BYTES, "%s", "out of memory");
	if (!helper)
		return -ENOMEM;
	helper->rules_script = options->rules_script;
	helper->pid = start_process(options, ends);
	if (helper->pid < 0) {
		error = (int)helper->pid;
		snprintf(why, CONFINE_ERROR_BYTES, "cannot start a process: %s", strerror(-error));
		free(helper);
		return error;
	}
	helper->fd = ends[0];
	helper->answer.output.text[0] = '\0';
	error = take_answer(helper, NULL);
	if (!error)
		error = helper->answer.result;
	if (error) {
		snprintf(why, CONFINE_ERROR_BYTES, "%.*s", CONFINE_ERROR_BYTES - 1,
			 helper->answer.output.text[0] ? helper->answer.output.text
						       : strerror(-error));
		helper_end(helper);
		return error;
	}
	*out = helper;
	return 0;
}

int helper_fd(const struct helper *helper)
{
	return helper->fd;
}

void helper_lost(struct helper *helper)
{
	helper->lost = true;
	/* Now it is readable for whoever waits, and the helper ends if it has not. */
	shutdown(helper->fd, SHUT_RDWR);
}

bool helper_is_lost(const struct helper *helper)
{
	return helper->lost;
}

/* A descriptor with the text, to be opened like a file, or -errno. */
static int text_as_file(const char *text, size_t length)
{
	int fd = memfd_create("trafficduplicator.config", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (length > 0) {
		ssize_t written = write(fd, text, length);

		if (written < 0) {
			int error = -errno;

			close(fd);
			return error;
		}
		text += written;
		length -= (size_t)written;
	}
	return fd;
}

/* What the script says belongs to the event that it was run. */
static void log_result(const struct helper *helper, const char *verb, int result, bool is_tidying)
{
	static const char before[] = ""; /* it gives its own name */

	if (is_tidying) {
		log_lines(LOG_LEVEL_DEBUG, before, helper->answer.output.text);
		return;
	}
	if (!helper->lost)
		log_lines(result ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, before,
			  helper->answer.output.text);
	if (helper->lost)
		log_error("rules script %s %s: the helper process that runs it is gone; restart "
			  "the daemon",
			  helper->rules_script, verb);
	else if (result < 0)
		log_error("rules script %s %s: %s", helper->rules_script, verb, strerror(-result));
	else if (result > 0)
		log_error("rules script %s %s failed", helper->rules_script, verb);
}

int helper_run_script(struct helper *helper, const char *verb,
		      const struct helper_script_input *input)
{
	struct helper_request request = {.errand = HELPER_RUN_SCRIPT,
					 .worker_count = input->worker_count};
	int fds[HELPER_FDS] = {-1, -1}, result = 0;

	snprintf(request.verb, sizeof(request.verb), "%s", verb);
	helper->answer.output.text[0] = '\0';
	fds[HELPER_CONFIG_FD] = text_as_file(input->config_text, input->config_length);
	fds[HELPER_RESOLVED_FD] = text_as_file(input->resolved, strlen(input->resolved));
	for (unsigned i = 0; i < HELPER_FDS; i++)
		if (fds[i] < 0)
			result = fds[i];
	if (!result)
		result = ask(helper, &request, fds, input);
	for (unsigned i = 0; i < HELPER_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	log_result(helper, verb, result, input->is_tidying);
	return result;
}

int helper_remove_socket(struct helper *helper)
{
	return ask(helper, &(struct helper_request){.errand = HELPER_REMOVE_SOCKET}, NULL, NULL);
}

int helper_make_socket(struct helper *helper)
{
	int result =
		ask(helper, &(struct helper_request){.errand = HELPER_MAKE_SOCKET}, NULL, NULL);

	return result < 0 ? result : helper->answer_fd;
}

void helper_end(struct helper *helper)
{
	if (!helper)
		return;
	close(helper->fd);
	/* One that does not answer is not waited for. */
	while (!helper->lost && waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(helper);
}

/* SPDX-License-Identifier: MIT */
/* The helper's own side; helper.c has the daemon's. */
#include "control/helper_serve.h"

#include "control/confine.h"
#include "control/control_socket.h"
#include "control/privileges.h"
#include "control/rules_script.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request as it has come. */
struct errand {
	struct helper_request request;
	int fds[HELPER_FDS];
	bool has_fds;
};

/* Takes the descriptors of a message; those that are not wanted are closed. */
static void take_fds(struct msghdr *message, struct errand *errand)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		size_t bytes = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(errand->fds, CMSG_DATA(part), bytes);
		errand->has_fds = bytes == sizeof(errand->fds);
		for (size_t i = 0; !errand->has_fds && i < bytes / sizeof(int); i++)
			close(errand->fds[i]);
	}
}

/* Waits for the next request. Returns false when there will be none. */
static bool receive(int fd, struct errand *errand)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int[HELPER_FDS]))];
	} control;
	struct iovec part = {.iov_base = &errand->request, .iov_len = sizeof(errand->request)};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t got;

	*errand = (struct errand){0};
	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return false;
	take_fds(&message, errand);
	return got == (ssize_t)sizeof(errand->request);
}

/* The text behind a descriptor, NUL-terminated, as much of it as can be of use; the caller frees
 * it. */
static char *read_text(int fd)
{
	char *text = calloc(1, RULES_SCRIPT_RESOLVED_MAX + 1);
	size_t length = 0;
	ssize_t got = 1;

	while (text && got > 0 && length < RULES_SCRIPT_RESOLVED_MAX) {
		got = pread(fd, text + length, RULES_SCRIPT_RESOLVED_MAX - length, (off_t)length);
		if (got > 0)
			length += (size_t)got;
	}
	return text;
}

static int run_script(int fd, const struct helper_options *options, struct errand *errand,
		      struct rules_script_output *output)
{
	struct rules_script_order order = {
		.verb = errand->request.verb,
		.config_fd = errand->fds[HELPER_CONFIG_FD],
		.worker_count = errand->request.worker_count,
		.program_fd = options->program_fd,
		.asker_fd = fd,
	};
	char *resolved;
	int result;

	errand->request.verb[sizeof(errand->request.verb) - 1] = '\0';
	if (!errand->has_fds || !rules_script_is_verb(order.verb))
		return -EINVAL;
	resolved = read_text(errand->fds[HELPER_RESOLVED_FD]);
	if (!resolved)
		return -ENOMEM;
	order.resolved = resolved;
	result = rules_script_run(options->rules_script, &order, output);
	free(resolved);
	return result;
}

/* Sends an answer, and with it a descriptor, which is closed then; -1 is none. */
static void send_answer(int fd, const struct helper_answer *answer, int with)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)answer, .iov_len = sizeof(*answer)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (with >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS,
						  .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(&control.header), &with, sizeof(int));
	}
	sendmsg(fd, &message, MSG_NOSIGNAL);
	if (with >= 0)
		close(with);
}

/* Does what is asked for, and says how it went. */
static void answer(int fd, const struct helper_options *options, struct errand *errand)
{
	static struct helper_answer answer;
	int made = -1;

	answer = (struct helper_answer){.result = -EINVAL};
	if (errand->request.errand == HELPER_RUN_SCRIPT)
		answer.result = run_script(fd, options, errand, &answer.output);
	else if (errand->request.errand == HELPER_REMOVE_SOCKET)
		answer.result = unlink(options->socket_path) < 0 ? -errno : 0;
	else if (errand->request.errand == HELPER_MAKE_SOCKET)
		made = answer.result = control_socket_listen(options->socket_path);
	for (unsigned i = 0; errand->has_fds && i < HELPER_FDS; i++)
		close(errand->fds[i]);
	send_answer(fd, &answer, made);
}

/* Closes the descriptors from first to last. */
static void close_between(int first, int last)
{
	if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0)
		return;
	/* Linux before 5.9 does it one by one. */
	for (int fd = first; fd <= last && fd < 1024; fd++)
		close(fd);
}

/* What the daemon has open is not ours to keep so: a queue lives as long as anybody has its socket,
 * and a former daemon's may be among them. */
static void keep_only(int one, int other)
{
	int low = one < other ? one : other, high = one < other ? other : one;

	close_between(STDERR_FILENO + 1, low - 1);
	close_between(low + 1, high - 1);
	close_between(high + 1, INT_MAX);
}

/* The daemon ends us, nobody else, and last of all: it needs us to take the rules away. Nor do we
 * hold what its reader waits to see closed. */
static void stand_apart(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE};
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
	setpgid(0, 0);
	prctl(PR_SET_NAME, "td-rules-helper");
	if (nowhere >= 0) {
		dup2(nowhere, STDIN_FILENO);
		dup2(nowhere, STDOUT_FILENO);
		close(nowhere);
	}
}

/* Returns 0, or -errno with the reason in why. */
static int give_up_rights(char why[static CONFINE_ERROR_BYTES])
{
	int error = privileges_drop(PRIVILEGES_HELPER);

	if (!error)
		return confine_apply(CONFINE_HELPER, why);
	snprintf(why, CONFINE_ERROR_BYTES, "cannot give up privileges: %s", strerror(-error));
	return error;
}

_Noreturn void helper_serve(int fd, const struct helper_options *options)
{
	struct helper_answer hello = {0};
	struct errand errand;

	keep_only(fd, options->program_fd);
	stand_apart();
	hello.result = give_up_rights(hello.output.text);
	send_answer(fd, &hello, -1);
	while (hello.result == 0 && receive(fd, &errand))
		answer(fd, options, &errand);
	_exit(0);
}

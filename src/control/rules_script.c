/* SPDX-License-Identifier: MIT */
#include "control/rules_script.h"

#include "control/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool rules_script_is_verb(const char *verb)
{
	return strcmp(verb, "up") == 0 || strcmp(verb, "pause") == 0 || strcmp(verb, "down") == 0;
}

/* The script asks the program that runs it for the rules, not another version in the PATH, nor one
 * that an upgrade has put in its place. */
static int set_environment(const struct rules_script_order *order)
{
	char path[32], workers[16];

	snprintf(path, sizeof(path), "/dev/fd/%d", order->program_fd);
	snprintf(workers, sizeof(workers), "%u", order->worker_count);
	if (setenv("TRAFFICDUPLICATOR", path, 1) < 0 ||
	    setenv("TRAFFICDUPLICATOR_WORKERS", workers, 1) < 0 ||
	    setenv("TRAFFICDUPLICATOR_RESOLVED", order->resolved, 1) < 0)
		return -errno;
	return 0;
}

/* Returns the child's pid or -errno. */
static pid_t spawn(const char *script, const struct rules_script_order *order, int said_fd)
{
	static const int signals[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM};
	char config_path[32];
	char *arguments[] = {(char *)script, (char *)order->verb, "-c", config_path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, ignored;
	pid_t pid;
	int error;

	snprintf(config_path, sizeof(config_path), "/dev/fd/%d", order->config_fd);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, said_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, said_fd, STDERR_FILENO);
	/* Onto themselves: that is how a descriptor is handed on (posix_spawn(3posix)). This one
	 * tells that it has ended, wherever its output goes. */
	posix_spawn_file_actions_adddup2(&actions, said_fd, said_fd);
	posix_spawn_file_actions_adddup2(&actions, order->config_fd, order->config_fd);
	posix_spawn_file_actions_adddup2(&actions, order->program_fd, order->program_fd);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	/* What we ignore is none of the script's business. */
	sigemptyset(&ignored);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&ignored, signals[i]);
	posix_spawnattr_setsigdefault(&attributes, &ignored);
	/* A process group of its own: a Ctrl-C is for us, and the script has to finish its work. */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
	error = posix_spawn(&pid, script, &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error ? -error : pid;
}

/* Takes in what there is to read; what is too much is read and lost. Returns false at the end. */
static bool take_output(int pipe_fd, struct rules_script_output *output)
{
	char spare[512];
	size_t room = sizeof(output->text) - 1 - output->length;
	ssize_t got = room > 0 ? read(pipe_fd, output->text + output->length, room)
			       : read(pipe_fd, spare, sizeof(spare));

	if (got > 0 && room > 0)
		output->length += (size_t)got;
	return got > 0 || (got < 0 && errno == EINTR);
}

/* Reads until the other end of the pipe is closed, which the script and all that it has started
 * hold for as long as they run. Returns 0, -ETIMEDOUT, or -EPIPE when nobody waits for them. */
static int read_to_end(int pipe_fd, int asker_fd, struct rules_script_output *output)
{
	enum { PIPE, ASKER, COUNT };
	struct pollfd fds[COUNT] = {[PIPE] = {.fd = pipe_fd, .events = POLLIN},
				    [ASKER] = {.fd = asker_fd}};
	uint64_t now_ms = timer_now_ms(), deadline_ms = now_ms + RULES_SCRIPT_TIMEOUT_MS;

	/* Signals of ours, a reload or a stop, make it no longer. */
	for (; now_ms < deadline_ms; now_ms = timer_now_ms()) {
		int ready = poll(fds, COUNT, (int)(deadline_ms - now_ms));

		if (ready < 0 && errno != EINTR)
			return 0;
		if (ready > 0 && fds[ASKER].revents)
			return -EPIPE;
		if (ready > 0 && !take_output(pipe_fd, output))
			return 0;
	}
	return -ETIMEDOUT;
}

/* Waits for the script. Returns 0, 1 where it failed, or -errno. */
static int wait_for(pid_t pid, int pipe_fd, int asker_fd, struct rules_script_output *output)
{
	int error = read_to_end(pipe_fd, asker_fd, output), status;

	if (error)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (error)
		return error;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

int rules_script_run(const char *script, const struct rules_script_order *order,
		     struct rules_script_output *output)
{
	int result = set_environment(order), ends[2];
	pid_t pid;

	*output = (struct rules_script_output){0};
	if (!result && pipe2(ends, O_CLOEXEC) < 0)
		result = -errno;
	if (result)
		return result;
	pid = spawn(script, order, ends[1]);
	close(ends[1]);
	result = pid < 0 ? (int)pid : wait_for(pid, ends[0], order->asker_fd, output);
	close(ends[0]);
	return result;
}

/* SPDX-License-Identifier: MIT */
#include "control/rules_script.h"

#include "control/log.h"
#include "control/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Below the unit's WatchdogSec: meanwhile nothing else is served here. */
enum { TIMEOUT_MS = 8000 };

/* A script that says more than this has lost its way. */
enum { OUTPUT_MAX_BYTES = 16 * 1024 };

/* A descriptor from which the script can open the text like a file, or -errno. */
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

/* The script asks the program that runs it for the rules, not another version in the PATH, nor one
 * that an upgrade has put in its place. */
static int set_environment(const struct rules_script_input *input)
{
	char path[32], workers[16];

	snprintf(path, sizeof(path), "/dev/fd/%d", input->program_fd);
	snprintf(workers, sizeof(workers), "%u", input->worker_count);
	if (setenv("TRAFFICDUPLICATOR", path, 1) < 0 ||
	    setenv("TRAFFICDUPLICATOR_WORKERS", workers, 1) < 0 ||
	    setenv("TRAFFICDUPLICATOR_RESOLVED", input->resolved, 1) < 0)
		return -errno;
	return 0;
}

/* Returns the child's pid or -errno. */
static pid_t spawn(const char *script, const char *verb, int config_fd, int program_fd, int said_fd)
{
	char config_path[32];
	char *arguments[] = {(char *)script, (char *)verb, "-c", config_path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, pipe_signal;
	pid_t pid;
	int error;

	snprintf(config_path, sizeof(config_path), "/dev/fd/%d", config_fd);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, said_fd, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, said_fd, STDERR_FILENO);
	/* Onto themselves: that is how a descriptor is handed on (posix_spawn(3posix)). This one
	 * tells that it has ended, wherever its output goes. */
	posix_spawn_file_actions_adddup2(&actions, said_fd, said_fd);
	posix_spawn_file_actions_adddup2(&actions, config_fd, config_fd);
	posix_spawn_file_actions_adddup2(&actions, program_fd, program_fd);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
	/* A process group of its own: a Ctrl-C is for us, and the script has to finish its work. */
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
	error = posix_spawn(&pid, script, &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error ? -error : pid;
}

/* What the script has said. */
struct output {
	char text[OUTPUT_MAX_BYTES + 1];
	size_t length;
};

/* Takes in what there is to read; what is too much is read and lost. Returns false at the end. */
static bool take_output(int pipe_fd, struct output *output)
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
 * hold for as long as they run. Returns false when they take too long. */
static bool read_to_end(int pipe_fd, struct output *output)
{
	struct pollfd fd = {.fd = pipe_fd, .events = POLLIN};
	uint64_t now_ms = timer_now_ms(), deadline_ms = now_ms + TIMEOUT_MS;

	/* Signals of ours, a reload or a stop, make it no longer. */
	for (; now_ms < deadline_ms; now_ms = timer_now_ms()) {
		int ready = poll(&fd, 1, (int)(deadline_ms - now_ms));

		if (ready > 0 && !take_output(pipe_fd, output))
			return true;
		if (ready < 0 && errno != EINTR)
			return true;
	}
	return false;
}

/* Waits for the script. Returns 0, 1 where it failed, or -errno. */
static int wait_for(pid_t pid, int pipe_fd, struct output *output)
{
	bool ended = read_to_end(pipe_fd, output);
	int status;

	if (!ended)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!ended)
		return -ETIMEDOUT;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* What the script says belongs to the event that it was run. */
static void log_result(const char *script, const char *verb, int result,
		       const struct output *output)
{
	static const char before[] = ""; /* it gives its own name */

	log_lines(result ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, before, output->text);
	if (result < 0)
		log_error("rules script %s %s: %s", script, verb, strerror(-result));
	else if (result > 0)
		log_error("rules script %s %s failed", script, verb);
}

int rules_script_run(const char *script, const char *verb, const struct rules_script_input *input)
{
	int fd = text_as_file(input->config_text, input->config_length);
	int result = fd < 0 ? fd : set_environment(input);
	struct output output = {0};
	int ends[2];
	pid_t pid;

	if (!result && pipe2(ends, O_CLOEXEC) < 0)
		result = -errno;
	if (!result) {
		pid = spawn(script, verb, fd, input->program_fd, ends[1]);
		close(ends[1]);
		result = pid < 0 ? (int)pid : wait_for(pid, ends[0], &output);
		close(ends[0]);
	}
	if (fd >= 0)
		close(fd);
	log_result(script, verb, result, &output);
	return result;
}

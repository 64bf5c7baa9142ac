/* SPDX-License-Identifier: MIT */
#include "control/doctor_command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A nameless file that holds text, read from its start, or -errno. */
static int file_with(const char *text)
{
	int fd = memfd_create("doctor", MFD_CLOEXEC);
	size_t length = text ? strlen(text) : 0;

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < length;) {
		ssize_t written = write(fd, text + done, length - done);

		if (written < 0) {
			int error = -errno;

			close(fd);
			return error;
		}
		done += (size_t)written;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* The child leads a process group, so that it can be ended with all that it has started. Returns
 * its pid or -errno. */
static pid_t spawn(const char *const argv[], int input_fd, int output_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;
	int error;

	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input_fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(&pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv,
			     environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error ? -error : pid;
}

/* Returns 0 for success, 1 for failure, or -errno. */
static int wait_for(pid_t pid, int timeout_ms)
{
	struct pollfd fd = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int ready, status;

	if (fd.fd < 0)
		return -errno;
	do
		ready = poll(&fd, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	close(fd.fd);
	if (ready == 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (ready == 0)
		return -ETIMEDOUT;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

static int read_back(int fd, char **output)
{
	struct stat status;
	size_t length, done = 0;

	if (fstat(fd, &status) < 0)
		return -errno;
	length = (size_t)status.st_size;
	*output = malloc(length + 1);
	if (!*output)
		return -ENOMEM;
	while (done < length) {
		ssize_t got = pread(fd, *output + done, length - done, (off_t)done);

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	(*output)[done] = '\0';
	return 0;
}

int doctor_command_within(int timeout_ms, const char *const argv[], const char *input,
			  char **output)
{
	int input_fd = file_with(input), output_fd = file_with(NULL);
	int result = input_fd < 0 ? input_fd : output_fd;
	pid_t pid;

	if (output)
		*output = NULL;
	if (result < 0)
		goto out;
	pid = spawn(argv, input_fd, output_fd);
	result = pid < 0 ? (int)pid : wait_for(pid, timeout_ms);
	if (result == 0 && output)
		result = read_back(output_fd, output);
out:
	if (input_fd >= 0)
		close(input_fd);
	if (output_fd >= 0)
		close(output_fd);
	return result;
}

int doctor_command(const char *const argv[], const char *input, char **output)
{
	return doctor_command_within(DOCTOR_COMMAND_MS, argv, input, output);
}

int doctor_command_apart(const char *shell_command, const char *input, char **output)
{
	const char *const argv[] = {"unshare", "--net", "sh", "-c", shell_command, NULL};

	return doctor_command(argv, input, output);
}

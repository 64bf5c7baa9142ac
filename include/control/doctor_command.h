/* SPDX-License-Identifier: MIT */
/* Runs a program such as nft and takes what it prints. */
#ifndef TRAFFICDUPLICATOR_CONTROL_DOCTOR_COMMAND_H
#define TRAFFICDUPLICATOR_CONTROL_DOCTOR_COMMAND_H

/* How long a program may take. */
#define DOCTOR_COMMAND_MS 10000

/*
 * Runs argv[0], looked for in PATH, with input as its standard input (NULL: nothing), and waits
 * DOCTOR_COMMAND_MS at most: then it is ended with all that it has started (-ETIMEDOUT). What it
 * says on stderr is thrown away. Returns 0 where it succeeded, 1 where it failed, or -errno where
 * it could not be run (-ENOENT: not installed). With 0, *output is what it printed, NUL-terminated,
 * and the caller frees it; output NULL: not wanted.
 */
int doctor_command(const char *const argv[], const char *input, char **output);

/* As doctor_command, with another time to wait. */
int doctor_command_within(int timeout_ms, const char *const argv[], const char *input,
			  char **output);

/*
 * As doctor_command, with a shell command in a network namespace of its own, so that whatever it
 * loads into the kernel is gone with it. Needs CAP_SYS_ADMIN.
 */
int doctor_command_apart(const char *shell_command, const char *input, char **output);

#endif

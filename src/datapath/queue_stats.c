/* SPDX-License-Identifier: MIT */
#include "datapath/queue_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define QUEUE_STATS_PATH "/proc/net/netfilter/nfnetlink_queue"

/* Nine numbers of ten digits at most, spaces and a newline fit several times. */
#define LINE_MAX_BYTES 256

/* Returns false for a line that is not in seq_show's format. */
static bool parse_line(const char *line, uint16_t *queue, struct queue_stats *stats)
{
	struct queue_stats read;
	uint16_t number;
	int end = 0;

	/* The columns passed over are copy mode, copy range and, at the end, a constant 1. */
	if (sscanf(line,
		   "%" SCNu16 " %" SCNu32 " %" SCNu32 " %*u %*u %" SCNu32 " %" SCNu32 " %" SCNu32
		   " %*u%n",
		   &number, &read.port_id, &read.waiting_pkts, &read.dropped_full_pkts,
		   &read.dropped_user_pkts, &read.last_packet_id, &end) != 6 ||
	    end == 0 || line[end + (int)strspn(line + end, " ")] != '\0')
		return false;
	*queue = number;
	*stats = read;
	return true;
}

/* Whether fd looks like our file: on procfs, and empty (no queue is bound) or in its format. */
static bool is_queue_file(int fd)
{
	char line[LINE_MAX_BYTES];
	struct queue_stats stats;
	struct statfs fs;
	uint16_t queue;
	ssize_t got;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return false;
	got = pread(fd, line, sizeof(line) - 1, 0);
	if (got <= 0)
		return got == 0;
	line[got] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return parse_line(line, &queue, &stats);
}

int queue_stats_open(void)
{
	int fd = open(QUEUE_STATS_PATH, O_RDONLY | O_CLOEXEC);
	int error = errno;

	if (fd >= 0)
		return fd;
	if (error == EACCES && is_queue_file(STDIN_FILENO)) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd >= 0 ? fd : -errno;
	}
	return -error;
}

/* Looks for the queue in the complete lines of text; *used is how many bytes they have. */
static bool find_queue(char *text, uint16_t queue, struct queue_stats *stats, size_t *used)
{
	char *line = text;
	uint16_t found;

	for (char *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (parse_line(line, &found, stats) && found == queue)
			return true;
	}
	*used = (size_t)(line - text);
	return false;
}

int queue_stats_read(int fd, uint16_t queue, struct queue_stats *stats)
{
	char text[4096];
	size_t held = 0, used = 0;
	struct queue_stats line;
	off_t offset = 0;

	for (;;) {
		ssize_t got = pread(fd, text + held, sizeof(text) - 1 - held, offset);

		if (got < 0)
			return -errno;
		if (got == 0)
			return -ENOENT;
		offset += got;
		held += (size_t)got;
		text[held] = '\0';
		if (find_queue(text, queue, &line, &used)) {
			*stats = line;
			return 0;
		}
		held -= used;
		memmove(text, text + used, held);
		if (held == sizeof(text) - 1)
			return -EBADMSG;
	}
}

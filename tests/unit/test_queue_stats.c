/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "datapath/queue_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* seq_show's format, net/netfilter/nfnetlink_queue.c. */
#define KERNEL_FORMAT "%5u %6u %5u %1u %5u %5u %5u %8u %2d\n"

/* A file with this text, without a name. */
static int file_with(const char *text)
{
	char path[] = "/tmp/queue_stats.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
	return fd;
}

static void reads_the_line_of_its_queue(void **state)
{
	char text[1024];
	struct queue_stats stats;
	int fd;

	(void)state;
	snprintf(text, sizeof(text), KERNEL_FORMAT KERNEL_FORMAT, 7514u, 4711u, 12u, 2u, 65531u,
		 34u, 56u, 78u, 1, 7515u, 4294967295u, 99999999u, 2u, 65531u, 4294967295u,
		 4294967294u, 4294967293u, 1);
	fd = file_with(text);
	assert_int_equal(queue_stats_read(fd, 7514, &stats), 0);
	assert_int_equal(stats.port_id, 4711);
	assert_int_equal(stats.waiting_pkts, 12);
	assert_int_equal(stats.dropped_full_pkts, 34);
	assert_int_equal(stats.dropped_user_pkts, 56);
	assert_int_equal(stats.last_packet_id, 78);
	assert_int_equal(queue_stats_read(fd, 7515, &stats), 0);
	assert_int_equal(stats.port_id, UINT32_MAX);
	assert_int_equal(stats.waiting_pkts, 99999999);
	assert_int_equal(stats.dropped_full_pkts, UINT32_MAX);
	assert_int_equal(stats.dropped_user_pkts, UINT32_MAX - 1);
	assert_int_equal(stats.last_packet_id, UINT32_MAX - 2);
	close(fd);
}

static void a_queue_that_is_not_bound_is_not_found(void **state)
{
	struct queue_stats stats;
	int empty = file_with(""),
	    other = file_with(" 7514   4711     0 2 65531     0     0        0  1\n");

	(void)state;
	assert_int_equal(queue_stats_read(empty, 7514, &stats), -ENOENT);
	assert_int_equal(queue_stats_read(other, 751, &stats), -ENOENT);
	assert_int_equal(queue_stats_read(other, 7515, &stats), -ENOENT);
	close(empty);
	close(other);
}

/* Far more than one read takes; lines straddle its end. */
static void finds_each_of_very_many_queues(void **state)
{
	const unsigned count = 3000;
	char *text = malloc(count * 80);
	struct queue_stats stats;
	size_t length = 0;
	int fd;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < count; i++)
		length += (size_t)sprintf(text + length, KERNEL_FORMAT, i, 1u, i * 7u, 2u, 65531u,
					  0u, 0u, i * 1001u, 1);
	fd = file_with(text);
	for (unsigned i = 0; i < count; i += 13) {
		assert_int_equal(queue_stats_read(fd, (uint16_t)i, &stats), 0);
		assert_int_equal(stats.waiting_pkts, i * 7);
		assert_int_equal(stats.last_packet_id, i * 1001);
	}
	assert_int_equal(queue_stats_read(fd, 2999, &stats), 0);
	close(fd);
	free(text);
}

static void lines_in_another_format_are_no_queue(void **state)
{
	struct queue_stats stats;
	int fd = file_with("7514 1 2 3\n"
			   "queue 7514\n"
			   "7514 1 2 3 4 5 6 7 8 9\n"
			   "7514 1 2 3 4 5 6 7 1 x\n");

	(void)state;
	assert_int_equal(queue_stats_read(fd, 7514, &stats), -ENOENT);
	close(fd);
}

static void an_endless_line_is_an_error(void **state)
{
	char text[8193];
	struct queue_stats stats;
	int fd;

	(void)state;
	memset(text, '7', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	fd = file_with(text);
	assert_int_equal(queue_stats_read(fd, 7514, &stats), -EBADMSG);
	close(fd);
	assert_int_equal(queue_stats_read(-1, 7514, &stats), -EBADF);
}

/* Runs as nobody with standard input from path; the exit code is errno, or 0 when it opened. */
static int open_as_nobody(const char *path)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct queue_stats stats;
		int input = open(path, O_RDONLY), fd;

		if (input < 0 || dup2(input, STDIN_FILENO) < 0 || setgid(65534) < 0 ||
		    setuid(65534) < 0)
			_exit(255);
		fd = queue_stats_open();
		if (fd >= 0 && queue_stats_read(fd, 1, &stats) != -ENOENT)
			_exit(254);
		_exit(fd < 0 ? -fd : fd == STDIN_FILENO ? 253 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void takes_standard_input_where_only_root_may_open(void **state)
{
	const char *path = "/proc/net/netfilter/nfnetlink_queue";

	(void)state;
	if (geteuid() != 0 || access(path, R_OK) < 0) {
		print_message("skipped: needs root and the kernel's nfnetlink_queue\n");
		skip();
	}
	assert_int_equal(open_as_nobody(path), 0);
	assert_int_equal(open_as_nobody("/dev/null"), EACCES);
	assert_int_equal(open_as_nobody("/proc/version"), EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_line_of_its_queue),
		cmocka_unit_test(a_queue_that_is_not_bound_is_not_found),
		cmocka_unit_test(finds_each_of_very_many_queues),
		cmocka_unit_test(lines_in_another_format_are_no_queue),
		cmocka_unit_test(an_endless_line_is_an_error),
		cmocka_unit_test(takes_standard_input_where_only_root_may_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

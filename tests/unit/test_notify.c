/* SPDX-License-Identifier: MIT */
/* What the service manager is told: its end is a datagram socket, as sd_notify(3) has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/fd_store.h"
#include "control/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int begin(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

/* Binds the manager's socket to a name as NOTIFY_SOCKET has it, "@" for abstract ones. */
static int listen_on(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = offsetof(struct sockaddr_un, sun_path) + strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0 && strlen(name) < sizeof(address.sun_path));
	strcpy(address.sun_path, name);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)length), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void expect_datagram(int fd, const char *expected)
{
	char text[256] = {0};

	assert_int_equal(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), strlen(expected));
	assert_string_equal(text, expected);
}

static void a_socket_in_a_folder(void **state)
{
	char folder[] = "/tmp/test_notify.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/notify", folder);
	fd = listen_on(path);
	assert_int_equal(notify_send("READY=1\nSTATUS=fine"), 0);
	assert_int_equal(notify_send("WATCHDOG=1"), 0);
	expect_datagram(fd, "READY=1\nSTATUS=fine");
	expect_datagram(fd, "WATCHDOG=1");
	close(fd);
	assert_int_equal(notify_send("STOPPING=1"), -ECONNREFUSED);
	unlink(path);
	assert_int_equal(notify_send("STOPPING=1"), -ENOENT);
	rmdir(folder);
}

static void an_abstract_socket(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@trafficduplicator-test-%d", getpid());
	fd = listen_on(name);
	assert_int_equal(notify_send("READY=1"), 0);
	expect_datagram(fd, "READY=1");
	close(fd);
}

static void a_manager_that_does_not_read(void **state)
{
	const int most = 10000; /* far more than net.unix.max_dgram_qlen lets wait */
	int fd, result = 0;
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@trafficduplicator-test-%d", getpid());
	fd = listen_on(name);
	for (int i = 0; i < most && result == 0; i++)
		result = notify_send("WATCHDOG=1");
	assert_int_equal(result, -EAGAIN);
	close(fd);
}

static void nobody_asked(void **state)
{
	char longest[200];

	(void)state;
	assert_int_equal(notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	assert_int_equal(notify_send("READY=1"), -EAFNOSUPPORT);
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longest, 1);
	assert_int_equal(notify_send("READY=1"), -ENAMETOOLONG);
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void a_reload_has_its_time(void **state)
{
	uint64_t before_us = now_us(), said_us;
	char name[64], text[256] = {0};
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@trafficduplicator-test-%d", getpid());
	fd = listen_on(name);
	assert_int_equal(notify_reloading(), 0);
	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &said_us), 1);
	assert_in_range(said_us, before_us, now_us());
	close(fd);
}

static void the_watchdog_is_ours_or_not(void **state)
{
	char pid[16];

	(void)state;
	assert_int_equal(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "10000000", 1);
	assert_int_equal(notify_watchdog_us(), 10000000);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_us(), 10000000);
	snprintf(pid, sizeof(pid), "%d", getppid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_us(), 0);
	setenv("WATCHDOG_PID", "1x", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(notify_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "99999999999999999999999", 1);
	assert_int_equal(notify_watchdog_us(), 0);
}

/* Receives a datagram and the descriptor with it. */
static int expect_descriptor(int fd, const char *expected)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char text[256] = {0};
	struct iovec iovec = {text, sizeof(text) - 1};
	struct msghdr message = {.msg_iov = &iovec,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	int passed;

	assert_int_equal(recvmsg(fd, &message, 0), strlen(expected));
	assert_string_equal(text, expected);
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(passed));
	return passed;
}

static void a_descriptor_is_stored(void **state)
{
	int fd = listen_on("@test_notify.store"), ends[2], passed;
	char byte;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fd_store_put("queue-1", ends[0]), 0);
	passed = expect_descriptor(fd, "FDSTORE=1\nFDPOLL=0\nFDNAME=queue-1");
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(read(passed, &byte, 1), 1);
	fd_store_remove("queue-1");
	expect_datagram(fd, "FDSTOREREMOVE=1\nFDNAME=queue-1");
	close(fd);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(fd_store_put("queue-1", ends[0]), -ENOTCONN);
}

static void *manager_that_answers(void *context)
{
	close(expect_descriptor(*(int *)context, "BARRIER=1"));
	return NULL;
}

static void the_barrier_ends_with_the_managers_work(void **state)
{
	int fd = listen_on("@test_notify.barrier");
	pthread_t manager;

	(void)state;
	assert_int_equal(notify_barrier(0), -ETIMEDOUT);
	close(expect_descriptor(fd, "BARRIER=1"));
	assert_int_equal(pthread_create(&manager, NULL, manager_that_answers, &fd), 0);
	assert_int_equal(notify_barrier(10000), 0);
	assert_int_equal(pthread_join(manager, NULL), 0);
	close(fd);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_barrier(0), -ENOTCONN);
}

static void descriptors_for_another_are_left_alone(void **state)
{
	struct fd_store_item *items;
	char pid[16];

	(void)state;
	snprintf(pid, sizeof(pid), "%d", getppid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	assert_int_equal(fd_store_take(&items), 0);
	assert_null(items);
	assert_null(getenv("LISTEN_FDS"));
	assert_int_equal(fd_store_take(&items), 0);
}

static void what_was_stored_comes_with_the_start(void **state)
{
	struct fd_store_item *items;
	int low = listen_on("@test_notify.start"), fd = fcntl(low, F_DUPFD_CLOEXEC, 10);
	char pid[16];

	(void)state;
	close(low);
	assert_int_equal(dup2(STDERR_FILENO, 3), 3);
	assert_int_equal(dup2(STDERR_FILENO, 4), 4);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "first:a-name-that-is-longer-than-any-of-ours", 1);
	assert_int_equal(fd_store_take(&items), 2);
	assert_int_equal(items[0].fd, 3);
	assert_string_equal(items[0].name, "first");
	assert_int_equal(items[1].fd, 4);
	assert_int_equal(strlen(items[1].name), FD_STORE_NAME_SIZE - 1);
	free(items);
	expect_datagram(fd, "FDSTOREREMOVE=1\nFDNAME=first");
	close(fd);
	close(3);
	close(4);
}

#define notifying(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		notifying(a_socket_in_a_folder),
		notifying(an_abstract_socket),
		notifying(a_manager_that_does_not_read),
		notifying(nobody_asked),
		notifying(a_reload_has_its_time),
		notifying(the_watchdog_is_ours_or_not),
		notifying(a_descriptor_is_stored),
		notifying(the_barrier_ends_with_the_managers_work),
		notifying(descriptors_for_another_are_left_alone),
		notifying(what_was_stored_comes_with_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

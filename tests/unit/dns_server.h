/* SPDX-License-Identifier: MIT */
/*
 * dnsmasq, serving the hosts of a file under "test." on a loopback address, with a log of every
 * question. Include after cmocka.h.
 */
#ifndef TRAFFICDUPLICATOR_TESTS_DNS_SERVER_H
#define TRAFFICDUPLICATOR_TESTS_DNS_SERVER_H

#include "loop_wait.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct dns_server {
	char hosts[128];
	char log[128];
	pid_t pid;
};

static inline void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline unsigned dns_server_log_count(const struct dns_server *server, const char *text)
{
	int fd = open(server->log, O_RDONLY | O_CLOEXEC);
	unsigned count;

	assert_true(fd >= 0);
	count = file_count(fd, text);
	close(fd);
	return count;
}

/* Waits until the server's log has more than `before` of text. */
static inline void dns_server_await_log(const struct dns_server *server, const char *text,
					unsigned before)
{
	uint64_t end_ms = loop_now_ms() + 5000;

	while (dns_server_log_count(server, text) <= before) {
		assert_true(loop_now_ms() < end_ms);
		poll(NULL, 0, 2);
	}
}

/* extra is one more argument: a TTL, for example. */
static inline void dns_server_start(struct dns_server *server, const char *folder,
				    const char *address, const char *hosts, const char *extra)
{
	char listen_argument[64], hosts_argument[160], log_argument[160];

	snprintf(server->hosts, sizeof(server->hosts), "%s/hosts-%s", folder, address);
	snprintf(server->log, sizeof(server->log), "%s/log-%s", folder, address);
	write_file(server->hosts, hosts);
	write_file(server->log, "");
	snprintf(listen_argument, sizeof(listen_argument), "--listen-address=%s", address);
	snprintf(hosts_argument, sizeof(hosts_argument), "--addn-hosts=%s", server->hosts);
	snprintf(log_argument, sizeof(log_argument), "--log-facility=%s", server->log);
	server->pid = fork();
	if (server->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
		       "--bind-interfaces", "--user=root", "--pid-file=", "--no-resolv",
		       "--no-hosts", "--local=/test/", "--log-queries", "--cache-size=0",
		       listen_argument, hosts_argument, log_argument, extra, (char *)NULL);
		_exit(127);
	}
	assert_true(server->pid > 0);
	dns_server_await_log(server, "read ", 0);
}

/* Serves other hosts from when this returns. */
static inline void dns_server_change(const struct dns_server *server, const char *hosts)
{
	unsigned before = dns_server_log_count(server, "read ");

	write_file(server->hosts, hosts);
	assert_int_equal(kill(server->pid, SIGHUP), 0);
	dns_server_await_log(server, "read ", before);
}

static inline void dns_server_stop(struct dns_server *server)
{
	if (server->pid <= 0)
		return;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

#endif

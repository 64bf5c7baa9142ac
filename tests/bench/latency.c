/* SPDX-License-Identifier: MIT */
/*
 * The benchmark's clock: how long probes took from the generator to an interface here.
 *
 * usage: latency INTERFACE
 *
 * Says "ready" once it listens, then collects until its standard input ends, and answers:
 *
 *	{"probes": N, "p50_us": X, "p99_us": X, "p999_us": X, "max_us": X}
 *
 * Arrival is what the kernel stamps when the frame gets into the receivers' backlog, on the
 * appliance's core (net.core.netdev_tstamp_prequeue), so the time that this program and its core
 * take is not part of it. A filter in the kernel lets only probes through. The tap is one for all
 * protocols, since these are ahead of the ingress hook that counts and drops.
 */
#include "frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_PROBES = 4000000,
	PROBE_BYTES = FRAME_HEADERS_BYTES + MARK_OFFSET + MARK_BYTES + STAMP_DIGITS
};

static uint64_t *took_ns;
static size_t probes;

static void die(const char *what)
{
	fprintf(stderr, "latency: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(const char *interface)
{
	uint32_t mark_be;
	memcpy(&mark_be, MARK_PROBE, sizeof(mark_be));
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FRAME_HEADERS_BYTES + MARK_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(mark_be), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PROBE_BYTES),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = {.len = sizeof(code) / sizeof(*code), .filter = code};
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1,
	    bytes = 1 << 26;

	if (fd < 0)
		die("packet socket");
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		die("socket option");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die(interface);
	return fd;
}

static uint64_t arrival_ns(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec at;

			memcpy(&at, CMSG_DATA(c), sizeof(at));
			return (uint64_t)at.tv_sec * 1000000000ULL + (uint64_t)at.tv_nsec;
		}
	}
	return 0;
}

static void collect(int fd)
{
	char frame[PROBE_BYTES], control[CMSG_SPACE(sizeof(struct timespec))];

	for (;;) {
		struct iovec vector = {.iov_base = frame, .iov_len = sizeof(frame)};
		struct msghdr message = {.msg_iov = &vector,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof(control)};
		char digits[STAMP_DIGITS + 1] = {0};
		uint64_t sent_ns, at_ns;

		if (recvmsg(fd, &message, 0) != PROBE_BYTES)
			return;
		at_ns = arrival_ns(&message);
		memcpy(digits, frame + PROBE_BYTES - STAMP_DIGITS, STAMP_DIGITS);
		sent_ns = strtoull(digits, NULL, 16);
		if (probes < MAX_PROBES && at_ns > sent_ns)
			took_ns[probes++] = at_ns - sent_ns;
	}
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The value that `share` of all are not above. */
static double percentile_us(double share)
{
	size_t at = (size_t)(share * (double)probes);

	if (!probes)
		return 0;
	return (double)took_ns[at < probes ? at : probes - 1] / 1e3;
}

int main(int count, char **arguments)
{
	struct pollfd ready[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};

	if (count != 2) {
		fprintf(stderr, "usage: latency INTERFACE\n");
		return 2;
	}
	took_ns = calloc(MAX_PROBES, sizeof(*took_ns));
	if (!took_ns)
		die("memory");
	ready[1].fd = open_socket(arguments[1]);
	puts("ready");
	fflush(stdout);
	while (!ready[0].revents) {
		if (poll(ready, 2, -1) < 0 && errno != EINTR)
			die("poll");
		collect(ready[1].fd);
	}
	qsort(took_ns, probes, sizeof(*took_ns), by_size);
	printf("{\"probes\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
	       "\"max_us\": %.1f}\n",
	       probes, percentile_us(0.5), percentile_us(0.99), percentile_us(0.999),
	       percentile_us(1));
	return 0;
}

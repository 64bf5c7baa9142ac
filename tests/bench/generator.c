/* SPDX-License-Identifier: MIT */
/*
 * The benchmark's sender: UDP frames of many clients, at a steady rate, out of a packet socket.
 *
 * usage: generator INTERFACE MAC CLIENT DESTINATION PORT CLIENTS PAYLOAD_BYTES netflow|syslog
 *
 * MAC is the next hop's, CLIENT the first of CLIENTS source addresses in a row. Then each line on
 * standard input, "RATE_PPS COUNT PROBE_EVERY", is one trial: COUNT packets at RATE_PPS, one in
 * PROBE_EVERY of them (0: none) stamped with the time it is sent. Each is answered by a line of
 * JSON when the last packet has left:
 *
 *	{"sent": N, "refused": N, "seconds": S, "late": N}
 *
 * refused is the part of sent that the far end of the veth had no room for: offered and lost.
 * late counts how often the pace was lost for more than MAX_LAG_NS and taken up anew: what was
 * missed is not sent in a burst, so the real rate, sent / seconds, is then below the one asked for.
 */
#include "frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

enum {
	BATCH = 64,
	MAX_CLIENTS = 4096,
	TICK_NS = 100000,    /* it sleeps at least this long, or not at all */
	MAX_LAG_NS = 500000, /* the most that is made up for by sending faster */
};

#define NS_PER_S 1000000000ULL

struct sender {
	int fd;
	struct frame_plan plan;
	struct frame *frames; /* one per client, sent in turn */
	struct iovec *vectors;
	uint32_t clients;
	uint32_t next;
	struct mmsghdr batch[BATCH];
};

struct trial {
	uint64_t rate_pps;
	uint64_t count;
	uint64_t probe_every;
	uint64_t sent;
	uint64_t refused;
	uint64_t late;
	uint64_t began_ns; /* moved on when the pace was lost */
	uint64_t until_probe;
};

static void die(const char *what)
{
	fprintf(stderr, "generator: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void sleep_until(uint64_t time_ns)
{
	struct timespec at = {
		.tv_sec = (time_t)(time_ns / NS_PER_S),
		.tv_nsec = (long)(time_ns % NS_PER_S),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/* Hands the frames of the next `count` clients to the device. */
static void send_frames(struct sender *sender, struct trial *trial, unsigned count)
{
	unsigned done = 0;

	for (unsigned i = 0; i < count; i++) {
		sender->batch[i].msg_hdr.msg_iov = &sender->vectors[sender->next];
		sender->next = (sender->next + 1) % sender->clients;
	}
	while (done < count) {
		int sent = sendmmsg(sender->fd, sender->batch + done, count - done, 0);

		if (sent > 0) {
			done += (unsigned)sent;
		} else if (errno == ENOBUFS) {
			trial->refused++;
			done++;
		} else if (errno != EINTR) {
			die("sendmmsg");
		}
	}
	trial->sent += count;
}

/*
 * Sends at most `count` packets, and no further than to the next probe: a probe is the first of
 * its batch, so that its stamp is the time at which it leaves.
 */
static void send_batch(struct sender *sender, struct trial *trial, unsigned count)
{
	uint32_t first = sender->next;
	int probing = trial->probe_every && !trial->until_probe;

	if (probing) {
		trial->until_probe = trial->probe_every;
		frame_stamp(&sender->frames[first], clock_ns(CLOCK_REALTIME));
	}
	if (trial->probe_every) {
		if (count > trial->until_probe)
			count = (unsigned)trial->until_probe;
		trial->until_probe -= count;
	}
	send_frames(sender, trial, count);
	if (probing)
		frame_build(&sender->frames[first], &sender->plan, first);
}

/* How many packets should have left by now. */
static uint64_t due_by(const struct trial *trial, uint64_t now_ns)
{
	uint64_t due =
		(uint64_t)((double)(now_ns - trial->began_ns) * (double)trial->rate_pps / 1e9);

	return due < trial->count ? due : trial->count;
}

static void run_trial(struct sender *sender, struct trial *trial)
{
	uint64_t first_ns = clock_ns(CLOCK_MONOTONIC), now_ns = first_ns;
	uint64_t max_lag = trial->rate_pps * MAX_LAG_NS / NS_PER_S + BATCH;

	trial->began_ns = first_ns;
	while (trial->sent < trial->count) {
		uint64_t due = due_by(trial, now_ns);

		if (due > trial->sent + max_lag) {
			uint64_t missed = due - trial->sent - max_lag;

			trial->began_ns += missed * NS_PER_S / trial->rate_pps;
			trial->late++;
			due = trial->sent + max_lag;
		}
		if (due > trial->sent) {
			uint64_t left = due - trial->sent;

			send_batch(sender, trial, left < BATCH ? (unsigned)left : BATCH);
		} else {
			sleep_until(now_ns + TICK_NS);
		}
		now_ns = clock_ns(CLOCK_MONOTONIC);
	}
	printf("{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64
	       ", \"seconds\": %.6f, \"late\": %" PRIu64 "}\n",
	       trial->sent, trial->refused, (double)(clock_ns(CLOCK_MONOTONIC) - first_ns) / 1e9,
	       trial->late);
	fflush(stdout);
}

static int open_socket(const char *interface, struct frame_plan *plan)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET};
	struct ifreq request = {0};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, bytes = 1 << 24;

	if (fd < 0)
		die("packet socket");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		die(interface);
	memcpy(plan->source_mac, request.ifr_hwaddr.sa_data, 6);
	address.sll_ifindex = (int)if_nametoindex(interface);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("bind");
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)))
		die("PACKET_QDISC_BYPASS");
	/* Copies hold on to the sender's buffer until they have been received. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		die("SO_SNDBUFFORCE");
	return fd;
}

static void read_plan(struct frame_plan *plan, char **arguments)
{
	struct ether_addr *mac = ether_aton(arguments[2]);
	unsigned long bytes = strtoul(arguments[7], NULL, 10);

	errno = EINVAL;
	if (!mac || inet_pton(AF_INET, arguments[3], &plan->first_client_be) != 1 ||
	    inet_pton(AF_INET, arguments[4], &plan->destination_be) != 1)
		die("address");
	if (bytes < PAYLOAD_MIN_BYTES || bytes > FRAME_MAX_BYTES - FRAME_HEADERS_BYTES)
		die("payload size");
	memcpy(plan->destination_mac, mac, 6);
	plan->destination_port_be = htons((uint16_t)strtoul(arguments[5], NULL, 10));
	plan->payload_bytes = bytes;
	plan->kind = strcmp(arguments[8], "syslog") ? PAYLOAD_NETFLOW : PAYLOAD_SYSLOG;
}

static void prepare(struct sender *sender, uint32_t clients)
{
	errno = EINVAL;
	if (clients < 1 || clients > MAX_CLIENTS)
		die("number of clients");
	sender->clients = clients;
	sender->frames = calloc(clients, sizeof(*sender->frames));
	sender->vectors = calloc(clients, sizeof(*sender->vectors));
	if (!sender->frames || !sender->vectors)
		die("memory");
	for (uint32_t i = 0; i < clients; i++) {
		frame_build(&sender->frames[i], &sender->plan, i);
		sender->vectors[i].iov_base = sender->frames[i].data;
		sender->vectors[i].iov_len = sender->frames[i].bytes;
	}
	for (unsigned i = 0; i < BATCH; i++)
		sender->batch[i].msg_hdr.msg_iovlen = 1;
}

int main(int count, char **arguments)
{
	struct sender sender = {0};
	char line[128];

	if (count != 9) {
		fprintf(stderr, "usage: generator INTERFACE MAC CLIENT DESTINATION PORT CLIENTS"
				" PAYLOAD_BYTES netflow|syslog\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	read_plan(&sender.plan, arguments);
	sender.fd = open_socket(arguments[1], &sender.plan);
	prepare(&sender, (uint32_t)strtoul(arguments[6], NULL, 10));
	while (fgets(line, sizeof(line), stdin)) {
		struct trial trial = {0};

		if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64, &trial.rate_pps, &trial.count,
			   &trial.probe_every) != 3 ||
		    !trial.rate_pps) {
			fprintf(stderr, "generator: not a trial: %s", line);
			return 2;
		}
		run_trial(&sender, &trial);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "datapath/tx.h"

#include "core/fragment.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	LANE_MESSAGES = 256,
	ROOM_BYTES = 64 * 1024,
	/* Enough that packets which the kernel keeps for unresolved neighbours, at most
	 * net.ipv4.neigh.*.unres_qlen_bytes for each of them, leave room for the others. */
	SEND_BUFFER_BYTES = 32 << 20,
	/* Waits for room in a full buffer or device queue during one flush. */
	RETRIES = 8,
	RETRY_WAIT_NS = 100000,
};

/* The messages of one socket. */
struct lane {
	int fd;
	unsigned count;
	struct mmsghdr headers[LANE_MESSAGES];
	struct iovec iovecs[LANE_MESSAGES][2];
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} to[LANE_MESSAGES];
	struct {
		struct counters_destination *counters;
		uint32_t copy_bytes;
		bool last;
	} notes[LANE_MESSAGES];
	/* The copy whose fragments are being sent has lost one of them. */
	bool copy_failed;
	enum reason copy_reason;
};

struct tx {
	struct lane ipv4, ipv6, link;
	/* The copy whose fragments are being gathered or sent goes on by an IP socket. */
	bool copy_moved;
	size_t room_used;
	uint8_t room[ROOM_BYTES];
};

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/*
 * IPPROTO_RAW: we bring the IP header ourselves. With *_RECVERR a packet that the device's queue
 * drops is reported as ENOBUFS instead of passing for sent. IP_NODEFRAG keeps our own fragments
 * from being put together again at output where conntrack is in use. *_PMTUDISC_INTERFACE leaves
 * the size of packets to us: what other traffic has taught the kernel of a path's MTU would make it
 * refuse copies, and tell the client, whose packet it never was.
 */
static int open_socket(int family, uint32_t mark)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
	int error;

	if (fd < 0)
		return -errno;
	error = set_option(fd, SOL_SOCKET, SO_MARK, (int)mark);
	if (!error)
		error = set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
	if (!error && family == AF_INET)
		error = set_option(fd, IPPROTO_IP, IP_RECVERR, 1);
	if (!error && family == AF_INET)
		error = set_option(fd, IPPROTO_IP, IP_NODEFRAG, 1);
	if (!error && family == AF_INET)
		error = set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_INTERFACE);
	if (!error && family == AF_INET6)
		error = set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	if (!error && family == AF_INET6)
		error = set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_INTERFACE);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

/*
 * The kernel writes the link-layer header from the address of each message (SOCK_DGRAM). Protocol 0
 * receives nothing. What the device's queue drops is reported as ENOBUFS. Without
 * PACKET_QDISC_BYPASS: tcpdump, tc and nft's egress hook see copies as they see everything else,
 * and the queue takes up bursts.
 */
static int open_link_socket(uint32_t mark)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error;

	if (fd < 0)
		return -errno;
	error = set_option(fd, SOL_SOCKET, SO_MARK, (int)mark);
	if (!error)
		error = set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES);
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

static void prepare_lane(struct lane *lane, socklen_t address_bytes)
{
	for (unsigned i = 0; i < LANE_MESSAGES; i++)
		lane->headers[i].msg_hdr = (struct msghdr){
			.msg_name = &lane->to[i],
			.msg_namelen = address_bytes,
			.msg_iov = lane->iovecs[i],
			.msg_iovlen = 2,
		};
}

int tx_open(struct tx **out, uint32_t mark)
{
	struct tx *tx = calloc(1, sizeof(*tx));
	int error = 0;

	if (!tx)
		return -ENOMEM;
	prepare_lane(&tx->ipv4, sizeof(struct sockaddr_in));
	prepare_lane(&tx->ipv6, sizeof(struct sockaddr_in6));
	prepare_lane(&tx->link, sizeof(struct sockaddr_ll));
	tx->ipv4.fd = open_socket(AF_INET, mark);
	tx->ipv6.fd = open_socket(AF_INET6, mark);
	tx->link.fd = open_link_socket(mark);
	if (tx->ipv4.fd < 0)
		error = tx->ipv4.fd;
	else if (tx->ipv6.fd < 0 && tx->ipv6.fd != -EAFNOSUPPORT) /* a kernel without IPv6 */
		error = tx->ipv6.fd;
	else if (tx->link.fd < 0 && tx->link.fd != -EAFNOSUPPORT) /* or without packet sockets */
		error = tx->link.fd;
	if (error)
		tx_close(tx);
	else
		*out = tx;
	return error;
}

void tx_close(struct tx *tx)
{
	if (!tx)
		return;
	if (tx->ipv4.fd >= 0)
		close(tx->ipv4.fd);
	if (tx->ipv6.fd >= 0)
		close(tx->ipv6.fd);
	if (tx->link.fd >= 0)
		close(tx->link.fd);
	free(tx);
}

uint8_t *tx_room(struct tx *tx, size_t bytes)
{
	uint8_t *room;

	if (tx->room_used + bytes > ROOM_BYTES || tx->ipv4.count == LANE_MESSAGES ||
	    tx->ipv6.count == LANE_MESSAGES || tx->link.count == LANE_MESSAGES)
		tx_flush(tx);
	room = tx->room + tx->room_used;
	tx->room_used += (bytes + 15) & ~(size_t)15; /* ROOM_BYTES is a multiple of it too */
	return room;
}

static struct lane *ip_lane(struct tx *tx, uint8_t family)
{
	return family == AF_INET ? &tx->ipv4 : &tx->ipv6;
}

void tx_add(struct tx *tx, const struct tx_message *message)
{
	bool by_link = message->link && tx->link.fd >= 0 && !tx->copy_moved;
	struct lane *lane = by_link ? &tx->link : ip_lane(tx, message->to->family);
	unsigned i = lane->count++;

	if (message->last)
		tx->copy_moved = false;
	if (by_link) {
		lane->headers[i].msg_hdr.msg_name = (void *)message->link;
	} else if (message->to->family == AF_INET) {
		lane->to[i].in = (struct sockaddr_in){.sin_family = AF_INET};
		memcpy(&lane->to[i].in.sin_addr, message->to->bytes, 4);
	} else {
		lane->to[i].in6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
		memcpy(&lane->to[i].in6.sin6_addr, message->to->bytes, 16);
	}
	lane->iovecs[i][0] = (struct iovec){(void *)message->headers, message->headers_bytes};
	lane->iovecs[i][1] = (struct iovec){(void *)message->payload, message->payload_bytes};
	lane->notes[i].counters = message->counters;
	lane->notes[i].copy_bytes = message->copy_bytes;
	lane->notes[i].last = message->last;
}

/* Counts a copy once its last message is through. */
static void note_message(struct lane *lane, unsigned i)
{
	struct counters_destination *counters = lane->notes[i].counters;

	if (!lane->notes[i].last)
		return;
	if (lane->copy_failed) {
		counter_add(&counters->dropped_pkts[lane->copy_reason], 1);
	} else {
		counter_add(&counters->sent_pkts, 1);
		counter_add(&counters->sent_bytes, lane->notes[i].copy_bytes);
	}
	lane->copy_failed = false;
}

static void note_failure(struct lane *lane, unsigned i, int error)
{
	lane->copy_failed = true;
	lane->copy_reason = reason_from_errno(error);
	note_message(lane, i);
}

/* A full send buffer empties by itself, and poll tells; a full device queue does not tell. */
static void wait_for_room(const struct lane *lane, int error)
{
	struct pollfd fd = {.fd = lane->fd, .events = POLLOUT};
	struct timespec pause = {.tv_nsec = RETRY_WAIT_NS};

	if (error == EAGAIN)
		poll(&fd, 1, 1);
	else
		nanosleep(&pause, NULL);
}

static void flush_lane(struct tx *tx, struct lane *lane);

/* The interface is down or gone, and word of it has not come yet. */
static bool is_gone(int error)
{
	return error == ENETDOWN || error == ENXIO || error == ENODEV;
}

/*
 * Leaves a message to the IP socket, and so the rest of its copy: the kernel may know another way
 * by now, and else says why there is none. Fragments of a copy stay in a row.
 */
static void move_message(struct tx *tx, unsigned i)
{
	enum { IPV4_DESTINATION = 16, IPV6_DESTINATION = 24 };
	const struct lane *from = &tx->link;
	const uint8_t *header = from->iovecs[i][0].iov_base;
	struct ip_address to = {.family = header[0] >> 4 == 4 ? AF_INET : AF_INET6};
	struct tx_message message = {
		.to = &to,
		.headers = header,
		.headers_bytes = from->iovecs[i][0].iov_len,
		.payload = from->iovecs[i][1].iov_base,
		.payload_bytes = from->iovecs[i][1].iov_len,
		.counters = from->notes[i].counters,
		.copy_bytes = from->notes[i].copy_bytes,
		.last = from->notes[i].last,
	};
	struct lane *lane = ip_lane(tx, to.family);

	memcpy(to.bytes, header + (to.family == AF_INET ? IPV4_DESTINATION : IPV6_DESTINATION),
	       ip_length_bytes(to.family));
	if (lane->count == LANE_MESSAGES)
		flush_lane(tx, lane);
	tx->copy_moved = true;
	tx_add(tx, &message);
}

static void flush_lane(struct tx *tx, struct lane *lane)
{
	const bool by_link = lane == &tx->link;
	int retries = RETRIES;
	unsigned i = 0;

	while (i < lane->count) {
		int sent;

		/* The rest of a copy that lost a fragment would only waste the receiver's memory.
		 */
		if (lane->copy_failed) {
			note_message(lane, i++);
			continue;
		}
		if (by_link && tx->copy_moved) {
			move_message(tx, i++);
			continue;
		}
		sent = sendmmsg(lane->fd, lane->headers + i, lane->count - i, 0);
		if (sent > 0) {
			for (unsigned end = i + (unsigned)sent; i < end; i++)
				note_message(lane, i);
		} else if ((errno == EAGAIN || errno == ENOBUFS) && retries-- > 0) {
			wait_for_room(lane, errno);
		} else if (by_link && is_gone(errno)) {
			move_message(tx, i++);
		} else if (errno != EINTR) {
			note_failure(lane, i++, errno);
		}
	}
	lane->count = 0;
}

void tx_flush(struct tx *tx)
{
	flush_lane(tx, &tx->link); /* which may leave something to the others */
	flush_lane(tx, &tx->ipv4);
	flush_lane(tx, &tx->ipv6);
	tx->room_used = 0;
}

/* SPDX-License-Identifier: MIT */
#include "datapath/queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <limits.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SLOT_BYTES = 72 * 1024, /* the largest message, in whole pages */
	/* Socket memory that the kernel charges for one waiting packet: for any packet up to a
	 * 1500-byte MTU, and for one of a few hundred bytes. */
	CHARGE_MTU_BYTES = 4096,
	CHARGE_SMALL_BYTES = 1280,
};
_Static_assert(SLOT_BYTES >= NFQ_WIRE_PAYLOAD_MAX + NFQ_WIRE_OVERHEAD_BYTES, "slot too small");

struct queue {
	struct mnl_socket *socket;
	int fd;
	uint16_t number;
	uint32_t length_pkts; /* UINT32_MAX: only the buffer limits it */
	bool fail_open;
	int received;	/* messages of the last burst */
	uint8_t *slots; /* QUEUE_BURST_MAX of SLOT_BYTES */
	struct mmsghdr messages[QUEUE_BURST_MAX];
	struct iovec iovecs[QUEUE_BURST_MAX];
	struct sockaddr_nl senders[QUEUE_BURST_MAX];

	uint8_t verdicts[QUEUE_BURST_MAX * NFQ_WIRE_VERDICT_BYTES];
	size_t verdict_bytes;
	bool run_open; /* packets up to run_last share run_accept, not yet in verdicts */
	bool run_accept;
	uint32_t run_last;
};

static void prepare_slots(struct queue *queue)
{
	for (int i = 0; i < QUEUE_BURST_MAX; i++) {
		queue->iovecs[i] =
			(struct iovec){queue->slots + (size_t)i * SLOT_BYTES, SLOT_BYTES};
		queue->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &queue->senders[i],
			.msg_iov = &queue->iovecs[i],
			.msg_iovlen = 1,
		};
	}
}

/*
 * Room for length packets in the socket. The kernel doubles what it is given. Beyond
 * net.core.rmem_max only with CAP_NET_ADMIN, which the bind needs anyway.
 */
static int set_receive_buffer(const struct queue *queue, uint32_t length_pkts,
			      uint64_t charge_bytes)
{
	uint64_t bytes = length_pkts * charge_bytes / 2;
	int value = bytes > INT_MAX / 2 ? INT_MAX / 2 : (int)bytes;

	if (setsockopt(queue->fd, SOL_SOCKET, SO_RCVBUFFORCE, &value, sizeof(value)) < 0)
		return -errno;
	return 0;
}

/* Copy mode, length and flags. */
static void put_parameters(struct nlmsghdr *message, uint32_t length_pkts, bool fail_open)
{
	nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, NFQ_WIRE_PAYLOAD_MAX);
	nfq_nlmsg_cfg_put_qmaxlen(message, length_pkts);
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(fail_open ? NFQA_CFG_F_FAIL_OPEN : 0));
	mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN));
}

/*
 * Bind, copy mode, length and flags in one message: packets that arrive between two of them would
 * be lost. Returns 0 or -errno.
 */
static int send_configuration(const struct queue *queue, uint16_t flags)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue->number);

	message->nlmsg_flags |= flags;
	message->nlmsg_seq = 1;
	nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
	put_parameters(message, queue->length_pkts, queue->fail_open);
	if (mnl_socket_sendto(queue->socket, message, message->nlmsg_len) < 0)
		return -errno;
	return 0;
}

/* The answer is awaited, so that an error is known to be this message's. */
static int configure(struct queue *queue)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	unsigned port_id = mnl_socket_get_portid(queue->socket);
	int error = send_configuration(queue, NLM_F_ACK);
	ssize_t got;

	if (error)
		return error;
	got = mnl_socket_recvfrom(queue->socket, buffer, sizeof(buffer));
	if (got < 0 || mnl_cb_run(buffer, (size_t)got, 1, port_id, NULL, NULL) < 0)
		return -errno;
	return 0;
}

/* Packets wait before any answer would, so none is asked for; it is bound, so none is needed. */
static int configure_bound(struct queue *queue, bool fail_open)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue->number);

	put_parameters(message, queue->length_pkts, fail_open);
	return mnl_socket_sendto(queue->socket, message, message->nlmsg_len) < 0 ? -errno : 0;
}

/* All but the socket. */
static struct queue *create(uint16_t number, uint32_t length_pkts, bool forward)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	queue->number = number;
	queue->fail_open = forward;
	queue->length_pkts = forward ? UINT32_MAX : length_pkts;
	queue->slots = mmap(NULL, (size_t)QUEUE_BURST_MAX * SLOT_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (queue->slots == MAP_FAILED) {
		free(queue);
		return NULL;
	}
	prepare_slots(queue);
	return queue;
}

static int open_socket(struct queue *queue)
{
	int on = 1;

	queue->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!queue->socket || mnl_socket_bind(queue->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	queue->fd = mnl_socket_get_fd(queue->socket);
	/* Else one overrun makes every further packet drop until the socket is drained. */
	if (setsockopt(queue->fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

int queue_open(struct queue **out, uint16_t number, uint32_t length_pkts, enum when_full when_full)
{
	bool forward = when_full == WHEN_FULL_FORWARD;
	struct queue *queue = create(number, length_pkts, forward);
	int error = queue ? open_socket(queue) : -ENOMEM;

	if (!error)
		error = set_receive_buffer(queue, length_pkts,
					   forward ? CHARGE_SMALL_BYTES : CHARGE_MTU_BYTES);
	if (!error)
		error = configure(queue);
	if (error)
		queue_close(queue);
	else
		*out = queue;
	return error;
}

int queue_inherit(struct queue **out, int fd, uint16_t number, uint32_t length_pkts,
		  enum when_full when_full)
{
	bool forward = when_full == WHEN_FULL_FORWARD;
	struct queue *queue = create(number, length_pkts, forward);
	int error;

	if (!queue)
		return -ENOMEM;
	queue->socket = mnl_socket_fdopen(fd);
	if (!queue->socket) {
		error = -errno;
		queue_close(queue);
		return error;
	}
	queue->fd = fd;
	/* Where these fail the queue goes on as it was left. */
	set_receive_buffer(queue, length_pkts, forward ? CHARGE_SMALL_BYTES : CHARGE_MTU_BYTES);
	configure_bound(queue, forward);
	*out = queue;
	return 0;
}

void queue_close(struct queue *queue)
{
	if (!queue)
		return;
	if (queue->socket)
		mnl_socket_close(queue->socket);
	if (queue->slots)
		munmap(queue->slots, (size_t)QUEUE_BURST_MAX * SLOT_BYTES);
	free(queue);
}

int queue_bind_again(const struct queue *queue)
{
	return send_configuration(queue, 0);
}

void queue_let_go(struct queue *queue)
{
	enum { ROUNDS_MAX = 4096 }; /* more come as fast as they go */
	int count = QUEUE_BURST_MAX;

	for (int round = 0; round < ROUNDS_MAX && count == QUEUE_BURST_MAX; round++) {
		count = queue_receive(queue, -1, 0);
		for (int i = 0; i < count; i++) {
			struct nfq_wire_message message;

			if (queue_message(queue, i, &message) == NFQ_WIRE_PACKET)
				queue_decide(queue, message.packet_id, true);
		}
		queue_send_verdicts(queue);
	}
}

int queue_descriptor(const struct queue *queue)
{
	return queue->fd;
}

uint32_t queue_port_id(const struct queue *queue)
{
	return mnl_socket_get_portid(queue->socket);
}

uint16_t queue_number(const struct queue *queue)
{
	return queue->number;
}

int queue_receive(struct queue *queue, int wake_fd, int timeout_ms)
{
	struct pollfd fds[2] = {{.fd = queue->fd, .events = POLLIN},
				{.fd = wake_fd, .events = POLLIN}};
	int got;

	for (int i = 0; i < QUEUE_BURST_MAX; i++)
		queue->messages[i].msg_hdr.msg_namelen = sizeof(queue->senders[i]);
	queue->received = 0;
	got = recvmmsg(queue->fd, queue->messages, QUEUE_BURST_MAX, MSG_DONTWAIT, NULL);
	if (got >= 0)
		queue->received = got;
	if (got >= 0 || errno != EAGAIN)
		return got >= 0 ? got : -errno;
	if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
		return -errno;
	if (!(fds[0].revents & POLLIN))
		return 0;
	got = recvmmsg(queue->fd, queue->messages, QUEUE_BURST_MAX, MSG_DONTWAIT, NULL);
	return got >= 0 ? got : errno == EAGAIN ? 0 : -errno;
}

/* What the kernel charges for a message: itself with the end of its buffer, in a block of the next
 * power of two, and its struct sk_buff (include/linux/skbuff.h, SKB_TRUESIZE). */
static uint32_t charge_bytes(uint32_t message_bytes)
{
	enum { SKB_BYTES = 256, SHARED_INFO_BYTES = 320, BLOCK_MIN_BYTES = 512 };
	uint32_t block = BLOCK_MIN_BYTES;

	while (block < message_bytes + SHARED_INFO_BYTES)
		block *= 2;
	return block + SKB_BYTES;
}

unsigned queue_fill_permille(const struct queue *queue)
{
	uint32_t memory[SK_MEMINFO_VARS];
	socklen_t bytes = sizeof(memory);
	uint64_t by_buffer, by_length;

	if (queue->received < QUEUE_BURST_MAX ||
	    getsockopt(queue->fd, SOL_SOCKET, SO_MEMINFO, memory, &bytes) < 0 ||
	    memory[SK_MEMINFO_RCVBUF] == 0)
		return 0;
	by_buffer = (uint64_t)memory[SK_MEMINFO_RMEM_ALLOC] * 1000 / memory[SK_MEMINFO_RCVBUF];
	by_length = (uint64_t)memory[SK_MEMINFO_RMEM_ALLOC] /
		    charge_bytes(queue->messages[QUEUE_BURST_MAX - 1].msg_len) * 1000 /
		    queue->length_pkts;
	return (unsigned)(by_buffer > by_length ? by_buffer : by_length);
}

enum nfq_wire_kind queue_message(const struct queue *queue, int i, struct nfq_wire_message *message)
{
	const struct mmsghdr *header = &queue->messages[i];

	/* Only the kernel (port 0) may speak here; and a slot holds any message whole. */
	if (queue->senders[i].nl_pid != 0 || header->msg_hdr.msg_flags & MSG_TRUNC)
		return NFQ_WIRE_OTHER;
	return nfq_wire_parse(queue->iovecs[i].iov_base, header->msg_len, message);
}

/* Ends the run of equal verdicts: a batch verdict decides all ids up to the one it names. */
static void close_run(struct queue *queue)
{
	if (!queue->run_open)
		return;
	nfq_wire_batch_verdict(queue->verdicts + queue->verdict_bytes, queue->number,
			       queue->run_last, queue->run_accept);
	queue->verdict_bytes += NFQ_WIRE_VERDICT_BYTES;
	queue->run_open = false;
}

void queue_decide(struct queue *queue, uint32_t packet_id, bool accept)
{
	if (queue->run_open && queue->run_accept != accept)
		close_run(queue);
	queue->run_open = true;
	queue->run_accept = accept;
	queue->run_last = packet_id;
}

int queue_send_verdicts(struct queue *queue)
{
	ssize_t sent;

	close_run(queue);
	if (queue->verdict_bytes == 0)
		return 0;
	do
		sent = send(queue->fd, queue->verdicts, queue->verdict_bytes, 0);
	while (sent < 0 && errno == EINTR);
	queue->verdict_bytes = 0;
	return sent < 0 ? -errno : 0;
}

/* SPDX-License-Identifier: MIT */
#include "control/nft_watch.h"

#include "control/nft_message.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* From hearing that something changes to reading what. Meanwhile messages pile up in the
	 * socket, and are dropped by the kernel when it is full: so a storm costs a look at what
	 * the socket holds so many times a second, and no more. */
	INTERVAL_MS = 50,
	MESSAGE_MAX_BYTES = 64 * 1024,
	/* Of one reading. The socket holds less: what goes on coming is for the next. */
	MESSAGES_MAX = 4096,
};

struct nft_watch {
	nft_watch_changed *changed;
	void *context;
	struct mnl_socket *socket;
	struct event readable;
	struct event interval;
	struct nft_change heard;
	bool is_transaction_ours; /* of the transaction whose end is still to come */
	_Alignas(8) char buffer[MESSAGE_MAX_BYTES];
};

/* Whether a message is about our tables: whatever it is about, the first attribute of its kind is
 * the table's name (linux/netfilter/nf_tables.h). */
static bool is_about_ours(const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

	return nft_table_is_ours(header->nfgen_family, nft_text(message, NFTA_TABLE_NAME));
}

/* A transaction ends with the number of the ruleset that it has made, and who made it. */
static void end_transaction(struct nft_watch *watch, const struct nlmsghdr *message)
{
	struct nft_change *heard = &watch->heard;
	const struct nlattr *process_id = nft_attribute(message, NFTA_GEN_PROC_PID);

	if (!watch->is_transaction_ours)
		return;
	watch->is_transaction_ours = false;
	if (process_id && mnl_attr_validate(process_id, MNL_TYPE_U32) == 0)
		heard->process_id = ntohl(mnl_attr_get_u32(process_id));
	strncpy(heard->process_name, nft_text(message, NFTA_GEN_PROC_NAME),
		sizeof(heard->process_name) - 1);
}

static int hear(const struct nlmsghdr *message, void *context)
{
	struct nft_watch *watch = context;
	unsigned type = NFNL_MSG_TYPE(message->nlmsg_type);

	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return MNL_CB_OK;
	if (type == NFT_MSG_NEWGEN) {
		end_transaction(watch, message);
	} else if (is_about_ours(message)) {
		watch->is_transaction_ours = true;
		watch->heard.is_ours = true;
	}
	return MNL_CB_OK;
}

/* Reads what there is. After an overrun the socket must be empty before the kernel adds to it again
 * (net/netlink/af_netlink.c, netlink_rcv_wake). */
static void read_all(struct nft_watch *watch)
{
	for (int i = 0; i < MESSAGES_MAX; i++) {
		struct sockaddr_nl sender = {0};
		socklen_t sender_bytes = sizeof(sender);
		ssize_t got = recvfrom(mnl_socket_get_fd(watch->socket), watch->buffer,
				       sizeof(watch->buffer), MSG_DONTWAIT | MSG_TRUNC,
				       (struct sockaddr *)&sender, &sender_bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != ENOBUFS)
			return;
		if (got < 0 || got > (ssize_t)sizeof(watch->buffer))
			watch->heard.is_overrun = true;
		else if (sender.nl_pid == 0)
			mnl_cb_run(watch->buffer, (size_t)got, 0, 0, hear, watch);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	const struct timeval interval = {.tv_usec = INTERVAL_MS * 1000};
	struct nft_watch *watch = context;

	(void)fd;
	(void)what;
	event_del(&watch->readable);
	event_add(&watch->interval, &interval);
}

static void on_interval(evutil_socket_t fd, short what, void *context)
{
	struct nft_watch *watch = context;
	struct nft_change heard;

	(void)fd;
	(void)what;
	event_add(&watch->readable, NULL);
	read_all(watch);
	heard = watch->heard;
	watch->heard = (struct nft_change){0};
	if (heard.is_ours || heard.is_overrun)
		watch->changed(watch->context, &heard);
}

/* Opens the socket. Returns 0 or -errno. */
static int listen_for_changes(struct nft_watch *watch)
{
	watch->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!watch->socket ||
	    mnl_socket_bind(watch->socket, 1U << (NFNLGRP_NFTABLES - 1), MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

int nft_watch_open(struct nft_watch **out, struct event_base *base, nft_watch_changed *changed,
		   void *context)
{
	struct nft_watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (!watch)
		return -ENOMEM;
	watch->changed = changed;
	watch->context = context;
	error = listen_for_changes(watch);
	if (!error) {
		event_assign(&watch->readable, base, mnl_socket_get_fd(watch->socket),
			     EV_READ | EV_PERSIST, on_readable, watch);
		evtimer_assign(&watch->interval, base, on_interval, watch);
		error = event_add(&watch->readable, NULL) < 0 ? -ENOMEM : 0;
	}
	if (error) {
		if (watch->socket)
			mnl_socket_close(watch->socket);
		free(watch);
		return error;
	}
	*out = watch;
	return 0;
}

void nft_watch_close(struct nft_watch *watch)
{
	if (!watch)
		return;
	event_del(&watch->readable);
	event_del(&watch->interval);
	mnl_socket_close(watch->socket);
	free(watch);
}

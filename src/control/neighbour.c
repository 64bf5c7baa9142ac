/* SPDX-License-Identifier: MIT */
#include "control/neighbour.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEARD_BYTES (16 * 1024) /* of messages at a time; a neighbour takes about a hundred */

enum { CONFIRMED = NUD_REACHABLE | NUD_PERMANENT, TO_CONFIRM = NUD_STALE | NUD_DELAY };

/* What the kernel says of a neighbour. */
struct answer {
	uint32_t device;
	struct ip_address address;
	uint16_t state;	     /* NUD_...; NUD_NONE: it is gone */
	uint8_t flags;	     /* NTF_... */
	uint32_t more_flags; /* NTF_EXT_... */
	struct sockaddr_ll link;
};

/* A question under way. */
struct question {
	struct nl_sock *socket;
	struct answer answer; /* the last one; empty: none */
	bool refused;	      /* the kernel has an error, not an answer */
};

static int compare(const void *left, const void *right)
{
	const struct neighbour *a = left, *b = right;

	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	if (a->address.family != b->address.family)
		return a->address.family < b->address.family ? -1 : 1;
	return memcmp(a->address.bytes, b->address.bytes, ip_length_bytes(a->address.family));
}

size_t neighbour_sort(struct neighbour *neighbours, size_t count)
{
	size_t kept = 0;

	qsort(neighbours, count, sizeof(*neighbours), compare);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || compare(&neighbours[kept - 1], &neighbours[i]) != 0)
			neighbours[kept++] = neighbours[i];
	return kept;
}

const struct neighbour *neighbour_find(const struct neighbour *sorted, size_t count,
				       uint32_t device, const struct ip_address *address)
{
	struct neighbour wanted = {.device = device, .address = *address};

	return bsearch(&wanted, sorted, count, sizeof(*sorted), compare);
}

/* Returns false for what is no next hop of IP: a bridge's forwarding entry, for one. */
static bool read_answer(struct nlmsghdr *header, struct answer *answer)
{
	struct nlattr *attributes[NDA_MAX + 1];
	const struct ndmsg *ndmsg = nlmsg_data(header);
	struct nlattr *link;

	if ((header->nlmsg_type != RTM_NEWNEIGH && header->nlmsg_type != RTM_DELNEIGH) ||
	    nlmsg_parse(header, sizeof(*ndmsg), attributes, NDA_MAX, NULL) < 0 ||
	    (ndmsg->ndm_family != AF_INET && ndmsg->ndm_family != AF_INET6) ||
	    !attributes[NDA_DST] ||
	    (size_t)nla_len(attributes[NDA_DST]) != ip_length_bytes(ndmsg->ndm_family))
		return false;
	*answer = (struct answer){.device = (uint32_t)ndmsg->ndm_ifindex,
				  .address.family = ndmsg->ndm_family};
	memcpy(answer->address.bytes, nla_data(attributes[NDA_DST]),
	       ip_length_bytes(ndmsg->ndm_family));
	if (header->nlmsg_type == RTM_NEWNEIGH)
		answer->state = ndmsg->ndm_state;
	answer->flags = ndmsg->ndm_flags;
	if (attributes[NDA_FLAGS_EXT])
		answer->more_flags = nla_get_u32(attributes[NDA_FLAGS_EXT]);
	link = attributes[NDA_LLADDR];
	if (!(answer->state & (CONFIRMED | NUD_PROBE)) || !link ||
	    (size_t)nla_len(link) > sizeof(answer->link.sll_addr))
		return true;
	answer->link = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ndmsg->ndm_family == AF_INET ? ETH_P_IP : ETH_P_IPV6),
		.sll_ifindex = ndmsg->ndm_ifindex,
		.sll_halen = (uint8_t)nla_len(link),
	};
	memcpy(answer->link.sll_addr, nla_data(link), (size_t)nla_len(link));
	return true;
}

static int on_refusal(struct sockaddr_nl *from, struct nlmsgerr *error, void *context)
{
	struct question *question = context;

	(void)from;
	(void)error;
	question->refused = true;
	return NL_STOP;
}

static int on_answer(struct nl_msg *message, void *context)
{
	struct question *question = context;

	return read_answer(nlmsg_hdr(message), &question->answer) ? NL_OK : NL_SKIP;
}

/* Sends a message about a neighbour, and takes the answer. Returns 0, also where the kernel
 * refused, or -errno. */
static int ask(struct question *question, const struct neighbour *neighbour, int type, int flags,
	       const struct ndmsg *wanted)
{
	struct ndmsg ndmsg = *wanted;
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);
	int error = -NLE_NOMEM;

	ndmsg.ndm_family = neighbour->address.family;
	ndmsg.ndm_ifindex = (int)neighbour->device;
	question->refused = false;
	if (message && nlmsg_append(message, &ndmsg, sizeof(ndmsg), NLMSG_ALIGNTO) == 0 &&
	    nla_put(message, NDA_DST, (int)ip_length_bytes(neighbour->address.family),
		    neighbour->address.bytes) == 0)
		error = nl_send_auto(question->socket, message);
	nlmsg_free(message);
	if (error >= 0)
		error = nl_recvmsgs_default(question->socket);
	if (error < 0 && !question->refused)
		return error == -NLE_NOMEM ? -ENOMEM : -EIO;
	return 0;
}

static bool is_same_link(const struct sockaddr_ll *a, const struct sockaddr_ll *b)
{
	return a->sll_ifindex == b->sll_ifindex && a->sll_halen == b->sll_halen &&
	       memcmp(a->sll_addr, b->sll_addr, sizeof(a->sll_addr)) == 0;
}

/* What an answer says of a next hop whose link was known to be that before. While a confirmed one
 * is asked again it stays in use, until the kernel gives it up: after three questions, a second
 * each (mcast_solicit and retrans_time of ndisc and arp). */
static struct sockaddr_ll judge(const struct answer *answer, const struct sockaddr_ll *before)
{
	if (answer->state & CONFIRMED ||
	    (answer->state & NUD_PROBE && is_same_link(&answer->link, before)))
		return answer->link;
	return (struct sockaddr_ll){0};
}

/*
 * The kernel asks at once where a neighbour is put in this state, and not after a delay. It keeps
 * the link-layer address that it has, as none is given (net/core/neighbour.c, __neigh_update), but
 * not the flags. What somebody else keeps up to date, a routing daemon or the kernel itself, is
 * left to them.
 */
static int probe(struct question *question, const struct neighbour *neighbour)
{
	const struct answer *now = &question->answer;
	const struct ndmsg wanted = {.ndm_state = NUD_PROBE, .ndm_flags = now->flags & NTF_ROUTER};

	if (now->flags & NTF_EXT_LEARNED || now->more_flags & NTF_EXT_MANAGED)
		return 0;
	return ask(question, neighbour, RTM_NEWNEIGH, NLM_F_REPLACE | NLM_F_ACK, &wanted);
}

static int resolve(struct question *question, struct neighbour *neighbour)
{
	int result;

	question->answer = (struct answer){0};
	result = ask(question, neighbour, RTM_GETNEIGH, 0, &(struct ndmsg){0});
	neighbour->link = judge(&question->answer, &neighbour->link);
	if (result == 0 && question->answer.state & TO_CONFIRM)
		result = probe(question, neighbour);
	return result;
}

static int refresh(struct question *question, struct neighbour *neighbour)
{
	int result;

	if (neighbour->link.sll_ifindex == 0)
		return 0;
	question->answer = (struct answer){0};
	result = ask(question, neighbour, RTM_GETNEIGH, 0, &(struct ndmsg){0});
	/* What the administrator has set is not to be asked for. */
	if (result == 0 && question->answer.state == NUD_REACHABLE)
		result = probe(question, neighbour);
	return result;
}

/* Does one thing about each of the neighbours. Returns 0 or -errno. */
static int for_each(struct neighbour *neighbours, size_t count,
		    int (*act)(struct question *question, struct neighbour *neighbour))
{
	struct question question = {.socket = nl_socket_alloc()};
	int result = 0;

	if (!question.socket)
		return -ENOMEM;
	if (nl_connect(question.socket, NETLINK_ROUTE) < 0 ||
	    nl_socket_modify_err_cb(question.socket, NL_CB_CUSTOM, on_refusal, &question) < 0 ||
	    nl_socket_modify_cb(question.socket, NL_CB_VALID, NL_CB_CUSTOM, on_answer, &question) <
		    0)
		result = -EIO;
	/* Without it libnl asks for acknowledgements, and takes them for the next answer. */
	nl_socket_disable_auto_ack(question.socket);
	for (size_t i = 0; i < count && result == 0; i++)
		result = act(&question, &neighbours[i]);
	nl_socket_free(question.socket);
	return result;
}

int neighbour_resolve(struct neighbour *neighbours, size_t count)
{
	return for_each(neighbours, count, resolve);
}

int neighbour_refresh(struct neighbour *neighbours, size_t count)
{
	return for_each(neighbours, count, refresh);
}

int neighbour_listen(struct nl_sock **out)
{
	struct nl_sock *socket = nl_socket_alloc();

	if (!socket)
		return -ENOMEM;
	if (nl_connect(socket, NETLINK_ROUTE) < 0 ||
	    nl_socket_add_membership(socket, RTNLGRP_NEIGH) < 0 ||
	    nl_socket_set_nonblocking(socket) < 0) {
		nl_socket_free(socket);
		return -EIO;
	}
	*out = socket;
	return 0;
}

/* Whether a next hop has to be resolved anew. */
static bool is_news(const struct neighbour *neighbour, const struct answer *answer)
{
	struct sockaddr_ll now = judge(answer, &neighbour->link);

	return answer->state & TO_CONFIRM || !is_same_link(&neighbour->link, &now);
}

bool neighbour_heard(struct nl_sock *socket, const struct neighbour *sorted, size_t count)
{
	_Alignas(struct nlmsghdr) char messages[HEARD_BYTES];
	bool news = false;

	for (;;) {
		ssize_t got =
			recv(nl_socket_get_fd(socket), messages, sizeof(messages), MSG_DONTWAIT);
		int left = (int)got;

		if (got < 0 && errno == ENOBUFS) /* what was lost may have been one of ours */
			news = true;
		else if (got < 0 && errno != EINTR)
			return news;
		for (struct nlmsghdr *at = (struct nlmsghdr *)messages; nlmsg_ok(at, left);
		     at = nlmsg_next(at, &left)) {
			const struct neighbour *found;
			struct answer answer;

			if (!read_answer(at, &answer))
				continue;
			found = neighbour_find(sorted, count, answer.device, &answer.address);
			news = news || (found && is_news(found, &answer));
		}
	}
}

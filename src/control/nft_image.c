/* SPDX-License-Identifier: MIT */
#include "control/nft_image.h"

#include "control/nft_message.h"
#include "core/hash_index.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	ANSWER_BYTES = 64 * 1024,
	/* The rules may change while they are read. */
	TRIES = 5,
	SETS_MAX = 256, /* of ours there are some twenty, however many rules there are */
	NAME_BYTES = 256,
};

/* Which attributes of an object make it what it is, as bits of their numbers. */
#define BIT(attribute) (1ULL << (attribute))
#define TABLE_KEPT (BIT(NFTA_TABLE_NAME) | BIT(NFTA_TABLE_FLAGS))
#define CHAIN_KEPT                                                                                 \
	(BIT(NFTA_CHAIN_NAME) | BIT(NFTA_CHAIN_HOOK) | BIT(NFTA_CHAIN_POLICY) |                    \
	 BIT(NFTA_CHAIN_TYPE) | BIT(NFTA_CHAIN_FLAGS))
#define RULE_KEPT (BIT(NFTA_RULE_CHAIN) | BIT(NFTA_RULE_EXPRESSIONS))
#define SET_KEPT                                                                                   \
	(BIT(NFTA_SET_NAME) | BIT(NFTA_SET_FLAGS) | BIT(NFTA_SET_KEY_LEN) |                        \
	 BIT(NFTA_SET_DATA_TYPE) | BIT(NFTA_SET_DATA_LEN))

struct reading {
	struct mnl_socket *socket;
	struct nft_image *image;
	unsigned sequence;
	uint8_t family;	   /* that is being asked about */
	uint64_t position; /* of the next rule: their order counts */
	bool has_raw_chain, has_raw_jump;
	bool needs_raw; /* our table leaves it to table raw to queue */
	size_t set_count;
	char (*sets)[NAME_BYTES];
	_Alignas(8) char answer[ANSWER_BYTES];
};

static uint64_t mix(uint64_t hash, uint64_t more)
{
	const uint64_t both[] = {hash, more};

	return hash_bytes(both, sizeof(both));
}

/* Of a counter only that it is there. */
static uint64_t expression_hash(const struct nlattr *expression)
{
	const struct nlattr *attribute;
	bool counts = false;
	uint64_t hash = 0;

	NFT_FOR_EACH_NESTED(attribute, expression)
	{
		uint16_t length = mnl_attr_get_payload_len(attribute);
		const char *value = mnl_attr_get_payload(attribute);

		if (mnl_attr_get_type(attribute) == NFTA_EXPR_NAME)
			counts = strncmp(value, "counter", length) == 0;
		if (mnl_attr_get_type(attribute) == NFTA_EXPR_NAME || !counts)
			hash = mix(hash, hash_bytes(value, length));
	}
	return hash;
}

static uint64_t expressions_hash(const struct nlattr *list)
{
	const struct nlattr *expression;
	uint64_t hash = 0;

	NFT_FOR_EACH_NESTED(expression, list)
	{
		hash = mix(hash, expression_hash(expression));
	}
	return hash;
}

static uint64_t object_hash(const struct nlmsghdr *message, uint64_t kept)
{
	const struct nlattr *attribute;
	uint64_t hash = mix(message->nlmsg_type, kept);

	NFT_FOR_EACH(attribute, message)
	{
		unsigned type = mnl_attr_get_type(attribute);

		if (type >= 64 || !(kept & BIT(type)))
			continue;
		hash = mix(hash, type);
		if (kept == RULE_KEPT && type == NFTA_RULE_EXPRESSIONS)
			hash = mix(hash, expressions_hash(attribute));
		else
			hash = mix(hash, hash_bytes(mnl_attr_get_payload(attribute),
						    mnl_attr_get_payload_len(attribute)));
	}
	return hash;
}

/* The kernel lists objects in any order: their hashes are added up. */
static void add(struct reading *reading, uint64_t hash)
{
	reading->image->hash += mix(hash, reading->family);
}

/* Whether a message is about an object of our tables. */
static bool is_ours(const struct reading *reading, const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

	/* Old kernels list also those that they were not asked for. */
	return header->nfgen_family == reading->family &&
	       nft_table_is_ours(header->nfgen_family, nft_text(message, NFTA_TABLE_NAME));
}

static int read_table(const struct nlmsghdr *message, void *context)
{
	struct reading *reading = context;

	reading->image->has_table = reading->image->is_whole = true;
	add(reading, object_hash(message, TABLE_KEPT));
	return MNL_CB_OK;
}

static int read_chain(const struct nlmsghdr *message, void *context)
{
	struct reading *reading = context;

	if (!is_ours(reading, message))
		return MNL_CB_OK;
	add(reading, object_hash(message, CHAIN_KEPT));
	/* core/rules_text.c, RULES_WAY_IPTABLES */
	reading->needs_raw |= strcmp(nft_text(message, NFTA_CHAIN_NAME), "unmark") == 0;
	return MNL_CB_OK;
}

static int read_rule(const struct nlmsghdr *message, void *context)
{
	struct reading *reading = context;

	if (is_ours(reading, message))
		add(reading, mix(object_hash(message, RULE_KEPT), reading->position++));
	return MNL_CB_OK;
}

/* A jump has the name of its chain in a verdict, some levels down. */
static bool leads_to_us(const struct nlmsghdr *message)
{
	const struct nlattr *expressions = nft_attribute(message, NFTA_RULE_EXPRESSIONS);

	return expressions &&
	       memmem(mnl_attr_get_payload(expressions), mnl_attr_get_payload_len(expressions),
		      NFT_RAW_CHAIN, sizeof(NFT_RAW_CHAIN)) != NULL;
}

/* Table raw is not ours alone. */
static int read_raw_rule(const struct nlmsghdr *message, void *context)
{
	const char *chain = nft_text(message, NFTA_RULE_CHAIN);
	struct reading *reading = context;

	if (!is_ours(reading, message))
		return MNL_CB_OK;
	if (strcmp(chain, NFT_RAW_CHAIN) == 0) {
		reading->has_raw_chain = true;
		return read_rule(message, context);
	}
	if (strcmp(chain, "PREROUTING") == 0 && leads_to_us(message)) {
		reading->has_raw_jump = true;
		add(reading, object_hash(message, RULE_KEPT));
	}
	return MNL_CB_OK;
}

static int read_set(const struct nlmsghdr *message, void *context)
{
	struct reading *reading = context;

	if (!is_ours(reading, message) || reading->set_count == SETS_MAX)
		return MNL_CB_OK;
	add(reading, object_hash(message, SET_KEPT));
	strncpy(reading->sets[reading->set_count++], nft_text(message, NFTA_SET_NAME),
		NAME_BYTES - 1);
	return MNL_CB_OK;
}

static int read_elements(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *list = nft_attribute(message, NFTA_SET_ELEM_LIST_ELEMENTS), *element;
	const char *set = nft_text(message, NFTA_SET_ELEM_LIST_SET);
	uint64_t set_hash = hash_bytes(set, strlen(set));
	struct reading *reading = context;

	if (!list)
		return MNL_CB_OK;
	NFT_FOR_EACH_NESTED(element, list)
	{
		uint64_t hash = hash_bytes(mnl_attr_get_payload(element),
					   mnl_attr_get_payload_len(element));

		add(reading, mix(set_hash, hash));
	}
	return MNL_CB_OK;
}

/* Asks for all objects of a kind, or with a flag of 0 for one. Returns 0 or -errno. */
static int ask(struct reading *reading, uint16_t type, uint16_t flags, const char *table,
	       const char *set, mnl_cb_t callback)
{
	_Alignas(8) char question[1024];
	struct nlmsghdr *message = mnl_nlmsg_put_header(question);
	unsigned port_id = mnl_socket_get_portid(reading->socket);
	struct nfgenmsg *header;
	int result;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++reading->sequence;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	*header = (struct nfgenmsg){.nfgen_family = reading->family, .version = NFNETLINK_V0};
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
	if (set)
		mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	if (mnl_socket_sendto(reading->socket, message, message->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t got = mnl_socket_recvfrom(reading->socket, reading->answer,
						  sizeof(reading->answer));

		if (got < 0)
			return -errno;
		result = mnl_cb_run(reading->answer, (size_t)got, reading->sequence, port_id,
				    callback, reading);
	} while (result > 0 && flags & NLM_F_DUMP);
	return result < 0 ? -errno : 0;
}

static int read_own_table(struct reading *reading)
{
	const char *table = NFT_OWN_TABLE;
	int error;

	reading->family = NFPROTO_INET;
	error = ask(reading, NFT_MSG_GETTABLE, 0, table, NULL, read_table);
	if (error == -ENOENT)
		return 0;
	if (!error)
		error = ask(reading, NFT_MSG_GETCHAIN, NLM_F_DUMP, table, NULL, read_chain);
	if (!error)
		error = ask(reading, NFT_MSG_GETRULE, NLM_F_DUMP, table, NULL, read_rule);
	if (!error)
		error = ask(reading, NFT_MSG_GETSET, NLM_F_DUMP, table, NULL, read_set);
	for (size_t i = 0; i < reading->set_count && !error; i++)
		error = ask(reading, NFT_MSG_GETSETELEM, NLM_F_DUMP, table, reading->sets[i],
			    read_elements);
	/* It, or a set of it, went meanwhile. */
	return error == -ENOENT ? -EINTR : error;
}

static int read_raw(struct reading *reading, uint8_t family)
{
	int error;

	reading->family = family;
	reading->position = 0;
	reading->has_raw_chain = reading->has_raw_jump = false;
	error = ask(reading, NFT_MSG_GETRULE, NLM_F_DUMP, NFT_RAW_TABLE, NULL, read_raw_rule);
	if (reading->needs_raw && !(reading->has_raw_chain && reading->has_raw_jump))
		reading->image->is_whole = false;
	return error == -ENOENT ? 0 : error;
}

/* Returns 0, -EINTR when something changed meanwhile, or -errno. */
static int read_all(struct reading *reading, struct nft_image *image)
{
	int error;

	*image = (struct nft_image){0};
	reading->image = image;
	reading->position = 0;
	reading->needs_raw = false;
	reading->set_count = 0;
	memset(reading->sets, 0, SETS_MAX * sizeof(*reading->sets));
	error = read_own_table(reading);
	if (!error)
		error = read_raw(reading, NFPROTO_IPV4);
	if (!error)
		error = read_raw(reading, NFPROTO_IPV6);
	return error;
}

static int reopen(struct reading *reading)
{
	if (reading->socket)
		mnl_socket_close(reading->socket);
	reading->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!reading->socket || mnl_socket_bind(reading->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

int nft_image_take(struct nft_image *image)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	int error = -ENOMEM;

	if (!reading)
		return error;
	reading->sets = calloc(SETS_MAX, sizeof(*reading->sets));
	if (!reading->sets)
		goto out;
	error = -EINTR;
	/* What is left of an answer that was interrupted goes with its socket. */
	for (int i = 0; i < TRIES && error == -EINTR; i++) {
		error = reopen(reading);
		if (!error)
			error = read_all(reading, image);
	}
out:
	if (reading->socket)
		mnl_socket_close(reading->socket);
	free(reading->sets);
	free(reading);
	return error == -EINTR ? -EAGAIN : error;
}

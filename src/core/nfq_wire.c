/* SPDX-License-Identifier: MIT */
#include "core/nfq_wire.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

enum {
	PACKET_MESSAGE = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET,
	/* The kernel's own macros mix int and unsigned. */
	ATTRIBUTE_HEADER_BYTES = sizeof(struct nlattr), /* NLA_HDRLEN */
	MESSAGE_HEADER_BYTES = sizeof(struct nlmsghdr), /* NLMSG_HDRLEN */
	ATTRIBUTE_TYPE_MASK = 0x3fff,			/* NLA_TYPE_MASK */
	ERRNO_MAX = 4095,				/* linux/err.h, MAX_ERRNO */
};

static enum nfq_wire_kind parse_error(const uint8_t *body, size_t length,
				      struct nfq_wire_message *message)
{
	int32_t error;

	if (length < sizeof(error))
		return NFQ_WIRE_OTHER;
	memcpy(&error, body, sizeof(error));
	if (error >= 0 || error < -ERRNO_MAX)
		return NFQ_WIRE_OTHER;
	message->error = -error;
	return NFQ_WIRE_ERROR;
}

static uint32_t load_be32(const uint8_t *value, size_t length)
{
	uint32_t number_be;

	if (length < sizeof(number_be))
		return 0;
	memcpy(&number_be, value, sizeof(number_be));
	return ntohl(number_be);
}

/* What the attributes of a packet message said; a bit per attribute that was there. */
enum { SEEN_HEADER = 1, SEEN_PAYLOAD = 2 };

static unsigned take_attribute(uint16_t type, const uint8_t *value, size_t length,
			       struct nfq_wire_message *message)
{
	struct nfqnl_msg_packet_hdr header;

	switch (type) {
	case NFQA_PACKET_HDR:
		if (length < sizeof(header))
			return 0;
		memcpy(&header, value, sizeof(header));
		message->packet_id = ntohl(header.packet_id);
		return SEEN_HEADER;
	case NFQA_PAYLOAD:
		message->payload = value;
		message->payload_bytes = (uint32_t)length;
		return SEEN_PAYLOAD;
	case NFQA_IFINDEX_INDEV:
		message->interface = load_be32(value, length);
		return 0;
	case NFQA_IFINDEX_PHYSINDEV:
		message->bridge_port = load_be32(value, length);
		return 0;
	case NFQA_CAP_LEN:
		/* Present exactly when the packet was longer than what was copied. */
		message->truncated = true;
		return 0;
	default:
		return 0;
	}
}

static enum nfq_wire_kind parse_packet(const uint8_t *body, size_t length,
				       struct nfq_wire_message *message)
{
	unsigned seen = 0;

	if (length < sizeof(struct nfgenmsg))
		return NFQ_WIRE_OTHER;
	body += NLMSG_ALIGN(sizeof(struct nfgenmsg));
	length -= NLMSG_ALIGN(sizeof(struct nfgenmsg));
	while (length >= ATTRIBUTE_HEADER_BYTES) {
		struct nlattr attribute;
		size_t value_bytes, step;

		memcpy(&attribute, body, sizeof(attribute));
		if (attribute.nla_len < ATTRIBUTE_HEADER_BYTES || attribute.nla_len > length)
			break;
		value_bytes = (size_t)attribute.nla_len - ATTRIBUTE_HEADER_BYTES;
		seen |= take_attribute(attribute.nla_type & ATTRIBUTE_TYPE_MASK,
				       body + ATTRIBUTE_HEADER_BYTES, value_bytes, message);
		step = ((size_t)attribute.nla_len + 3) & ~(size_t)3;
		if (step >= length)
			break;
		body += step;
		length -= step;
	}
	return seen & SEEN_HEADER ? NFQ_WIRE_PACKET : NFQ_WIRE_OTHER;
}

enum nfq_wire_kind nfq_wire_parse(const void *bytes, size_t length,
				  struct nfq_wire_message *message)
{
	const uint8_t *body = bytes;
	struct nlmsghdr header;

	*message = (struct nfq_wire_message){0};
	if (length < MESSAGE_HEADER_BYTES)
		return NFQ_WIRE_OTHER;
	memcpy(&header, bytes, sizeof(header));
	if (header.nlmsg_len < MESSAGE_HEADER_BYTES || header.nlmsg_len > length)
		return NFQ_WIRE_OTHER;
	body += MESSAGE_HEADER_BYTES;
	length = header.nlmsg_len - (size_t)MESSAGE_HEADER_BYTES;
	if (header.nlmsg_type == NLMSG_ERROR)
		return parse_error(body, length, message);
	if (header.nlmsg_type == PACKET_MESSAGE)
		return parse_packet(body, length, message);
	return NFQ_WIRE_OTHER;
}

void nfq_wire_batch_verdict(uint8_t out[static NFQ_WIRE_VERDICT_BYTES], uint16_t queue,
			    uint32_t last_packet_id, bool accept)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg queue;
		struct nlattr attribute;
		struct nfqnl_msg_verdict_hdr verdict;
	} message = {
		.header = {.nlmsg_len = sizeof(message),
			   .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT_BATCH,
			   .nlmsg_flags = NLM_F_REQUEST},
		.queue = {.nfgen_family = AF_UNSPEC,
			  .version = NFNETLINK_V0,
			  .res_id = htons(queue)},
		.attribute = {.nla_len = ATTRIBUTE_HEADER_BYTES + sizeof(message.verdict),
			      .nla_type = NFQA_VERDICT_HDR},
		.verdict = {.verdict = htonl(accept ? NF_ACCEPT : NF_DROP),
			    .id = htonl(last_packet_id)},
	};

	_Static_assert(sizeof(message) == NFQ_WIRE_VERDICT_BYTES, "verdict size");
	memcpy(out, &message, sizeof(message));
}

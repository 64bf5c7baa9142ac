/* SPDX-License-Identifier: MIT */
/* Messages of the kernel's queue: what our codec reads and writes is what libmnl reads. */
#include "fuzz.h"

#include "core/nfq_wire.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdbool.h>

/* No error of the kernel's is larger (linux/err.h). */
#define ERRNO_MAX 4095

static uint32_t mnl_u32(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) < 4 ? 0 : ntohl(mnl_attr_get_u32(attribute));
}

static enum nfq_wire_kind read_packet(const struct nlmsghdr *header, struct nfq_wire_message *out)
{
	const struct nfgenmsg *body = mnl_nlmsg_get_payload(header);
	size_t length = mnl_nlmsg_get_payload_len(header);
	const char *end = (const char *)body + length;
	struct nfqnl_msg_packet_hdr packet;
	const struct nlattr *attr;
	bool has_header = false;

	if (length < sizeof(*body))
		return NFQ_WIRE_OTHER;
	for (attr = (const void *)(body + 1); mnl_attr_ok(attr, (int)(end - (const char *)attr));
	     attr = mnl_attr_next(attr)) {
		const void *value = mnl_attr_get_payload(attr);

		switch (mnl_attr_get_type(attr)) {
		case NFQA_PACKET_HDR:
			if (mnl_attr_get_payload_len(attr) < sizeof(packet))
				break;
			memcpy(&packet, value, sizeof(packet));
			out->packet_id = ntohl(packet.packet_id);
			has_header = true;
			break;
		case NFQA_PAYLOAD:
			out->payload = value;
			out->payload_bytes = mnl_attr_get_payload_len(attr);
			break;
		case NFQA_IFINDEX_INDEV:
			out->interface = mnl_u32(attr);
			break;
		case NFQA_IFINDEX_PHYSINDEV:
			out->bridge_port = mnl_u32(attr);
			break;
		case NFQA_CAP_LEN:
			out->truncated = true;
		}
	}
	return has_header ? NFQ_WIRE_PACKET : NFQ_WIRE_OTHER;
}

static enum nfq_wire_kind read_message(const void *bytes, size_t length,
				       struct nfq_wire_message *out)
{
	const struct nlmsghdr *header = bytes;
	int32_t error;

	/* libmnl takes a length of 2 GiB and more for a negative one. */
	if (!mnl_nlmsg_ok(header, (int)length) || header->nlmsg_len > length)
		return NFQ_WIRE_OTHER;
	if (header->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
		return read_packet(header, out);
	if (header->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(header) < sizeof(error))
		return NFQ_WIRE_OTHER;
	memcpy(&error, mnl_nlmsg_get_payload(header), sizeof(error));
	if (error >= 0 || error < -ERRNO_MAX)
		return NFQ_WIRE_OTHER;
	out->error = -error;
	return NFQ_WIRE_ERROR;
}

/* Touches every byte that the datapath may touch. */
static void touch(const struct nfq_wire_message *message)
{
	volatile uint8_t sink;

	for (uint32_t i = 0; i < message->payload_bytes; i++)
		sink = message->payload[i];
	(void)sink;
}

static void check_parse(const void *bytes, size_t length)
{
	struct nfq_wire_message ours, theirs = {0};
	enum nfq_wire_kind kind = nfq_wire_parse(bytes, length, &ours);

	FUZZ_EXPECT(kind == read_message(bytes, length, &theirs));
	if (kind == NFQ_WIRE_ERROR)
		FUZZ_EXPECT(ours.error == theirs.error);
	if (kind != NFQ_WIRE_PACKET)
		return;
	FUZZ_EXPECT(ours.packet_id == theirs.packet_id && ours.payload == theirs.payload);
	FUZZ_EXPECT(ours.payload_bytes == theirs.payload_bytes);
	FUZZ_EXPECT(ours.interface == theirs.interface && ours.truncated == theirs.truncated);
	FUZZ_EXPECT(ours.bridge_port == theirs.bridge_port);
	touch(&ours);
}

/* What a message's first bytes say, as a verdict. */
static void check_verdict(const uint8_t *data, size_t size)
{
	uint32_t out[NFQ_WIRE_VERDICT_BYTES / 4], id = 0;
	const struct nlmsghdr *header = (void *)out;
	struct nfqnl_msg_verdict_hdr verdict;
	const struct nlattr *attribute;
	const struct nfgenmsg *queue;
	uint16_t number = 0;

	memcpy(&id, data, size < 4 ? size : 4);
	memcpy(&number, data, size < 2 ? size : 2);
	nfq_wire_batch_verdict((uint8_t *)out, number, id, size % 2);
	FUZZ_EXPECT(mnl_nlmsg_ok(header, sizeof(out)) && header->nlmsg_len == sizeof(out));
	FUZZ_EXPECT(header->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT_BATCH));
	FUZZ_EXPECT(header->nlmsg_flags == NLM_F_REQUEST);
	queue = mnl_nlmsg_get_payload(header);
	attribute = mnl_nlmsg_get_payload_offset(header, sizeof(*queue));
	FUZZ_EXPECT(ntohs(queue->res_id) == number);
	FUZZ_EXPECT(mnl_attr_get_type(attribute) == NFQA_VERDICT_HDR);
	FUZZ_EXPECT(mnl_attr_get_payload_len(attribute) == sizeof(verdict));
	memcpy(&verdict, mnl_attr_get_payload(attribute), sizeof(verdict));
	FUZZ_EXPECT(ntohl(verdict.id) == id);
	FUZZ_EXPECT(ntohl(verdict.verdict) == (size % 2 ? NF_ACCEPT : NF_DROP));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *copy = fuzz_copy(data, size); /* aligned, as libmnl needs it */

	check_parse(copy, size);
	check_verdict(data, size);
	free(copy);
	return 0;
}

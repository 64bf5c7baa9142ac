/* SPDX-License-Identifier: MIT */
/* The NFQUEUE codec: messages as the kernel writes them, and as nobody should. */
#include "core/nfq_wire.h"
#include "random.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A packet message, written with libmnl. Returns its length. */
static size_t write_packet(char *buffer, uint32_t id, const void *payload, size_t payload_bytes,
			   uint32_t cap_len)
{
	struct nlmsghdr *message = nfq_nlmsg_put(buffer, NFQNL_MSG_PACKET, 7514);
	struct nfqnl_msg_packet_hdr header = {.packet_id = htonl(id), .hw_protocol = htons(0x0800)};

	mnl_attr_put(message, NFQA_PACKET_HDR, sizeof(header), &header);
	mnl_attr_put_u32(message, NFQA_IFINDEX_INDEV, htonl(2));
	if (cap_len)
		mnl_attr_put_u32(message, NFQA_CAP_LEN, htonl(cap_len));
	if (payload)
		mnl_attr_put(message, NFQA_PAYLOAD, payload_bytes, payload);
	return message->nlmsg_len;
}

static void test_packet(void **state)
{
	static char buffer[8192];
	struct nfq_wire_message message;

	(void)state;
	for (size_t length = 1; length < 4000; length += 7) {
		char payload[4000];
		size_t total;

		random_bytes(payload, length);
		total = write_packet(buffer, 0xfffffffe, payload, length, 0);
		assert_int_equal(nfq_wire_parse(buffer, total, &message), NFQ_WIRE_PACKET);
		assert_int_equal(message.packet_id, 0xfffffffe);
		assert_int_equal(message.payload_bytes, length);
		assert_memory_equal(message.payload, payload, length);
		assert_false(message.truncated);
	}
}

static void test_truncated_packet(void **state)
{
	static char buffer[8192];
	struct nfq_wire_message message;
	size_t total = write_packet(buffer, 1, "abc", 3, 65535);

	(void)state;
	assert_int_equal(nfq_wire_parse(buffer, total, &message), NFQ_WIRE_PACKET);
	assert_true(message.truncated);
}

static void test_packet_without_payload_still_has_an_id(void **state)
{
	static char buffer[8192];
	struct nfq_wire_message message;
	size_t total = write_packet(buffer, 5, NULL, 0, 0);

	(void)state;
	assert_int_equal(nfq_wire_parse(buffer, total, &message), NFQ_WIRE_PACKET);
	assert_int_equal(message.packet_id, 5);
	assert_int_equal(message.payload_bytes, 0);
}

static void test_error(void **state)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} bytes = {.header = {.nlmsg_len = sizeof(bytes), .nlmsg_type = NLMSG_ERROR},
		   .error = {.error = -ENOENT}};
	struct nfq_wire_message message;

	(void)state;
	assert_int_equal(nfq_wire_parse(&bytes, sizeof(bytes), &message), NFQ_WIRE_ERROR);
	assert_int_equal(message.error, ENOENT);
	bytes.error.error = INT32_MIN; /* of which there is no positive */
	assert_int_equal(nfq_wire_parse(&bytes, sizeof(bytes), &message), NFQ_WIRE_OTHER);
	bytes.error.error = 0; /* an acknowledgement */
	assert_int_equal(nfq_wire_parse(&bytes, sizeof(bytes), &message), NFQ_WIRE_OTHER);
	assert_int_equal(nfq_wire_parse(&bytes, 17, &message), NFQ_WIRE_OTHER);
}

static void test_batch_verdict_is_what_the_library_writes(void **state)
{
	uint8_t ours[NFQ_WIRE_VERDICT_BYTES];
	char theirs[256];

	(void)state;
	for (int accept = 0; accept < 2; accept++) {
		struct nlmsghdr *message = nfq_nlmsg_put(theirs, NFQNL_MSG_VERDICT_BATCH, 7515);

		nfq_nlmsg_verdict_put(message, 0x01020304, accept ? NF_ACCEPT : NF_DROP);
		nfq_wire_batch_verdict(ours, 7515, 0x01020304, accept != 0);
		assert_int_equal(message->nlmsg_len, sizeof(ours));
		assert_memory_equal(ours, theirs, sizeof(ours));
	}
}

static void test_survives_anything(void **state)
{
	static char buffer[1024];
	char payload[64];

	(void)state;
	for (unsigned i = 0; i < 500000; i++) {
		struct nfq_wire_message message;
		size_t total, length;
		char *exact;

		total = write_packet(buffer, i, payload, random_below(sizeof(payload)),
				     random_below(2));
		for (unsigned n = random_below(5); n > 0; n--)
			buffer[random_below((uint32_t)total)] = (char)random_u64();
		length = random_below(3) ? total : random_below((uint32_t)total + 1);
		exact = malloc(length + 1);
		assert_non_null(exact);
		memcpy(exact, buffer, length);
		if (nfq_wire_parse(exact, length, &message) == NFQ_WIRE_PACKET && message.payload) {
			assert_true((const char *)message.payload >= exact);
			assert_true((const char *)message.payload + message.payload_bytes <=
				    exact + length);
		}
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet),
		cmocka_unit_test(test_truncated_packet),
		cmocka_unit_test(test_packet_without_payload_still_has_an_id),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_batch_verdict_is_what_the_library_writes),
		cmocka_unit_test(test_survives_anything),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

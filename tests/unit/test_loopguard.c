/* SPDX-License-Identifier: MIT */
/* Probes, what workers make of them, and packets that they know again. */
#include "rules_from_text.h"

#include "datapath/loopguard.h"
#include "packet_sample.h"

static struct probe a_probe(bool ipv4)
{
	return (struct probe){
		.source = address(ipv4 ? "192.0.2.7" : "2001:db8::7"),
		.destination = address(ipv4 ? "198.51.100.1" : "2001:db8:1::1"),
		.source_port_be = htons(5000),
		.destination_port_be = htons(514),
		.ttl = 64,
		.mark = {.number = 3},
	};
}

static uint16_t right_checksum(const struct packet *packet)
{
	bool ipv4 = packet->source.family == AF_INET;
	const uint8_t *ip = packet->data;

	return naive_udp_checksum(ip + (ipv4 ? 12 : 8), ipv4 ? 8 : 32, ip + packet->udp_offset);
}

static uint16_t checksum(const struct packet *packet)
{
	return naive_be16(packet->data + packet->udp_offset + 6);
}

/* Both zeros of one's complement are one value, for who checks a sum. */
static bool is_right(const struct packet *packet)
{
	uint16_t right = right_checksum(packet);

	return checksum(packet) == (right ? right : 0xffff);
}

/* Writes a probe with a random nonce and source port, and parses it. */
static struct packet written(struct probe *probe, uint8_t bytes[static PROBE_PACKET_MAX])
{
	struct packet packet;

	random_bytes(probe->mark.nonce, sizeof(probe->mark.nonce));
	probe->source_port_be = (uint16_t)random_u64();
	assert_int_equal(packet_parse(bytes, probe_write(probe, bytes), &packet), PACKET_OK);
	return packet;
}

static void probes_are_whole_packets_with_a_wrong_checksum(void **state)
{
	uint8_t bytes[PROBE_PACKET_MAX];

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct probe probe = a_probe(i % 2);
		struct packet packet = written(&probe, bytes);
		struct probe_mark mark;

		if (i % 2)
			assert_int_equal(naive_be16(bytes + 10), naive_ipv4_checksum(bytes, 20));
		assert_true(ip_equal(&packet.source, &probe.source));
		assert_true(ip_equal(&packet.destination, &probe.destination));
		assert_int_equal(packet.source_port_be, probe.source_port_be);
		assert_int_equal(packet.destination_port_be, htons(514));
		assert_int_equal(packet_ttl(&packet), 64);
		assert_int_not_equal(checksum(&packet), 0);
		assert_false(is_right(&packet));
		assert_true(probe_read(&packet, &mark));
		assert_memory_equal(&mark, &probe.mark, sizeof(mark));
	}
}

/* However others rewrite it: ports, addresses, sources. */
static void a_wrong_checksum_stays_wrong(void **state)
{
	uint8_t bytes[2][PROBE_PACKET_MAX];

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct probe probe = a_probe(i % 2);
		struct packet packet = written(&probe, bytes[0]);
		struct packet_target target;

		random_target(&target, i % 2);
		memcpy(bytes[1], bytes[0], sizeof(bytes[1]));
		packet_rewrite(&packet, &target, 63, bytes[1]);
		packet.data = bytes[1];
		assert_false(is_right(&packet));
		assert_int_not_equal(checksum(&packet), 0);
	}
}

static void a_sound_probe_has_a_right_one(void **state)
{
	uint8_t bytes[PROBE_PACKET_MAX];

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		struct probe probe = a_probe(i % 2);
		struct packet packet;

		probe.is_sound = true;
		packet = written(&probe, bytes);
		assert_true(is_right(&packet));
		assert_int_not_equal(checksum(&packet), 0);
	}
}

static void other_packets_are_no_probes(void **state)
{
	static struct sample sample;
	struct probe_mark mark;
	struct packet packet;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		make(&sample, i % 2, PROBE_PAYLOAD_BYTES - 5 + random_below(10));
		if (packet_parse(sample.bytes, sample.length, &packet) == PACKET_OK)
			assert_false(probe_read(&packet, &mark));
	}
}

/* A guard, and what a worker has of it for two rules. */
struct bench {
	struct loopguard *guard;
	_Atomic uint8_t states[2];
	struct loop_orders orders;
	uint8_t bytes[PROBE_PACKET_MAX];
};

static void bench_open(struct bench *bench)
{
	*bench = (struct bench){.guard = loopguard_create(NULL)};
	assert_non_null(bench->guard);
	bench->orders = (struct loop_orders){
		.guard = bench->guard,
		.shared = loopguard_shared(bench->guard),
		.states = bench->states,
	};
	assert_true(loopguard_make_room(bench->guard));
}

static struct packet probe_of(struct bench *bench, const struct probe_mark *mark)
{
	struct probe probe = a_probe(true);
	struct packet packet;

	probe.mark = *mark;
	packet_parse(bench->bytes, probe_write(&probe, bench->bytes), &packet);
	return packet;
}

static void only_our_probe_to_its_own_rule_proves_a_loop(void **state)
{
	struct bench bench;
	struct probe_mark mark, forged;
	struct packet packet;

	(void)state;
	bench_open(&bench);
	loopguard_arm(bench.guard, 5, 7, 1, &mark);
	packet = probe_of(&bench, &mark);
	assert_int_equal(loopguard_read_probe(&bench.orders, &packet), 5);
	assert_false(loopguard_is_return(&bench.orders, 5, 0));
	assert_int_equal(loopguard_take_returned(bench.guard), 0);
	assert_true(loopguard_is_return(&bench.orders, 5, 1));
	assert_int_equal(loopguard_take_returned(bench.guard), 1 << 5);
	assert_int_equal(loopguard_take_returned(bench.guard), 0);
	assert_int_equal(loopguard_returned_pkts(bench.guard), 1);

	for (unsigned i = 0; i < sizeof(mark.nonce); i++) {
		forged = mark;
		forged.nonce[i] ^= 1;
		packet = probe_of(&bench, &forged);
		assert_int_equal(loopguard_read_probe(&bench.orders, &packet),
				 LOOPGUARD_OTHERS_PROBE);
	}
	forged = mark;
	forged.number = PROBE_NUMBER_MAX;
	packet = probe_of(&bench, &forged);
	assert_int_equal(loopguard_read_probe(&bench.orders, &packet), LOOPGUARD_OTHERS_PROBE);
	assert_false(loopguard_is_return(&bench.orders, LOOPGUARD_OTHERS_PROBE, 1));

	/* Too late: nobody waits for it any more. */
	loopguard_disarm(bench.guard, 5);
	packet = probe_of(&bench, &mark);
	assert_false(loopguard_is_return(&bench.orders,
					 loopguard_read_probe(&bench.orders, &packet), 1));
	loopguard_free(bench.guard);
}

static void a_sample_is_given_once(void **state)
{
	struct bench bench;
	struct loop_sample sample;
	struct probe_mark mark;
	struct packet packet;

	(void)state;
	bench_open(&bench);
	packet = probe_of(&bench, &(struct probe_mark){0});
	assert_false(loopguard_wants_samples(&bench.orders));
	loopguard_arm(bench.guard, 0, 7, 1, &mark);
	assert_true(loopguard_wants_samples(&bench.orders));
	loopguard_give_sample(&bench.orders, &packet, 6);
	assert_false(loopguard_take_sample(bench.guard, 0, &sample));
	loopguard_give_sample(&bench.orders, &packet, 7);
	assert_true(loopguard_take_sample(bench.guard, 0, &sample));
	assert_true(ip_equal(&sample.source, &packet.source));
	assert_int_equal(sample.source_port_be, packet.source_port_be);
	assert_int_equal(sample.destination_port_be, packet.destination_port_be);
	assert_false(loopguard_wants_samples(&bench.orders));
	loopguard_disarm(bench.guard, 0);
	loopguard_free(bench.guard);
}

static void a_rule_knows_its_packets_again(void **state)
{
	struct bench bench;
	struct packet packet, other;
	const uint64_t now_ns = 5000000000;
	uint8_t bytes[PROBE_PACKET_MAX];

	(void)state;
	bench_open(&bench);
	packet = probe_of(&bench, &(struct probe_mark){0});
	memcpy(bytes, bench.bytes, sizeof(bytes));
	assert_false(loopguard_has_passed(&bench.orders, &packet, 0, now_ns));
	assert_true(loopguard_has_passed(&bench.orders, &packet, 0, now_ns));
	assert_false(loopguard_has_passed(&bench.orders, &packet, 1, now_ns));

	/* What routers and duplicators change is not looked at; what clients say is. */
	bytes[8] = 3;
	bytes[4] ^= 1;
	bytes[16] ^= 1;
	bytes[20 + 3] ^= 1;
	packet_parse(bytes, 20 + 8 + PROBE_PAYLOAD_BYTES, &other);
	assert_true(loopguard_has_passed(&bench.orders, &other, 0, now_ns));
	for (unsigned at = 0; at < 4; at++) {
		static const unsigned differ[] = {15, 21, 28, 27 + PROBE_PAYLOAD_BYTES};

		bytes[differ[at]] ^= 1;
		packet_parse(bytes, 20 + 8 + PROBE_PAYLOAD_BYTES, &other);
		assert_false(loopguard_has_passed(&bench.orders, &other, 0, now_ns));
		bytes[differ[at]] ^= 1;
	}
	assert_false(loopguard_has_passed(&bench.orders, &packet, 0, now_ns + 2100000000));
	loopguard_set_way_round(bench.guard, 3000);
	assert_true(loopguard_has_passed(&bench.orders, &packet, 0, now_ns + 8000000000));

	/* A copy that leaves with another source comes back with that one. */
	bytes[15] ^= 1;
	packet_parse(bytes, 20 + 8 + PROBE_PAYLOAD_BYTES, &other);
	loopguard_remember(&bench.orders, &packet, 1, &other.source, now_ns);
	assert_true(loopguard_has_passed(&bench.orders, &other, 1, now_ns));
	loopguard_free(bench.guard);
}

static void repeats_are_counted_while_suspected(void **state)
{
	struct bench bench;
	struct packet packet;
	struct probe_mark mark;

	(void)state;
	bench_open(&bench);
	packet = probe_of(&bench, &(struct probe_mark){0});
	loopguard_arm(bench.guard, 2, 7, 1, &mark);
	for (unsigned i = 0; i < 100; i++)
		loopguard_has_passed(&bench.orders, &packet, 1, 1000000000);
	assert_false(loopguard_sees_repeats(bench.guard, 2));
	bench.states[1] = LOOP_SUSPECTED;
	for (unsigned i = 0; i < 100; i++)
		loopguard_has_passed(&bench.orders, &packet, 1, 1000000000);
	assert_true(loopguard_sees_repeats(bench.guard, 2));
	loopguard_disarm(bench.guard, 2);
	loopguard_arm(bench.guard, 2, 7, 1, &mark);
	assert_false(loopguard_sees_repeats(bench.guard, 2));
	loopguard_free(bench.guard);
}

static void a_hint_is_taken_once(void **state)
{
	struct bench bench;
	struct packet packet;
	struct loop_sample sample;
	uint32_t rule;

	(void)state;
	bench_open(&bench);
	packet = probe_of(&bench, &(struct probe_mark){0});
	assert_false(loopguard_take_hint(bench.guard, &rule, &sample));
	loopguard_give_hint(&bench.orders, &packet, 1);
	loopguard_give_hint(&bench.orders, &packet, 0);
	assert_true(loopguard_take_hint(bench.guard, &rule, &sample));
	assert_int_equal(rule, 1);
	assert_true(ip_equal(&sample.source, &packet.source));
	assert_false(loopguard_take_hint(bench.guard, &rule, &sample));
	loopguard_free(bench.guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_are_whole_packets_with_a_wrong_checksum),
		cmocka_unit_test(a_wrong_checksum_stays_wrong),
		cmocka_unit_test(a_sound_probe_has_a_right_one),
		cmocka_unit_test(other_packets_are_no_probes),
		cmocka_unit_test(only_our_probe_to_its_own_rule_proves_a_loop),
		cmocka_unit_test(a_sample_is_given_once),
		cmocka_unit_test(a_rule_knows_its_packets_again),
		cmocka_unit_test(repeats_are_counted_while_suspected),
		cmocka_unit_test(a_hint_is_taken_once),
	};

	random_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

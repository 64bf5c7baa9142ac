/* SPDX-License-Identifier: MIT */
/* What workers say of their queues, and of whose packets come to them. */
#include "rules_from_text.h"

#include "datapath/admission.h"
#include "datapath/fastpath_shared.h"

#include <arpa/inet.h>

static uint32_t word(const char *ipv4)
{
	struct ip_address parsed = address(ipv4);
	uint32_t value;

	memcpy(&value, parsed.bytes, sizeof(value));
	return value;
}

static void note(const struct admission *admission, const char *source, const char *destination)
{
	struct ip_address from = address(source), to = address(destination);

	admission_note(admission, &from, &to);
}

static void full_from_seven_eighths_until_five(void **state)
{
	static const struct {
		unsigned permille;
		uint8_t is_full;
	} steps[] = {{0, 0},   {626, 0}, {874, 0}, {875, 1},  {874, 1},
		     {626, 1}, {625, 0}, {874, 0}, {1000, 1}, {0, 0}};
	struct fastpath_state shared = {0};
	struct admission admission = admission_of_worker(&shared, 3);

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		admission_set_fill(&admission, steps[i].permille);
		assert_int_equal(shared.queue_is_full[3], steps[i].is_full);
	}
	for (unsigned i = 0; i < FASTPATH_WORKERS_MAX; i++)
		assert_int_equal(shared.queue_is_full[i], 0);
}

static void flows_belong_to_whom_they_came_to_last(void **state)
{
	struct fastpath_state shared = {0};
	struct admission first = admission_of_worker(&shared, 0),
			 second = admission_of_worker(&shared, 1);
	uint32_t flow = fastpath_flow(word("10.0.0.1"), word("192.0.2.1"));
	uint32_t back = fastpath_flow(word("192.0.2.1"), word("10.0.0.1"));

	(void)state;
	assert_int_not_equal(flow, back);
	note(&first, "10.0.0.1", "192.0.2.1");
	assert_int_equal(shared.worker_of_flow[flow], 1);
	assert_int_equal(shared.worker_of_flow[back], 0);
	note(&second, "10.0.0.1", "192.0.2.1");
	assert_int_equal(shared.worker_of_flow[flow], 2);
}

/* All words of an address are in its flow, as the kernel's program has them. */
static void ipv6_flows_are_of_whole_addresses(void **state)
{
	struct fastpath_state shared = {0};
	struct admission admission = admission_of_worker(&shared, 0);
	uint32_t source = htonl(0x20010db8) ^ htonl(0x00010002) ^ htonl(0x00030004) ^ htonl(5);
	uint32_t destination = htonl(0xfd000000) ^ htonl(1);

	(void)state;
	note(&admission, "2001:db8:1:2:3:4:0:5", "fd00::1");
	assert_int_equal(shared.worker_of_flow[fastpath_flow(source, destination)], 1);
}

/* Clients of one network, all to one address: the commonest case of all. */
static void neighbouring_clients_have_flows_of_their_own(void **state)
{
	static bool seen[FASTPATH_FLOWS];
	unsigned distinct = 0;

	(void)state;
	for (uint32_t host = 1; host <= 250; host++) {
		uint32_t flow = fastpath_flow(htonl(0x0a000000 | host), word("192.0.2.1"));

		assert_in_range(flow, 0, FASTPATH_FLOWS - 1);
		distinct += !seen[flow];
		seen[flow] = true;
	}
	assert_in_range(distinct, 225, 250);
}

static void without_a_program_nothing_is_noted(void **state)
{
	const struct admission none = {0};

	(void)state;
	note(&none, "10.0.0.1", "192.0.2.1");
	admission_set_fill(&none, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_from_seven_eighths_until_five),
		cmocka_unit_test(flows_belong_to_whom_they_came_to_last),
		cmocka_unit_test(ipv6_flows_are_of_whole_addresses),
		cmocka_unit_test(neighbouring_clients_have_flows_of_their_own),
		cmocka_unit_test(without_a_program_nothing_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

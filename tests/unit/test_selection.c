/* SPDX-License-Identifier: MIT */
/* Which copies are due: sampling, limits, balancing, health, and one copy for each place. */
#include "core/selection.h"
#include "random.h"
#include "rules_from_text.h"

#include <arpa/inet.h>
#include <sys/socket.h>

enum { DESTINATIONS_MAX = 64 };

struct tally {
	unsigned rule[3][8];		    /* by event, by rule */
	unsigned copy[6][DESTINATIONS_MAX]; /* by event less SELECTION_COPY_SHARED */
	uint32_t last_sent;
	uint32_t never_leaves; /* index + 1 of a destination that cannot be sent to */
};

static bool count(void *context, enum selection_event event, uint32_t index)
{
	struct tally *tally = context;

	if (event <= SELECTION_RULE_DUPLICATED)
		tally->rule[event][index]++;
	else
		tally->copy[event - SELECTION_COPY_SHARED][index]++;
	if (event == SELECTION_COPY_SEND && tally->never_leaves != 1 + index)
		tally->last_sent = index;
	return tally->never_leaves != 1 + index;
}

static unsigned sent(const struct tally *tally, unsigned index)
{
	return tally->copy[SELECTION_COPY_SEND - SELECTION_COPY_SHARED][index];
}

static unsigned down(const struct tally *tally, unsigned index)
{
	return tally->copy[SELECTION_COPY_DOWN - SELECTION_COPY_SHARED][index];
}

struct bench {
	struct rules rules;
	struct selection_limits *limits;
	struct selection *selection;
	uint8_t is_up[DESTINATIONS_MAX];
	uint64_t now_ns;
	struct tally tally;
};

static void bench_open(struct bench *bench, const char *text)
{
	memset(bench, 0, sizeof(*bench));
	memset(bench->is_up, 1, sizeof(bench->is_up));
	bench->rules = rules_from_text(text);
	bench->limits = selection_limits_create(bench->rules.ruleset);
	assert_non_null(bench->limits);
	bench->selection = selection_create(bench->rules.ruleset, bench->limits);
	assert_non_null(bench->selection);
	bench->now_ns = 1000000000000;
}

static void bench_close(struct bench *bench)
{
	selection_free(bench->selection);
	selection_limits_free(bench->limits);
	rules_free(&bench->rules);
}

static bool send_from(struct bench *bench, uint32_t client)
{
	struct ip_address from = {
		AF_INET, {10, (uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client}};
	struct ip_address to = {AF_INET, {192, 0, 2, 1}};
	struct ruleset_key key = {&from, &to, htons(514), RULESET_NO_INTERFACE,
				  RULESET_NO_INTERFACE};
	enum original_mode original;

	return selection_run(bench->selection, &key, bench->is_up, bench->now_ns, &original, count,
			     &bench->tally);
}

static void test_all(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'DESTINATION': "
			   "['10.9.0.1/1', '10.9.0.2/1', '2001:db8::1/1']}}");
	bench.is_up[1] = 0;
	for (unsigned i = 0; i < 10; i++)
		assert_true(send_from(&bench, i));
	assert_int_equal(sent(&bench.tally, 0), 10);
	assert_int_equal(down(&bench.tally, 1), 10);
	assert_int_equal(sent(&bench.tally, 1) + sent(&bench.tally, 2) + down(&bench.tally, 2), 0);
	bench_close(&bench);
}

/* The first rule that sends counts; one that cannot send takes nothing from those after it. */
static void test_a_later_rule_sends_what_an_earlier_one_cannot(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/1']},"
			   " 'b': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/1']},"
			   " 'c': {'SOURCEPORT': 514, 'DESTINATION': ['10.9.0.1/1']}}");
	bench.is_up[0] = 0;
	bench.tally.never_leaves = 2;
	send_from(&bench, 1);
	assert_int_equal(down(&bench.tally, 0), 1);
	assert_int_equal(sent(&bench.tally, 1), 1);
	assert_int_equal(sent(&bench.tally, 2), 1);
	bench.tally.never_leaves = 0;
	send_from(&bench, 1);
	assert_int_equal(sent(&bench.tally, 1), 2);
	assert_int_equal(sent(&bench.tally, 2), 1);
	bench_close(&bench);
}

/* Counts go on in another ruleset, for what is the same there; not where SAMPLE itself changed. */
static void test_memory_is_carried_over(void **state)
{
	static const char text[] =
		"{'a': {'SOURCEPORT': 514, 'SAMPLE': 4, 'RATELIMIT': 1, 'DESTINATION': "
		"['10.9.0.1/1']},"
		" 'b': {'SOURCEPORT': 514, 'BALANCE': 'round-robin', 'DESTINATION':"
		" ['10.9.0.2/1', '10.9.0.3/1']},"
		" 'c': {'SOURCEPORT': 514, 'SAMPLE': %u, 'DESTINATION': ['10.9.0.4/1']}}";
	char with[sizeof(text)];
	struct bench former, bench;

	(void)state;
	snprintf(with, sizeof(with), text, 3);
	bench_open(&former, with);
	snprintf(with, sizeof(with), text, 2);
	bench_open(&bench, with);
	send_from(&former, 1);
	for (uint32_t r = 0; r < 3; r++) {
		selection_limits_adopt(bench.limits, r, former.limits, r);
		selection_adopt_rule(bench.selection, r, former.selection, r);
		selection_adopt_destination(bench.selection, r, former.selection, r);
	}
	for (unsigned i = 0; i < 4; i++)
		send_from(&bench, 1);
	assert_int_equal(bench.tally.rule[SELECTION_RULE_SAMPLED_OUT][0], 3);
	assert_int_equal(bench.tally.rule[SELECTION_RULE_RATE_LIMITED][0], 1);
	assert_int_equal(sent(&bench.tally, 1), 2);
	assert_int_equal(bench.tally.last_sent, 1);
	assert_int_equal(sent(&bench.tally, 3), 2);
	bench_close(&former);
	bench_close(&bench);
}

static void test_one_copy_for_each_place(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'first': {'SOURCEPORT': '500-600',"
			   " 'DESTINATION': ['10.9.0.1', '10.9.0.2/514']},"
			   " 'second': {'SOURCEPORT': '510-520',"
			   " 'DESTINATION': ['10.9.0.1/514', '10.9.0.2/514', '10.9.0.3/514']}}");
	send_from(&bench, 1);
	assert_int_equal(sent(&bench.tally, 0), 1);
	assert_int_equal(sent(&bench.tally, 1), 1);
	assert_int_equal(sent(&bench.tally, 2), 0);
	assert_int_equal(sent(&bench.tally, 3), 0);
	assert_int_equal(sent(&bench.tally, 4), 1);
	assert_int_equal(bench.tally.rule[SELECTION_RULE_DUPLICATED][1], 1);
	bench_close(&bench);
}

static void test_samples(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'SAMPLE': 10, 'DESTINATION': ['10.9.0.1/1',"
			   " {'ADDRESS': '10.9.0.2', 'PORT': 1, 'SAMPLE': 5}]}}");
	for (unsigned i = 0; i < 1000; i++)
		send_from(&bench, i);
	assert_int_equal(bench.tally.rule[SELECTION_RULE_DUPLICATED][0], 100);
	assert_int_equal(bench.tally.rule[SELECTION_RULE_SAMPLED_OUT][0], 900);
	assert_int_equal(sent(&bench.tally, 0), 100);
	assert_int_equal(sent(&bench.tally, 1), 20);
	assert_int_equal(bench.tally.copy[SELECTION_COPY_SAMPLED_OUT - SELECTION_COPY_SHARED][1],
			 80);
	bench_close(&bench);
}

/* Two workers, and whoever else counts, take one in three of all that they see together. */
static void test_shared_samples(void **state)
{
	const char *text = "{'a': {'SOURCEPORT': 514, 'SAMPLE': 3, 'DESTINATION': "
			   "[{'ADDRESS': '10.9.0.1', 'PORT': 1, 'SAMPLE': 2}]}}";
	_Atomic uint64_t rule = 0, destination = 0;
	struct bench benches[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bench_open(&benches[i], text);
		selection_share_rule(benches[i].selection, 0, &rule);
		selection_share_destination(benches[i].selection, 0, &destination);
	}
	for (unsigned i = 0; i < 18; i++)
		send_from(&benches[i % 5 < 2], i);
	assert_int_equal(rule, 18);
	assert_int_equal(destination, 6);
	assert_int_equal(sent(&benches[0].tally, 0) + sent(&benches[1].tally, 0), 3);
	rule++; /* the kernel program has taken the next one */
	for (unsigned i = 0; i < 2; i++)
		send_from(&benches[i], i);
	assert_int_equal(destination, 6);
	send_from(&benches[0], 1);
	assert_int_equal(destination, 7);
	for (unsigned i = 0; i < 2; i++)
		bench_close(&benches[i]);
}

static void test_rate_limit(void **state)
{
	struct bench bench;
	unsigned passed;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'RATELIMIT': 100,"
			   " 'DESTINATION': ['10.9.0.1/1']}}");
	/* A full bucket holds one second's worth. */
	for (unsigned i = 0; i < 500; i++)
		send_from(&bench, i);
	assert_int_equal(sent(&bench.tally, 0), 100);
	assert_int_equal(bench.tally.rule[SELECTION_RULE_RATE_LIMITED][0], 400);
	/* Then as many as come in again: ten seconds at ten times the limit. */
	for (unsigned i = 0; i < 10000; i++) {
		bench.now_ns += 1000000;
		send_from(&bench, i);
	}
	passed = sent(&bench.tally, 0) - 100;
	assert_in_range(passed, 999, 1001);
	bench_close(&bench);
}

static void test_round_robin(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'BALANCE': 'round-robin', 'DESTINATION': "
			   "['10.9.0.1/1', '2001:db8::1/1', '10.9.0.2/1', '10.9.0.3/1']}}");
	for (unsigned i = 0; i < 300; i++)
		send_from(&bench, 7);
	assert_int_equal(sent(&bench.tally, 0), 100);
	assert_int_equal(sent(&bench.tally, 2), 100);
	assert_int_equal(sent(&bench.tally, 3), 100);
	bench.is_up[2] = 0;
	for (unsigned i = 0; i < 100; i++)
		send_from(&bench, 7);
	assert_int_equal(sent(&bench.tally, 0), 150);
	assert_int_equal(sent(&bench.tally, 2), 100);
	assert_int_equal(sent(&bench.tally, 3), 150);
	bench_close(&bench);
}

static void test_failover(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'BALANCE': 'failover', 'DESTINATION': "
			   "['10.9.0.1/1', '10.9.0.2/1', '10.9.0.3/1']}}");
	send_from(&bench, 1);
	bench.is_up[0] = 0;
	send_from(&bench, 1);
	bench.is_up[1] = 0;
	send_from(&bench, 1);
	assert_int_equal(sent(&bench.tally, 0), 1);
	assert_int_equal(sent(&bench.tally, 1), 1);
	assert_int_equal(sent(&bench.tally, 2), 1);
	bench.is_up[2] = 0;
	send_from(&bench, 1);
	assert_int_equal(down(&bench.tally, 0), 1);
	bench.is_up[0] = 1;
	send_from(&bench, 1);
	assert_int_equal(sent(&bench.tally, 0), 2);
	bench_close(&bench);
}

static uint32_t hash_choice(struct bench *bench, uint32_t client)
{
	assert_true(send_from(bench, client));
	return bench->tally.last_sent;
}

/* Sticky, even, and a destination that goes away moves only its own clients. */
static void test_hash(void **state)
{
	enum { CLIENTS = 4000 };
	static uint32_t before[CLIENTS];
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'BALANCE': 'hash', 'DESTINATION': "
			   "['10.9.0.1/1', '10.9.0.2/1', '10.9.0.3/1', '10.9.0.4/1']}}");
	for (uint32_t i = 0; i < CLIENTS; i++)
		before[i] = hash_choice(&bench, i);
	for (unsigned d = 0; d < 4; d++)
		assert_in_range(sent(&bench.tally, d), CLIENTS / 4 - 150, CLIENTS / 4 + 150);
	for (uint32_t i = 0; i < CLIENTS; i++)
		assert_int_equal(hash_choice(&bench, i), before[i]);
	bench.is_up[2] = 0;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		uint32_t now = hash_choice(&bench, i);

		if (before[i] != 2)
			assert_int_equal(now, before[i]);
		assert_int_not_equal(now, 2);
	}
	bench_close(&bench);

	/* The same after a reload that takes a destination out and turns the others round. */
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'BALANCE': 'hash', 'DESTINATION': "
			   "['10.9.0.4/1', '10.9.0.2/1', '10.9.0.1/1']}}");
	for (uint32_t i = 0; i < CLIENTS; i++) {
		static const uint32_t moved_to[] = {2, 1, UINT32_MAX, 0};
		uint32_t now = hash_choice(&bench, i);

		if (before[i] != 2)
			assert_int_equal(now, moved_to[before[i]]);
	}
	bench_close(&bench);
}

static void test_name_without_address_is_down(void **state)
{
	struct bench bench;

	(void)state;
	bench_open(&bench, "{'a': {'SOURCEPORT': 514, 'DESTINATION': ['logs.example/1']}}");
	send_from(&bench, 1);
	assert_int_equal(down(&bench.tally, 0), 1);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_one_copy_for_each_place),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_shared_samples),
		cmocka_unit_test(test_rate_limit),
		cmocka_unit_test(test_round_robin),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_name_without_address_is_down),
		cmocka_unit_test(test_a_later_rule_sends_what_an_earlier_one_cannot),
		cmocka_unit_test(test_memory_is_carried_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

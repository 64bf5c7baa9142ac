/* SPDX-License-Identifier: MIT */
/* How probes look on the wire, what counts as an answer, and how many go at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "control/privileges.h"
#include "control/timer.h"
#include "core/config.h"
#include "core/rules_text.h"
#include "health_fixture.h"

#include <dirent.h>

static void probes_have_the_mark_of_copies(void **state)
{
	struct fixture *fixture = *state;
	const struct health_target targets[] = {icmp_to("192.0.2.1"), icmp_to("2001:db8::1"),
						tcp_to("192.0.2.1", 601),
						tcp_to("2001:db8::1", 601)};
	int server = listen_on(601);

	drop_where("add rule inet t out meta mark != 0x7464 icmp type echo-request drop; "
		   "add rule inet t out meta mark != 0x7464 icmpv6 type echo-request drop; "
		   "add rule inet t out meta mark != 0x7464 tcp flags & (syn|ack) == syn drop");
	open_health(fixture);
	assert_int_equal(health_set(fixture->health, targets, 4), 0);
	stays(fixture, targets[0], true);
	assert_int_equal(log_count(&fixture->wait, "\n"), 0);
	run("nft flush ruleset");
	drop_where("add rule inet t out meta mark 0x7464 drop");
	for (size_t i = 0; i < 4; i++)
		assert_true(becomes(fixture, targets[i], false));
	close(server);
}

/* The rules that go with the program, in the way that any kernel can load. */
static void load_own_rules(void)
{
	static const char text[] = "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": "
				   "[\"192.0.2.7/514\", \"2001:db8::7/514\"]}}";
	const struct rules_text_options options = {.way = RULES_WAY_IPTABLES,
						   .defragmentation = RULES_DEFRAGMENTATION_CT,
						   .cpu_count = 1};
	struct config_errors errors = {0};
	struct config *config = config_parse(text, strlen(text), "test", &errors);
	FILE *nft = popen("nft -f -", "w");
	char *rules;

	assert_non_null(config);
	assert_int_equal(config->settings.mark, MARK);
	rules = rules_text_nft(config, &options);
	assert_non_null(rules);
	assert_non_null(nft);
	assert_true(fputs(rules, nft) >= 0);
	assert_int_equal(pclose(nft), 0);
	free(rules);
	config_free(config);
}

/* Neither our own rules nor a firewall that lets in only answers is in the way of checks. */
static void answers_come_through_a_stateful_firewall(void **state)
{
	struct fixture *fixture = *state;
	const struct health_target targets[] = {icmp_to("192.0.2.1"), icmp_to("2001:db8::1"),
						tcp_to("192.0.2.1", 601),
						tcp_to("2001:db8::1", 601)};
	int server = listen_on(601);

	load_own_rules();
	drop_where("add rule inet t in icmp type echo-reply ct state != established drop; "
		   "add rule inet t in icmpv6 type echo-reply ct state != established drop; "
		   "add rule inet t in tcp sport 601 ct state != established drop");
	open_health(fixture);
	assert_int_equal(health_set(fixture->health, targets, 4), 0);
	stays(fixture, targets[0], true);
	assert_int_equal(log_count(&fixture->wait, "\n"), 0);
	close(server);
}

enum forgery { FORGED_SOURCE, FORGED_ID, FORGED_SEQUENCE, FORGED_TOKEN, FORGED_NOTHING };

struct forger {
	int sniffer, sender;
	enum forgery forgery;
	unsigned sent;
};

static uint16_t icmp_checksum(const void *bytes, size_t length)
{
	const uint16_t *words = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i < length / 2; i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* Answers what the firewall has kept from the host, almost as the host would have. */
static void forge(evutil_socket_t fd, short what, void *context)
{
	struct forger *forger = context;
	const char *source = forger->forgery == FORGED_SOURCE ? "192.0.2.3" : "192.0.2.2";
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	uint8_t bytes[256];
	size_t length;
	struct icmphdr *icmp;

	(void)what;
	inet_pton(AF_INET, source, &from.sin_addr);
	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	assert_int_equal(bind(forger->sender, (struct sockaddr *)&from, sizeof(from)), 0);
	while ((icmp = next_request(fd, bytes, sizeof(bytes), &length))) {
		icmp->type = ICMP_ECHOREPLY;
		icmp->un.echo.id ^= forger->forgery == FORGED_ID ? 1 : 0;
		icmp->un.echo.sequence ^= forger->forgery == FORGED_SEQUENCE ? 1 : 0;
		bytes[length - 1] ^= forger->forgery == FORGED_TOKEN ? 1 : 0;
		icmp->checksum = 0;
		icmp->checksum = icmp_checksum(icmp, length - sizeof(struct iphdr));
		length -= sizeof(struct iphdr);
		assert_int_equal(
			sendto(forger->sender, icmp, length, 0, (struct sockaddr *)&to, sizeof(to)),
			(ssize_t)length);
		forger->sent++;
	}
}

static bool has_forged(void *context)
{
	const struct forger *forger = context;

	return forger->sent >= 5;
}

static void only_the_true_answer_counts(void **state)
{
	struct fixture *fixture = *state;
	struct health_target target = icmp_to("192.0.2.2");
	struct forger forger = {.sniffer = sniff(ETH_P_IP),
				.sender = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)};
	struct event *event =
		event_new(fixture->wait.base, forger.sniffer, EV_READ | EV_PERSIST, forge, &forger);

	run("ip address add 192.0.2.2/24 dev v0; ip address add 192.0.2.3/24 dev v0");
	drop_where("add rule inet t in icmp type echo-request drop");
	assert_true(forger.sender >= 0);
	check_only(fixture, target);
	assert_true(becomes(fixture, target, false));
	assert_int_equal(event_add(event, NULL), 0);
	for (; forger.forgery < FORGED_NOTHING; forger.forgery++) {
		forger.sent = 0;
		assert_true(loop_until(&fixture->wait, has_forged, &forger, LIMIT_MS));
		assert_false(health_is_up(fixture->health, &target));
	}
	assert_true(becomes(fixture, target, true));
	event_free(event);
	close(forger.sniffer);
	close(forger.sender);
}

static unsigned open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

struct crowd {
	struct fixture *fixture;
	struct health_target *targets;
	size_t count;
	unsigned descriptors_max;
};

static bool all_down(void *context)
{
	struct crowd *crowd = context;
	unsigned descriptors = open_descriptors();

	if (descriptors > crowd->descriptors_max)
		crowd->descriptors_max = descriptors;
	for (size_t i = 0; i < crowd->count; i++) {
		if (health_is_up(crowd->fixture->health, &crowd->targets[i]))
			return false;
	}
	return true;
}

static struct health_target *crowd_of(size_t count, enum check_kind kind)
{
	struct health_target *targets = calloc(count, sizeof(*targets));

	assert_non_null(targets);
	for (size_t i = 0; i < count; i++) {
		targets[i] = (struct health_target){.kind = kind, .tcp_port = 601};
		targets[i].address = address("127.7.0.1");
		targets[i].address.bytes[2] = (uint8_t)(i / 250);
		targets[i].address.bytes[3] = (uint8_t)(i % 250 + 1);
	}
	return targets;
}

static void sockets_are_bounded_however_many_are_dead(void **state)
{
	struct fixture *fixture = *state;
	struct crowd crowd = {fixture, crowd_of(500, CHECK_TCP), 500, 0};
	unsigned before;

	fixture->options.connections_max = 50;
	fixture->options.timeout_ms = 50;
	drop_where("add rule inet t in tcp dport 601 drop");
	open_health(fixture);
	before = open_descriptors();
	assert_int_equal(health_set(fixture->health, crowd.targets, crowd.count), 0);
	assert_true(loop_until(&fixture->wait, all_down, &crowd, LIMIT_MS));
	assert_in_range(crowd.descriptors_max - before, 25, 50);
	assert_in_range(fixture->changes, 1, 50);
	assert_int_equal(health_set(fixture->health, crowd.targets, 250), 0);
	loop_for(&fixture->wait, 100);
	assert_int_equal(health_set(fixture->health, NULL, 0), 0);
	assert_int_equal(open_descriptors(), before);
	free(crowd.targets);
}

/* In each tenth of an interval about a tenth of all. */
static void checks_are_spread_over_the_interval(void **state)
{
	struct fixture *fixture = *state;
	struct health_target *targets = crowd_of(2000, CHECK_ICMP);
	struct counting counting = {.fd = sniff(ETH_P_IP), .wanted = UINT32_MAX};
	int buffer_bytes = 16 << 20;
	uint64_t begun_ms, passed_ms = 0;

	assert_int_equal(setsockopt(counting.fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes,
				    sizeof(buffer_bytes)),
			 0);
	fixture->options.interval_ms = 4000;
	fixture->options.timeout_ms = 3000;
	open_health(fixture);
	begun_ms = timer_now_ms();
	assert_int_equal(health_set(fixture->health, targets, 2000), 0);
	/* One in two milliseconds, by the time that has really passed: the machine may be busy. */
	while (passed_ms < 3500) {
		loop_for(&fixture->wait, 200);
		passed_ms = timer_now_ms() - begun_ms;
		has_counted(&counting);
		if (passed_ms < 4000)
			assert_in_range(counting.requests + 100, passed_ms / 2,
					passed_ms / 2 + 200);
	}
	assert_int_equal(log_count(&fixture->wait, "\n"), 0);
	close(counting.fd);
	free(targets);
}

/* The last one: what is given up does not come back. */
static void checks_go_on_without_cap_net_raw(void **state)
{
	struct fixture *fixture = *state;
	const struct health_target targets[] = {icmp_to("192.0.2.1"), icmp_to("2001:db8::1"),
						tcp_to("192.0.2.1", 601)};
	int server = listen_on(601);

	open_health(fixture);
	assert_int_equal(privileges_drop(PRIVILEGES_DAEMON), 0);
	assert_int_equal(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP), -1);
	assert_int_equal(health_set(fixture->health, targets, 3), 0);
	stays(fixture, targets[0], true);
	assert_int_equal(log_count(&fixture->wait, "\n"), 0);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_health(probes_have_the_mark_of_copies),
		with_health(answers_come_through_a_stateful_firewall),
		with_health(only_the_true_answer_counts),
		with_health(sockets_are_bounded_however_many_are_dead),
		with_health(checks_are_spread_over_the_interval),
		with_health(checks_go_on_without_cap_net_raw),
	};

	if (!can_enter_namespaces("test_health_probes"))
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What `check` says of a configuration that is right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"

static void describes_the_marketplace_file(void **state)
{
	struct config *config =
		expect_config("{\"DuplicateSyslog\": {\"SOURCEPORT\": \"514\", \"DESTINATION\": "
			      "[\"172.31.63.131/514\", \"172.31.62.154/514\"]}}");
	char *text = config_describe(config, 2);

	(void)state;
	assert_string_equal(
		text,
		"Rule \"DuplicateSyslog\"\n"
		"  ports         UDP 514\n"
		"  destinations  1  172.31.63.131/514\n"
		"                2  172.31.62.154/514\n"
		"  original      auto: ends here when sent to this machine, else goes on "
		"untouched\n"
		"  oversize      fragment: copies larger than the MTU leave in fragments\n"
		"  ttl           keep: as the packet came\n"
		"\n"
		"Settings\n"
		"  queues        7514-7515 (2 workers, by the number of CPUs)\n"
		"  queue length  16384 packets each\n"
		"  send          ip: by the kernel's routes, through this machine's firewall\n"
		"  fast path     off: all packets are queued\n"
		"  when full     drop: originals that find the queue full are dropped and counted\n"
		"  http          127.0.0.1:9514: for programs on this machine\n"
		"  mark          0x7464 on every copy\n"
		"  log level     info\n");
	free(text);
	config_free(config);
}

static void expect_part(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("not found: %sin: %s", part, text);
}

static void describes_every_choice(void **state)
{
	struct config *config = expect_config(
		"{\"SETTINGS\": {\"QUEUE\": 9, \"WORKERS\": 1, \"WHENFULL\": \"forward\"},"
		"\"A\": {\"SOURCEPORT\": [514, \"2055-2060\"], \"DESTINATION\": [\"2001:db8::7\"], "
		"\"ORIGINAL\": \"forward\", \"OVERSIZE\": \"drop\", \"TTL\": 9},"
		"\"B\": {\"SOURCEPORT\": 1, \"DESTINATION\": [\"192.0.2.1\"], "
		"\"ORIGINAL\": \"drop\", \"TTL\": \"decrement\"}}");
	char *text = config_describe(config, 2);
	static const char *const lines[] = {
		"  ports         UDP 514, 2055-2060\n",
		"  destinations  1  2001:db8::7 (the packet's own port)\n",
		"  original      forward: the original goes on to where it was going\n",
		"  original      drop: the original ends here\n",
		"  oversize      drop: copies larger than the MTU are dropped and counted\n",
		"  ttl           9: every copy leaves with this TTL or hop limit\n",
		"  ttl           decrement: one less than the packet came with\n",
		"  queues        9 (1 worker)\n",
		"  when full     forward: originals that find the queue full go on without copies",
	};

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		expect_part(text, lines[i]);
	free(text);
	config_free(config);
}

static void describes_what_differs(void **state)
{
	struct config *config = expect_config(
		"{\"SETTINGS\": {\"AUTORELOAD\": true},"
		"\"A\": {\"SOURCEPORT\": 514, \"ENABLED\": false, \"SOURCEADDRESS\": "
		"[\"!10.1.0.0/16\", "
		"\"10.0.0.0/8\", \"!10.2.0.1\", \"11.0.0.0/8\"], \"LISTENADDRESS\": "
		"[\"192.0.2.9\", "
		"\"198.51.100.0/24\"], \"INTERFACE\": [\"eth0\", \"eth1\"], \"BALANCE\": \"hash\", "
		"\"SAMPLE\": 10, \"RATELIMIT\": 1000, \"TTL\": \"decrement\", \"DESTINATION\": ["
		"{\"ADDRESS\": \"A.example.\", \"NAME\": \"flow\", \"SOURCE\": \"appliance\", "
		"\"SAMPLE\": 2, \"CHECK\": \"tcp/22\", \"TTL\": 9}, {\"ADDRESS\": \"192.0.2.1\", "
		"\"PORT\": 7, \"SOURCE\": \"192.0.2.5\", \"TTL\": \"keep\"}, {\"ADDRESS\": "
		"\"192.0.2.2\", \"PORT\": 7, \"CHECK\": \"icmp\"}]},"
		"\"B\": {\"SOURCEPORT\": 1, \"SOURCEADDRESS\": [\"!10.1.0.0/16\", \"!::1\"], "
		"\"BALANCE\": \"round-robin\", \"DESTINATION\": [\"192.0.2.1/7\"]},"
		"\"C\": {\"SOURCEPORT\": 1, \"BALANCE\": \"failover\", \"TTL\": 5, "
		"\"DESTINATION\": "
		"[{\"ADDRESS\": \"192.0.2.1\", \"PORT\": 7, \"TTL\": 6}]}}");
	char *text = config_describe(config, 1);

	(void)state;
	expect_part(text,
		    "Rule \"A\" (disabled)\n"
		    "  ports         UDP 514\n"
		    "  clients       10.0.0.0/8, 11.0.0.0/8; not 10.1.0.0/16, 10.2.0.1\n"
		    "  sent to       192.0.2.9, 198.51.100.0/24\n"
		    "  arriving at   eth0, eth1\n"
		    "  destinations  1  flow: a.example (the packet's own port, from this "
		    "machine's own address, 1 copy in 2, checked by tcp/22, ttl 9)\n"
		    "                2  192.0.2.1/7 (from 192.0.2.5, ttl keep)\n"
		    "                3  192.0.2.2/7 (checked by icmp)\n"
		    "  balance       hash: each packet to one destination, always the same for "
		    "a client\n"
		    "  sample        1 packet in 10 is duplicated\n"
		    "  rate limit    1000 packets/s: copies above it are dropped and counted\n"
		    "  original      auto");
	expect_part(text, "  clients       all but 10.1.0.0/16, ::1\n"
			  "  destinations  1  192.0.2.1/7\n"
			  "  balance       round-robin: each packet to one destination, in turn\n"
			  "  original");
	expect_part(text, "  destinations  1  192.0.2.1/7 (ttl 6)\n"
			  "  balance       failover: each packet to the first destination that is "
			  "up\n");
	expect_part(text, "  log level     info\n  auto reload   when the file changes\n");
	free(text);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(describes_the_marketplace_file),
		cmocka_unit_test(describes_every_choice),
		cmocka_unit_test(describes_what_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/http_host.h"

#define PORT 9514
#define MACHINE "Appliance.example"

struct example {
	const char *host;
	bool is_ours;
};

static const struct example examples[] = {
	{NULL, true},
	{"127.0.0.1:9514", true},
	{"127.0.0.1", true},
	{"10.9.8.7:9514", true},
	{"[::1]:9514", true},
	{"[::1]", true},
	{"localhost:9514", true},
	{"LocalHost.:9514", true},
	{"page.localhost:9514", true},
	{"ip6-localhost:9514", true},
	{"localhost.localdomain.:9514", true},
	{"ip6-localhost.evil.example:9514", false},
	{"appliance.example:9514", true},
	{"appliance.example.:9514", true},
	/* A web server before us passes these on. */
	{"logs.example.net", true},
	{"logs.example.net:443", true},
	{"logs.example.net:", true},
	/* A page that was led here. */
	{"evil.example:9514", false},
	{"evil.example.:09514", false},
	{"localhost.evil.example:9514", false},
	{"evillocalhost:9514", false},
	{"127.0.0.1.evil.example:9514", false},
	{"appliance:9514", false},
	{"appliance.example.evil.example:9514", false},
	/* None at all. */
	{"", false},
	{".:9514", false},
	{":9514", false},
	{"evil.example:9514:80", false},
	{"evil.example:http", false},
	{"evil.example:99999999999999999999", false},
	{"[evil.example]:9514", false},
	{"[::1", false},
	{"[::1]x", false},
	{"user@evil.example:9514", false},
};

static void test_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
		if (http_host_is_ours(examples[i].host, PORT, MACHINE) != examples[i].is_ours)
			fail_msg("%s", examples[i].host ? examples[i].host : "(none)");
}

/* Where we listen on the port that browsers do not write, a name without one has come to us. */
static void test_port_80(void **state)
{
	(void)state;
	assert_false(http_host_is_ours("evil.example", 80, MACHINE));
	assert_false(http_host_is_ours("evil.example:", 80, MACHINE));
	assert_true(http_host_is_ours("evil.example:8080", 80, MACHINE));
}

static void test_no_host_name(void **state)
{
	(void)state;
	assert_true(http_host_is_ours("localhost:9514", PORT, ""));
	assert_false(http_host_is_ours("appliance.example:9514", PORT, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_port_80),
		cmocka_unit_test(test_no_host_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

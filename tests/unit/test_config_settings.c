/* SPDX-License-Identifier: MIT */
/* Settings that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_expect.h"

#define EACH_SETTING(cases)                                                                        \
	EACH(cases,                                                                                \
	     "{\"R\": {\"SOURCEPORT\": 514, \"DESTINATION\": [\"192.0.2.1\"]}, \"SETTINGS\": {\n", \
	     "}}", "t:2: SETTINGS: ")

static void refuses_wrong_numbers(void **state)
{
	static const struct wrong cases[] = {
		{"\"QUEUE\": -1", "QUEUE: -1: write a whole number from 0 to 65535"},
		{"\"QUEUE\": 65536", "QUEUE: 65536: write a whole number from 0 to 65535"},
		{"\"QUEUE\": 1e3", "QUEUE: 1e3: write a whole number from 0 to 65535"},
		{"\"QUEUE\": 99999999999999999999",
		 "QUEUE: 99999999999999999999: write a whole number from 0 to 65535"},
		{"\"QUEUE\": \"7514\"",
		 "QUEUE: \"7514\": write a whole number from 0 to 65535, without quotation marks"},
		{"\"QUEUE\": 65529",
		 "QUEUE: 65529: leaves no room for the queues of 8 workers; write at most 65528"},
		{"\"QUEUE\": 65535, \"WORKERS\": 2",
		 "QUEUE: 65535: leaves no room for the queues of 2 workers; write at most 65534"},
		{"\"WORKERS\": 9, \"QUEUE\": 65535",
		 "WORKERS: 9: write a whole number from 0 to 8"},
		{"\"WORKERS\": null", "WORKERS: null: write a whole number from 0 to 8"},
		{"\"QUEUELENGTH\": 0", "QUEUELENGTH: 0: write a whole number from 1 to 1048576"},
		{"\"QUEUELENGTH\": 1048577",
		 "QUEUELENGTH: 1048577: write a whole number from 1 to 1048576"},
	};

	(void)state;
	EACH_SETTING(cases);
}

static void refuses_wrong_marks(void **state)
{
#define FORM "write a number from 1 to 0xffffffff in quotation marks, for example \"0x7464\""
	static const struct wrong cases[] = {
		{"\"MARK\": 29796", "MARK: 29796: " FORM},
		{"\"MARK\": \"0\"", "MARK: \"0\": " FORM},
		{"\"MARK\": \"0x0\"", "MARK: \"0x0\": " FORM},
		{"\"MARK\": \"0x\"", "MARK: \"0x\": " FORM},
		{"\"MARK\": \"0x100000000\"", "MARK: \"0x100000000\": " FORM},
		{"\"MARK\": \"0x100000001\"", "MARK: \"0x100000001\": " FORM},
		{"\"MARK\": \"4294967296\"", "MARK: \"4294967296\": " FORM},
		{"\"MARK\": \"7464h\"", "MARK: \"7464h\": " FORM},
		{"\"MARK\": \"0x 64\"", "MARK: \"0x 64\": " FORM},
		{"\"MARK\": \"0x-1\"", "MARK: \"0x-1\": " FORM},
		{"\"MARK\": \"\"", "MARK: \"\": " FORM},
	};
#undef FORM

	(void)state;
	EACH_SETTING(cases);
}

static void refuses_wrong_places_for_http(void **state)
{
#define FORM                                                                                       \
	"write an address and a port, for example \"127.0.0.1:9514\" or \"[::1]:9514\", or "       \
	"\"off\""
	static const struct wrong cases[] = {
		{"\"HTTP\": 9514", "HTTP: 9514: " FORM},
		{"\"HTTP\": true", "HTTP: true: " FORM},
		{"\"HTTP\": null", "HTTP: null: " FORM},
		{"\"HTTP\": \"\"", "HTTP: \"\": " FORM},
		{"\"HTTP\": \"on\"", "HTTP: \"on\": " FORM},
		{"\"HTTP\": \"Off\"", "HTTP: \"Off\": " FORM},
		{"\"HTTP\": \"127.0.0.1\"", "HTTP: \"127.0.0.1\": " FORM},
		{"\"HTTP\": \"127.0.0.1/9514\"", "HTTP: \"127.0.0.1/9514\": " FORM},
		{"\"HTTP\": \":9514\"",
		 "HTTP: \":9514\": not an IP address before the port; " FORM},
		{"\"HTTP\": \"localhost:9514\"",
		 "HTTP: \"localhost:9514\": not an IP address before the port; " FORM},
		{"\"HTTP\": \"[fe80::1%eth0]:9514\"",
		 "HTTP: \"[fe80::1%eth0]:9514\": not an IP address before the port; " FORM},
		{"\"HTTP\": \"::1:9514\"",
		 "HTTP: \"::1:9514\": an IPv6 address stands in brackets here; " FORM},
		{"\"HTTP\": \"[127.0.0.1]:9514\"",
		 "HTTP: \"[127.0.0.1]:9514\": an IPv4 address stands without brackets; " FORM},
		{"\"HTTP\": \"224.0.0.1:9514\"",
		 "HTTP: \"224.0.0.1:9514\": the address is multicast; " FORM},
		{"\"HTTP\": \"[fe80::1]:9514\"",
		 "HTTP: \"[fe80::1]:9514\": the address is link-local; " FORM},
		{"\"HTTP\": \"0.1.2.3:9514\"",
		 "HTTP: \"0.1.2.3:9514\": the address is nobody's; " FORM},
		{"\"HTTP\": \"127.0.0.1:\"",
		 "HTTP: \"127.0.0.1:\": the port is a number from 1 to 65535; " FORM},
		{"\"HTTP\": \"127.0.0.1:0\"",
		 "HTTP: \"127.0.0.1:0\": the port is a number from 1 to 65535; " FORM},
		{"\"HTTP\": \"[::1]:65536\"",
		 "HTTP: \"[::1]:65536\": the port is a number from 1 to 65535; " FORM},
	};
#undef FORM

	(void)state;
	EACH_SETTING(cases);
}

static void refuses_wrong_settings(void **state)
{
	static const struct wrong cases[] = {
		{"\"WHENFULL\": \"accept\"", "WHENFULL: \"accept\": write \"drop\" or \"forward\""},
		{"\"LOGLEVEL\": \"INFO\"",
		 "LOGLEVEL: \"INFO\": write \"error\", \"warning\", \"info\" or \"debug\""},
		{"\"LOGLEVEL\": 3",
		 "LOGLEVEL: 3: write \"error\", \"warning\", \"info\" or \"debug\""},
		{"\"PORT\": 9514",
		 "PORT: unknown key; the keys here are QUEUE, WORKERS, "
		 "QUEUELENGTH, WHENFULL, SEND, FASTPATH, HTTP, MARK, LOGLEVEL, AUTORELOAD"},
		{"\"FASTPATH\": \"on\"", "FASTPATH: \"on\": write \"off\" or \"auto\""},
		{"\"FASTPATH\": true", "FASTPATH: true: write \"off\" or \"auto\""},
		{"\"SEND\": \"raw\"", "SEND: \"raw\": write \"ip\" or \"link\""},
		{"\"SEND\": true", "SEND: true: write \"ip\" or \"link\""},
		{"\"AUTORELOAD\": 1", "AUTORELOAD: 1: write true or false"},
		{"\"AUTORELOAD\": \"true\"",
		 "AUTORELOAD: \"true\": write true or false, without quotation marks"},
		{"\"AUTORELOAD\": null", "AUTORELOAD: null: write true or false"},
	};

	(void)state;
	EACH_SETTING(cases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_wrong_numbers),
		cmocka_unit_test(refuses_wrong_marks),
		cmocka_unit_test(refuses_wrong_places_for_http),
		cmocka_unit_test(refuses_wrong_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

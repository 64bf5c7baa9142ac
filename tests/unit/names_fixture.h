/* SPDX-License-Identifier: MIT */
/* Names resolved by a real name server, in a namespace for each test. Include after cmocka.h. */
#ifndef TRAFFICDUPLICATOR_TESTS_NAMES_FIXTURE_H
#define TRAFFICDUPLICATOR_TESTS_NAMES_FIXTURE_H

#include "control/names.h"
#include "dns_server.h"
#include "loop_wait.h"
#include "netmon_namespace.h"

/* The loop must go round within this time, whatever name servers do: less than a single timeout of
 * the C library by far, and more than a busy test machine takes. */
#define HELD_UP_MAX_MS 500
#define LIMIT_MS 8000

struct fixture {
	struct loop_wait wait;
	char folder[64];
	char resolv_conf[96];
	char hosts[96];
	struct dns_server server, second;
	struct names_options options;
	struct names *names;
	unsigned changes;
};

/* What loop_until waits for: that a name has an address. */
struct expected {
	struct names *names;
	const char *host;
	struct ip_address address;
};

static inline void on_changed(void *context)
{
	struct fixture *fixture = context;

	fixture->changes++;
}

static inline int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	enter_fresh_namespace(NULL);
	assert_non_null(fixture);
	strcpy(fixture->folder, "/tmp/test_names.XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->resolv_conf, sizeof(fixture->resolv_conf), "%s/resolv.conf",
		 fixture->folder);
	snprintf(fixture->hosts, sizeof(fixture->hosts), "%s/hosts", fixture->folder);
	write_file(fixture->resolv_conf, "nameserver 127.0.0.1\n");
	write_file(fixture->hosts, "127.0.0.1 localhost\n");
	loop_wait_begin(&fixture->wait);
	fixture->options = (struct names_options){
		.resolv_conf = fixture->resolv_conf,
		.hosts = fixture->hosts,
		.ttl_min_ms = 100,
		.ttl_max_ms = 3600000,
		.hosts_ttl_ms = 100,
		.retry_min_ms = 50,
		.retry_max_ms = 200,
		.timeout_ms = 200,
	};
	*state = fixture;
	return 0;
}

static inline int end(void **state)
{
	struct fixture *fixture = *state;
	char command[96];

	names_close(fixture->names);
	loop_wait_end(&fixture->wait);
	dns_server_stop(&fixture->server);
	dns_server_stop(&fixture->second);
	snprintf(command, sizeof(command), "rm -r %s", fixture->folder);
	run(command);
	free(fixture);
	return 0;
}

static inline void serve(struct fixture *fixture, const char *hosts)
{
	dns_server_start(&fixture->server, fixture->folder, "127.0.0.1", hosts, "--local-ttl=0");
}

/* Opens with the fixture's options as they are now, and asks for one name. */
static inline void open_names(struct fixture *fixture, const char *host)
{
	assert_int_equal(names_open(&fixture->names, fixture->wait.base, &fixture->options,
				    on_changed, fixture),
			 0);
	assert_int_equal(names_set(fixture->names, &host, 1), 0);
}

static inline bool has_address(void *context)
{
	struct expected *expected = context;
	struct ip_address found;

	return names_lookup(expected->names, expected->host, &found) &&
	       ip_equal(&found, &expected->address);
}

static inline bool becomes(struct fixture *fixture, const char *host, const char *text)
{
	struct expected expected = {fixture->names, host, address(text)};

	return loop_until(&fixture->wait, has_address, &expected, LIMIT_MS);
}

static inline bool is_known(const struct fixture *fixture, const char *host)
{
	struct ip_address found;

	return names_lookup(fixture->names, host, &found);
}

struct log_wait {
	const struct fixture *fixture;
	const char *text;
	unsigned count;
};

static inline bool is_logged(void *context)
{
	const struct log_wait *wait = context;

	return log_count(&wait->fixture->wait, wait->text) >= wait->count;
}

static inline bool logs_times(struct fixture *fixture, const char *text, unsigned count)
{
	struct log_wait wait = {fixture, text, count};

	return loop_until(&fixture->wait, is_logged, &wait, LIMIT_MS);
}

static inline bool logs(struct fixture *fixture, const char *text)
{
	return logs_times(fixture, text, 1);
}

static inline bool is_asked(void *context)
{
	const struct log_wait *wait = context;

	return dns_server_log_count(&wait->fixture->server, wait->text) >= wait->count;
}

static inline bool is_asked_times(struct fixture *fixture, const char *text, unsigned count)
{
	struct log_wait wait = {fixture, text, count};

	return loop_until(&fixture->wait, is_asked, &wait, LIMIT_MS);
}

static inline bool has_told(void *context)
{
	const struct fixture *fixture = context;

	return fixture->changes > 0;
}

#define with_names(test) cmocka_unit_test_setup_teardown(test, begin, end)

#endif

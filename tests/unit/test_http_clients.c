/* SPDX-License-Identifier: MIT */
/* Clients that ask for too much, or never get on with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

#include <fcntl.h>
#include <sys/resource.h>

#define SLOW_CLIENTS 1000

static void bounds_headers_and_bodies(void **state)
{
	struct fixture *fixture = *state;
	char *huge = malloc(1 << 20);

	memset(huge, 'a', (1 << 20) - 1);
	huge[(1 << 20) - 1] = '\0';
	memcpy(huge, "GET /", 5);
	free(ask(fixture, huge)); /* a line without an end */
	for (char *at = huge + 1000; at < huge + (1 << 20) - 100; at += 100)
		memcpy(at, "\r\nX: ", 5); /* headers without an end */
	memcpy(huge, "GET /fresh HTTP/1.1\r\nA:", 23);
	free(ask(fixture, huge));
	memcpy(huge, "POST /fresh HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n", 49);
	free(ask(fixture, huge));
	assert_int_equal(fixture->made, 0);
	free(huge);
	expect(fixture, GET("/fresh"), PARTS("ok\n"));
}

/* A client that sends without end while it does not read its answer is not read without end. */
static void does_not_hoard_what_a_client_sends(void **state)
{
	struct fixture *fixture = *state;
	struct client client = dial(fixture);
	static char chunk[1 << 16];
	size_t total = 0;
	ssize_t sent;

	say(fixture, &client, GET("/big"));
	for (int idle = 0; idle < 20 && total < (64 << 20);) {
		loop_for(&fixture->wait, 10);
		sent = send(client.fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
		idle = sent > 0 ? 0 : idle + 1;
		total += sent > 0 ? (size_t)sent : 0;
	}
	assert_true(total < (8 << 20)); /* what the kernel keeps for both ends */
	hang_up(&client);
}

static unsigned descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Slow clients by the thousand take neither descriptors without end, nor the place of others. */
static void serves_others_among_a_thousand_slow_clients(void **state)
{
	const struct rlimit many = {4096, 4096};
	struct fixture *fixture = *state;
	struct client *slow = calloc(SLOW_CLIENTS, sizeof(*slow));
	unsigned before, most = 0;

	if (setrlimit(RLIMIT_NOFILE, &many) < 0)
		skip(); /* the hard limit is lower, and this is not root */
	before = descriptors();
	for (size_t i = 0; i < SLOW_CLIENTS; i++) {
		unsigned now;

		slow[i] = dial(fixture);
		say(fixture, &slow[i], "G");
		now = descriptors() - (unsigned)i;
		most = now > most ? now : most;
		if (i % 100 == 99)
			expect(fixture, GET("/fresh"), PARTS("ok\n"));
	}
	assert_true(most - before <= HTTP_CLIENTS_MAX + 32);
	/* The oldest had to go, the newest stay. */
	assert_true(loop_until(&fixture->wait, has_ended, &slow[0], LIMIT_MS));
	assert_false(has_ended(&slow[SLOW_CLIENTS - 1]));
	say(fixture, &slow[SLOW_CLIENTS - 1], "ET /fresh HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_true(loop_until(&fixture->wait, has_ended, &slow[SLOW_CLIENTS - 1], LIMIT_MS));
	assert_non_null(strstr(slow[SLOW_CLIENTS - 1].text, "ok\n"));
	for (size_t i = 0; i < SLOW_CLIENTS; i++)
		hang_up(&slow[i]);
	free(slow);
}

struct dripping {
	struct client *client;
	uint64_t next_ms;
};

static bool has_ended_while_dripping(void *context)
{
	struct dripping *dripping = context;

	if (loop_now_ms() >= dripping->next_ms) {
		(void)!send(dripping->client->fd, "a", 1, MSG_NOSIGNAL);
		dripping->next_ms = loop_now_ms() + 100;
	}
	return has_ended(dripping->client);
}

/* The time for a request does not begin anew with every byte. */
static void ends_a_slow_request(void **state)
{
	struct fixture *fixture = *state;
	struct client client = dial(fixture);
	struct dripping dripping = {.client = &client};
	uint64_t begin_ms = loop_now_ms();

	say(fixture, &client, "GET /");
	assert_true(loop_until(&fixture->wait, has_ended_while_dripping, &dripping, LIMIT_MS));
	assert_true(loop_now_ms() - begin_ms >= HTTP_CLIENTS_REQUEST_S * 1000 - 100);
	assert_true(loop_now_ms() - begin_ms < HTTP_CLIENTS_REQUEST_S * 1000 + 3000);
	hang_up(&client);
}

/* Those who do not read their large answers lose them, the oldest first. */
static void bounds_the_memory_of_answers(void **state)
{
	struct fixture *fixture = *state;
	struct client clients[8];

	for (size_t i = 0; i < 8; i++) {
		clients[i] = dial(fixture);
		say(fixture, &clients[i], GET("/big"));
		assert_true(loop_until(&fixture->wait, has_some, &clients[i], LIMIT_MS));
	}
	assert_int_equal(fixture->made, 8);
	for (size_t i = 0; i < 8; i++) {
		assert_true(loop_until(&fixture->wait, has_ended, &clients[i], LIMIT_MS));
		/* Three of 20 MiB are less than 64, four are more. */
		if (i < 5)
			assert_true(clients[i].length < BIG_BYTES);
		else
			assert_true(clients[i].length > BIG_BYTES);
		hang_up(&clients[i]);
	}
}

/* Without a descriptor to be had, others on the loop go on, and the client is served once there is
 * one. */
static void waits_for_descriptors(void **state)
{
	struct fixture *fixture = *state;
	struct client client = dial(fixture);
	struct rlimit former, none;
	struct timespec before, after;
	double used_s;

	say(fixture, &client, GET("/fresh"));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
	none = (struct rlimit){0, former.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	loop_for(&fixture->wait, 1500);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
	used_s = (double)(after.tv_sec - before.tv_sec) +
		 (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	assert_true(used_s < 0.5);
	assert_false(has_ended(&client));
	assert_true(loop_until(&fixture->wait, has_ended, &client, LIMIT_MS));
	assert_non_null(strstr(client.text, "ok\n"));
	hang_up(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bounds_headers_and_bodies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(does_not_hoard_what_a_client_sends, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(serves_others_among_a_thousand_slow_clients, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(ends_a_slow_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounds_the_memory_of_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(waits_for_descriptors, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

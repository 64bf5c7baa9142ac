/* SPDX-License-Identifier: MIT */
/* What the HTTP server answers, and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_fixture.h"

static void answers_what_there_is(void **state)
{
	struct fixture *fixture = *state;
	char *answer;

	expect(fixture, GET("/fresh"),
	       PARTS("HTTP/1.1 200 OK\r\n", "\r\nContent-Type: text/plain; charset=utf-8\r\n",
		     "\r\nContent-Length: 3\r\n", "\r\nCache-Control: no-store\r\n",
		     "\r\nX-Content-Type-Options: nosniff\r\n", "\r\nConnection: close\r\n",
		     "\r\n\r\nok\n"));
	expect(fixture, GET("/fresh?a=b"), PARTS("HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n"));
	expect(fixture, "GET /policy HTTP/1.0\r\n\r\n",
	       PARTS("HTTP/1.0 200 OK\r\n", "\r\nContent-Length: 3\r\n",
		     "\r\nContent-Security-Policy: default-src\r\n"));
	expect(fixture, "GET http://t/fresh HTTP/1.1\r\nHost: t\r\n\r\n",
	       PARTS("HTTP/1.1 200 OK\r\n", "\r\n\r\nok\n"));
	fixture->is_ill = true;
	expect(fixture, GET("/fresh"),
	       PARTS("HTTP/1.1 503 Service Unavailable\r\n", "\r\n\r\nill\n"));
	fixture->is_ill = false;
	answer = ask(fixture, "HEAD /fresh HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_non_null(strstr(answer, "\r\nContent-Length: 3\r\n"));
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
	free(answer);
	answer = ask(fixture, "GET /fresh HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	assert_null(strstr(answer, "keep-alive"));
	free(answer);
}

/* A page that has its own name point to us; a web server before us passes another on. */
static void refuses_who_was_led_here(void **state)
{
	struct fixture *fixture = *state;
	char request[128];

	snprintf(request, sizeof(request), "GET /fresh HTTP/1.1\r\nHost: evil.example:%u\r\n\r\n",
		 fixture->port);
	expect(fixture, request, PARTS("HTTP/1.1 421 Misdirected Request\r\n", "use localhost"));
	assert_int_equal(fixture->made, 0);
	snprintf(request, sizeof(request), "GET /fresh HTTP/1.1\r\nHost: localhost:%u\r\n\r\n",
		 fixture->port);
	expect(fixture, request, PARTS("HTTP/1.1 200 OK\r\n"));
}

static void refuses_what_there_is_not(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"};
	struct fixture *fixture = *state;
	char request[128];

	expect(fixture, GET("/"), PARTS("HTTP/1.1 404 Not Found\r\n", "\r\n\r\nno such page\n"));
	expect(fixture, GET("/fresh/"), PARTS("HTTP/1.1 404 "));
	expect(fixture, GET("/../fresh"), PARTS("HTTP/1.1 404 "));
	expect(fixture, GET("//fresh"), PARTS("HTTP/1.1 404 "));
	expect(fixture, GET("/%66resh"), PARTS("HTTP/1.1 404 "));
	expect(fixture, GET("/nothing"),
	       PARTS("HTTP/1.1 500 Internal Server Error\r\n", "out of memory\n"));
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		snprintf(request, sizeof(request), "%s /fresh HTTP/1.1\r\nHost: t\r\n\r\n",
			 methods[i]);
		expect(fixture, request,
		       PARTS("HTTP/1.1 405 Method Not Allowed\r\n", "\r\nAllow: GET, HEAD\r\n"));
	}
	assert_int_equal(fixture->made, 0);
}

static void refuses_what_is_no_request(void **state)
{
	static const char *const requests[] = {
		"BREW /fresh HTTP/1.1\r\nHost: t\r\n\r\n",
		"GET /fresh\r\n\r\n",
		"GET /fresh HTTP/9.9\r\nHost: t\r\n\r\n",
		"GET /fresh HTTP/1.1\r\nno colon\r\n\r\n",
		"\r\n\r\n",
		"\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n",
		"GET /fresh HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST /fresh HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /fresh HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		char *answer = ask(fixture, requests[i]);

		if (*answer && (strncmp(answer, "HTTP/", 5) != 0 || answer[9] < '4'))
			fail_msg("%s:\n%s", requests[i], answer);
		/* These pages are libevent's, without nosniff: nothing of a request is in them. */
		if (strstr(answer, "fresh") || strstr(answer, "BREW"))
			fail_msg("%s is said back:\n%s", requests[i], answer);
		free(answer);
	}
	assert_int_equal(fixture->made, 0);
	expect(fixture, GET("/fresh"), PARTS("ok\n"));
}

/* A text that many ask for is made once in a while, and health is not kept. */
static void makes_a_shared_text_seldom(void **state)
{
	struct fixture *fixture = *state;
	uint64_t begin_ms = loop_now_ms(), asked = 0;

	for (int i = 0; i < 20; i++)
		expect(fixture, GET("/fresh"), PARTS("ok\n"));
	assert_int_equal(fixture->made, 20);
	fixture->made = 0;
	for (; fixture->made < 3; asked++)
		expect(fixture, GET("/shared"), PARTS("200 OK", "application/json", "ok\n"));
	assert_true(loop_now_ms() - begin_ms >= 2000);
	assert_true(asked > 20);
}

/* One request per connection: what follows it is not read as another. */
static void answers_once(void **state)
{
	struct fixture *fixture = *state;
	char *answer = ask(fixture, GET("/fresh") GET("/fresh") GET("/fresh"));

	assert_non_null(strstr(answer, "ok\n"));
	assert_null(strstr(answer + 1, "HTTP/"));
	assert_int_equal(fixture->made, 1);
	free(answer);
}

/* A client that has no more to say is answered all the same. */
static void answers_who_has_closed_his_side(void **state)
{
	struct fixture *fixture = *state;
	struct client client;

	for (int i = 0; i < 20; i++) {
		client = dial(fixture);
		say(fixture, &client, i % 2 ? GET("/big") : GET("/fresh"));
		assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
		assert_true(loop_until(&fixture->wait, has_ended, &client, LIMIT_MS));
		assert_non_null(client.text);
		assert_true(client.length > (i % 2 ? BIG_BYTES : 0));
		hang_up(&client);
	}
}

/* A change of address: the former refuses, connections that are there are served. */
static void listens_where_it_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct client client = dial(fixture), refused;
	uint16_t former = fixture->port;
	struct http *other = http_create(fixture->wait.base, routes, 1, fixture);

	say(fixture, &client, "GET /fresh ");
	expect(fixture, GET("/fresh"), PARTS("ok\n")); /* it has been accepted by now */
	assert_int_equal(http_listen(other, &loopback, former), -EADDRINUSE);
	listen_somewhere(fixture);
	assert_int_equal(http_listen(other, &loopback, former), 0);
	http_listen_nowhere(other);
	expect(fixture, GET("/fresh"), PARTS("ok\n"));
	say(fixture, &client, "HTTP/1.1\r\nHost: t\r\n\r\n");
	assert_true(loop_until(&fixture->wait, has_ended, &client, LIMIT_MS));
	assert_non_null(strstr(client.text, "ok\n"));
	hang_up(&client);
	http_listen_nowhere(fixture->http);
	refused = dial(fixture);
	assert_true(loop_until(&fixture->wait, has_ended, &refused, LIMIT_MS));
	assert_int_equal(refused.length, 0);
	hang_up(&refused);
	http_free(other);
}

/* Whatever clients are at, the end leaves nothing behind: the sanitizer looks. */
static void ends_in_the_middle(void **state)
{
	struct fixture *fixture = *state;
	struct client reading = dial(fixture), half = dial(fixture), silent = dial(fixture);

	say(fixture, &reading, GET("/big"));
	say(fixture, &half, "GET /fr");
	assert_true(loop_until(&fixture->wait, has_some, &reading, LIMIT_MS));
	http_free(fixture->http);
	fixture->http = NULL;
	loop_for(&fixture->wait, 50);
	assert_true(loop_until(&fixture->wait, has_ended, &half, LIMIT_MS));
	hang_up(&reading);
	hang_up(&half);
	hang_up(&silent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_what_there_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_who_was_led_here, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_there_is_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(makes_a_shared_text_seldom, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_who_has_closed_his_side, set_up, tear_down),
		cmocka_unit_test_setup_teardown(listens_where_it_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ends_in_the_middle, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

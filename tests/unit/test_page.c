/* SPDX-License-Identifier: MIT */
/* The status page's files as parts of the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/page.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define FOLDER "src/control/page"

static const struct http_route *find(const char *path)
{
	for (size_t i = 0; i < PAGE_ROUTE_COUNT; i++)
		if (strcmp(page_routes[i].path, path) == 0)
			return &page_routes[i];
	fail_msg("%s is not served", path);
	return NULL;
}

static void expect_same(const char *name, const char *served)
{
	static char text[1 << 20];
	char path[300];
	size_t length;
	FILE *in;

	snprintf(path, sizeof(path), FOLDER "/%s", name);
	in = fopen(path, "rb");
	assert_non_null(in);
	length = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[length] = '\0';
	assert_string_equal(served, text);
}

static void test_every_file_is_there(void **state)
{
	DIR *folder = opendir(FOLDER);
	struct dirent *entry;
	char path[300];
	int count = 0;

	(void)state;
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/page/%s", entry->d_name);
		if (strcmp(entry->d_name, "index.html") == 0)
			strcpy(path, "/");
		expect_same(entry->d_name, find(path)->text);
		count++;
	}
	closedir(folder);
	assert_int_equal(count, PAGE_ROUTE_COUNT);
}

static void test_types(void **state)
{
	(void)state;
	assert_string_equal(find("/")->type, "text/html; charset=utf-8");
	assert_string_equal(find("/page/style.css")->type, "text/css; charset=utf-8");
	assert_string_equal(find("/page/main.js")->type, "text/javascript; charset=utf-8");
	assert_string_equal(find("/page/icon.svg")->type, "image/svg+xml");
}

static void test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(void **state)
{
	static const char *const needed[] = {
		"frame-ancestors 'none'", "base-uri 'none'",  "form-action 'none'",
		"script-src 'self'",	  "style-src 'self'", "connect-src 'self'",
	};
	static const char *const refused[] = {"unsafe", "*", "http", "data:", "blob:"};

	(void)state;
	for (size_t i = 0; i < PAGE_ROUTE_COUNT; i++) {
		const char *policy = page_routes[i].policy;

		assert_non_null(policy);
		assert_int_equal(strncmp(policy, "default-src 'none'; ", 20), 0);
		for (size_t j = 0; j < sizeof(needed) / sizeof(*needed); j++)
			assert_non_null(strstr(policy, needed[j]));
		for (size_t j = 0; j < sizeof(refused) / sizeof(*refused); j++)
			assert_null(strstr(policy, refused[j]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_file_is_there),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

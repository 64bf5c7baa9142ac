/* SPDX-License-Identifier: MIT */
#include "control/names.h"

#include "control/address_choice.h"
#include "control/hosts_file.h"
#include "control/log.h"
#include "control/resolver.h"
#include "control/timer.h"
#include "core/config.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define CHANGED_DELAY_MS 100

/* Names that fall due while others wait for an answer join them, unless the batch is this old: it
 * must come to an end for resolv.conf to be read again. */
#define BATCH_OPEN_MS 30000

struct name {
	struct names *names;
	struct ip_address address; /* family AF_UNSPEC while none is known */
	uint64_t due_ms;
	uint32_t retry_ms; /* the last pause; 0: the last attempt went well */
	bool wanted;
	bool selected; /* for the batch that is being put together */
	bool asked;    /* an answer is due: stays in the table until then, wanted or not */
	struct address_choice from_hosts;
	char host[];
};

struct names {
	struct event_base *base;
	struct names_options options;
	names_changed *changed;
	void *context;
	struct name **table; /* sorted by host, ignoring case */
	size_t count;
	size_t asked_count;
	struct resolver *resolver; /* of the present batch */
	uint64_t opened_ms;
	struct event due;
	struct event tell;
};

static int compare_hosts(const void *a, const void *b)
{
	const struct name *const *left = a, *const *right = b;

	return strcasecmp((*left)->host, (*right)->host);
}

/* Where host stands in the table, or would stand. */
static size_t position(const struct names *names, const char *host)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcasecmp(names->table[middle]->host, host) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct name *find(const struct names *names, const char *host)
{
	size_t at = position(names, host);

	if (at == names->count || strcasecmp(names->table[at]->host, host) != 0)
		return NULL;
	return names->table[at];
}

/* Arms the timer for whatever comes next; an idle resolver is closed from there, too. */
static void schedule(struct names *names)
{
	uint64_t earliest_ms = UINT64_MAX;

	if (names->resolver && names->asked_count == 0)
		earliest_ms = 0;
	for (size_t i = 0; i < names->count; i++) {
		const struct name *name = names->table[i];

		if (!name->asked && name->due_ms < earliest_ms)
			earliest_ms = name->due_ms;
	}
	if (earliest_ms == UINT64_MAX)
		event_del(&names->due);
	else
		timer_start_at(&names->due, earliest_ms);
}

static void fail(struct name *name, const char *reason)
{
	const struct names_options *options = &name->names->options;
	char text[IP_TEXT_SIZE];

	if (name->retry_ms > 0)
		log_debug("%s still cannot be resolved: %s", name->host, reason);
	else if (name->address.family == AF_UNSPEC)
		log_change(name->host, LOG_LEVEL_WARNING,
			   "%s cannot be resolved: %s; no copies go there until it can", name->host,
			   reason);
	else
		log_change(name->host, LOG_LEVEL_WARNING,
			   "%s cannot be resolved: %s; its last address stays, %s", name->host,
			   reason, ip_format(&name->address, text));
	if (name->retry_ms == 0)
		name->retry_ms = options->retry_min_ms;
	else if (name->retry_ms < options->retry_max_ms / 2)
		name->retry_ms *= 2;
	else
		name->retry_ms = options->retry_max_ms;
	name->due_ms = timer_now_ms() + name->retry_ms;
}

static void log_address(const struct name *name, const struct ip_address *address)
{
	char text[IP_TEXT_SIZE], old[IP_TEXT_SIZE];

	ip_format(address, text);
	if (name->address.family == AF_UNSPEC)
		log_change(name->host, LOG_LEVEL_INFO, "%s has the address %s", name->host, text);
	else if (!ip_equal(&name->address, address))
		log_change(name->host, LOG_LEVEL_INFO, "%s has a new address: %s, formerly %s",
			   name->host, text, ip_format(&name->address, old));
	else if (name->retry_ms > 0)
		log_change(name->host, LOG_LEVEL_INFO, "%s can be resolved again: still %s",
			   name->host, text);
}

static void take_address(struct name *name, const struct ip_address *address, uint64_t ttl_ms)
{
	log_address(name, address);
	name->retry_ms = 0;
	name->due_ms = timer_now_ms() + ttl_ms;
	if (ip_equal(&name->address, address))
		return;
	name->address = *address;
	if (!event_pending(&name->names->tell, EV_TIMEOUT, NULL))
		timer_start(&name->names->tell, CHANGED_DELAY_MS);
}

static void take_choice(struct name *name, const struct address_choice *choice, uint64_t ttl_ms)
{
	const struct ip_address *address = address_choice_made(choice, &name->address);
	char reason[IP_TEXT_SIZE + 64], text[IP_TEXT_SIZE];

	if (address) {
		take_address(name, address, ttl_ms);
		return;
	}
	snprintf(reason, sizeof(reason), "no copy can go to its address %s, which is %s",
		 ip_format(&choice->unusable, text), ip_kind_name(ip_kind(&choice->unusable)));
	fail(name, reason);
}

static uint64_t bounded_ttl_ms(const struct names_options *options, uint32_t ttl_s)
{
	uint64_t ttl_ms = (uint64_t)ttl_s * 1000;

	if (ttl_ms < options->ttl_min_ms)
		return options->ttl_min_ms;
	return ttl_ms < options->ttl_max_ms ? ttl_ms : options->ttl_max_ms;
}

static void forget(struct name *name)
{
	struct names *names = name->names;
	size_t at = position(names, name->host);

	names->count--;
	memmove(&names->table[at], &names->table[at + 1],
		(names->count - at) * sizeof(struct name *));
	free(name);
}

static void on_answer(void *context, const struct resolver_answer *answer)
{
	struct name *name = context;
	struct names *names = name->names;
	struct address_choice choice = {0};

	name->asked = false;
	names->asked_count--;
	for (size_t i = 0; i < answer->count; i++)
		address_choice_add(&choice, &name->address, &answer->addresses[i]);
	if (!name->wanted)
		forget(name);
	else if (answer->reason)
		fail(name, answer->reason);
	else
		take_choice(name, &choice, bounded_ttl_ms(&names->options, answer->ttl_s));
	schedule(names);
}

static void take_hosts_entry(struct name *name, const struct ip_address *address)
{
	if (name && name->selected)
		address_choice_add(&name->from_hosts, &name->address, address);
}

/* A final dot, here or there, makes no other name. */
static void on_hosts_entry(void *context, const char *host, const struct ip_address *address)
{
	char text[CONFIG_HOST_MAX + sizeof "."];
	size_t length = strlen(host);

	if (length > 0 && host[length - 1] == '.')
		length--;
	if (length == 0 || length > CONFIG_HOST_MAX)
		return;
	memcpy(text, host, length);
	strcpy(text + length, "");
	take_hosts_entry(find(context, text), address);
	strcpy(text + length, ".");
	take_hosts_entry(find(context, text), address);
}

static void ask(struct name *name)
{
	struct names *names = name->names;
	int error = resolver_ask(names->resolver, name->host, on_answer, name);

	if (error) {
		fail(name, error == -EINVAL ? "it is no host name" : strerror(-error));
		return;
	}
	name->asked = true;
	names->asked_count++;
}

/* Selects the names that are due; returns whether there are any. */
static bool select_due(struct names *names, uint64_t now)
{
	bool any = false;

	for (size_t i = 0; i < names->count; i++) {
		struct name *name = names->table[i];

		name->selected = !name->asked && name->due_ms <= now;
		name->from_hosts = (struct address_choice){0};
		any |= name->selected;
	}
	return any;
}

/* One pass over the hosts file for all names that are due, then questions for the rest. */
static void resolve_due(struct names *names, uint64_t now)
{
	int error = 0;

	if (!select_due(names, now))
		return;
	/* What cannot be read has no entries, as in the C library. */
	hosts_file_read(names->options.hosts, on_hosts_entry, names);
	if (!names->resolver) {
		error = resolver_open(&names->resolver, names->base, names->options.resolv_conf,
				      names->options.timeout_ms);
		names->opened_ms = now;
	}
	for (size_t i = 0; i < names->count; i++) {
		struct name *name = names->table[i];

		if (!name->selected)
			continue;
		if (!address_choice_is_empty(&name->from_hosts))
			take_choice(name, &name->from_hosts, names->options.hosts_ttl_ms);
		else if (error)
			fail(name, strerror(-error));
		else
			ask(name);
	}
}

static void on_due(evutil_socket_t fd, short what, void *context)
{
	struct names *names = context;
	uint64_t now = timer_now_ms();

	(void)fd;
	(void)what;
	if (names->asked_count == 0) {
		resolver_close(names->resolver);
		names->resolver = NULL;
	} else if (now - names->opened_ms > BATCH_OPEN_MS) {
		return; /* the last answer goes on from here */
	}
	resolve_due(names, now);
	schedule(names);
}

static void on_tell(evutil_socket_t fd, short what, void *context)
{
	struct names *names = context;

	(void)fd;
	(void)what;
	names->changed(names->context);
}

int names_open(struct names **out, struct event_base *base, const struct names_options *options,
	       names_changed *changed, void *context)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	names->base = base;
	names->options = *options;
	names->changed = changed;
	names->context = context;
	evtimer_assign(&names->due, base, on_due, names);
	evtimer_assign(&names->tell, base, on_tell, names);
	*out = names;
	return 0;
}

static struct name *name_create(struct names *names, const char *host)
{
	size_t size = strlen(host) + 1;
	struct name *name = calloc(1, sizeof(*name) + size);

	if (!name)
		return NULL;
	name->names = names;
	name->due_ms = timer_now_ms();
	memcpy(name->host, host, size);
	return name;
}

/* Appends those of hosts that the table lacks. Returns the count of table, or -1: out of memory. */
static ssize_t add_missing(struct names *names, struct name **table, const char *const *hosts,
			   size_t count)
{
	size_t total = names->count;

	for (size_t i = 0; i < count; i++) {
		if (find(names, hosts[i]))
			continue;
		table[total] = name_create(names, hosts[i]);
		if (!table[total]) {
			while (total > names->count)
				free(table[--total]);
			return -1;
		}
		total++;
	}
	return (ssize_t)total;
}

/* Frees the second and further ones of equal names in a sorted table. Returns what is left. */
static size_t drop_twins(struct name **table, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && compare_hosts(&table[kept - 1], &table[i]) == 0)
			free(table[i]);
		else
			table[kept++] = table[i];
	}
	return kept;
}

static void drop_unwanted(struct names *names)
{
	size_t kept = 0;

	for (size_t i = 0; i < names->count; i++) {
		struct name *name = names->table[i];

		if (name->wanted || name->asked)
			names->table[kept++] = name;
		else
			free(name);
	}
	names->count = kept;
}

int names_set(struct names *names, const char *const *hosts, size_t count)
{
	struct name **table = calloc(names->count + count + 1, sizeof(*table));
	ssize_t total;

	if (!table)
		return -ENOMEM;
	if (names->count > 0)
		memcpy(table, names->table, names->count * sizeof(*table));
	total = add_missing(names, table, hosts, count);
	if (total < 0) {
		free(table);
		return -ENOMEM;
	}
	qsort(table, (size_t)total, sizeof(struct name *), compare_hosts);
	free(names->table);
	names->table = table;
	names->count = drop_twins(table, (size_t)total);
	for (size_t i = 0; i < names->count; i++)
		table[i]->wanted = false;
	for (size_t i = 0; i < count; i++) {
		struct name *name = find(names, hosts[i]);

		if (name) /* as each is by now */
			name->wanted = true;
	}
	drop_unwanted(names);
	schedule(names);
	return 0;
}

bool names_any(const struct names *names)
{
	return names->count > 0;
}

bool names_lookup(const struct names *names, const char *host, struct ip_address *address)
{
	const struct name *name = find(names, host);

	if (!name || !name->wanted || name->address.family == AF_UNSPEC)
		return false;
	*address = name->address;
	return true;
}

void names_close(struct names *names)
{
	if (!names)
		return;
	event_del(&names->due);
	event_del(&names->tell);
	resolver_close(names->resolver);
	for (size_t i = 0; i < names->count; i++)
		free(names->table[i]);
	free(names->table);
	free(names);
}

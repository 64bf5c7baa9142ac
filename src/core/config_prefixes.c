/* SPDX-License-Identifier: MIT */
#include "core/config_prefixes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NETWORK_FORM "write a network or an address, for example \"10.0.0.0/8\""

struct entry {
	struct config_prefix value;
	uint32_t node;
};

/* The entries of one list, valid ones only. */
struct entries {
	struct entry *all;
	size_t count;
	bool exclusions_allowed;
};

/* Says what is wrong with a text that ip_prefix_parse refuses. */
static void report_no_prefix(const struct config_value *value, const char *mark, const char *text,
			     size_t length)
{
	const char *slash = memchr(text, '/', length);
	char right[IP_PREFIX_TEXT_SIZE];
	struct ip_prefix prefix;
	struct ip_address address;
	uint32_t bits;

	if (!slash || !ip_parse(text, (size_t)(slash - text), &address)) {
		config_read_error(value, "not a network; " NETWORK_FORM);
	} else if (!config_read_digits(slash + 1, length - (size_t)(slash + 1 - text),
				       (uint32_t)ip_length_bytes(address.family) * 8, &bits)) {
		config_read_error(value,
				  "what follows \"/\" is the network's length in bits; "
				  "write a number from 0 to %zu",
				  ip_length_bytes(address.family) * 8);
	} else {
		prefix = ip_prefix_of(&address, (uint8_t)bits);
		config_read_error(value,
				  "bits are set beyond the first %u; write \"%s%s\" for the "
				  "network, or \"%s%.*s\" for the one address",
				  bits, mark, ip_prefix_format(&prefix, right), mark,
				  (int)(slash - text), text);
	}
}

static void read_entry(const struct config_value *value, void *target)
{
	struct entries *entries = target;
	struct entry entry = {.node = value->node};
	bool is_text = json_object_is_type(value->json, json_type_string);
	const char *text = is_text ? json_object_get_string(value->json) : "";
	size_t length = strlen(text);

	entry.value.excluded = *text == '!';
	if (entry.value.excluded) {
		text++;
		length--;
	}
	if (!is_text)
		config_read_error(value, NETWORK_FORM);
	else if (entry.value.excluded && !entries->exclusions_allowed)
		config_read_error(value, "only SOURCEADDRESS takes exclusions; write the addresses "
					 "that the rule applies to");
	else if (!ip_prefix_parse(text, length, &entry.value.prefix))
		report_no_prefix(value, entry.value.excluded ? "!" : "", text, length);
	else if (entry.value.prefix.bits >= 96 && entry.value.prefix.address.family == AF_INET6 &&
		 ip_kind(&entry.value.prefix.address) == IP_RESERVED)
		config_read_error(value, "IPv4 in IPv6 form; write it as IPv4, for example "
					 "\"10.0.0.0/8\"");
	else
		entries->all[entries->count++] = entry;
}

static int by_prefix(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = memcmp(&a->value.prefix, &b->value.prefix, sizeof a->value.prefix);

	return order ? order : (a->node > b->node) - (a->node < b->node);
}

static int by_node(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	return (a->node > b->node) - (a->node < b->node);
}

/* Reports networks that stand in the list before; sorted by_prefix. */
static void report_twice(const struct config_value *list, const struct entries *entries)
{
	struct config_value place, other;

	for (size_t i = 1; i < entries->count; i++) {
		const struct entry *earlier = &entries->all[i - 1], *later = &entries->all[i];

		if (memcmp(&earlier->value.prefix, &later->value.prefix,
			   sizeof later->value.prefix) != 0)
			continue;
		config_read_place(list, later->node, &place);
		config_read_place(list, earlier->node, &other);
		config_read_error(&place,
				  earlier->value.excluded == later->value.excluded
					  ? "the same as entry %u; remove one of the two"
					  : "the same network as entry %u, once with \"!\" and "
					    "once without; remove one of the two",
				  config_read_node(&other)->number);
	}
}

static void hand_over(const struct entries *entries, struct config_prefixes *prefixes)
{
	prefixes->all = calloc(entries->count, sizeof *prefixes->all);
	if (!prefixes->all) {
		config_report_no_memory(prefixes->list.report);
		return;
	}
	for (size_t i = 0; i < entries->count; i++)
		prefixes->all[i] = entries->all[i].value;
	prefixes->count = entries->count;
}

void config_prefixes_read(const struct config_value *value, bool exclusions_allowed,
			  struct config_prefixes *prefixes)
{
	bool is_array = json_object_is_type(value->json, json_type_array);
	size_t room = is_array ? json_object_array_length(value->json) : 1;
	size_t errors_before = value->report->count;
	struct entries entries = {.exclusions_allowed = exclusions_allowed};

	free(prefixes->all);
	*prefixes = (struct config_prefixes){.list = *value};
	if (room == 0) {
		config_read_error(value, "no network at all; write for example [\"10.0.0.0/8\"]");
		return;
	}
	entries.all = calloc(room, sizeof *entries.all);
	if (!entries.all) {
		config_report_no_memory(value->report);
		return;
	}
	if (is_array)
		config_read_each(value, read_entry, &entries);
	else
		read_entry(value, &entries);
	if (entries.count > 0) {
		qsort(entries.all, entries.count, sizeof *entries.all, by_prefix);
		report_twice(value, &entries);
		qsort(entries.all, entries.count, sizeof *entries.all, by_node);
		hand_over(&entries, prefixes);
	}
	prefixes->valid = prefixes->count == room && value->report->count == errors_before;
	free(entries.all);
}

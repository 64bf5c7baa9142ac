/* SPDX-License-Identifier: MIT */
#include "core/config_destination.h"

#include "core/config_ports.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TEXT_FORM "\"address/port\", for example \"192.0.2.10/514\""
#define PORT_FORM "write a port from 1 to 65535"

/* An object's ADDRESS and PORT while they are read. */
struct parts {
	struct config_destination *destination;
	bool valid;
};

/* Letters, digits, "-", "_" and dots, with a letter in the last label: no address looks so. */
static bool looks_like_name(const char *text, size_t length)
{
	bool letter = false;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x80 || !(isalnum(c) || strchr("-_.", c)))
			return false;
		letter = isalpha(c) || (letter && c != '.');
	}
	return letter;
}

static void report_no_address(const struct config_value *value, const char *text, size_t length,
			      const char *form)
{
	const char *colon = memchr(text, ':', length);

	if (looks_like_name(text, length))
		config_read_error(value, "a host name, not an address; write %s", form);
	else if (memchr(text, '%', length))
		config_read_error(value, "an address with a zone, which cannot be used; write %s",
				  form);
	else if (text[0] == '[' || (colon && memchr(text, '.', (size_t)(colon - text))))
		config_read_error(value, "the port stands after \"/\"; write %s", form);
	else
		config_read_error(value, "not an IP address; write %s", form);
}

/* Reads the address and refuses those that no copy can be sent to. */
static bool read_address(const struct config_value *value, const char *text, size_t length,
			 const char *form, struct ip_address *address)
{
	enum ip_kind kind;

	if (!ip_parse(text, length, address)) {
		report_no_address(value, text, length, form);
		return false;
	}
	kind = ip_kind(address);
	if (kind == IP_UNICAST)
		return true;
	if (kind == IP_RESERVED && address->family == AF_INET6)
		config_read_error(value, "an IPv4 address in IPv6 form; write it as IPv4: %s",
				  form);
	else
		config_read_error(value, "the address is %s; write the unicast address of a host",
				  ip_kind_name(kind));
	return false;
}

static bool read_port_text(const struct config_value *value, const char *text, size_t length,
			   uint16_t *port)
{
	uint32_t number;

	if (!config_read_digits(text, length, UINT16_MAX, &number) || number == 0) {
		config_read_error(value, "\"%.*s\" is no port; " PORT_FORM,
				  length > 20 ? 20 : (int)length, text);
		return false;
	}
	*port = (uint16_t)number;
	return true;
}

/* Reads "address/port" or "address". */
static bool read_text(const struct config_value *value, struct config_destination *destination)
{
	const char *text = json_object_get_string(value->json);
	size_t length = (size_t)json_object_get_string_len(value->json);
	const char *slash = memchr(text, '/', length);
	size_t address_length = slash ? (size_t)(slash - text) : length;

	if (!read_address(value, text, address_length, TEXT_FORM, &destination->address))
		return false;
	return !slash ||
	       read_port_text(value, slash + 1, length - address_length - 1, &destination->port);
}

static void read_address_key(const struct config_value *value, void *target)
{
	struct parts *parts = target;
	const char *text = json_object_get_string(value->json);
	size_t length = (size_t)json_object_get_string_len(value->json);

	if (!json_object_is_type(value->json, json_type_string)) {
		config_read_error(value, "write an IP address, for example \"192.0.2.10\"");
		return;
	}
	if (memchr(text, '/', length))
		config_read_error(value, "write the address alone here, and the port as PORT");
	else
		parts->valid =
			read_address(value, text, length, "an address, for example \"192.0.2.10\"",
				     &parts->destination->address);
}

static void read_port_key(const struct config_value *value, void *target)
{
	struct parts *parts = target;
	uint16_t *port = &parts->destination->port;
	int64_t number = json_object_get_int64(value->json);

	if (json_object_is_type(value->json, json_type_int) && number >= 1 && number <= UINT16_MAX)
		*port = (uint16_t)number;
	else if (!json_object_is_type(value->json, json_type_string))
		config_read_error(value, PORT_FORM);
	else
		read_port_text(value, json_object_get_string(value->json),
			       (size_t)json_object_get_string_len(value->json), port);
}

static bool read_object(const struct config_value *value, struct config_destination *destination)
{
	static const struct config_key keys[] = {
		{"ADDRESS", "\"ADDRESS\": \"192.0.2.10\"", read_address_key},
		{"PORT", NULL, read_port_key},
	};
	struct parts parts = {.destination = destination};

	config_read_object(value, keys, sizeof keys / sizeof *keys, &parts);
	return parts.valid;
}

static char *canonical_name(const struct config_destination *destination)
{
	char address[IP_TEXT_SIZE], *name = NULL;

	ip_format(&destination->address, address);
	if (destination->port == 0)
		return strdup(address);
	return asprintf(&name, "%s/%u", address, destination->port) < 0 ? NULL : name;
}

static void read_destination(const struct config_value *value, void *target)
{
	struct config_destinations *destinations = target;
	struct config_destination destination = {.line = config_read_node(value)->line};
	bool valid = false;

	if (json_object_is_type(value->json, json_type_string))
		valid = read_text(value, &destination);
	else if (json_object_is_type(value->json, json_type_object))
		valid = read_object(value, &destination);
	else
		config_read_error(value, "write " TEXT_FORM);
	if (!valid || destinations->count == CONFIG_DESTINATIONS_MAX)
		return;
	destination.name = canonical_name(&destination);
	if (!destination.name) {
		config_report_no_memory(value->report);
		return;
	}
	destinations->nodes[destinations->count] = value->node;
	destinations->all[destinations->count++] = destination;
}

void config_destination_read(const struct config_value *value, void *target)
{
	struct config_destinations *destinations = target;
	uint32_t count = config_read_node(value)->child_count;

	config_destination_free(destinations->all, destinations->count);
	*destinations = (struct config_destinations){.list = *value};
	if (!json_object_is_type(value->json, json_type_array)) {
		config_read_error(value, "write an array, for example [\"192.0.2.10/514\"]");
		return;
	}
	if (count == 0 || count > CONFIG_DESTINATIONS_MAX)
		config_read_error(value, "%u destinations; write 1 to %d", count,
				  CONFIG_DESTINATIONS_MAX);
	destinations->all = calloc(CONFIG_DESTINATIONS_MAX, sizeof *destinations->all);
	if (!destinations->all) {
		config_report_no_memory(value->report);
		return;
	}
	config_read_each(value, read_destination, destinations);
}

/* The port at which two destinations are one and the same, or -1. Port 0 of both: any port. */
static int shared_port(const struct config_destination *a, const struct config_destination *b,
		       const struct config_rule *rule)
{
	uint16_t port = a->port ? a->port : b->port;

	if (!ip_equal(&a->address, &b->address))
		return -1;
	if (a->port == b->port)
		return a->port;
	return (!a->port || !b->port) && config_ports_contain(rule, port) ? port : -1;
}

static void report_shared(const struct config_destinations *destinations, size_t earlier,
			  size_t later, int port)
{
	const struct config_destination *all = destinations->all;
	struct config_value place, other;

	config_read_place(&destinations->list, destinations->nodes[later], &place);
	config_read_place(&destinations->list, destinations->nodes[earlier], &other);
	if (all[earlier].port == all[later].port)
		config_read_error(&place, "the same as entry %u; remove one of the two",
				  config_read_node(&other)->number);
	else
		config_read_error(&place,
				  "with entry %u, a packet to port %d would go twice to the same "
				  "place, because \"%s\" keeps a packet's own port; remove one of "
				  "the two",
				  config_read_node(&other)->number, port,
				  all[all[earlier].port ? later : earlier].name);
}

void config_destination_compare(const struct config_destinations *destinations,
				const struct config_rule *rule)
{
	for (size_t later = 1; later < destinations->count; later++) {
		for (size_t earlier = 0; earlier < later; earlier++) {
			int port = shared_port(&destinations->all[earlier],
					       &destinations->all[later], rule);

			if (port >= 0) {
				report_shared(destinations, earlier, later, port);
				break;
			}
		}
	}
}

void config_destination_free(struct config_destination *destinations, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(destinations[i].name);
	free(destinations);
}

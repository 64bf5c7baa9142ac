/* SPDX-License-Identifier: MIT */
#include "core/config_destination.h"

#include "core/config_host.h"
#include "core/config_text.h"
#include "core/config_ttl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TEXT_FORM "\"address/port\" or \"host.name/port\", for example \"192.0.2.10/514\""
#define ADDRESS_FORM "an address or a host name, for example \"192.0.2.10\""
#define SOURCE_FORM "\"client\", \"appliance\", or an address, for example \"192.0.2.10\""
#define PORT_FORM "write a port from 1 to 65535"

/* A destination while it is read. */
struct parts {
	struct config_destination *destination;
	bool has_address;
	bool has_ttl;
};

/* text ends in NUL behind its length bytes. */
static bool read_port_text(const struct config_value *value, const char *text, size_t length,
			   uint16_t *port)
{
	char shown[CONFIG_TEXT_SIZE];
	uint32_t number;

	if (!config_read_digits(text, length, UINT16_MAX, &number) || number == 0) {
		config_read_error(value, "%s is no port; " PORT_FORM,
				  config_text_quote(text, shown));
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

	if (!config_host_read(value, text, address_length, TEXT_FORM, &destination->address,
			      &destination->host))
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
		config_read_error(value, "write " ADDRESS_FORM);
		return;
	}
	if (memchr(text, '/', length))
		config_read_error(value, "write the address alone here, and the port as PORT");
	else
		parts->has_address =
			config_host_read(value, text, length, ADDRESS_FORM,
					 &parts->destination->address, &parts->destination->host);
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

static void read_name_key(const struct config_value *value, void *target)
{
	struct parts *parts = target;
	const char *text = json_object_get_string(value->json);

	if (!json_object_is_type(value->json, json_type_string)) {
		config_read_error(value, "write a name in quotation marks");
		return;
	}
	if (!config_read_name(value, text))
		return;
	free(parts->destination->name);
	parts->destination->name = strdup(text);
	if (!parts->destination->name)
		config_report_no_memory(value->report);
}

static void read_source_key(const struct config_value *value, void *target)
{
	struct parts *parts = target;
	struct config_destination *destination = parts->destination;
	const char *text = json_object_get_string(value->json);
	struct ip_address address;

	if (!json_object_is_type(value->json, json_type_string))
		config_read_error(value, "write " SOURCE_FORM);
	else if (strcmp(text, source_mode_name(SOURCE_CLIENT)) == 0)
		destination->source = SOURCE_CLIENT;
	else if (strcmp(text, source_mode_name(SOURCE_APPLIANCE)) == 0)
		destination->source = SOURCE_APPLIANCE;
	else if (config_host_read_address(value, text, strlen(text), SOURCE_FORM, &address)) {
		destination->source = SOURCE_FIXED;
		destination->source_address = address;
	}
}

static void read_sample_key(const struct config_value *value, void *target)
{
	struct parts *parts = target;
	int64_t number;

	if (config_read_integer(value, 1, CONFIG_RATE_MAX, &number))
		parts->destination->sample = (uint32_t)number;
}

static void read_check_key(const struct config_value *value, void *target)
{
	struct parts *parts = target;
	struct config_destination *destination = parts->destination;
	const char *text = json_object_is_type(value->json, json_type_string)
				   ? json_object_get_string(value->json)
				   : "";
	uint16_t port = 0;

	if (strcmp(text, "none") == 0)
		destination->check = CHECK_NONE;
	else if (strcmp(text, "icmp") == 0)
		destination->check = CHECK_ICMP;
	else if (strncmp(text, "tcp/", 4) != 0)
		config_read_error(value, "write \"none\", \"icmp\", or \"tcp/PORT\", for example "
					 "\"tcp/514\"");
	else if (read_port_text(value, text + 4, strlen(text + 4), &port))
		destination->check = CHECK_TCP;
	destination->check_port = port;
}

static void read_ttl_key(const struct config_value *value, void *target)
{
	struct parts *parts = target;

	parts->has_ttl |= config_ttl_read(value, &parts->destination->ttl);
}

/* A copy stays in its packet's family, so that its source must have it too. */
static void check_source_family(const struct config_value *value,
				const struct config_destination *destination)
{
	struct config_value source;

	if (destination->source == SOURCE_FIXED && !destination->host &&
	    destination->source_address.family != destination->address.family &&
	    config_read_find(value, "SOURCE", &source))
		config_read_error(&source, "not of the destination's family; write an %s address",
				  destination->address.family == AF_INET6 ? "IPv6" : "IPv4");
}

static bool read_object(const struct config_value *value, struct parts *parts)
{
	static const struct config_key keys[] = {
		{"ADDRESS", "\"ADDRESS\": \"192.0.2.10\"", read_address_key},
		{"PORT", NULL, read_port_key},
		{"NAME", NULL, read_name_key},
		{"SOURCE", NULL, read_source_key},
		{"SAMPLE", NULL, read_sample_key},
		{"CHECK", NULL, read_check_key},
		{"TTL", NULL, read_ttl_key},
	};

	config_read_object(value, keys, sizeof keys / sizeof *keys, parts);
	if (parts->has_address)
		check_source_family(value, parts->destination);
	return parts->has_address;
}

const char *config_destination_place(const struct config_destination *destination,
				     char out[static CONFIG_PLACE_SIZE])
{
	size_t length;

	if (destination->host)
		snprintf(out, CONFIG_PLACE_SIZE, "%s", destination->host);
	else
		ip_format(&destination->address, out);
	length = strlen(out);
	if (length > 0 && out[length - 1] == '.')
		length--;
	out[length] = '\0';
	if (destination->port != 0)
		snprintf(out + length, CONFIG_PLACE_SIZE - length, "/%u", destination->port);
	return out;
}

bool config_destination_takes(const struct config_destination *destination, uint8_t family)
{
	if (!destination->host)
		return destination->address.family == family;
	return destination->source != SOURCE_FIXED || destination->source_address.family == family;
}

/* Appends a destination that was read; its strings are the list's from then on. */
static void add(struct config_destinations *destinations, const struct config_value *value,
		const struct parts *parts)
{
	size_t index = destinations->count++;

	destinations->all[index] = *parts->destination;
	destinations->nodes[index] = value->node;
	destinations->has_ttl[index] = parts->has_ttl;
}

static void free_strings(struct config_destination *destination)
{
	free(destination->name);
	free(destination->host);
}

static void read_destination(const struct config_value *value, void *target)
{
	struct config_destinations *destinations = target;
	struct config_destination destination = {
		.line = config_read_node(value)->line,
		.sample = 1,
	};
	struct parts parts = {.destination = &destination};
	size_t errors_before = value->report->count;
	char place[CONFIG_PLACE_SIZE];
	bool valid = false;

	if (json_object_is_type(value->json, json_type_string))
		valid = read_text(value, &destination);
	else if (json_object_is_type(value->json, json_type_object))
		valid = read_object(value, &parts);
	else
		config_read_error(value, "write " TEXT_FORM);
	if (!valid || destinations->count == CONFIG_DESTINATIONS_MAX) {
		free_strings(&destination);
		return;
	}
	destination.unsure = value->report->count != errors_before;
	if (!destination.name)
		destination.name = strdup(config_destination_place(&destination, place));
	if (destination.name) {
		/* The list has the strings. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		add(destinations, value, &parts);
	} else {
		config_report_no_memory(value->report);
		free_strings(&destination);
	}
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

void config_destination_inherit(const struct config_destinations *destinations,
				const struct ttl_policy *ttl)
{
	for (size_t i = 0; i < destinations->count; i++)
		if (!destinations->has_ttl[i])
			destinations->all[i].ttl = *ttl;
}

void config_destination_free(struct config_destination *destinations, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free_strings(&destinations[i]);
	free(destinations);
}

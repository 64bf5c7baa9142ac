/* SPDX-License-Identifier: MIT */
/* Conditions of nft rules, as far as they are about what is known of a copy. */
#include "control/doctor.h"
#include "control/doctor_netfilter.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* What stands at the left of a match, as the packet has it. A number is one of number..last. */
struct value {
	enum { VALUE_UNKNOWN, VALUE_ABSENT, VALUE_TEXT, VALUE_NUMBER, VALUE_ADDRESS } kind;
	const char *text;
	unsigned long long number, last;
	struct ip_address address;
};

static enum doctor_certainty sure(bool yes)
{
	return yes ? DOCTOR_YES : DOCTOR_NO;
}

static bool is(const struct json_object *object, const char *key, const char *text)
{
	return strcmp(doctor_text(object, key), text) == 0;
}

static struct value number(unsigned long long value)
{
	return (struct value){.kind = VALUE_NUMBER, .number = value, .last = value};
}

static struct value text(const char *value)
{
	return (struct value){.kind = VALUE_TEXT, .text = value};
}

static struct value address(const struct ip_address *value)
{
	return (struct value){
		.kind = value->family == AF_UNSPEC ? VALUE_UNKNOWN : VALUE_ADDRESS,
		.address = *value,
	};
}

static struct value absent(void)
{
	return (struct value){.kind = VALUE_ABSENT};
}

/* A copy comes from no interface, and a packet that has just come leaves by none so far: both have
 * an empty name (net/netfilter/nft_meta.c). A bridge's chains see the port, which is not known. */
static struct value interface_value(const char *key, bool is_bridge,
				    const struct doctor_packet *packet)
{
	const bool is_out = strncmp(key, "oif", 3) == 0;

	if (packet->path == DOCTOR_PATH_OUT && !is_out)
		return text("");
	if (packet->path == DOCTOR_PATH_ARRIVAL && is_out)
		return text("");
	return packet->path == DOCTOR_PATH_OUT && !is_bridge ? text(packet->device)
							     : (struct value){0};
}

static struct value meta_value(const char *key, bool is_bridge, const struct doctor_packet *packet)
{
	if (strcmp(key, "l4proto") == 0)
		return text("udp");
	if (strcmp(key, "nfproto") == 0 && !is_bridge)
		return text(packet->family == AF_INET ? "ipv4" : "ipv6");
	if (strcmp(key, "protocol") == 0)
		return text(packet->family == AF_INET ? "ip" : "ip6");
	if (strcmp(key, "oifname") == 0 || strcmp(key, "oif") == 0 || strcmp(key, "iifname") == 0 ||
	    strcmp(key, "iif") == 0)
		return interface_value(key, is_bridge, packet);
	return strcmp(key, "mark") == 0 && !packet->mark_changed ? number(packet->mark)
								 : (struct value){0};
}

static struct value network_value(const char *field, const struct doctor_packet *packet)
{
	if (strcmp(field, "daddr") == 0)
		return address(&packet->to);
	if (strcmp(field, "saddr") == 0)
		return address(&packet->from);
	if (strcmp(field, packet->family == AF_INET ? "protocol" : "nexthdr") == 0)
		return text("udp");
	return (struct value){0};
}

/* What this machine's IP layer sends has no such header yet; other packets may have any. */
static struct value link_value(const struct json_object *payload, bool has_link_header,
			       const struct doctor_packet *packet)
{
	if (!has_link_header)
		return packet->path == DOCTOR_PATH_OUT ? absent() : (struct value){0};
	return is(payload, "protocol", "ether") && is(payload, "field", "type")
		       ? text(packet->family == AF_INET ? "ip" : "ip6")
		       : (struct value){0};
}

static struct value payload_value(const struct json_object *payload, bool has_link_header,
				  const struct doctor_packet *packet)
{
	const char *protocol = doctor_text(payload, "protocol");

	if (strcmp(protocol, packet->family == AF_INET ? "ip" : "ip6") == 0)
		return network_value(doctor_text(payload, "field"), packet);
	if (strcmp(protocol, "udp") == 0 || strcmp(protocol, "th") == 0)
		return is(payload, "field", "dport") ? (struct value){.kind = VALUE_NUMBER,
								      .number = packet->port,
								      .last = packet->last_port}
						     : (struct value){0};
	if (strcmp(protocol, "ether") == 0 || strcmp(protocol, "vlan") == 0)
		return link_value(payload, has_link_header, packet);
	/* A header that a copy does not have: tcp, icmp, the other family's, ... A raw payload has
	 * no protocol here. */
	return *protocol ? absent() : (struct value){0};
}

/* Copies, and originals that were duplicated, are not tracked, by our own rules ahead of
 * tracking. */
static struct value ct_value(const struct json_object *ct, const struct doctor_packet *packet)
{
	return packet->path != DOCTOR_PATH_ARRIVAL && is(ct, "key", "state") ? text("untracked")
									     : (struct value){0};
}

static struct value value_of(const struct json_object *rule, const struct json_object *left,
			     const struct doctor_packet *packet)
{
	const struct json_object *meta = json_object_object_get(left, "meta");
	const struct json_object *payload = json_object_object_get(left, "payload");
	const struct json_object *ct = json_object_object_get(left, "ct");
	const struct json_object *mask = json_object_object_get(left, "&");
	const bool is_bridge = is(rule, "family", "bridge");
	struct value value = {0};

	if (meta)
		return meta_value(doctor_text(meta, "key"), is_bridge, packet);
	if (payload)
		return payload_value(payload, is_bridge || is(rule, "family", "netdev"), packet);
	if (ct)
		return ct_value(ct, packet);
	if (doctor_length(mask) == 2) {
		value = value_of(rule, json_object_array_get_idx(mask, 0), packet);
		if (value.kind == VALUE_NUMBER && value.number == value.last)
			return number(value.number &
				      json_object_get_uint64(json_object_array_get_idx(mask, 1)));
		if (value.kind != VALUE_ABSENT)
			value.kind = VALUE_UNKNOWN;
	}
	return value;
}

/* Whether a number is one of first..last. */
static enum doctor_certainty between(const struct value *value, unsigned long long first,
				     unsigned long long last)
{
	if (value->kind != VALUE_NUMBER)
		return DOCTOR_MAYBE;
	if (value->number >= first && value->last <= last)
		return DOCTOR_YES;
	return value->last < first || value->number > last ? DOCTOR_NO : DOCTOR_MAYBE;
}

static bool read_address(const struct json_object *object, struct ip_address *out)
{
	const char *written = json_object_get_string((struct json_object *)(uintptr_t)object);

	return written && ip_parse(written, strlen(written), out);
}

static enum doctor_certainty in_prefix(const struct value *value, const struct json_object *right)
{
	const unsigned long long bits = doctor_number(right, "len");
	struct ip_prefix prefix;
	struct ip_address network;

	if (value->kind != VALUE_ADDRESS ||
	    !read_address(json_object_object_get(right, "addr"), &network) ||
	    network.family != value->address.family || bits > 128)
		return DOCTOR_MAYBE;
	prefix = (struct ip_prefix){.address = network, .bits = (uint8_t)bits};
	return sure(ip_prefix_contains(&prefix, &value->address));
}

static enum doctor_certainty in_range(const struct value *value, const struct json_object *right)
{
	const struct json_object *first = json_object_array_get_idx(right, 0);
	const struct json_object *last = json_object_array_get_idx(right, 1);
	struct ip_address low, high;

	if (value->kind == VALUE_NUMBER && json_object_is_type(first, json_type_int) &&
	    json_object_is_type(last, json_type_int))
		return between(value, json_object_get_uint64(first), json_object_get_uint64(last));
	if (value->kind != VALUE_ADDRESS || !read_address(first, &low) ||
	    !read_address(last, &high))
		return DOCTOR_MAYBE;
	return sure(memcmp(value->address.bytes, low.bytes, sizeof(low.bytes)) >= 0 &&
		    memcmp(value->address.bytes, high.bytes, sizeof(high.bytes)) <= 0);
}

/* "eth*" stands for all that begin so. */
static bool text_matches(const char *value, const char *pattern)
{
	const size_t length = strlen(pattern);

	if (length > 0 && pattern[length - 1] == '*')
		return strncmp(value, pattern, length - 1) == 0;
	return strcmp(value, pattern) == 0;
}

static enum doctor_certainty equals_scalar(const struct value *value,
					   const struct json_object *right)
{
	const char *written = json_object_get_string((struct json_object *)(uintptr_t)right);
	struct ip_address other;

	if (json_object_is_type(right, json_type_int))
		return between(value, json_object_get_uint64(right), json_object_get_uint64(right));
	if (!json_object_is_type(right, json_type_string))
		return DOCTOR_MAYBE;
	if (value->kind == VALUE_ADDRESS)
		return read_address(right, &other) ? sure(ip_equal(&other, &value->address))
						   : DOCTOR_MAYBE;
	if (value->kind != VALUE_TEXT)
		return DOCTOR_MAYBE;
	return sure(text_matches(value->text, written));
}

static enum doctor_certainty equals(const struct value *value, const struct json_object *right)
{
	enum doctor_certainty any = DOCTOR_NO;
	struct json_object *inner;

	if (value->kind == VALUE_ABSENT)
		return DOCTOR_NO;
	if (value->kind == VALUE_UNKNOWN)
		return DOCTOR_MAYBE;
	for (size_t i = 0; i < doctor_length(right); i++) {
		enum doctor_certainty one = equals(value, json_object_array_get_idx(right, i));

		if (one > any)
			any = one;
	}
	if (json_object_is_type(right, json_type_array))
		return any;
	if (json_object_object_get_ex(right, "prefix", &inner))
		return in_prefix(value, inner);
	if (json_object_object_get_ex(right, "range", &inner))
		return in_range(value, inner);
	return equals_scalar(value, right);
}

/* Several values side by side: "ip daddr . udp dport". */
static enum doctor_certainty equals_each(const struct json_object *rule,
					 const struct json_object *expressions,
					 const struct json_object *elements,
					 const struct doctor_packet *packet)
{
	const size_t count = doctor_length(expressions);
	enum doctor_certainty all = DOCTOR_YES;

	if (doctor_length(elements) != count)
		return DOCTOR_MAYBE;
	for (size_t i = 0; i < count; i++) {
		enum doctor_certainty one =
			doctor_netfilter_equals(rule, json_object_array_get_idx(expressions, i),
						json_object_array_get_idx(elements, i), packet);

		if (one < all)
			all = one;
	}
	return all;
}

enum doctor_certainty doctor_netfilter_equals(const struct json_object *rule,
					      const struct json_object *expression,
					      const struct json_object *element,
					      const struct doctor_packet *packet)
{
	const struct json_object *wrapped = json_object_object_get(element, "elem");
	struct json_object *expressions;
	struct value value;

	if (wrapped)
		element = json_object_object_get(wrapped, "val");
	if (json_object_object_get_ex(expression, "concat", &expressions))
		return equals_each(rule, expressions, json_object_object_get(element, "concat"),
				   packet);
	value = value_of(rule, expression, packet);
	return equals(&value, element);
}

/* The elements of a set, anonymous or named; false where it is none. */
static bool find_set(const struct doctor_netfilter *netfilter, const struct json_object *rule,
		     const struct json_object *match, const struct json_object **elements)
{
	const struct json_object *right = json_object_object_get(match, "right");
	const char *name = doctor_text(match, "right");
	struct json_object *set;

	if (json_object_is_type(right, json_type_string) && name[0] == '@')
		*elements = doctor_netfilter_elements(netfilter, rule, name + 1);
	else if (json_object_object_get_ex(right, "set", &set))
		*elements = set;
	else
		return false;
	return true;
}

static enum doctor_certainty in_set(struct doctor_netfilter *netfilter,
				    const struct json_object *rule,
				    const struct json_object *expression,
				    const struct json_object *elements,
				    const struct doctor_packet *packet)
{
	enum doctor_certainty any = DOCTOR_NO;

	for (size_t i = 0; any != DOCTOR_YES && i < doctor_length(elements); i++) {
		enum doctor_certainty one;

		if (!doctor_netfilter_spend(netfilter, 1))
			return DOCTOR_MAYBE;
		one = doctor_netfilter_equals(rule, expression,
					      json_object_array_get_idx(elements, i), packet);
		if (one > any)
			any = one;
	}
	return any;
}

/* "<", ">=" and their like, of numbers. */
static enum doctor_certainty compare(const char *operator, const struct value * value,
				     const struct json_object *right)
{
	const unsigned long long limit = json_object_get_uint64(right);
	const bool inclusive = operator[0] != '\0' && operator[1] == '=';

	if (!json_object_is_type(right, json_type_int))
		return DOCTOR_MAYBE;
	if (operator[0] == '<')
		return !inclusive && limit == 0 ? DOCTOR_NO : between(value, 0, limit - !inclusive);
	return operator[0] == '>' ? between(value, limit + !inclusive, ULLONG_MAX) : DOCTOR_MAYBE;
}

enum doctor_certainty doctor_netfilter_match(struct doctor_netfilter *netfilter,
					     const struct json_object *rule,
					     const struct json_object *match,
					     const struct doctor_packet *packet)
{
	const char *operator= doctor_text(match, "op");
	const struct json_object *left = json_object_object_get(match, "left");
	const struct json_object *right = json_object_object_get(match, "right");
	const struct value value = value_of(rule, left, packet);
	const struct json_object *elements;
	enum doctor_certainty equal;

	if (value.kind == VALUE_ABSENT)
		return DOCTOR_NO;
	equal = find_set(netfilter, rule, match, &elements)
			? in_set(netfilter, rule, left, elements, packet)
			: doctor_netfilter_equals(rule, left, right, packet);
	if (strcmp(operator, "==") == 0 || strcmp(operator, "in") == 0)
		return equal;
	if (strcmp(operator, "!=") == 0)
		return equal == DOCTOR_MAYBE ? DOCTOR_MAYBE : sure(equal == DOCTOR_NO);
	return compare(operator, & value, right);
}

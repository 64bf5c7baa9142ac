/* SPDX-License-Identifier: MIT */
#include "datapath/serve.h"

#include "core/fragment.h"
#include "core/packet.h"

#include <stdatomic.h>
#include <sys/socket.h>

/* One packet on its way through the rules. */
struct service {
	struct tx *tx;
	const struct serve_orders *orders;
	const struct packet *packet;
	uint64_t now_ns;
	int probe;    /* as of loopguard_read_probe */
	bool is_back; /* the rule in hand has had the packet before: it gets no more copies */
};

/*
 * Identifications of fragmented datagrams, from one row for all workers: two copies for the same
 * host must not share one, whichever worker sends them. Fragmenting is rare enough for an atomic.
 */
static uint32_t next_identification(void)
{
	static _Atomic uint32_t next;
	uint32_t id;

	do
		id = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
	while ((id & 0xffff) == 0); /* the kernel would choose another one for each fragment */
	return id;
}

static const struct sockaddr_ll *resolved(const struct service *service,
					  const struct netview_route *route)
{
	return service->orders->send_link && route->link.sll_ifindex ? &route->link : NULL;
}

/* Returns false where the copy cannot be cut up so small: it is counted as dropped. */
static bool send_fragments(const struct service *service, const struct packet_target *target,
			   const struct netview_route *route, uint8_t ttl,
			   struct counters_destination *counters)
{
	uint8_t headers[PACKET_HEADERS_MAX];
	struct tx_message message = {.to = &target->address,
				     .link = resolved(service, route),
				     .counters = counters,
				     .copy_bytes = service->packet->length_bytes};
	struct fragmenter fragmenter;
	struct fragment fragment;
	uint8_t *room = tx_room(service->tx, FRAGMENT_HEADERS_MAX);

	packet_rewrite(service->packet, target, ttl, headers);
	if (!fragment_begin(&fragmenter, service->packet, headers, route->mtu_bytes,
			    next_identification())) {
		counter_add(&counters->dropped_pkts[REASON_OVERSIZE], 1);
		return false;
	}
	while (fragment_next(&fragmenter, room, &fragment)) {
		message.headers = room;
		message.headers_bytes = fragment.headers_bytes;
		message.payload = fragment.payload;
		message.payload_bytes = fragment.payload_bytes;
		message.last = fragmenter.offset_bytes == fragmenter.fragmentable_bytes;
		tx_add(service->tx, &message);
		if (!message.last)
			room = tx_room(service->tx, FRAGMENT_HEADERS_MAX);
	}
	return true;
}

static void send_whole(const struct service *service, const struct packet_target *target,
		       const struct netview_route *route, uint8_t ttl,
		       struct counters_destination *counters)
{
	const struct packet *packet = service->packet;
	uint8_t *room = tx_room(service->tx, packet->headers_bytes);
	struct tx_message message = {
		.to = &target->address,
		.link = resolved(service, route),
		.headers = room,
		.headers_bytes = packet->headers_bytes,
		.payload = packet->data + packet->headers_bytes,
		.payload_bytes = packet->length_bytes - packet->headers_bytes,
		.counters = counters,
		.copy_bytes = packet->length_bytes,
		.last = true,
	};

	packet_rewrite(packet, target, ttl, room);
	tx_add(service->tx, &message);
}

/* Returns false when the policy uses the TTL up. */
static bool apply_ttl(const struct ttl_policy *policy, uint8_t *ttl)
{
	if (policy->mode == TTL_SET)
		*ttl = policy->value;
	else if (policy->mode == TTL_DECREMENT && *ttl > 0)
		*ttl -= 1;
	return *ttl > 0 || policy->mode == TTL_KEEP;
}

/* The copy does not leave. Returns false, for send_copy. */
static bool drop(struct counters_destination *counters, enum reason reason)
{
	counter_add(&counters->dropped_pkts[reason], 1);
	return false;
}

/* Returns whether the copy was handed to tx; else it is counted as dropped. */
static bool send_copy(const struct service *service, uint32_t index,
		      struct counters_destination *counters)
{
	const struct serve_orders *orders = service->orders;
	const struct ruleset_destination *destination = &orders->ruleset->destinations[index];
	const struct netview_route *route = &orders->netview->routes[destination->route];
	const struct packet_target *target = &destination->target;
	struct packet_target from_here;
	uint8_t ttl = packet_ttl(service->packet);
	uint32_t length_bytes = service->packet->length_bytes;

	if (service->is_back)
		return drop(counters, REASON_LOOP);
	if (loopguard_wants_samples(&orders->loops))
		loopguard_give_sample(&orders->loops, service->packet, index);
	if (!apply_ttl(&destination->config->ttl, &ttl))
		return drop(counters, REASON_LOOP);
	if (route->no_carrier)
		return drop(counters, REASON_UNREACHABLE);
	if (destination->config->source == SOURCE_APPLIANCE) {
		/* Without a way there is no address to send from either. */
		if (route->source.family == AF_UNSPEC)
			return drop(counters, REASON_NO_ROUTE);
		from_here = *target;
		packet_target_set_source(&from_here, &route->source);
		target = &from_here;
	}
	if (target->source.family != AF_UNSPEC &&
	    loopguard_state(&orders->loops, destination->rule) != LOOP_NONE)
		loopguard_remember(&orders->loops, service->packet, destination->rule,
				   &target->source, service->now_ns);
	if (route->mtu_bytes != NETVIEW_MTU_UNKNOWN && length_bytes > route->mtu_bytes) {
		if (orders->ruleset->rules[destination->rule].config->oversize == OVERSIZE_DROP)
			return drop(counters, REASON_OVERSIZE);
		return send_fragments(service, target, route, ttl, counters);
	}
	send_whole(service, target, route, ttl, counters);
	return true;
}

static void count_match(const struct service *service, uint32_t rule)
{
	struct counters_rule *counters = &service->orders->counters->rules[rule];

	counter_add(&counters->matched_pkts, 1);
	counter_add(&counters->matched_bytes, service->packet->length_bytes);
}

/* Whether this is not the first time that a packet comes to a rule. */
static bool comes_back(const struct service *service, uint32_t rule)
{
	const struct loop_orders *loops = &service->orders->loops;
	enum loop_state state = loopguard_state(loops, rule);

	if (service->probe == LOOPGUARD_OTHERS_PROBE)
		loopguard_give_hint(loops, service->packet, rule);
	if (loopguard_is_return(loops, service->probe, rule))
		return true;
	return state != LOOP_NONE &&
	       loopguard_has_passed(loops, service->packet, rule, service->now_ns) &&
	       state == LOOP_PROVEN;
}

/* Counts what becomes of rules and destinations, and sends what is to be sent. */
static bool on_event(void *context, enum selection_event event, uint32_t index)
{
	struct service *service = context;
	struct counters *counters = service->orders->counters;
	struct counters_rule *rules = counters->rules;
	struct counters_destination *destinations = counters->destinations;

	switch (event) {
	case SELECTION_RULE_SAMPLED_OUT:
		count_match(service, index);
		counter_add(&rules[index].sampled_out_pkts, 1);
		return true;
	case SELECTION_RULE_RATE_LIMITED:
		count_match(service, index);
		counter_add(&rules[index].rate_limited_pkts, 1);
		return true;
	case SELECTION_RULE_DUPLICATED:
		count_match(service, index);
		counter_add(&rules[index].duplicated_pkts, 1);
		service->is_back = comes_back(service, index);
		return true;
	case SELECTION_COPY_SHARED:
		return true;
	case SELECTION_COPY_SAMPLED_OUT:
		counter_add(&destinations[index].sampled_out_pkts, 1);
		return true;
	case SELECTION_COPY_DOWN:
		counter_add(&destinations[index].due_pkts, 1);
		counter_add(&destinations[index].dropped_pkts[REASON_DOWN], 1);
		return true;
	case SELECTION_COPY_SEND:
		counter_add(&destinations[index].due_pkts, 1);
		return send_copy(service, index, &destinations[index]);
	}
	return true;
}

/* Whether the original of a packet goes on to where it was going. */
static bool original_goes_on(const struct netview *netview, const struct packet *packet,
			     enum original_mode mode)
{
	if (mode == ORIGINAL_AUTO)
		return !netview_is_own(netview, &packet->destination);
	return mode == ORIGINAL_FORWARD;
}

bool serve_packet(struct tx *tx, const struct admission *admission,
		  const struct serve_orders *orders, uint64_t now_ns,
		  const struct nfq_wire_message *message)
{
	struct counters_total *total = &orders->counters->total;
	struct packet packet;
	struct service service = {tx, orders, &packet, .now_ns = now_ns};
	struct ruleset_key key;
	enum original_mode original;
	bool goes_on;

	counter_add(&total->received_pkts, 1);
	if (message->truncated) {
		counter_add(&total->truncated_pkts, 1);
		return true;
	}
	switch (packet_parse(message->payload, message->payload_bytes, &packet)) {
	case PACKET_OK:
		break;
	case PACKET_NOT_UDP:
		counter_add(&total->unmatched_pkts, 1);
		return true;
	case PACKET_MALFORMED:
		counter_add(&total->malformed_pkts, 1);
		return true;
	}
	admission_note(admission, &packet.source, &packet.destination);
	service.probe = loopguard_read_probe(&orders->loops, &packet);
	key = (struct ruleset_key){
		.source = &packet.source,
		.destination = &packet.destination,
		.destination_port_be = packet.destination_port_be,
		.interface = netview_interface(orders->netview, message->interface),
		.bridge_port = netview_interface(orders->netview, message->bridge_port),
	};
	if (!selection_run(orders->selection, &key, orders->is_up, now_ns, &original, on_event,
			   &service)) {
		counter_add(&total->unmatched_pkts, 1);
		return true;
	}
	goes_on = original_goes_on(orders->netview, &packet, original);
	counter_add(&total->matched_by_any_pkts, 1);
	counter_add(goes_on ? &total->originals_forwarded_pkts : &total->originals_dropped_pkts, 1);
	return goes_on;
}

/* SPDX-License-Identifier: MIT */
/*
 * Finds out whether copies come back, and ends the storm that they make. Where more copies go to a
 * destination than ever did, probes are sent there that look like them; when one comes back to the
 * same rule there is a loop, and nothing else is one. How it is ended is datapath/loopguard.h's.
 */
#include "control/daemon_state.h"
#include "control/log.h"
#include "control/loop_watch.h"
#include "control/timer.h"
#include "core/probe.h"
#include "datapath/tx.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	LOOK_MS = 50, /* between two looks at what is sent */
	/* A look that comes later than this sees a rate of the past. */
	LOOK_LATE_MS = 1000,
	ASKING_MS = 10,	  /* between two looks for answers, while some are due */
	SAMPLE_MS = 500,  /* so long a copy is waited for that shows what to ask with */
	PROBES = 3,	  /* of a round */
	PROBE_MS = 100,	  /* from one to the next */
	ANSWER_MS = 1000, /* from the first one; a way round may be long */
	/* The same while packets are lost in full queues: there probes wait long, or are lost too.
	 */
	CROWDED_PROBE_MS = 250,
	CROWDED_ANSWER_MS = 10000,
	ASK_AGAIN_MS = 5000, /* between rounds, while there is a loop */
	SILENT_ROUNDS = 3,   /* so many in a row without an answer are its end */
	AGE_MS = 60000,
};

/* Probes to one destination. */
struct round {
	bool in_use;
	uint32_t destination;
	uint64_t begun_ms;
	uint64_t first_ms, next_ms; /* probes; of use once there is a sample */
	unsigned sent;
	bool has_sample;
	uint64_t lost_pkts; /* before it began */
	struct probe_mark mark;
};

struct daemon_loops {
	struct daemon *daemon;
	struct loopguard *guard;
	struct tx *tx;
	struct counters_destination probes; /* what became of them */
	struct event *timer;
	struct loop_watches *watches; /* of the ruleset in force; NULL before the first */
	struct loop_watches *coming;  /* of one that is about to be */
	struct round rounds[FASTPATH_LOOP_SLOTS];
	unsigned rounds_in_use;
	uint64_t looked_ms, look_at_ms, age_at_ms;
	uint64_t received_pkts;
	uint64_t losses_told_pkts;
	bool was_idle; /* at the last look: per destination there is nothing to compare with */
};

/* ---- What goes on in a round ---- */

static void log_loop(const struct ruleset_destination *to, const char *rule)
{
	char text[IP_TEXT_SIZE];

	log_warning("rule %s: copies to %s come back: a loop. Each packet is now copied by this "
		    "rule once, and dropped as `loop` when it comes again. To mend it, look at "
		    "what %s does with port %u: one of the two must not send to the other",
		    rule, to->config->name, ip_format(&to->target.address, text),
		    ntohs(to->target.port_be));
}

/* The rules concerned leave the fast path, or return to it. */
static void publish(const struct daemon_loops *loops)
{
	if (loops->daemon->fastpath)
		daemon_follow_loops(loops->daemon);
}

static void end_round(struct daemon_loops *loops, unsigned slot)
{
	struct round *round = &loops->rounds[slot];

	loopguard_disarm(loops->guard, slot);
	round->in_use = false;
	loops->rounds_in_use--;
	/* No round is without watches. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	loops->watches->all[round->destination].is_asked = false;
	loop_watches_judge(loops->watches,
			   loops->watches->ruleset->destinations[round->destination].rule);
}

static void set_in_loop(struct daemon_loops *loops, uint32_t destination, bool in_loop)
{
	struct loop_watches *watches = loops->watches;
	const struct ruleset_destination *to = &watches->ruleset->destinations[destination];
	const char *rule = watches->ruleset->rules[to->rule].config->name;

	if (watches->all[destination].in_loop == in_loop)
		return;
	watches->all[destination].in_loop = in_loop;
	watches->in_loop[destination] = in_loop;
	loop_watches_judge(watches, to->rule);
	if (in_loop) {
		watches->loop_count++;
		log_loop(to, rule);
	} else {
		watches->loop_count--;
		log_info("rule %s: copies to %s do not come back any more: the loop has ended",
			 rule, to->config->name);
	}
	publish(loops);
}

static void conclude(struct daemon_loops *loops, unsigned slot, bool came_back)
{
	uint32_t destination = loops->rounds[slot].destination;
	struct loop_watch *watch = &loops->watches->all[destination];
	uint64_t now_ms = timer_now_ms();

	if (came_back) {
		watch->silent = 0;
		loopguard_set_way_round(loops->guard, now_ms - loops->rounds[slot].first_ms);
		set_in_loop(loops, destination, true);
	} else if (!watch->in_loop) {
		suspicion_clear(&watch->suspicion, now_ms);
	} else if (++watch->silent >= SILENT_ROUNDS) {
		suspicion_clear(&watch->suspicion, now_ms);
		set_in_loop(loops, destination, false);
	}
	watch->ask_at_ms = now_ms + ASK_AGAIN_MS;
	end_round(loops, slot);
}

/* Goes the way of the destination's copies. */
static void send_probe(struct daemon_loops *loops, unsigned slot)
{
	struct round *round = &loops->rounds[slot];
	const struct daemon *daemon = loops->daemon;
	const struct ruleset_destination *to =
		&loops->watches->ruleset->destinations[round->destination];
	const struct netview_route *route = &daemon->netview->routes[to->route];
	const struct fastpath_verdict *verdicts = daemon_fastpath_verdicts(daemon);
	bool in_kernel = verdicts && verdicts[to->rule].reason == FASTPATH_IN_KERNEL;
	bool by_link = in_kernel || daemon->program.config->settings.send == SEND_LINK;
	uint8_t bytes[PROBE_PACKET_MAX];
	struct probe probe;
	struct tx_message message = {.counters = &loops->probes, .last = true};
	uint8_t *room;

	round->sent++;
	round->next_ms += round->sent < PROBES ? PROBE_MS : CROWDED_PROBE_MS;
	if (!loop_watches_probe(loops->watches, round->destination, route, &probe))
		return;
	/* The last one may well be taken for a message, if all speaks for a loop. */
	probe.is_sound = round->sent == PROBES && loopguard_sees_repeats(loops->guard, slot);
	probe.mark = round->mark;
	message.copy_bytes = (uint32_t)probe_write(&probe, bytes);
	message.headers_bytes = message.copy_bytes - PROBE_PAYLOAD_BYTES;
	room = tx_room(loops->tx, message.headers_bytes);
	memcpy(room, bytes, message.headers_bytes);
	message.to = &probe.destination;
	message.link = by_link && route->link.sll_ifindex ? &route->link : NULL;
	message.headers = room;
	message.payload = bytes + message.headers_bytes;
	message.payload_bytes = PROBE_PAYLOAD_BYTES;
	tx_add(loops->tx, &message);
	tx_flush(loops->tx);
}

/* What to ask with: a fresh sample, or where no copy is sent just now the one before. */
static void seek_sample(struct daemon_loops *loops, unsigned slot, uint64_t now_ms)
{
	struct round *round = &loops->rounds[slot];
	struct loop_watch *watch = &loops->watches->all[round->destination];

	round->has_sample = loopguard_take_sample(loops->guard, slot, &watch->sample);
	if (!round->has_sample && now_ms - round->begun_ms >= SAMPLE_MS)
		round->has_sample = watch->sample.source.family != AF_UNSPEC;
	if (round->has_sample)
		round->first_ms = round->next_ms = now_ms;
	else if (now_ms - round->begun_ms >= SAMPLE_MS)
		end_round(loops, slot); /* what does not go there cannot come back */
}

static void go_on(struct daemon_loops *loops, unsigned slot, uint64_t now_ms)
{
	struct round *round = &loops->rounds[slot];
	bool is_crowded = loops->daemon->dropped_pkts != round->lost_pkts;

	if (!round->has_sample)
		seek_sample(loops, slot, now_ms);
	if (!round->in_use || !round->has_sample)
		return;
	if ((round->sent < PROBES || is_crowded) && now_ms >= round->next_ms)
		send_probe(loops, slot);
	else if (now_ms - round->first_ms >= (is_crowded ? CROWDED_ANSWER_MS : ANSWER_MS))
		conclude(loops, slot, false);
}

static void begin_round(struct daemon_loops *loops, uint32_t destination, uint64_t now_ms)
{
	struct loop_watches *watches = loops->watches;
	uint32_t rule = watches->ruleset->destinations[destination].rule;
	unsigned slot = 0;

	while (slot < FASTPATH_LOOP_SLOTS && loops->rounds[slot].in_use)
		slot++;
	if (slot == FASTPATH_LOOP_SLOTS || watches->all[destination].is_asked ||
	    !loopguard_make_room(loops->guard))
		return; /* another time */
	loops->rounds[slot] = (struct round){.in_use = true,
					     .destination = destination,
					     .begun_ms = now_ms,
					     .lost_pkts = loops->daemon->dropped_pkts};
	loops->rounds_in_use++;
	watches->all[destination].is_asked = true;
	loop_watches_judge(watches, rule);
	loopguard_arm(loops->guard, slot, destination, rule, &loops->rounds[slot].mark);
}

/* ---- Whether there is anything to ask ---- */

/* Storms end where queues are full as well, and then no rate grows any more. */
static void look_at_losses(struct daemon_loops *loops)
{
	struct loop_watches *watches = loops->watches;
	uint64_t lost_pkts = loops->daemon->dropped_pkts;

	if (lost_pkts != loops->losses_told_pkts)
		for (size_t d = 0; d < watches->ruleset->destination_count; d++)
			if (timer_now_ms() >= watches->all[d].ask_at_ms)
				suspicion_renew(&watches->all[d].suspicion);
	loops->losses_told_pkts = lost_pkts;
}

static void look_at_destinations(struct daemon_loops *loops, uint32_t elapsed_ms, uint64_t now_ms)
{
	struct loop_watches *watches = loops->watches;
	bool is_age = now_ms >= loops->age_at_ms;

	datapath_read_sent(loops->daemon->datapath, watches->sent_pkts);
	for (uint32_t d = 0; d < watches->ruleset->destination_count; d++) {
		struct loop_watch *watch = &watches->all[d];

		if (loops->was_idle)
			suspicion_skip(&watch->suspicion, watches->sent_pkts[d]);
		else if (suspicion_look(&watch->suspicion, watches->sent_pkts[d], elapsed_ms,
					now_ms) &&
			 !watch->in_loop)
			begin_round(loops, d, now_ms);
		if (is_age)
			suspicion_age(&watch->suspicion);
	}
	if (is_age)
		loops->age_at_ms = now_ms + AGE_MS;
}

/* Most often one number tells that there is nothing to look at. */
static void look(struct daemon_loops *loops, uint64_t now_ms)
{
	uint64_t received_pkts = datapath_received_pkts(loops->daemon->datapath);
	uint64_t elapsed_ms = now_ms - loops->looked_ms;
	bool is_idle =
		(received_pkts - loops->received_pkts) * 1000 < SUSPICION_FIRST_PPS * elapsed_ms;

	loops->was_idle |= elapsed_ms > LOOK_LATE_MS;
	loops->received_pkts = received_pkts;
	loops->looked_ms = now_ms;
	look_at_losses(loops);
	if (!is_idle)
		look_at_destinations(loops, (uint32_t)elapsed_ms, now_ms);
	loops->was_idle = is_idle;
	for (uint32_t d = 0;
	     loops->watches->loop_count > 0 && d < loops->watches->ruleset->destination_count; d++)
		if (loops->watches->all[d].in_loop && now_ms >= loops->watches->all[d].ask_at_ms)
			begin_round(loops, d, now_ms);
}

/* Another's question is worth one of ours, but not more often than we would ask again ourselves:
 * anybody can make up a probe. */
static void take_hint(struct daemon_loops *loops, uint64_t now_ms)
{
	const struct loop_watches *watches = loops->watches;
	const struct ruleset_rule *r;
	struct loop_sample sample;
	uint32_t rule;

	if (!loopguard_take_hint(loops->guard, &rule, &sample) || !watches ||
	    rule >= watches->ruleset->rule_count)
		return;
	r = &watches->ruleset->rules[rule];
	for (uint32_t i = 0; i < r->config->destination_count; i++) {
		struct loop_watch *watch = &watches->all[r->first_destination + i];

		if (now_ms < watch->ask_at_ms || watch->is_asked)
			continue;
		watch->sample = sample;
		begin_round(loops, r->first_destination + i, now_ms);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct daemon_loops *loops = context;
	uint64_t now_ms = timer_now_ms();
	uint32_t returned = loopguard_take_returned(loops->guard);

	(void)fd;
	(void)what;
	for (unsigned slot = 0; slot < FASTPATH_LOOP_SLOTS; slot++)
		if (loops->rounds[slot].in_use && (returned >> slot & 1))
			conclude(loops, slot, true);
	take_hint(loops, now_ms);
	if (loops->watches && now_ms >= loops->look_at_ms) {
		look(loops, now_ms);
		loops->look_at_ms = now_ms + LOOK_MS;
	}
	for (unsigned slot = 0; slot < FASTPATH_LOOP_SLOTS; slot++)
		if (loops->rounds[slot].in_use)
			go_on(loops, slot, now_ms);
	timer_start(loops->timer, loops->rounds_in_use > 0 ? ASKING_MS : LOOK_MS);
}

/* ---- The daemon's ---- */

void daemon_loops_open(struct daemon *daemon)
{
	struct daemon_loops *loops = calloc(1, sizeof(*loops));
	int error = -ENOMEM;

	if (loops) {
		loops->daemon = daemon;
		daemon->loops = loops;
		loops->was_idle = true;
		loops->guard = loopguard_create(
			daemon->fastpath ? &fastpath_state(daemon->fastpath)->loops : NULL);
		loops->timer = event_new(daemon->base, -1, 0, on_timer, loops);
	}
	if (loops && loops->guard && loops->timer)
		error = tx_open(&loops->tx, daemon->program.config->settings.mark);
	if (!error) {
		timer_start(loops->timer, LOOK_MS);
		return;
	}
	log_warning("loops are not looked for: %s", strerror(-error));
	daemon_loops_close(daemon);
}

void daemon_loops_share(struct daemon *daemon)
{
	if (daemon->loops)
		loopguard_share(daemon->loops->guard, &fastpath_state(daemon->fastpath)->loops);
}

void daemon_loops_pause(struct daemon *daemon)
{
	if (daemon->loops)
		event_del(daemon->loops->timer);
}

void daemon_loops_close(struct daemon *daemon)
{
	struct daemon_loops *loops = daemon->loops;

	if (!loops)
		return;
	if (loops->timer)
		event_free(loops->timer);
	tx_close(loops->tx);
	loop_watches_free(loops->watches);
	loopguard_free(loops->guard);
	free(loops);
	daemon->loops = NULL;
}

struct loop_orders daemon_loops_prepare(struct daemon *daemon, const struct ruleset *ruleset)
{
	struct daemon_loops *loops = daemon->loops;
	struct loop_watches *watches;

	if (!loops)
		return (struct loop_orders){0};
	watches = loops->watches;
	if (!watches || watches->ruleset != ruleset) {
		/* Their indices are about to mean something else. */
		for (unsigned slot = 0; slot < FASTPATH_LOOP_SLOTS; slot++)
			if (loops->rounds[slot].in_use)
				end_round(loops, slot);
		watches = loops->coming = loop_watches_create(ruleset, loops->watches);
	}
	if (!watches)
		return (struct loop_orders){0};
	return (struct loop_orders){
		.guard = loops->guard,
		.shared = loopguard_shared(loops->guard),
		.states = watches->states,
		.in_loop = watches->in_loop,
	};
}

void daemon_loops_follow(struct daemon *daemon, const struct ruleset *ruleset, bool is_published)
{
	struct daemon_loops *loops = daemon->loops;

	if (!loops)
		return;
	if (!is_published) {
		loop_watches_free(loops->coming);
	} else if (!loops->watches || loops->watches->ruleset != ruleset) {
		loop_watches_free(loops->watches);
		loops->watches = loops->coming;
		loops->was_idle = true;
	}
	loops->coming = NULL;
}

const uint8_t *daemon_loops_found(const struct daemon *daemon)
{
	return daemon->loops && daemon->loops->watches ? daemon->loops->watches->in_loop : NULL;
}

struct status_probes daemon_loops_probes(const struct daemon *daemon)
{
	const struct daemon_loops *loops = daemon->loops;

	if (!loops)
		return (struct status_probes){0};
	return (struct status_probes){
		.sent_pkts = counter_read(&loops->probes.sent_pkts),
		.returned_pkts = loopguard_returned_pkts(loops->guard),
	};
}

/* SPDX-License-Identifier: MIT */
#include "datapath/loopguard.h"

#include "core/recent.h"
#include "core/siphash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

_Static_assert(FASTPATH_LOOP_SLOTS <= PROBE_NUMBER_MAX + 1, "more slots than letters");
_Static_assert(FASTPATH_PROBE_BYTES == PROBE_PAYLOAD_BYTES, "the kernel program's probes differ");

enum {
	NO_RULE = UINT32_MAX,
	NONCE_WORDS = PROBE_NONCE_BYTES / 8,
	REPEATS_OF = 50, /* packets at least that have to be seen */
	HINT_NONE = 0,
	HINT_COMING = UINT32_MAX, /* its sample is being written */
};

/* What probes of one destination are known by. Words, so that a worker that reads while another
 * nonce is written sees some mixture of both, which is nobody's. */
struct slot {
	_Atomic uint32_t rule; /* NO_RULE: the slot is free */
	_Atomic uint64_t nonce[NONCE_WORDS];
	_Atomic uint32_t pkts, repeated_pkts; /* that came to the rule */
};

struct loopguard {
	struct fastpath_loops own;
	struct fastpath_loops *shared;
	struct siphash_key key;
	uint64_t nonces; /* made so far */
	struct slot slots[FASTPATH_LOOP_SLOTS];
	_Atomic uint32_t returned;
	_Atomic uint64_t returned_pkts;
	_Atomic uint32_t hint; /* a rule's index + 1; HINT_NONE; HINT_COMING */
	struct loop_sample hint_sample;
	_Atomic(struct recent *) recent;
	_Atomic uint32_t window_ms;
};

static bool draw(void *bytes, size_t length)
{
	return getrandom(bytes, length, 0) == (ssize_t)length;
}

struct loopguard *loopguard_create(struct fastpath_loops *shared)
{
	struct loopguard *guard = calloc(1, sizeof(*guard));

	if (!guard)
		return NULL;
	guard->shared = shared ? shared : &guard->own;
	if (!draw(&guard->key, sizeof(guard->key))) {
		free(guard);
		return NULL;
	}
	for (unsigned i = 0; i < FASTPATH_LOOP_SLOTS; i++)
		atomic_init(&guard->slots[i].rule, NO_RULE);
	loopguard_set_way_round(guard, 0);
	return guard;
}

void loopguard_free(struct loopguard *guard)
{
	if (!guard)
		return;
	recent_free(atomic_load(&guard->recent));
	free(guard);
}

void loopguard_share(struct loopguard *guard, struct fastpath_loops *shared)
{
	guard->shared = shared;
}

struct fastpath_loops *loopguard_shared(struct loopguard *guard)
{
	return guard->shared;
}

void loopguard_set_way_round(struct loopguard *guard, uint64_t way_round_ms)
{
	uint64_t window_ms = 2 * way_round_ms;

	if (window_ms < LOOPGUARD_WINDOW_MS)
		window_ms = LOOPGUARD_WINDOW_MS;
	if (window_ms > RECENT_MAX_MS)
		window_ms = RECENT_MAX_MS;
	atomic_store_explicit(&guard->window_ms, (uint32_t)window_ms, memory_order_relaxed);
}

bool loopguard_make_room(struct loopguard *guard)
{
	if (!atomic_load(&guard->recent))
		atomic_store(&guard->recent, recent_create());
	return atomic_load(&guard->recent) != NULL;
}

/* So that nobody looks for what nobody waits for. */
static void count_wanted(struct loopguard *guard)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < FASTPATH_LOOP_SLOTS; i++)
		count += __atomic_load_n(&guard->shared->samples[i].wanted, __ATOMIC_RELAXED) != 0;
	__atomic_store_n(&guard->shared->wanted_count, count, __ATOMIC_RELEASE);
}

/* Should the kernel ever have no random numbers any more, the key is still secret. */
static void write_nonce(struct loopguard *guard, uint8_t nonce[static PROBE_NONCE_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[PROBE_NONCE_BYTES / 2] = {0};

	guard->nonces++;
	if (!draw(random, sizeof(random))) {
		uint64_t number = siphash(&guard->key, &guard->nonces, sizeof(guard->nonces));

		memcpy(random, &number, sizeof(number));
	}
	for (unsigned i = 0; i < PROBE_NONCE_BYTES; i++)
		nonce[i] = (uint8_t)digits[random[i / 2] >> (i % 2 * 4) & 15];
}

void loopguard_arm(struct loopguard *guard, unsigned slot, uint32_t destination, uint32_t rule,
		   struct probe_mark *mark)
{
	struct fastpath_loop_sample *sample = &guard->shared->samples[slot];
	struct slot *entry = &guard->slots[slot];
	uint64_t nonce[NONCE_WORDS];

	mark->number = (uint8_t)slot;
	write_nonce(guard, mark->nonce);
	memcpy(nonce, mark->nonce, sizeof(nonce));
	for (unsigned i = 0; i < NONCE_WORDS; i++)
		atomic_store_explicit(&entry->nonce[i], nonce[i], memory_order_relaxed);
	atomic_fetch_and(&guard->returned, ~(1u << slot));
	atomic_store(&entry->pkts, 0);
	atomic_store(&entry->repeated_pkts, 0);
	atomic_store(&entry->rule, rule);
	__atomic_store_n(&sample->given, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&sample->wanted, destination + 1, __ATOMIC_RELEASE);
	count_wanted(guard);
}

void loopguard_disarm(struct loopguard *guard, unsigned slot)
{
	struct slot *entry = &guard->slots[slot];

	if (atomic_load(&entry->rule) == NO_RULE)
		return;
	atomic_store(&entry->rule, NO_RULE);
	__atomic_store_n(&guard->shared->samples[slot].wanted, 0, __ATOMIC_RELAXED);
	count_wanted(guard);
}

bool loopguard_take_sample(struct loopguard *guard, unsigned slot, struct loop_sample *out)
{
	struct fastpath_loop_sample *sample = &guard->shared->samples[slot];

	if (!__atomic_load_n(&sample->given, __ATOMIC_ACQUIRE))
		return false;
	*out = (struct loop_sample){
		.source.family = sample->ipv6 ? AF_INET6 : AF_INET,
		.source_port_be = sample->source_port_be,
		.destination_port_be = sample->destination_port_be,
	};
	memcpy(out->source.bytes, sample->source, ip_length_bytes(out->source.family));
	count_wanted(guard);
	return true;
}

bool loopguard_sees_repeats(const struct loopguard *guard, unsigned slot)
{
	uint64_t pkts = atomic_load(&guard->slots[slot].pkts);

	return pkts >= REPEATS_OF &&
	       4 * (uint64_t)atomic_load(&guard->slots[slot].repeated_pkts) >= 3 * pkts;
}

uint32_t loopguard_take_returned(struct loopguard *guard)
{
	return atomic_exchange(&guard->returned, 0);
}

bool loopguard_take_hint(struct loopguard *guard, uint32_t *rule, struct loop_sample *sample)
{
	uint32_t hint = atomic_load(&guard->hint);

	if (hint == HINT_NONE || hint == HINT_COMING)
		return false;
	*rule = hint - 1;
	*sample = guard->hint_sample;
	atomic_store(&guard->hint, HINT_NONE);
	return true;
}

uint64_t loopguard_returned_pkts(const struct loopguard *guard)
{
	return atomic_load_explicit(&guard->returned_pkts, memory_order_relaxed);
}

static bool has_nonce(const struct slot *slot, const struct probe_mark *mark)
{
	uint64_t nonce[NONCE_WORDS], difference = 0;

	memcpy(nonce, mark->nonce, sizeof(nonce));
	for (unsigned i = 0; i < NONCE_WORDS; i++)
		difference |=
			nonce[i] ^ atomic_load_explicit(&slot->nonce[i], memory_order_relaxed);
	return difference == 0;
}

int loopguard_read_probe(const struct loop_orders *loops, const struct packet *packet)
{
	struct probe_mark mark;

	if (!loops->guard || !probe_read(packet, &mark))
		return LOOPGUARD_NO_PROBE;
	if (mark.number >= FASTPATH_LOOP_SLOTS ||
	    !has_nonce(&loops->guard->slots[mark.number], &mark))
		return LOOPGUARD_OTHERS_PROBE;
	return mark.number;
}

static struct loop_sample sample_of(const struct packet *packet)
{
	return (struct loop_sample){
		.source = packet->source,
		.source_port_be = packet->source_port_be,
		.destination_port_be = packet->destination_port_be,
	};
}

void loopguard_give_hint(const struct loop_orders *loops, const struct packet *packet,
			 uint32_t rule)
{
	struct loopguard *guard = loops->guard;
	uint32_t none = HINT_NONE;

	if (!atomic_compare_exchange_strong(&guard->hint, &none, HINT_COMING))
		return; /* there is one already */
	guard->hint_sample = sample_of(packet);
	atomic_store(&guard->hint, rule + 1);
}

bool loopguard_is_return(const struct loop_orders *loops, int slot, uint32_t rule)
{
	struct loopguard *guard = loops->guard;

	if (slot < 0 || atomic_load(&guard->slots[slot].rule) != rule)
		return false;
	atomic_fetch_add_explicit(&guard->returned_pkts, 1, memory_order_relaxed);
	atomic_fetch_or(&guard->returned, 1u << slot);
	return true;
}

/* What stays the same on the way round: source and payload. TTL, IP identification, destination and
 * checksums do not. */
static uint64_t hash(const struct loopguard *guard, const struct packet *packet,
		     const struct ip_address *source, uint32_t rule)
{
	struct {
		uint64_t payload;
		struct ip_address source;
		uint8_t unused[7]; /* no holes, whose bytes could be anything */
		uint32_t rule;
		uint16_t source_port_be;
		uint16_t unused2;
	} whole = {
		.payload = siphash(&guard->key, packet->data + packet->headers_bytes,
				   packet->length_bytes - packet->headers_bytes),
		.source = *source,
		.rule = rule,
		.source_port_be = packet->source_port_be,
	};

	_Static_assert(sizeof(whole) == 8 + sizeof(struct ip_address) + 7 + 8, "holes");
	return siphash(&guard->key, &whole, sizeof(whole));
}

static void count_repeat(struct loopguard *guard, uint32_t rule, bool is_repeat)
{
	for (unsigned i = 0; i < FASTPATH_LOOP_SLOTS; i++) {
		struct slot *slot = &guard->slots[i];

		if (atomic_load_explicit(&slot->rule, memory_order_relaxed) != rule)
			continue;
		atomic_fetch_add_explicit(&slot->pkts, 1, memory_order_relaxed);
		if (is_repeat)
			atomic_fetch_add_explicit(&slot->repeated_pkts, 1, memory_order_relaxed);
	}
}

bool loopguard_has_passed(const struct loop_orders *loops, const struct packet *packet,
			  uint32_t rule, uint64_t now_ns)
{
	struct recent *recent = atomic_load(&loops->guard->recent);
	bool is_repeat;
	uint64_t number;

	if (!recent)
		return false;
	number = hash(loops->guard, packet, &packet->source, rule);
	is_repeat =
		recent_has(recent, number, now_ns,
			   atomic_load_explicit(&loops->guard->window_ms, memory_order_relaxed));
	if (!is_repeat)
		recent_add(recent, number, now_ns);
	if (loopguard_state(loops, rule) == LOOP_SUSPECTED)
		count_repeat(loops->guard, rule, is_repeat);
	return is_repeat;
}

void loopguard_remember(const struct loop_orders *loops, const struct packet *packet, uint32_t rule,
			const struct ip_address *source, uint64_t now_ns)
{
	struct recent *recent = atomic_load(&loops->guard->recent);

	if (recent)
		recent_add(recent, hash(loops->guard, packet, source, rule), now_ns);
}

void loopguard_give_sample(const struct loop_orders *loops, const struct packet *packet,
			   uint32_t destination)
{
	for (unsigned i = 0; i < FASTPATH_LOOP_SLOTS; i++) {
		struct fastpath_loop_sample *sample = &loops->shared->samples[i];
		uint32_t wanted = destination + 1;

		if (__atomic_load_n(&sample->wanted, __ATOMIC_ACQUIRE) != wanted ||
		    !__atomic_compare_exchange_n(&sample->wanted, &wanted, 0, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		memcpy(sample->source, packet->source.bytes, sizeof(sample->source));
		sample->source_port_be = packet->source_port_be;
		sample->destination_port_be = packet->destination_port_be;
		sample->ipv6 = packet->source.family == AF_INET6;
		__atomic_store_n(&sample->given, 1, __ATOMIC_RELEASE);
	}
}

/* SPDX-License-Identifier: MIT */
#include "core/siphash.h"

#include <endian.h>
#include <string.h>

/* The four words that the paper calls v0 to v3. */
struct state {
	uint64_t v[4];
};

static uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

/* One SipRound. */
static void mix(struct state *s)
{
	s->v[0] += s->v[1];
	s->v[2] += s->v[3];
	s->v[1] = rotate(s->v[1], 13) ^ s->v[0];
	s->v[3] = rotate(s->v[3], 16) ^ s->v[2];
	s->v[0] = rotate(s->v[0], 32);
	s->v[2] += s->v[1];
	s->v[0] += s->v[3];
	s->v[1] = rotate(s->v[1], 17) ^ s->v[2];
	s->v[3] = rotate(s->v[3], 21) ^ s->v[0];
	s->v[2] = rotate(s->v[2], 32);
}

static void take_word(struct state *s, uint64_t word)
{
	s->v[3] ^= word;
	mix(s);
	mix(s);
	s->v[0] ^= word;
}

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t last = (uint64_t)length << 56, word;
	/* "somepseudorandomlygeneratedbytes" */
	struct state s = {{
		key->words[0] ^ 0x736f6d6570736575,
		key->words[1] ^ 0x646f72616e646f6d,
		key->words[0] ^ 0x6c7967656e657261,
		key->words[1] ^ 0x7465646279746573,
	}};

	for (size_t left = length; left >= sizeof(word); left -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		take_word(&s, le64toh(word));
		at += sizeof(word);
	}
	for (size_t i = 0; i < length % sizeof(word); i++)
		last |= (uint64_t)at[i] << 8 * i;
	take_word(&s, last);
	s.v[2] ^= 0xff;
	for (int round = 0; round < 4; round++)
		mix(&s);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

/* SPDX-License-Identifier: MIT */
#include "core/hash_index.h"

#include <stdlib.h>
#include <string.h>

bool hash_index_init(struct hash_index *index, size_t entries_max)
{
	size_t slots = 8;

	/* At least half of the slots stay free, so that every search comes to an end soon. */
	while (slots < 2 * entries_max)
		slots *= 2;
	index->slots = malloc(slots * sizeof(*index->slots));
	index->mask = slots - 1;
	if (!index->slots)
		return false;
	memset(index->slots, 0xff, slots * sizeof(*index->slots));
	return true;
}

void hash_index_free(struct hash_index *index)
{
	free(index->slots);
	*index = (struct hash_index){0};
}

uint32_t *hash_index_find(const struct hash_index *index, uint64_t hash, hash_index_equal *equal,
			  const void *context)
{
	size_t at = hash & index->mask;

	while (index->slots[at] != HASH_INDEX_NONE && !equal(context, index->slots[at]))
		at = (at + 1) & index->mask;
	return &index->slots[at];
}

/* FNV-1a, whose low bits alone would not depend on the high ones of the input. */
uint64_t hash_bytes(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash ^ hash >> 32;
}

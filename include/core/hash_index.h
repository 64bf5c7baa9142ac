/* SPDX-License-Identifier: MIT */
/*
 * Finds equal entries of an array that grows: a hash table of indices into it. The array stays with
 * the caller, who says what equal means. Of fixed size: made for the most entries there can be.
 */
#ifndef TRAFFICDUPLICATOR_CORE_HASH_INDEX_H
#define TRAFFICDUPLICATOR_CORE_HASH_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a slot holds where there is no entry. */
#define HASH_INDEX_NONE UINT32_MAX

struct hash_index {
	uint32_t *slots;
	size_t mask;
};

/* Whether the array's entry of this index is the one that is looked for. */
typedef bool hash_index_equal(const void *context, uint32_t entry);

/* Room for so many entries. Returns false when memory runs out; hash_index_free in any case. */
bool hash_index_init(struct hash_index *index, size_t entries_max);
void hash_index_free(struct hash_index *index);

/*
 * The slot of the entry that is equal, or the one where it belongs: that holds HASH_INDEX_NONE, and
 * the caller writes the index of the new entry there.
 */
uint32_t *hash_index_find(const struct hash_index *index, uint64_t hash, hash_index_equal *equal,
			  const void *context);

/* A hash of bytes, whose low bits depend on all of them. */
uint64_t hash_bytes(const void *bytes, size_t length);

#endif

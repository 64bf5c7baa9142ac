/* SPDX-License-Identifier: MIT */
/* BPF array maps as memory: several copies of one table behind each other. */
#ifndef TRAFFICDUPLICATOR_DATAPATH_FASTPATH_MAPS_H
#define TRAFFICDUPLICATOR_DATAPATH_FASTPATH_MAPS_H

#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdint.h>

struct fastpath_map {
	struct bpf_map *bpf;
	uint8_t *memory;
	size_t bytes;
	size_t entry_bytes; /* from one entry to the next */
	size_t room;	    /* entries in one copy */
	size_t copies;
};

/* Sets the sizes of a map that is not loaded yet. */
void fastpath_map_size(struct fastpath_map *map, struct bpf_map *bpf, size_t room, size_t copies);

/* Tells libbpf of them. Returns 0 or -errno. */
int fastpath_map_announce(const struct fastpath_map *map);

/* Maps a loaded map's memory: BPF_F_MMAPABLE (kernel/bpf/arraymap.c, array_map_mmap). Returns 0 or
 * -errno. */
int fastpath_map_open(struct fastpath_map *map);
void fastpath_map_close(struct fastpath_map *map);

void *fastpath_map_entry(const struct fastpath_map *map, size_t copy, size_t index);

/* Writes the first entries of a copy. */
void fastpath_map_fill(const struct fastpath_map *map, size_t copy, const void *rows,
		       size_t row_bytes, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
#include "datapath/fastpath_maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_round(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

void fastpath_map_size(struct fastpath_map *map, struct bpf_map *bpf, size_t room, size_t copies)
{
	*map = (struct fastpath_map){.bpf = bpf, .room = room, .copies = copies};
	/* Array elements lie 8 bytes apart or a multiple of that (kernel/bpf/arraymap.c). */
	map->entry_bytes = ((size_t)bpf_map__value_size(bpf) + 7) / 8 * 8;
	map->bytes = page_round(map->entry_bytes * room * copies);
}

int fastpath_map_announce(const struct fastpath_map *map)
{
	size_t entries = map->room * map->copies;

	if (entries > UINT32_MAX)
		return -E2BIG;
	return bpf_map__set_max_entries(map->bpf, (uint32_t)entries);
}

int fastpath_map_open(struct fastpath_map *map)
{
	map->memory = mmap(NULL, map->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			   bpf_map__fd(map->bpf), 0);
	if (map->memory != MAP_FAILED)
		return 0;
	map->memory = NULL;
	return -errno;
}

void fastpath_map_close(struct fastpath_map *map)
{
	if (map->memory)
		munmap(map->memory, map->bytes);
	map->memory = NULL;
}

void *fastpath_map_entry(const struct fastpath_map *map, size_t copy, size_t index)
{
	return map->memory + (copy * map->room + index) * map->entry_bytes;
}

void fastpath_map_fill(const struct fastpath_map *map, size_t copy, const void *rows,
		       size_t row_bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		memcpy(fastpath_map_entry(map, copy, i), (const uint8_t *)rows + i * row_bytes,
		       row_bytes);
}

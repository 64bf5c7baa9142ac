/* SPDX-License-Identifier: MIT */
#include "datapath/fastpath_left.h"

#include "datapath/fastpath_counters.h"
#include "datapath/fastpath_shared.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One map, as memory. */
struct table {
	uint8_t *memory;
	size_t bytes;
	size_t copy_bytes;
};

static int open_table(struct table *table, int fd, size_t entry_bytes, size_t room, size_t copies)
{
	struct bpf_map_info info = {0};
	uint32_t info_bytes = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &info_bytes) < 0)
		return -errno;
	if (info.value_size != entry_bytes || room == 0 || copies == 0 ||
	    info.max_entries / room != copies || info.max_entries % room != 0)
		return -EINVAL;
	table->copy_bytes = entry_bytes * room;
	table->bytes = table->copy_bytes * copies;
	table->memory = mmap(NULL, table->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table->memory == MAP_FAILED) {
		table->memory = NULL;
		return -errno;
	}
	return 0;
}

static void close_table(struct table *table)
{
	if (table->memory)
		munmap(table->memory, table->bytes);
}

int fastpath_left_read(const struct fastpath_left *left, struct counters *sum,
		       uint64_t *refused_pkts)
{
	struct table totals = {0}, rules = {0}, destinations = {0};
	int error = -EINVAL;

	if (sum->rule_count > left->rule_room || sum->destination_count > left->destination_room)
		return error;
	error = open_table(&totals, left->totals_fd, sizeof(struct fastpath_total_counters), 1,
			   left->copies);
	if (!error)
		error = open_table(&rules, left->rules_fd, sizeof(struct fastpath_rule_counters),
				   left->rule_room, left->copies);
	if (!error)
		error = open_table(&destinations, left->destinations_fd,
				   sizeof(struct fastpath_destination_counters),
				   left->destination_room, left->copies);
	/* Packets that are still under way by the program (membarrier(2), as in fastpath.c). */
	if (!error && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		error = -errno;
	for (size_t copy = 0; copy < left->copies && !error; copy++)
		*refused_pkts += fastpath_counters_take_in(
			&(struct fastpath_counters){
				.total = (void *)(totals.memory + copy * totals.copy_bytes),
				.rules = (void *)(rules.memory + copy * rules.copy_bytes),
				.destinations = (void *)(destinations.memory +
							 copy * destinations.copy_bytes),
			},
			sum);
	close_table(&totals);
	close_table(&rules);
	close_table(&destinations);
	return error;
}

/* SPDX-License-Identifier: MIT */
#include "datapath/queue_owner.h"

#include <dirent.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned long long queue_owner_inode(uint32_t port_id)
{
	FILE *file = fopen("/proc/net/netlink", "re");
	unsigned long long inode, found = 0;
	char line[256];

	if (!file)
		return 0;
	while (!found && fgets(line, sizeof(line), file)) {
		unsigned protocol;
		uint32_t port;

		if (sscanf(line, "%*s %u %" SCNu32 " %*s %*s %*s %*s %*s %*s %llu", &protocol,
			   &port, &inode) == 3 &&
		    protocol == NETLINK_NETFILTER && port == port_id)
			found = inode;
	}
	fclose(file);
	return found;
}

bool queue_owner_has(pid_t pid, unsigned long long inode)
{
	char folder_path[32], wanted[48], target[48];
	struct dirent *entry;
	bool owns = false;
	DIR *folder;

	snprintf(folder_path, sizeof(folder_path), "/proc/%d/fd", (int)pid);
	snprintf(wanted, sizeof(wanted), "socket:[%llu]", inode);
	folder = opendir(folder_path);
	if (!folder)
		return false;
	while (!owns && (entry = readdir(folder))) {
		ssize_t length =
			readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);

		if (length <= 0)
			continue;
		target[length] = '\0';
		owns = strcmp(target, wanted) == 0;
	}
	closedir(folder);
	return owns;
}

/* Some process that has the socket; 0: none that can be seen. */
static pid_t find_owner(unsigned long long inode)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	pid_t owner = 0;

	if (!folder)
		return 0;
	while (!owner && (entry = readdir(folder))) {
		pid_t pid = (pid_t)atoi(entry->d_name);

		if (pid > 0 && queue_owner_has(pid, inode))
			owner = pid;
	}
	closedir(folder);
	return owner;
}

static void read_name(pid_t pid, char name[static QUEUE_OWNER_NAME_BYTES])
{
	char path[32];
	FILE *file;

	strcpy(name, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, QUEUE_OWNER_NAME_BYTES, file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

struct queue_owner queue_owner_find(unsigned long long inode)
{
	struct queue_owner owner = {.pid = inode ? find_owner(inode) : 0};

	read_name(owner.pid, owner.name);
	return owner;
}

const char *queue_owner_describe(uint32_t port_id, char text[static QUEUE_OWNER_TEXT_BYTES])
{
	struct queue_owner owner = queue_owner_find(queue_owner_inode(port_id));

	if (owner.pid > 0)
		snprintf(text, QUEUE_OWNER_TEXT_BYTES, "another process, %s (pid %d)", owner.name,
			 (int)owner.pid);
	else
		snprintf(text, QUEUE_OWNER_TEXT_BYTES,
			 "another process (netlink port %u in /proc/net/netlink)", port_id);
	return text;
}

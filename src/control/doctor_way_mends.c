/* SPDX-License-Identifier: MIT */
/* What mends a way to a destination: the command depends on what makes it bad. */
#include "control/doctor.h"
#include "control/doctor_command.h"

#include <ifaddrs.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUTE_SIZE 512

static uint32_t device_mtu(const char *device)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	result = ioctl(fd, SIOCGIFMTU, &request);
	if (fd >= 0)
		close(fd);
	return result < 0 ? 0 : (uint32_t)request.ifr_mtu;
}

/* IPv6 has an MTU of its own for each device, which routers may announce (RFC 4861 4.6.4). */
static uint32_t device_mtu6(const char *device)
{
	char path[64];
	FILE *file;
	uint32_t mtu_bytes = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/mtu", device);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu32, &mtu_bytes) != 1)
		mtu_bytes = 0;
	fclose(file);
	return mtu_bytes;
}

/* The route to the target as iproute2 writes it, in one line; false where that is not known. */
static bool read_route(const struct doctor *doctor, const struct doctor_target *target,
		       char route[static ROUTE_SIZE])
{
	char address[IP_TEXT_SIZE], mark[16];
	const char *const argv[] = {"ip",    "-o",   "route", "get", "fibmatch",
				    address, "mark", mark,    NULL};
	char *output = NULL;
	bool known;

	ip_format(&target->address, address);
	snprintf(mark, sizeof(mark), "0x%" PRIx32, doctor->config->settings.mark);
	known = doctor_command(argv, NULL, &output) == 0 && strlen(output) < ROUTE_SIZE;
	if (known) {
		strcpy(route, output);
		route[strcspn(route, "\\\n")] = '\0';
	}
	free(output);
	return known;
}

/* Takes the MTU out of a route's text; false where it has none. */
static bool cut_mtu(char *route)
{
	char *at = strstr(route, " mtu "), *end;

	if (!at)
		return false;
	end = at + strlen(" mtu ");
	if (strncmp(end, "lock ", 5) == 0)
		end += 5;
	end += strcspn(end, " ");
	memmove(at, end, strlen(end) + 1);
	route[strcspn(route, "\n")] = '\0';
	for (size_t length = strlen(route); length > 0 && route[length - 1] == ' ';)
		route[--length] = '\0';
	return true;
}

void doctor_mend_mtu(const struct doctor *doctor, const struct doctor_target *target,
		     uint32_t mtu_bytes, struct doctor_finding *finding)
{
	const bool is_ipv6 = target->address.family == AF_INET6;
	char route[ROUTE_SIZE];

	if (device_mtu(target->device) <= target->route.mtu_bytes)
		doctor_mend(finding,
			    "ip link set %s mtu %" PRIu32 " # where the network can carry it",
			    target->device, mtu_bytes);
	else if (read_route(doctor, target, route) && cut_mtu(route))
		doctor_mend(finding,
			    "ip%s route change %s mtu %" PRIu32 " # where the network can carry it",
			    is_ipv6 ? " -6" : "", route, mtu_bytes);
	else if (is_ipv6 && device_mtu6(target->device) <= target->route.mtu_bytes)
		doctor_mend(finding,
			    "sysctl -w net.ipv6.conf.%s.mtu=%" PRIu32
			    " # where the network can carry it",
			    target->device, mtu_bytes);
	else
		/* Learned from a router on the way (RFC 1191). */
		doctor_mend(finding,
			    "ip%s route flush cache # forgets what a router said of the way; it "
			    "says so again where it must",
			    is_ipv6 ? " -6" : "");
}

static bool is_in_network(const struct ip_address *address, const struct sockaddr *own,
			  const struct sockaddr *mask)
{
	const size_t length = ip_length_bytes(address->family);
	const size_t offset = address->family == AF_INET ? offsetof(struct sockaddr_in, sin_addr)
							 : offsetof(struct sockaddr_in6, sin6_addr);
	uint8_t own_bytes[16], mask_bytes[16];

	if (!own || !mask || own->sa_family != address->family)
		return false;
	memcpy(own_bytes, (const char *)own + offset, length);
	memcpy(mask_bytes, (const char *)mask + offset, length);
	for (size_t i = 0; i < length; i++) {
		if ((own_bytes[i] ^ address->bytes[i]) & mask_bytes[i])
			return false;
	}
	return true;
}

bool doctor_interface_down(const struct ip_address *address, char name[static IF_NAMESIZE])
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (const struct ifaddrs *at = all; at && !found; at = at->ifa_next) {
		if (at->ifa_flags & IFF_UP ||
		    !is_in_network(address, at->ifa_addr, at->ifa_netmask))
			continue;
		snprintf(name, IF_NAMESIZE, "%s", at->ifa_name);
		found = true;
	}
	freeifaddrs(all);
	return found;
}

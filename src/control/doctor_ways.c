/* SPDX-License-Identifier: MIT */
/* The way to every destination: name, route, interface, MTU, neighbour. */
#include "control/doctor.h"
#include "control/doctor_neighbours.h"
#include "control/netmon.h"

#include <ifaddrs.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETHERNET_MTU_BYTES 1500

/* All ways, with what they have in common. */
struct ways {
	const struct doctor *doctor;
	struct doctor_neighbour *neighbours; /* one per target; family AF_UNSPEC: none is needed */
	struct ip_interface_address *own;
	size_t own_count;
	uint32_t arrival_mtu_bytes; /* the largest packet that can arrive anywhere */
	int fd;			    /* to ask about interfaces */
};

static bool is_own(const struct ways *ways, const struct ip_address *address)
{
	for (size_t i = 0; i < ways->own_count; i++) {
		if (ip_equal(&ways->own[i].address, address))
			return true;
	}
	return false;
}

/* IFF_...; 0 where there is no such interface. */
static unsigned flags_of(const struct ways *ways, const char *interface)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	if (ioctl(ways->fd, SIOCGIFFLAGS, &request) < 0)
		return 0;
	return (unsigned short)request.ifr_flags;
}

/* One that waits for 802.1X, or is being tested, has a carrier and is not "running", but sends
 * (Documentation/networking/operstates.rst). */
static bool has_carrier(const struct ways *ways, const char *interface)
{
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
	struct ifreq request = {.ifr_data = (void *)&link};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return ioctl(ways->fd, SIOCETHTOOL, &request) == 0 && link.data;
}

static void find_arrival_mtu(struct ways *ways)
{
	struct if_nameindex *names = if_nameindex();

	ways->arrival_mtu_bytes = ETHERNET_MTU_BYTES;
	for (struct if_nameindex *at = names; at && at->if_index; at++) {
		struct ifreq request = {0};

		if ((flags_of(ways, at->if_name) & (IFF_UP | IFF_LOOPBACK)) != IFF_UP)
			continue;
		snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", at->if_name);
		if (ioctl(ways->fd, SIOCGIFMTU, &request) == 0 &&
		    (uint32_t)request.ifr_mtu > ways->arrival_mtu_bytes)
			ways->arrival_mtu_bytes = (uint32_t)request.ifr_mtu;
	}
	if (names)
		if_freenameindex(names);
}

/* A route by loopback to what is not this machine's is IPv6's way to say that there is none. */
static bool has_way(const struct ways *ways, const struct doctor_target *target)
{
	return target->device[0] != '\0' &&
	       (!(flags_of(ways, target->device) & IFF_LOOPBACK) || is_own(ways, &target->address));
}

/* Asks for all next hops at once, so that silent ones take no longer than one does. */
static int find_neighbours(struct ways *ways)
{
	const struct doctor *doctor = ways->doctor;
	struct doctor_neighbour *asked = calloc(doctor->target_count + 1, sizeof(*asked));
	size_t count = 0;
	int result;

	if (!asked)
		return -1;
	for (size_t i = 0; i < doctor->target_count; i++) {
		const struct doctor_target *target = &doctor->targets[i];
		const struct ip_address *hop = target->route.gateway.family != AF_UNSPEC
						       ? &target->route.gateway
						       : &target->address;

		if (target->address.family == AF_UNSPEC || !has_way(ways, target) ||
		    is_own(ways, &target->address) ||
		    (flags_of(ways, target->device) & (IFF_NOARP | IFF_LOOPBACK)))
			continue;
		asked[count].device = target->route.device;
		asked[count++].address = *hop;
		ways->neighbours[i].address = *hop;
	}
	result = doctor_neighbours_find(asked, count);
	for (size_t i = 0, at = 0; result == 0 && i < doctor->target_count; i++) {
		if (ways->neighbours[i].address.family != AF_UNSPEC)
			ways->neighbours[i] = asked[at++];
	}
	free(asked);
	return result;
}

static void say_no_name(const struct doctor_target *target, struct doctor_report *report)
{
	struct doctor_finding *finding =
		doctor_report_add(report, DOCTOR_PROBLEM, "name_unresolved", target->name,
				  "%s: the name has no address", target->name);

	doctor_meaning(finding, "No copy goes there until the name server knows it.");
	doctor_mend(finding, "getent ahosts %s; cat /etc/resolv.conf", target->destination->host);
}

static void say_no_route(const struct doctor *doctor, const struct doctor_target *target,
			 struct doctor_report *report)
{
	struct doctor_finding *finding =
		doctor_report_add(report, DOCTOR_PROBLEM, "no_route", target->name,
				  "%s: there is no route", target->name);
	char address[IP_TEXT_SIZE], interface[IF_NAMESIZE];

	if (doctor_interface_down(&target->address, interface)) {
		doctor_meaning(finding,
			       "It is on the network of interface %s of this machine, which is "
			       "down.",
			       interface);
		doctor_mend(finding, "ip link set %s up", interface);
		return;
	}
	doctor_meaning(finding, "No route, or one that says unreachable, blackhole or prohibit: "
				"copies are dropped as no_route or unreachable.");
	doctor_mend(finding,
		    "ip route get %s mark 0x%" PRIx32 " # then: ip route add %s via GATEWAY",
		    ip_format(&target->address, address), doctor->config->settings.mark, address);
}

static void check_link(const struct ways *ways, const struct doctor_target *target,
		       struct doctor_report *report)
{
	struct doctor_finding *finding;

	if ((flags_of(ways, target->device) & IFF_RUNNING) || has_carrier(ways, target->device))
		return;
	finding =
		doctor_report_add(report, DOCTOR_PROBLEM, "link_down", target->name,
				  "%s: interface %s has no carrier", target->name, target->device);
	doctor_meaning(finding, "The cable or the other end is down; copies leave into nothing.");
	doctor_mend(finding, "ip link show %s", target->device);
}

static void check_mtu(const struct ways *ways, const struct doctor_target *target,
		      struct doctor_report *report)
{
	const uint32_t mtu_bytes = target->route.mtu_bytes;
	const bool drops = target->rule->oversize == OVERSIZE_DROP;
	struct doctor_finding *finding;

	if (mtu_bytes == 0 || mtu_bytes >= ways->arrival_mtu_bytes)
		return;
	finding = doctor_report_add(report, DOCTOR_WARNING, "mtu_low", target->name,
				    "%s: the MTU of the way is %" PRIu32 " bytes", target->name,
				    mtu_bytes);
	doctor_meaning(finding,
		       "Packets of up to %" PRIu32
		       " bytes can arrive; larger copies of rule %s %s.",
		       ways->arrival_mtu_bytes, target->rule->name,
		       drops ? "are dropped as oversize, since the rule says OVERSIZE: drop"
			     : "are fragmented, which some firewalls and cloud networks drop");
	doctor_mend_mtu(ways->doctor, target, ways->arrival_mtu_bytes, finding);
}

/* Returns what to call the neighbour's state, having reported it where it is bad. */
static const char *check_neighbour(const struct ways *ways, size_t index,
				   struct doctor_report *report)
{
	const struct doctor_target *target = &ways->doctor->targets[index];
	const struct doctor_neighbour *neighbour = &ways->neighbours[index];
	struct doctor_finding *finding;
	char hop[IP_TEXT_SIZE];

	if (neighbour->address.family == AF_UNSPEC)
		return "no neighbour needed";
	if (neighbour->state == DOCTOR_NEIGHBOUR_KNOWN)
		return "neighbour known";
	if (neighbour->state != DOCTOR_NEIGHBOUR_SILENT && !ways->doctor->has_admin)
		return "neighbour not asked, which takes root";
	ip_format(&neighbour->address, hop);
	finding = doctor_report_add(report, DOCTOR_PROBLEM, "neighbour_unresolved", target->name,
				    "%s: %s does not answer on %s", target->name, hop,
				    target->device);
	doctor_meaning(finding,
		       "%s is off, on another network, or its address is wrong. Copies to it count "
		       "as sent: the kernel takes them and drops them later.",
		       hop);
	doctor_mend(finding, "ip neigh show %s; %s %s %s", hop,
		    neighbour->address.family == AF_INET ? "arping -I" : "ndisc6",
		    neighbour->address.family == AF_INET ? target->device : hop,
		    neighbour->address.family == AF_INET ? hop : target->device);
	return NULL;
}

/* Whether a place is listed before with the same OVERSIZE. */
static bool is_told(const struct doctor *doctor, size_t index)
{
	const struct doctor_target *target = &doctor->targets[index];

	for (size_t i = 0; target->is_twin && i < index; i++) {
		const struct doctor_target *other = &doctor->targets[i];

		if (doctor_targets_same_place(other, target) &&
		    other->rule->oversize == target->rule->oversize)
			return true;
	}
	return false;
}

/* A place that several rules send to differently has one way; what differs is told of each. */
static void check_twin(const struct ways *ways, size_t index, struct doctor_report *report)
{
	const struct doctor_target *target = &ways->doctor->targets[index];

	if (target->address.family != AF_UNSPEC && has_way(ways, target) &&
	    !is_told(ways->doctor, index))
		check_mtu(ways, target, report);
}

/* Where SEND is link: how it applies to a way. */
static const char *socket_of(const struct ways *ways, const struct doctor_target *target)
{
	if (ways->doctor->config->settings.send != SEND_LINK)
		return "";
	return target->route.ethernet ? ", SEND link applies"
				      : ", SEND link does not apply to such an interface";
}

static void check_way(const struct ways *ways, size_t index, struct doctor_report *report)
{
	const struct doctor_target *target = &ways->doctor->targets[index];
	const size_t before = report->count;
	const char *neighbour;
	char address[IP_TEXT_SIZE];

	if (target->address.family == AF_UNSPEC) {
		say_no_name(target, report);
		return;
	}
	if (!has_way(ways, target)) {
		say_no_route(ways->doctor, target, report);
		return;
	}
	check_link(ways, target, report);
	check_mtu(ways, target, report);
	neighbour = check_neighbour(ways, index, report);
	if (report->count == before)
		doctor_report_add(report, DOCTOR_OK, "way", target->name,
				  "%s: %s by %s, MTU %" PRIu32 ", %s%s", target->name,
				  ip_format(&target->address, address), target->device,
				  target->route.mtu_bytes, neighbour, socket_of(ways, target));
}

void doctor_check_ways(const struct doctor *doctor, struct doctor_report *report)
{
	struct ways ways = {
		.doctor = doctor,
		.neighbours = calloc(doctor->target_count + 1, sizeof(*ways.neighbours)),
		.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	};
	struct doctor_finding *finding;

	if (!ways.neighbours || ways.fd < 0 || netmon_addresses(&ways.own, &ways.own_count) < 0 ||
	    find_neighbours(&ways) < 0) {
		finding = doctor_report_add(report, DOCTOR_WARNING, "ways_not_examined", NULL,
					    "the kernel does not tell its addresses or neighbours");
		doctor_meaning(finding, "Whether there is a way to each destination is not known.");
		doctor_mend(finding, "ip route; ip neigh");
		goto out;
	}
	find_arrival_mtu(&ways);
	for (size_t i = 0; i < doctor->target_count; i++)
		(doctor->targets[i].is_twin ? check_twin : check_way)(&ways, i, report);
out:
	if (ways.fd >= 0)
		close(ways.fd);
	free(ways.own);
	free(ways.neighbours);
}

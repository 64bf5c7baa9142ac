/* SPDX-License-Identifier: MIT */
#include "control/route.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct device {
	uint32_t index;
	uint32_t mtu_bytes;
	uint32_t ipv6_mtu_bytes; /* 0: the device has no IPv6 */
	bool ethernet;		 /* and its neighbours have to be asked for their addresses */
	bool no_carrier;
	uint8_t link_address[6];
};

/* A round of questions; asks about each device once. */
struct finder {
	struct nl_sock *socket;
	uint32_t mark;
	struct device *devices;
	size_t device_count;
	bool refused; /* the kernel has an error for the question under way, not an answer */
};

static int on_refusal(struct sockaddr_nl *from, struct nlmsgerr *error, void *context)
{
	struct finder *finder = context;

	(void)from;
	(void)error;
	finder->refused = true;
	return NL_STOP;
}

/* Asks, and has parse read the answer, one message. Takes message over. Returns 0, also where the
 * kernel refused, or -errno. */
static int ask(struct finder *finder, struct nl_msg *message, nl_recvmsg_msg_cb_t parse,
	       void *answer)
{
	int error;

	finder->refused = false;
	error = nl_socket_modify_cb(finder->socket, NL_CB_VALID, NL_CB_CUSTOM, parse, answer);
	if (error == 0)
		error = nl_send_auto(finder->socket, message);
	nlmsg_free(message);
	if (error >= 0)
		error = nl_recvmsgs_default(finder->socket);
	if (error < 0 && !finder->refused)
		return error == -NLE_NOMEM ? -ENOBUFS : -EIO;
	return 0;
}

static void read_address(struct nlattr *attribute, uint8_t family, struct ip_address *address)
{
	if (!attribute || (size_t)nla_len(attribute) != ip_length_bytes(family))
		return;
	address->family = family;
	memcpy(address->bytes, nla_data(attribute), ip_length_bytes(family));
}

static int parse_route(struct nl_msg *message, void *context)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct nlattr *attributes[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	struct route *route = context;
	const struct rtmsg *rtmsg;

	if (header->nlmsg_type != RTM_NEWROUTE ||
	    nlmsg_parse(header, sizeof(*rtmsg), attributes, RTA_MAX, NULL) < 0 ||
	    !attributes[RTA_OIF])
		return NL_SKIP;
	rtmsg = nlmsg_data(header);
	route->device = nla_get_u32(attributes[RTA_OIF]);
	read_address(attributes[RTA_PREFSRC], rtmsg->rtm_family, &route->source);
	read_address(attributes[RTA_GATEWAY], rtmsg->rtm_family, &route->gateway);
	route->ethernet = rtmsg->rtm_type == RTN_UNICAST && !attributes[RTA_ENCAP_TYPE] &&
			  !attributes[RTA_VIA] && !attributes[RTA_NEWDST];
	if (attributes[RTA_METRICS] &&
	    nla_parse_nested(metrics, RTAX_MAX, attributes[RTA_METRICS], NULL) == 0 &&
	    metrics[RTAX_MTU])
		route->mtu_bytes = nla_get_u32(metrics[RTAX_MTU]);
	return NL_OK;
}

static int parse_multipath(struct nl_msg *message, void *context)
{
	struct nlattr *attributes[RTA_MAX + 1];
	bool *has_more = context;

	if (nlmsg_parse(nlmsg_hdr(message), sizeof(struct rtmsg), attributes, RTA_MAX, NULL) == 0)
		*has_more = attributes[RTA_MULTIPATH] || attributes[RTA_NH_ID];
	return NL_OK;
}

/* Asks for the way to an address; flags RTM_F_FIB_MATCH: for the whole route. Routes without a way
 * (blackhole, unreachable, prohibit) are refusals. */
static int ask_route(struct finder *finder, const struct ip_address *address, unsigned flags,
		     nl_recvmsg_msg_cb_t parse, void *answer)
{
	size_t length = ip_length_bytes(address->family);
	struct rtmsg rtmsg = {
		.rtm_family = address->family,
		.rtm_dst_len = (unsigned char)(length * 8),
		.rtm_flags = flags,
	};
	struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, 0);

	if (!message)
		return -ENOMEM;
	if (nlmsg_append(message, &rtmsg, sizeof(rtmsg), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, RTA_DST, (int)length, address->bytes) < 0 ||
	    nla_put_u32(message, RTA_MARK, finder->mark) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return ask(finder, message, parse, answer);
}

/* The MTU of IPv6 on a device: an array of int by DEVCONF_* within the family's own attributes. */
static uint32_t ipv6_mtu_bytes(struct nlattr *families)
{
	struct nlattr *family = nla_find(nla_data(families), nla_len(families), AF_INET6);
	struct nlattr *conf =
		family ? nla_find(nla_data(family), nla_len(family), IFLA_INET6_CONF) : NULL;
	const int32_t *values = conf ? nla_data(conf) : NULL;

	if (!conf || (size_t)nla_len(conf) < (DEVCONF_MTU6 + 1) * sizeof(*values))
		return 0;
	return (uint32_t)values[DEVCONF_MTU6];
}

/*
 * Whether the device passes on what it is given. If not, it has the kernel's noop queue, which
 * drops all, and reports none of it (net/sched/sch_generic.c, noop_enqueue). One that waits for
 * another protocol, as 802.1X, or is being tested, is not "running", but its queue is open all the
 * same (Documentation/networking/operstates.rst).
 */
static bool carries(uint32_t flags, const struct nlattr *operstate)
{
	uint8_t state = operstate ? nla_get_u8(operstate) : IF_OPER_UNKNOWN;

	if (flags & IFF_RUNNING)
		return true;
	return (flags & IFF_LOWER_UP) && (state == IF_OPER_DORMANT || state == IF_OPER_TESTING);
}

static int parse_device(struct nl_msg *message, void *context)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct nlattr *attributes[IFLA_MAX + 1];
	struct device *device = context;
	const struct ifinfomsg *ifinfo;

	if (header->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(header, sizeof(*ifinfo), attributes, IFLA_MAX, NULL) < 0)
		return NL_SKIP;
	ifinfo = nlmsg_data(header);
	device->no_carrier = !carries(ifinfo->ifi_flags, attributes[IFLA_OPERSTATE]);
	device->ethernet = ifinfo->ifi_type == ARPHRD_ETHER && !(ifinfo->ifi_flags & IFF_NOARP);
	if (attributes[IFLA_ADDRESS] &&
	    nla_len(attributes[IFLA_ADDRESS]) == sizeof(device->link_address))
		memcpy(device->link_address, nla_data(attributes[IFLA_ADDRESS]),
		       sizeof(device->link_address));
	if (attributes[IFLA_MTU])
		device->mtu_bytes = nla_get_u32(attributes[IFLA_MTU]);
	if (attributes[IFLA_AF_SPEC])
		device->ipv6_mtu_bytes = ipv6_mtu_bytes(attributes[IFLA_AF_SPEC]);
	return NL_OK;
}

static int ask_device(struct finder *finder, struct device *device)
{
	struct ifinfomsg ifinfo = {.ifi_family = AF_UNSPEC, .ifi_index = (int)device->index};
	struct nl_msg *message = nlmsg_alloc_simple(RTM_GETLINK, 0);

	if (!message)
		return -ENOMEM;
	if (nlmsg_append(message, &ifinfo, sizeof(ifinfo), NLMSG_ALIGNTO) < 0 ||
	    nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return ask(finder, message, parse_device, device);
}

static int find_device(struct finder *finder, uint32_t index, const struct device **device)
{
	struct device *devices;
	int result;

	for (size_t i = 0; i < finder->device_count; i++) {
		*device = &finder->devices[i];
		if ((*device)->index == index)
			return 0;
	}
	devices = reallocarray(finder->devices, finder->device_count + 1, sizeof(*devices));
	if (!devices)
		return -ENOMEM;
	finder->devices = devices;
	devices[finder->device_count] = (struct device){.index = index};
	result = ask_device(finder, &devices[finder->device_count]);
	if (result < 0)
		return result;
	*device = &devices[finder->device_count++];
	return 0;
}

static int find_way(struct finder *finder, const struct ip_address *address, struct route *route)
{
	const struct device *device;
	uint32_t device_mtu_bytes;
	bool has_more = false;
	int result;

	*route = (struct route){0};
	if (address->family == AF_UNSPEC)
		return 0;
	result = ask_route(finder, address, 0, parse_route, route);
	if (result < 0 || route->device == 0)
		return result;
	result = find_device(finder, route->device, &device);
	if (result < 0)
		return result;
	/* Where the route has other ways beside this one, copies may find them. */
	if (device->no_carrier)
		result = ask_route(finder, address, RTM_F_FIB_MATCH, parse_multipath, &has_more);
	if (result < 0)
		return result;
	route->no_carrier = device->no_carrier && !has_more;
	route->ethernet = route->ethernet && device->ethernet;
	memcpy(route->link_source, device->link_address, sizeof(route->link_source));
	device_mtu_bytes = device->mtu_bytes;
	if (address->family == AF_INET6 && device->ipv6_mtu_bytes &&
	    device->ipv6_mtu_bytes < device_mtu_bytes)
		device_mtu_bytes = device->ipv6_mtu_bytes;
	if (device_mtu_bytes && (device_mtu_bytes < route->mtu_bytes || route->mtu_bytes == 0))
		route->mtu_bytes = device_mtu_bytes;
	return 0;
}

int route_find(uint32_t mark, const struct ip_address *addresses, size_t count,
	       struct route *routes)
{
	struct finder finder = {.mark = mark};
	int result = 0;

	finder.socket = nl_socket_alloc();
	if (!finder.socket)
		return -ENOMEM;
	if (nl_connect(finder.socket, NETLINK_ROUTE) < 0 ||
	    nl_socket_modify_err_cb(finder.socket, NL_CB_CUSTOM, on_refusal, &finder) < 0) {
		result = -EIO;
		goto out;
	}
	nl_socket_enable_msg_peek(finder.socket);
	/* Without it libnl asks for acknowledgements, and takes them for the next answer. */
	nl_socket_disable_auto_ack(finder.socket);
	for (size_t i = 0; i < count && result == 0; i++)
		result = find_way(&finder, &addresses[i], &routes[i]);
out:
	free(finder.devices);
	nl_socket_free(finder.socket);
	return result;
}

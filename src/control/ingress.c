/* SPDX-License-Identifier: MIT */
#include "control/ingress.h"

#include "control/log.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/netlink.h>
#include <netlink/route/classifier.h>
#include <netlink/route/link.h>
#include <netlink/route/tc.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One interface that has, or was to have, the program. */
struct place {
	int interface;
	char name[IF_NAMESIZE];
	bool attached;
	int link_fd;	 /* 0: attached by a clsact qdisc */
	bool is_left;	 /* link_fd is another program's, which it is to give way to ours */
	bool made_qdisc; /* which is ours */
	bool seen;	 /* in the round under way */
};

struct ingress {
	int program_fd;
	struct place *places;
	size_t count;
	bool succeeds; /* filters of a former daemon's may be there */
};

struct ingress *ingress_create(int program_fd)
{
	struct ingress *ingress = calloc(1, sizeof(*ingress));

	if (ingress)
		ingress->program_fd = program_fd;
	return ingress;
}

/* Filters of other people's at one side of a clsact qdisc; -1: not known. */
static int others_at(struct nl_sock *socket, int interface, uint32_t side)
{
	struct nl_cache *cache;
	int others = 0;

	if (rtnl_cls_alloc_cache(socket, interface, TC_H_MAKE(TC_H_CLSACT, side), &cache) < 0)
		return -1;
	for (struct nl_object *object = nl_cache_get_first(cache); object;
	     object = nl_cache_get_next(object))
		others += rtnl_cls_get_prio((struct rtnl_cls *)object) != INGRESS_PRIORITY;
	nl_cache_free(cache);
	return others;
}

/* Whether the clsact qdisc of an interface is there for nobody but us. */
static bool is_ours_alone(int interface)
{
	struct nl_sock *socket = nl_socket_alloc();
	bool alone = socket && nl_connect(socket, NETLINK_ROUTE) == 0 &&
		     others_at(socket, interface, TC_H_MIN_INGRESS) == 0 &&
		     others_at(socket, interface, TC_H_MIN_EGRESS) == 0;

	nl_socket_free(socket);
	return alone;
}

static uint32_t handle(bool made_qdisc)
{
	return made_qdisc ? INGRESS_HANDLE_WITH_QDISC : INGRESS_HANDLE;
}

static bool has_our_filter(int interface, bool made_qdisc)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = handle(made_qdisc),
		    .priority = INGRESS_PRIORITY);

	return bpf_tc_query(&hook, &filter) == 0;
}

/* The link of a former daemon's program becomes ours, between two packets. */
static bool take_link_over(const struct ingress *ingress, struct place *place)
{
	place->is_left = false;
	place->attached = bpf_link_update(place->link_fd, ingress->program_fd, NULL) == 0;
	if (!place->attached) {
		close(place->link_fd);
		place->link_fd = 0;
	}
	return place->attached;
}

/* Returns 0 or -errno: -EINVAL from a kernel that has no such links. */
static int attach_link(const struct ingress *ingress, struct place *place)
{
	/* include/uapi/linux/bpf.h, BPF_TCX_INGRESS: newer than many systems' headers. */
	const enum bpf_attach_type tcx_ingress = (enum bpf_attach_type)46;
	int fd;

	if (place->is_left && take_link_over(ingress, place))
		return 0;
	fd = bpf_link_create(ingress->program_fd, place->interface, tcx_ingress, NULL);
	if (fd < 0)
		return -errno;
	place->link_fd = fd;
	place->attached = true;
	return 0;
}

static bool has_left_filter(int interface)
{
	return has_our_filter(interface, false) || has_our_filter(interface, true);
}

/* Returns 0 or -errno. */
static int attach_filter(const struct ingress *ingress, struct place *place)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = place->interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .priority = INGRESS_PRIORITY,
		    .prog_fd = ingress->program_fd, .flags = BPF_TC_F_REPLACE);
	int error = bpf_tc_hook_create(&hook);

	place->made_qdisc = error == 0;
	/* One that is there may have been left by a daemon that was killed. */
	if (error == -EEXIST) {
		place->made_qdisc = has_our_filter(place->interface, true);
		error = 0;
	}
	filter.handle = handle(place->made_qdisc);
	if (!error)
		error = bpf_tc_attach(&hook, &filter);
	place->attached = error == 0;
	return error;
}

static void detach_filter(struct place *place)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = place->interface, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter, .handle = handle(place->made_qdisc),
		    .priority = INGRESS_PRIORITY);

	/* That the interface is gone is as good. */
	if (place->attached)
		bpf_tc_detach(&hook, &filter);
	place->attached = false;
	if (!place->made_qdisc || !is_ours_alone(place->interface))
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	bpf_tc_hook_destroy(&hook);
}

static void detach(struct place *place)
{
	if (place->link_fd == 0) {
		detach_filter(place);
		return;
	}
	close(place->link_fd);
	place->link_fd = 0;
	place->attached = false;
}

/* Whether packets arrive at this interface as the program expects them. */
static bool is_suitable(struct rtnl_link *link)
{
	const char *kind = rtnl_link_get_type(link);

	return rtnl_link_get_arptype(link) == ARPHRD_ETHER && rtnl_link_get_master(link) == 0 &&
	       (!kind || strcmp(kind, "bridge") != 0);
}

static struct place *find_place(struct ingress *ingress, int interface)
{
	struct place *places;

	for (size_t i = 0; i < ingress->count; i++)
		if (ingress->places[i].interface == interface)
			return &ingress->places[i];
	places = reallocarray(ingress->places, ingress->count + 1, sizeof(*places));
	if (!places)
		return NULL;
	ingress->places = places;
	places[ingress->count] = (struct place){.interface = interface};
	return &places[ingress->count++];
}

static bool is_attached(const struct place *place)
{
	return place->attached &&
	       (place->link_fd > 0 || has_our_filter(place->interface, place->made_qdisc));
}

static void visit(struct ingress *ingress, struct rtnl_link *link, enum ingress_means means)
{
	int interface = rtnl_link_get_ifindex(link), error;
	struct place *place = is_suitable(link) ? find_place(ingress, interface) : NULL;
	bool is_new;

	if (!place)
		return;
	place->seen = true;
	is_new = place->name[0] == '\0';
	snprintf(place->name, sizeof(place->name), "%s", rtnl_link_get_name(link));
	if (is_attached(place))
		return;
	error = attach_link(ingress, place);
	/* A filter of ours that is there already costs nothing to replace. */
	if (error == -EINVAL && means == INGRESS_LINKS_ONLY &&
	    !(ingress->succeeds && has_left_filter(place->interface)))
		return;
	if (error == -EINVAL)
		error = attach_filter(ingress, place);
	if (error && is_new)
		log_info("no program at the ingress of %s: %s; its packets are all queued",
			 place->name, strerror(-error));
}

/* What is not suitable any more, or gone. */
static void leave_unseen(struct ingress *ingress)
{
	size_t kept = 0;

	for (size_t i = 0; i < ingress->count; i++) {
		if (ingress->places[i].seen)
			ingress->places[kept++] = ingress->places[i];
		else
			detach(&ingress->places[i]);
	}
	ingress->count = kept;
}

/* All interfaces that there are now; NULL when they cannot be listed. */
static struct nl_cache *list_links(void)
{
	struct nl_sock *socket = nl_socket_alloc();
	struct nl_cache *cache = NULL;

	if (socket && nl_connect(socket, NETLINK_ROUTE) == 0)
		rtnl_link_alloc_cache(socket, AF_UNSPEC, &cache);
	nl_socket_free(socket);
	return cache;
}

unsigned ingress_follow(struct ingress *ingress, enum ingress_means means)
{
	struct nl_cache *cache = list_links();
	unsigned attached = 0;

	if (cache) {
		for (size_t i = 0; i < ingress->count; i++)
			ingress->places[i].seen = false;
		for (struct nl_object *object = nl_cache_get_first(cache); object;
		     object = nl_cache_get_next(object))
			visit(ingress, (struct rtnl_link *)object, means);
		leave_unseen(ingress);
		ingress->succeeds = false;
	}
	nl_cache_free(cache);
	for (size_t i = 0; i < ingress->count; i++)
		attached += ingress->places[i].attached;
	return attached;
}

void ingress_clear(void)
{
	struct nl_cache *cache = list_links();

	/* That there is none is what it would complain of. */
	libbpf_set_print(NULL);
	for (struct nl_object *object = cache ? nl_cache_get_first(cache) : NULL; object;
	     object = nl_cache_get_next(object)) {
		int interface = rtnl_link_get_ifindex((struct rtnl_link *)object);

		for (int made_qdisc = 0; made_qdisc <= 1; made_qdisc++)
			if (has_our_filter(interface, made_qdisc))
				detach_filter(&(struct place){.interface = interface,
							      .attached = true,
							      .made_qdisc = made_qdisc});
	}
	nl_cache_free(cache);
}

void ingress_succeed(struct ingress *ingress)
{
	ingress->succeeds = true;
}

bool ingress_inherit(struct ingress *ingress, int interface, int link_fd)
{
	struct place *place = find_place(ingress, interface);

	if (!place)
		return false;
	place->link_fd = link_fd;
	place->is_left = true;
	return true;
}

size_t ingress_links(const struct ingress *ingress, ingress_link_visitor *visitor, void *context)
{
	size_t links = 0;

	for (size_t i = 0; i < ingress->count; i++)
		if (ingress->places[i].link_fd > 0) {
			visitor(context, ingress->places[i].interface, ingress->places[i].link_fd);
			links++;
		}
	return links;
}

void ingress_leave(struct ingress *ingress)
{
	if (!ingress)
		return;
	for (size_t i = 0; i < ingress->count; i++)
		if (ingress->places[i].link_fd > 0)
			close(ingress->places[i].link_fd);
	free(ingress->places);
	free(ingress);
}

void ingress_free(struct ingress *ingress)
{
	if (!ingress)
		return;
	for (size_t i = 0; i < ingress->count; i++)
		detach(&ingress->places[i]);
	free(ingress->places);
	free(ingress);
}

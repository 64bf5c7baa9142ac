/* SPDX-License-Identifier: MIT */
/*
 * Hears of changes of netfilter's rules that concern ours, whoever makes them: table `inet
 * trafficduplicator`, and the tables raw of iptables-nft, where chain TRAFFICDUPLICATOR is on
 * kernels without nft's queue statement.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_NFT_WATCH_H
#define TRAFFICDUPLICATOR_CONTROL_NFT_WATCH_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define NFT_WATCH_NAME_BYTES 32

/* What was heard since the last call. */
struct nft_change {
	bool is_ours;	 /* something in these tables has changed */
	bool is_overrun; /* more came than could be heard: anything may have changed */
	/* The last process that changed ours, 0 where the kernel does not say; as the initial PID
	 * namespace numbers it, and by the name that it gives itself. */
	uint32_t process_id;
	char process_name[NFT_WATCH_NAME_BYTES];
};

struct nft_watch;

/* Called on the loop, 20 times a second at most, however much changes. May not close the watch. */
typedef void nft_watch_changed(void *context, const struct nft_change *change);

/* Needs CAP_NET_ADMIN on some kernels. Returns 0 or -errno. */
int nft_watch_open(struct nft_watch **watch, struct event_base *base, nft_watch_changed *changed,
		   void *context);
void nft_watch_close(struct nft_watch *watch);

#endif

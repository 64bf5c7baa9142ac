/* SPDX-License-Identifier: MIT */
/*
 * What netfilter has of our rules at this moment, as a number: to see whether somebody has changed
 * them. What counts or is only numbered is left out: two images of the same rules are the same.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_NFT_IMAGE_H
#define TRAFFICDUPLICATOR_CONTROL_NFT_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

struct nft_image {
	bool has_table; /* `inet trafficduplicator` */
	/* The table is there, and where its packets are queued by table raw, so are chain
	 * TRAFFICDUPLICATOR and a jump to it, for both families. */
	bool is_whole;
	uint64_t hash;
};

/*
 * Asks the kernel: some ten messages for each set, with those of others left out by the kernel as
 * far as it can. Needs CAP_NET_ADMIN. Returns 0, -EAGAIN when the rules do not stand still, or
 * -errno.
 */
int nft_image_take(struct nft_image *image);

#endif

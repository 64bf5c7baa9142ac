/* SPDX-License-Identifier: MIT */
#include "core/netview.h"

#include <stdlib.h>
#include <string.h>

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_address));
}

/* malloc(0) may be NULL, which is no error here: never ask for nothing. */
static void *copy_array(const void *array, size_t count, size_t size)
{
	void *copy = calloc(count ? count : 1, size);

	if (copy && count)
		memcpy(copy, array, count * size);
	return copy;
}

struct netview *netview_create(const struct ip_address *own, size_t own_count,
			       const uint32_t *mtu_bytes, size_t route_count)
{
	struct netview *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->own = copy_array(own, own_count, sizeof(*own));
	view->own_count = own_count;
	view->mtu_bytes = copy_array(mtu_bytes, route_count, sizeof(*mtu_bytes));
	view->route_count = route_count;
	if (!view->own || !view->mtu_bytes) {
		netview_free(view);
		return NULL;
	}
	qsort(view->own, own_count, sizeof(*own), compare_addresses);
	return view;
}

void netview_free(struct netview *view)
{
	if (!view)
		return;
	free(view->own);
	free(view->mtu_bytes);
	free(view);
}

bool netview_is_own(const struct netview *view, const struct ip_address *address)
{
	return bsearch(address, view->own, view->own_count, sizeof(*view->own),
		       compare_addresses) != NULL;
}

/* SPDX-License-Identifier: MIT */
#include "core/netview.h"

#include <stdlib.h>
#include <string.h>

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_address));
}

static int compare_interfaces(const void *a, const void *b)
{
	const struct netview_interface *left = a, *right = b;

	return (left->kernel_index > right->kernel_index) -
	       (left->kernel_index < right->kernel_index);
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
			       const struct netview_route *routes, size_t route_count,
			       const uint32_t *interfaces, size_t interface_count)
{
	struct netview *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->own = copy_array(own, own_count, sizeof(*own));
	view->own_count = own_count;
	view->routes = copy_array(routes, route_count, sizeof(*routes));
	view->route_count = route_count;
	view->interfaces = calloc(interface_count + 1, sizeof(*view->interfaces));
	if (!view->own || !view->routes || !view->interfaces) {
		netview_free(view);
		return NULL;
	}
	qsort(view->own, own_count, sizeof(*own), compare_addresses);
	for (uint32_t i = 0; i < interface_count; i++)
		if (interfaces[i] != 0)
			view->interfaces[view->interface_count++] =
				(struct netview_interface){interfaces[i], i};
	qsort(view->interfaces, view->interface_count, sizeof(*view->interfaces),
	      compare_interfaces);
	return view;
}

void netview_free(struct netview *view)
{
	if (!view)
		return;
	free(view->own);
	free(view->routes);
	free(view->interfaces);
	free(view);
}

uint32_t netview_interface(const struct netview *view, uint32_t kernel_index)
{
	const struct netview_interface wanted = {.kernel_index = kernel_index};
	const struct netview_interface *found =
		bsearch(&wanted, view->interfaces, view->interface_count, sizeof(wanted),
			compare_interfaces);

	return found ? found->number : NETVIEW_NO_INTERFACE;
}

bool netview_is_own(const struct netview *view, const struct ip_address *address)
{
	return bsearch(address, view->own, view->own_count, sizeof(*view->own),
		       compare_addresses) != NULL;
}

/* SPDX-License-Identifier: MIT */
#include "control/health.h"

#include "control/log.h"
#include "control/ping.h"
#include "control/timer.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANGED_DELAY_MS 100
#define NAME_SIZE (IP_TEXT_SIZE + 32)

enum check_state {
	STATE_RESTING, /* the timer ends it with the next check */
	STATE_QUEUED,  /* for a socket */
	STATE_WAITING, /* for an answer, until the timer ends it */
};

struct target {
	TAILQ_ENTRY(target) queued;
	struct health *health;
	struct health_target key;
	bool up;
	unsigned streak; /* checks in a row that speak against `up` */
	enum check_state state;
	uint64_t begun_ms;
	struct event timer;
	struct ping_stamp stamp; /* of the ICMP check that is under way */
	struct event connected;	 /* of the TCP check, with its socket */
	int fd;			 /* -1: none */
};

struct health {
	struct event_base *base;
	struct health_options options;
	health_changed *changed;
	void *context;
	struct ping *ping;
	struct target **table; /* sorted by key */
	size_t count;
	unsigned connections;
	TAILQ_HEAD(, target) queue;
	struct event tell;
};

static int compare_keys(const struct health_target *a, const struct health_target *b)
{
	int difference = a->address.family - b->address.family;

	if (difference == 0)
		difference = memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));
	if (difference == 0)
		difference = (int)a->kind - (int)b->kind;
	if (difference == 0 && a->kind == CHECK_TCP)
		difference = a->tcp_port - b->tcp_port;
	return difference;
}

static int compare_targets(const void *a, const void *b)
{
	const struct target *const *left = a, *const *right = b;

	return compare_keys(&(*left)->key, &(*right)->key);
}

static int compare_key_with_target(const void *key, const void *entry)
{
	const struct target *const *target = entry;

	return compare_keys(key, &(*target)->key);
}

static struct target *find(struct target **table, size_t count, const struct health_target *key)
{
	struct target **found;

	if (count == 0)
		return NULL;
	found = bsearch(key, table, count, sizeof(struct target *), compare_key_with_target);
	return found ? *found : NULL;
}

static const char *name_of(const struct health_target *key, char name[static NAME_SIZE])
{
	char address[IP_TEXT_SIZE];

	ip_format(&key->address, address);
	if (key->kind == CHECK_TCP)
		snprintf(name, NAME_SIZE, "%s (check tcp/%u)", address, key->tcp_port);
	else
		snprintf(name, NAME_SIZE, "%s (check icmp)", address);
	return name;
}

static const char *reason_text(int error)
{
	switch (error) {
	case ETIMEDOUT:
		return "no answer";
	case ECONNREFUSED:
		return "connection refused";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "no route, or no such host on the network";
	case EADDRNOTAVAIL:
		return "this machine has no address to ask from";
	case EPERM:
		return "this machine's own firewall stops it";
	default:
		return strerror(error);
	}
}

/* What this machine lacks for a check says nothing of the target. */
static bool is_own_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
	       error == EAGAIN;
}

static void begin_check(struct target *target);

static void let_go_of_socket(struct target *target)
{
	if (target->fd < 0)
		return;
	event_del(&target->connected);
	close(target->fd);
	target->fd = -1;
	target->health->connections--;
}

/* Begins checks that wait for a socket while there are any left. */
static void serve_queue(struct health *health)
{
	struct target *next;

	while (health->connections < health->options.connections_max &&
	       (next = TAILQ_FIRST(&health->queue))) {
		TAILQ_REMOVE(&health->queue, next, queued);
		begin_check(next);
	}
}

static void count_result(struct target *target, int error)
{
	struct health *health = target->health;
	char name[NAME_SIZE];

	if (is_own_shortage(error)) {
		log_debug("%s: not checked: %s", name_of(&target->key, name), strerror(error));
		return;
	}
	target->streak = target->up == (error != 0) ? target->streak + 1 : 0;
	if (target->streak < (target->up ? health->options.fall : health->options.rise))
		return;
	target->up = !target->up;
	target->streak = 0;
	name_of(&target->key, name);
	if (target->up)
		log_change(name, LOG_LEVEL_INFO, "%s is up again", name);
	else
		log_change(name, LOG_LEVEL_WARNING, "%s is down: %s", name, reason_text(error));
	if (!event_pending(&health->tell, EV_TIMEOUT, NULL))
		timer_start(&health->tell, CHANGED_DELAY_MS);
}

/* error is 0 or an errno. */
static void end_check(struct target *target, int error)
{
	let_go_of_socket(target);
	count_result(target, error);
	target->state = STATE_RESTING;
	timer_start_at(&target->timer, target->begun_ms + target->health->options.interval_ms);
}

static void on_connected(evutil_socket_t fd, short what, void *context)
{
	struct target *target = context;
	struct health *health = target->health;
	socklen_t length = sizeof(int);
	int error = 0;

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	end_check(target, error);
	serve_queue(health);
}

static void on_replied(void *context, const struct ip_address *source,
		       const struct ping_stamp *stamp)
{
	struct health *health = context;
	const struct health_target key = {.address = *source, .kind = CHECK_ICMP};
	struct target *target = find(health->table, health->count, &key);

	if (target && target->state == STATE_WAITING &&
	    memcmp(stamp, &target->stamp, sizeof(*stamp)) == 0)
		end_check(target, 0);
}

static int start_connect(const struct target *target, int fd)
{
	const struct ip_address *address = &target->key.address;
	struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(target->key.tcp_port)};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(target->key.tcp_port)};

	if (address->family == AF_INET) {
		memcpy(&ipv4.sin_addr, address->bytes, sizeof(ipv4.sin_addr));
		return connect(fd, (struct sockaddr *)&ipv4, sizeof(ipv4));
	}
	memcpy(&ipv6.sin6_addr, address->bytes, sizeof(ipv6.sin6_addr));
	return connect(fd, (struct sockaddr *)&ipv6, sizeof(ipv6));
}

/* Returns 0 when it is under way, also where it has succeeded already, or -errno. */
static int begin_tcp(struct target *target)
{
	struct health *health = target->health;

	target->fd =
		socket(target->key.address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (target->fd < 0)
		return -errno;
	health->connections++;
	event_assign(&target->connected, health->base, target->fd, EV_WRITE, on_connected, target);
	if (setsockopt(target->fd, SOL_SOCKET, SO_MARK, &health->options.mark,
		       sizeof(health->options.mark)) < 0)
		return -errno;
	if (start_connect(target, target->fd) < 0 && errno != EINPROGRESS)
		return -errno;
	return event_add(&target->connected, NULL) < 0 ? -ENOMEM : 0;
}

static void begin_check(struct target *target)
{
	struct health *health = target->health;
	int error;

	if (target->key.kind == CHECK_TCP &&
	    health->connections >= health->options.connections_max) {
		target->state = STATE_QUEUED;
		TAILQ_INSERT_TAIL(&health->queue, target, queued);
		return;
	}
	target->begun_ms = timer_now_ms();
	target->state = STATE_WAITING;
	if (target->key.kind == CHECK_TCP)
		error = begin_tcp(target);
	else
		error = ping_send(health->ping, &target->key.address, &target->stamp);
	if (error)
		end_check(target, -error);
	else
		timer_start(&target->timer, health->options.timeout_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct target *target = context;
	struct health *health = target->health;

	(void)fd;
	(void)what;
	if (target->state == STATE_WAITING)
		end_check(target, ETIMEDOUT);
	else
		begin_check(target);
	serve_queue(health);
}

static void on_tell(evutil_socket_t fd, short what, void *context)
{
	struct health *health = context;

	(void)fd;
	(void)what;
	health->changed(health->context);
}

int health_open(struct health **out, struct event_base *base, const struct health_options *options,
		health_changed *changed, void *context)
{
	struct health *health = calloc(1, sizeof(*health));
	int error;

	if (!health)
		return -ENOMEM;
	health->base = base;
	health->options = *options;
	health->changed = changed;
	health->context = context;
	TAILQ_INIT(&health->queue);
	evtimer_assign(&health->tell, base, on_tell, health);
	error = ping_open(&health->ping, base, options->mark, on_replied, health);
	if (error) {
		free(health);
		return error;
	}
	*out = health;
	return 0;
}

static struct target *target_create(struct health *health, const struct health_target *key)
{
	struct target *target = calloc(1, sizeof(*target));

	if (!target)
		return NULL;
	target->health = health;
	target->key = *key;
	target->up = true;
	target->fd = -1;
	evtimer_assign(&target->timer, health->base, on_timer, target);
	return target;
}

static void target_free(struct target *target)
{
	if (target->state == STATE_QUEUED)
		TAILQ_REMOVE(&target->health->queue, target, queued);
	event_del(&target->timer);
	let_go_of_socket(target);
	free(target);
}

/* What a set is made up of: a table of targets, old and new ones. */
struct table {
	struct target **all;
	size_t count;
	size_t new_count;
};

static bool is_new(const struct health *health, const struct target *target)
{
	return !find(health->table, health->count, &target->key);
}

static void table_free(struct table *table, const struct health *health)
{
	for (size_t i = 0; i < table->count; i++) {
		if (is_new(health, table->all[i]))
			target_free(table->all[i]);
	}
	free(table->all);
}

/* Fills a table with one target for each of the wanted, in order and without twins. */
static int table_fill(struct table *table, struct health *health,
		      const struct health_target *targets, size_t count)
{
	size_t kept = 0;

	table->all = calloc(count + 1, sizeof(struct target *));
	if (!table->all)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct target *target = find(health->table, health->count, &targets[i]);

		if (targets[i].kind == CHECK_NONE)
			continue;
		if (!target)
			target = target_create(health, &targets[i]);
		if (!target)
			return -ENOMEM;
		table->all[table->count++] = target;
	}
	qsort(table->all, table->count, sizeof(struct target *), compare_targets);
	for (size_t i = 0; i < table->count; i++) {
		struct target *target = table->all[i];

		if (kept == 0 || compare_targets(&table->all[kept - 1], &target) != 0)
			table->all[kept++] = target;
		else if (table->all[kept - 1] != target)
			target_free(target);
	}
	table->count = kept;
	return 0;
}

/* Spreads the first checks evenly over one interval; each check keeps its place from then on. */
static void begin_new(struct health *health, const struct table *table)
{
	size_t new_count = 0, begun = 0;

	for (size_t i = 0; i < table->count; i++)
		new_count += is_new(health, table->all[i]);
	for (size_t i = 0; i < table->count; i++) {
		if (is_new(health, table->all[i]))
			timer_start(&table->all[i]->timer,
				    /* One at least is new here.
				       NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
				    health->options.interval_ms * begun++ / new_count);
	}
}

int health_set(struct health *health, const struct health_target *targets, size_t count)
{
	struct table table = {0};
	int error = table_fill(&table, health, targets, count);

	if (error) {
		table_free(&table, health);
		return error;
	}
	begin_new(health, &table);
	for (size_t i = 0; i < health->count; i++) {
		if (!find(table.all, table.count, &health->table[i]->key))
			target_free(health->table[i]);
	}
	free(health->table);
	health->table = table.all;
	health->count = table.count;
	serve_queue(health);
	return 0;
}

bool health_is_up(const struct health *health, const struct health_target *key)
{
	const struct target *target = find(health->table, health->count, key);

	return !target || target->up;
}

void health_close(struct health *health)
{
	if (!health)
		return;
	for (size_t i = 0; i < health->count; i++)
		target_free(health->table[i]);
	free(health->table);
	event_del(&health->tell);
	ping_close(health->ping);
	free(health);
}

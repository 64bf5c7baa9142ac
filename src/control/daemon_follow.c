/* SPDX-License-Identifier: MIT */
/* Keeps what the workers go by true to the world: network, names, health. */
#include "control/daemon_state.h"
#include "control/log.h"
#include "control/timer.h"
#include "core/hash_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What a destination's CHECK asks; kind CHECK_NONE where nothing is or can be asked, or nobody
 * wants to know. */
static struct health_target health_target(const struct ruleset *ruleset, size_t index)
{
	const struct ruleset_destination *entry = &ruleset->destinations[index];
	const struct config_destination *destination = entry->config;

	if (destination->address.family == AF_UNSPEC || destination->check == CHECK_NONE ||
	    !ruleset->rules[entry->rule].config->enabled)
		return (struct health_target){.kind = CHECK_NONE};
	return (struct health_target){.address = destination->address,
				      .kind = destination->check,
				      .tcp_port = destination->check_port};
}

/* Health as it is now, per destination. NULL when memory runs out. */
static uint8_t *collect_health(const struct daemon *daemon, const struct ruleset *ruleset)
{
	uint8_t *is_up = malloc(ruleset->destination_count);

	for (size_t i = 0; is_up && i < ruleset->destination_count; i++) {
		struct health_target target = health_target(ruleset, i);

		/* A name without an address can take nothing. */
		is_up[i] = ruleset->routes[ruleset->destinations[i].route].family != AF_UNSPEC &&
			   (target.kind == CHECK_NONE || health_is_up(daemon->health, &target));
	}
	return is_up;
}

/* What a publication makes anew. */
enum novelty { NEW_HEALTH, NEW_NETWORK };

/* Next hops' link-layer addresses are followed where they are used; else they are noise. */
static int follow_links(struct daemon *daemon, const struct config *config)
{
	const struct config_settings *settings = &config->settings;
	bool fast_path = daemon->fastpath && settings->fast_path == FASTPATH_AUTO;

	return netmon_follow_links(daemon->netmon, fast_path || settings->send == SEND_LINK);
}

/* Publishes a program, with views of the network and of health made for it. Returns 0 or -errno. */
static int publish(struct daemon *daemon, const struct program *program, enum novelty novelty)
{
	const struct ruleset *ruleset = program->ruleset;
	struct generation_basis basis = {
		.ruleset = ruleset,
		.fast_path = program->config->settings.fast_path == FASTPATH_AUTO,
		.send_link = program->config->settings.send == SEND_LINK,
		.loops = daemon_loops_prepare(daemon, ruleset),
	};
	uint8_t *is_up = collect_health(daemon, ruleset);
	struct netview *view = daemon->netview;
	int error = is_up ? 0 : -ENOMEM;

	if (!error && novelty == NEW_NETWORK)
		error = netmon_view(daemon->netmon, ruleset, &view);
	basis.netview = view;
	basis.is_up = is_up;
	if (!error)
		error = datapath_publish(daemon->datapath, &basis);
	daemon_loops_follow(daemon, ruleset, !error);
	if (error) {
		if (view != daemon->netview)
			netview_free(view);
		free(is_up);
		return error;
	}
	if (view != daemon->netview)
		netview_free(daemon->netview);
	free(daemon->is_up);
	daemon->netview = view;
	daemon->is_up = is_up;
	return 0;
}

/* Pauses between two tries double. */
enum { RETRY_MIN_MS = 1000, RETRY_MAX_MS = 60000 };

static void schedule_retry(struct daemon *daemon)
{
	if (daemon->retry_wait_ms == 0)
		daemon->retry_wait_ms = RETRY_MIN_MS;
	else if (daemon->retry_wait_ms < RETRY_MAX_MS / 2)
		daemon->retry_wait_ms *= 2;
	else
		daemon->retry_wait_ms = RETRY_MAX_MS;
	daemon->retry_at_ms = timer_now_ms() + daemon->retry_wait_ms;
}

/* Once is no reason to give up: daemon_follow_retry tries again. */
static void note_failure(struct daemon *daemon, const char *what, int error)
{
	if (!daemon->workers_stale)
		log_warning("cannot follow a change of %s: %s; trying again", what,
			    strerror(-error));
	daemon->workers_stale = true;
	schedule_retry(daemon);
}

void daemon_follow_rules_failed(struct daemon *daemon)
{
	daemon->rules_stale = true;
	schedule_retry(daemon);
}

static void publish_again(struct daemon *daemon, const char *what, enum novelty novelty)
{
	int error = publish(daemon, &daemon->program, novelty);

	if (error)
		note_failure(daemon, what, error);
}

static void on_health_changed(void *context)
{
	publish_again(context, "a destination's health", NEW_HEALTH);
}

void daemon_follow_loops(struct daemon *daemon)
{
	publish_again(daemon, "a loop", NEW_HEALTH);
}

/* Tells the health checks what a program has to be checked. */
static int set_health_targets(struct daemon *daemon, const struct ruleset *ruleset)
{
	struct health_target *targets = calloc(ruleset->destination_count, sizeof(*targets));
	size_t count = 0;
	int error = -ENOMEM;

	for (size_t i = 0; targets && i < ruleset->destination_count; i++) {
		struct health_target target = health_target(ruleset, i);

		if (target.kind != CHECK_NONE)
			targets[count++] = target;
	}
	if (targets)
		error = health_set(daemon->health, targets, count);
	free(targets);
	return error;
}

/* The machine's own addresses. */
struct own_addresses {
	struct ip_interface_address *all;
	size_t count;
};

/* Whether copies can go to the address that a name turned out to have; if not, that is logged
 * once. */
static bool is_usable(const struct config *config, const struct config_rule *rule,
		      struct config_destination *destination, const struct ip_address *found,
		      const struct own_addresses *own)
{
	struct config_destination there = *destination;
	char text[IP_TEXT_SIZE];
	const char *why;

	there.address = *found;
	why = config_unusable_here(config, rule, &there, own->all, own->count);
	if (why && !ip_equal(&destination->refused_address, found))
		log_warning("rule %s: no copy can go to the address %s of %s, which is %s",
			    rule->name, ip_format(found, text), destination->host, why);
	destination->refused_address = why ? *found : (struct ip_address){0};
	return !why;
}

/* Gives a program's destinations the addresses of their names. Returns whether any has changed. */
static bool resolve_names(struct daemon *daemon, struct config *config)
{
	struct own_addresses own;
	bool changed = false;

	if (!names_any(daemon->names))
		return false;
	if (netmon_addresses(&own.all, &own.count) < 0)
		own = (struct own_addresses){0};
	for (size_t r = 0; r < config->rule_count; r++)
		for (size_t d = 0; d < config->rules[r].destination_count; d++) {
			struct config_destination *destination = &config->rules[r].destinations[d];
			struct ip_address found;

			if (!destination->host ||
			    !names_lookup(daemon->names, destination->host, &found) ||
			    ip_equal(&found, &destination->address) ||
			    !config_destination_takes(destination, found.family) ||
			    !is_usable(config, &config->rules[r], destination, &found, &own))
				continue;
			destination->address = found;
			changed = true;
		}
	free(own.all);
	return changed;
}

/* Tells the resolver which names a program has. */
static int set_names(struct daemon *daemon, const struct config *config)
{
	size_t count = 0, most = 0;
	const char **hosts;
	int error;

	for (size_t r = 0; r < config->rule_count; r++)
		most += config->rules[r].destination_count;
	hosts = calloc(most + 1, sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	for (size_t r = 0; r < config->rule_count; r++)
		for (size_t d = 0; d < config->rules[r].destination_count; d++)
			if (config->rules[r].enabled && config->rules[r].destinations[d].host)
				hosts[count++] = config->rules[r].destinations[d].host;
	error = names_set(daemon->names, hosts, count);
	free(hosts);
	return error;
}

/* What the workers have been given is what is followed from now on. */
static void follow(struct daemon *daemon, const struct program *program)
{
	int error = set_names(daemon, program->config);

	if (!error)
		error = set_health_targets(daemon, program->ruleset);
	if (error)
		note_failure(daemon, "names and health checks", error);
}

/* New addresses mean new tables, for which counters go on by name. */
static void publish_addresses(struct daemon *daemon)
{
	struct ruleset *former = NULL;
	int error = program_compile(&daemon->program, &former);

	if (!error)
		error = publish(daemon, &daemon->program, NEW_NETWORK);
	if (!error) {
		ruleset_free(former);
		follow(daemon, &daemon->program);
		return;
	}
	note_failure(daemon, "names' addresses", error);
	if (former) {
		ruleset_free(daemon->program.ruleset);
		daemon->program.ruleset = former;
	}
}

void daemon_follow_anew(struct daemon *daemon)
{
	int error = follow_links(daemon, daemon->program.config);

	if (error)
		note_failure(daemon, "next hops", error);
	publish_addresses(daemon);
}

/* Also the netfilter rules know the addresses: they keep from clients what this machine has to say
 * about copies to them. */
static void follow_new_addresses(struct daemon *daemon)
{
	publish_addresses(daemon);
	if (daemon->rules_up && !daemon_run_rules_script(daemon, "up", &daemon->program))
		daemon_follow_rules_failed(daemon);
}

static void on_names_changed(void *context)
{
	struct daemon *daemon = context;

	if (resolve_names(daemon, daemon->program.config))
		follow_new_addresses(daemon);
}

static void on_network_changed(void *context)
{
	struct daemon *daemon = context;

	log_debug("addresses or routes have changed");
	daemon_fastpath_follow(daemon);
	/* What was this machine's own address may be another's by now. */
	if (resolve_names(daemon, daemon->program.config))
		follow_new_addresses(daemon);
	else
		publish_again(daemon, "addresses or routes", NEW_NETWORK);
}

void daemon_follow_retry(struct daemon *daemon)
{
	bool workers = daemon->workers_stale, rules = daemon->rules_stale;

	if ((!workers && !rules) || timer_now_ms() < daemon->retry_at_ms)
		return;
	if (workers) {
		resolve_names(daemon, daemon->program.config);
		daemon->workers_stale = false;
		publish_addresses(daemon);
	}
	daemon->rules_stale = false;
	if (rules && !daemon_run_rules_script(daemon, "up", &daemon->program))
		daemon_follow_rules_failed(daemon);
	if (daemon->workers_stale || daemon->rules_stale)
		return;
	daemon->retry_wait_ms = 0;
	log_info("what had failed has succeeded now: all is up to date");
}

bool daemon_follow_open(struct daemon *daemon)
{
	const struct names_options names_options = NAMES_DEFAULTS;
	uint32_t mark = daemon->program.config->settings.mark;
	const struct health_options health_options = HEALTH_DEFAULTS(mark);
	int error = netmon_open(&daemon->netmon, daemon->base, mark, on_network_changed, daemon);

	if (!error)
		error = names_open(&daemon->names, daemon->base, &names_options, on_names_changed,
				   daemon);
	if (!error)
		error = health_open(&daemon->health, daemon->base, &health_options,
				    on_health_changed, daemon);
	if (error)
		log_error("cannot listen for changes of network, names and health: %s",
			  strerror(-error));
	return !error;
}

void daemon_follow_close(struct daemon *daemon)
{
	if (daemon->netmon)
		netmon_close(daemon->netmon);
	if (daemon->health)
		health_close(daemon->health);
	if (daemon->names)
		names_close(daemon->names);
}

struct wanted_host {
	const struct ruleset *ruleset;
	const char *host;
};

static bool is_host(const void *context, uint32_t entry)
{
	const struct wanted_host *wanted = context;

	return strcmp(wanted->ruleset->destinations[entry].config->host, wanted->host) == 0;
}

/* The place of a host name among the destinations that have an address for it. */
static uint32_t *find_host(const struct hash_index *index, const struct ruleset *ruleset,
			   const char *host)
{
	struct wanted_host wanted = {ruleset, host};

	return hash_index_find(index, hash_bytes(host, strlen(host)), is_host, &wanted);
}

/* Gives a destination what the running one has, where it may have it. */
static void take_over_address(const struct config *config, const struct config_rule *rule,
			      struct config_destination *to, const struct config_destination *from,
			      const struct own_addresses *own)
{
	struct config_destination there = *to;

	there.address = from->address;
	to->refused_address = from->refused_address;
	if (config_destination_takes(to, from->address.family) &&
	    !config_unusable_here(config, rule, &there, own->all, own->count))
		to->address = from->address;
}

/*
 * Names that the running program has resolved have the same address in a new one, though their
 * latest answer may be one that cannot be used.
 */
static void take_over_addresses(const struct ruleset *running, struct config *config,
				const struct own_addresses *own)
{
	struct hash_index index;

	if (!hash_index_init(&index, running->destination_count))
		return;
	for (uint32_t i = 0; i < running->destination_count; i++) {
		const struct config_destination *destination = running->destinations[i].config;

		if (destination->host && destination->address.family != AF_UNSPEC)
			*find_host(&index, running, destination->host) = i;
	}
	for (size_t r = 0; r < config->rule_count; r++)
		for (size_t d = 0; d < config->rules[r].destination_count; d++) {
			struct config_destination *to = &config->rules[r].destinations[d];
			uint32_t found =
				to->host ? *find_host(&index, running, to->host) : HASH_INDEX_NONE;

			if (found != HASH_INDEX_NONE)
				take_over_address(config, &config->rules[r], to,
						  running->destinations[found].config, own);
		}
	hash_index_free(&index);
}

int daemon_follow_prepare(struct daemon *daemon, struct program *program)
{
	struct ruleset *former = NULL;
	struct own_addresses own;
	int error;

	if (daemon->program.ruleset && names_any(daemon->names) &&
	    netmon_addresses(&own.all, &own.count) == 0) {
		take_over_addresses(daemon->program.ruleset, program->config, &own);
		free(own.all);
	}
	resolve_names(daemon, program->config);
	error = program_compile(program, &former);
	ruleset_free(former); /* nobody had it yet */
	return error;
}

int daemon_follow_program(struct daemon *daemon, const struct program *program)
{
	int error = follow_links(daemon, program->config);

	if (!error)
		error = publish(daemon, program, NEW_NETWORK);
	if (!error)
		follow(daemon, program);
	else if (program != &daemon->program && !follow_links(daemon, daemon->program.config))
		/* The next hops that are followed are those of the last view made. */
		publish_again(daemon, "the network", NEW_NETWORK);
	return error;
}

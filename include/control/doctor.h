/* SPDX-License-Identifier: MIT */
/*
 * Examines this machine and the way to every destination for what keeps packets from arriving.
 * Changes nothing that outlives it; asks the kernel, nft and a running daemon.
 */
#ifndef TRAFFICDUPLICATOR_CONTROL_DOCTOR_H
#define TRAFFICDUPLICATOR_CONTROL_DOCTOR_H

#include "control/config_file.h"
#include "control/doctor_report.h"
#include "control/route.h"
#include "core/config.h"
#include "core/rules_text.h"

#include <json-c/json.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct doctor_netfilter;

struct doctor_options {
	const char *config_path;
	const char *socket_path;
	bool no_rules;	   /* the administrator loads the rules, not the daemon */
	const char *sysfs; /* where sysfs is mounted: "/sys" */
	/* As whose message to send one to each destination; NULL: send none. */
	const struct ip_address *send_test_client;
};

/* A destination as copies go there; one that several rules have is listed once for each SOURCE and
 * OVERSIZE that they give it. */
struct doctor_target {
	bool is_twin; /* the same place is listed before */
	const struct config_rule *rule;
	const struct config_destination *destination;
	const char *name;	   /* the destination's */
	struct ip_address address; /* AF_UNSPEC: its host name has none */
	uint16_t port;		   /* host byte order; the rule's first where copies keep theirs */
	struct route route;
	char device[IF_NAMESIZE]; /* "" where there is no way */
	bool by_bridge;		  /* which is a bridge */
};

/* What the checks examine, gathered once. */
struct doctor {
	struct doctor_options options;
	bool has_admin; /* CAP_NET_ADMIN: the kernel's rules can be read */
	bool has_raw;	/* CAP_NET_RAW */
	enum config_file_result config_result;
	struct config_errors config_errors;
	struct config *config;	/* the file's; NULL: unreadable or invalid */
	struct config *running; /* the daemon's; NULL: none has said */
	/* Running, or else the file's: what rules and queues should be like now. */
	const struct config *in_force;
	int status_error;		    /* of control_socket_ask */
	struct json_object *status;	    /* as `status --json`; NULL: no daemon has answered */
	pid_t daemon_pid;		    /* 0: not known */
	struct json_object *rules;	    /* array of `nft -j list ruleset`; NULL: not readable */
	struct doctor_netfilter *netfilter; /* these rules in order; NULL likewise */
	bool knows_way;			    /* the next two are set */
	enum rules_way way;
	enum rules_defragmentation defragmentation;
	struct doctor_target *targets;
	size_t target_count;
};

/* Examines everything. Returns 0, or -ENOMEM with part of the findings. */
int doctor_examine(const struct doctor_options *options, struct doctor_report *report,
		   enum config_file_result *config_result);

/* One subject's checks each, in src/control/doctor_<subject>.c. */
void doctor_check_program(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_http(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_kernel(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_rules(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_queue(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_settings(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_exposure(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_ways(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_firewall(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_arrivals(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_traffic(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_cloud(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_receivers(const struct doctor *doctor, struct doctor_report *report);
void doctor_check_send_test(const struct doctor *doctor, struct doctor_report *report);

/* Sets way and defragmentation to what the rules script would choose on this kernel. */
void doctor_kernel_find_way(struct doctor *doctor);

/* Fills targets, from a config whose host names have their addresses. Returns 0 or -errno. */
int doctor_targets_find(struct doctor *doctor);

/* Whether two targets are one place: address and port, or an unresolved name. */
bool doctor_targets_same_place(const struct doctor_target *a, const struct doctor_target *b);

/* Whether an interface is a bridge, and whether it is in one; false where that is not known. */
bool doctor_bridge_is(const char *interface);
bool doctor_bridge_has(const char *bridge, const char *interface);

/* "ip filter OUTPUT": how nft names the chain of a rule, or a chain. Returns place. */
#define DOCTOR_PLACE_SIZE 256
const char *doctor_firewall_place(const struct json_object *object,
				  char place[static DOCTOR_PLACE_SIZE]);

/* How a way's MTU is raised to mtu_bytes: where it is the device's, or else a route's of its own.
 */
void doctor_mend_mtu(const struct doctor *doctor, const struct doctor_target *target,
		     uint32_t mtu_bytes, struct doctor_finding *finding);
/* An interface of this machine that is down, and in whose network the address is; false: none. */
bool doctor_interface_down(const struct ip_address *address, char name[static IF_NAMESIZE]);

/* What has the running daemon load its configuration and its rules anew. */
void doctor_mend_reload(const struct doctor *doctor, struct doctor_finding *finding);

/* Whether this machine is an instance of Amazon EC2, by its DMI texts below sysfs. */
bool doctor_cloud_is_ec2(const char *sysfs);

/* What the network adapter's counter of this name says: a finding where it is an allowance of
 * Amazon's that was exceeded. Returns whether it is one of these counters. */
bool doctor_cloud_allowance(struct doctor_report *report, const char *interface,
			    const char *counter, unsigned long long value);

/* CPUs that the daemon may run on, or this process where none runs: from it may follow the number
 * of workers. */
unsigned doctor_daemon_cpus(const struct doctor *doctor);

/* A number of an object of the status, 0 where it has none, and a text, "" likewise. */
unsigned long long doctor_number(const struct json_object *object, const char *key);
const char *doctor_text(const struct json_object *object, const char *key);
/* An array's length; 0 for what is no array. */
size_t doctor_length(const struct json_object *array);

#endif

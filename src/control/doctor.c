/* SPDX-License-Identifier: MIT */
#include "control/doctor.h"

#include "control/control_socket.h"
#include "control/cpus.h"
#include "control/doctor_command.h"
#include "control/doctor_netfilter.h"
#include "control/host_addresses.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	NEEDS_CONFIG = 1,
	NEEDS_ADMIN = 2,
	NEEDS_DAEMON = 4,
	NEEDS_TEST = 8,
	NEEDS_RAW = 16,
	NEEDS_IN_FORCE = 32, /* the file's configuration, or that of the daemon */
};

struct check {
	const char *subject;
	unsigned needs; /* NEEDS_... */
	void (*run)(const struct doctor *doctor, struct doctor_report *report);
};

static const struct check checks[] = {
	{"program", 0, doctor_check_program},
	{"http", NEEDS_DAEMON | NEEDS_IN_FORCE, doctor_check_http},
	{"kernel", NEEDS_ADMIN, doctor_check_kernel},
	{"rules", NEEDS_ADMIN | NEEDS_IN_FORCE, doctor_check_rules},
	{"queue", NEEDS_ADMIN | NEEDS_IN_FORCE, doctor_check_queue},
	{"settings", NEEDS_CONFIG, doctor_check_settings},
	{"clients", NEEDS_CONFIG, doctor_check_exposure},
	{"destinations", NEEDS_CONFIG, doctor_check_ways},
	{"firewall", NEEDS_ADMIN | NEEDS_CONFIG, doctor_check_firewall},
	{"firewall", NEEDS_ADMIN | NEEDS_CONFIG, doctor_check_arrivals},
	{"traffic", NEEDS_DAEMON, doctor_check_traffic},
	{"cloud", 0, doctor_check_cloud},
	{"receivers", NEEDS_CONFIG, doctor_check_receivers},
	{"test messages", NEEDS_TEST | NEEDS_CONFIG | NEEDS_ADMIN | NEEDS_RAW,
	 doctor_check_send_test},
};

#define CHECK_COUNT (sizeof(checks) / sizeof(checks[0]))

unsigned long long doctor_number(const struct json_object *object, const char *key)
{
	return json_object_get_uint64(json_object_object_get(object, key));
}

const char *doctor_text(const struct json_object *object, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(object, key));

	return text ? text : "";
}

size_t doctor_length(const struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

unsigned doctor_daemon_cpus(const struct doctor *doctor)
{
	cpu_set_t set;

	if (doctor->daemon_pid && sched_getaffinity(doctor->daemon_pid, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	return cpus_usable();
}

void doctor_mend_reload(const struct doctor *doctor, struct doctor_finding *finding)
{
	const char *socket_path = doctor->options.socket_path;

	if (strcmp(socket_path, CONTROL_SOCKET_DEFAULT_PATH) == 0)
		doctor_mend(finding, "trafficduplicator reload");
	else
		doctor_mend(finding, "trafficduplicator reload --socket %s", socket_path);
}

static void find_capabilities(struct doctor *doctor)
{
	if (capng_get_caps_process() < 0)
		return;
	doctor->has_admin = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN);
	doctor->has_raw = capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_RAW);
}

/* Who listens on the control socket (unix(7), SO_PEERCRED); 0: not known. */
static pid_t find_listener(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return 0;
	if (strlen(path) < sizeof(address.sun_path)) {
		strcpy(address.sun_path, path);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
			peer.pid = 0;
	}
	close(fd);
	return peer.pid;
}

static void ask_daemon(struct doctor *doctor)
{
	char *body;

	doctor->daemon_pid = find_listener(doctor->options.socket_path);
	doctor->status_error = control_socket_ask(doctor->options.socket_path, "status",
						  CONTROL_SOCKET_ANSWER_S, &body);
	if (doctor->status_error == 0) {
		doctor->status = json_tokener_parse(body);
		if (!doctor->status)
			doctor->status_error = -EBADMSG;
	}
	free(body);
}

/* What the daemon has in force, which may no longer be what the file says. */
static void ask_running(struct doctor *doctor)
{
	struct config_errors errors = {0};
	char *text;

	if (control_socket_ask(doctor->options.socket_path, "config", CONTROL_SOCKET_ANSWER_S,
			       &text) == 0)
		doctor->running = config_parse(text, strlen(text), "daemon", &errors);
	config_errors_free(&errors);
	free(text);
}

static void read_rules(struct doctor *doctor)
{
	const char *const argv[] = {"nft", "-j", "list", "ruleset", NULL};
	struct json_object *answer;
	char *text;

	if (doctor_command(argv, NULL, &text) != 0)
		return;
	answer = json_tokener_parse(text);
	free(text);
	doctor->rules = json_object_get(json_object_object_get(answer, "nftables"));
	json_object_put(answer);
	doctor->netfilter = doctor->rules ? doctor_netfilter_open(doctor->rules) : NULL;
}

static int find_addresses(struct doctor *doctor)
{
	int result = doctor->config ? host_addresses_fill(doctor->config, doctor->status) : 0;

	if (result == 0 && doctor->running)
		result = host_addresses_fill(doctor->running, doctor->status);
	return result;
}

static int gather(struct doctor *doctor)
{
	int result;

	find_capabilities(doctor);
	doctor->config_result =
		config_file_load(doctor->options.config_path, CONFIG_FILE_WRITABLE_REFUSE,
				 &doctor->config, &doctor->config_errors);
	ask_daemon(doctor);
	if (doctor->status)
		ask_running(doctor);
	doctor->in_force = doctor->running ? doctor->running : doctor->config;
	if (doctor->has_admin) {
		read_rules(doctor);
		doctor_kernel_find_way(doctor);
	}
	if (doctor->rules && !doctor->netfilter)
		return -ENOMEM;
	result = find_addresses(doctor);
	return result == 0 && doctor->config ? doctor_targets_find(doctor) : result;
}

static void release(struct doctor *doctor)
{
	free(doctor->targets);
	doctor_netfilter_close(doctor->netfilter);
	json_object_put(doctor->rules);
	json_object_put(doctor->status);
	config_free(doctor->running);
	config_free(doctor->config);
	config_errors_free(&doctor->config_errors);
}

static unsigned lacks(const struct doctor *doctor)
{
	return (doctor->config ? 0 : (unsigned)NEEDS_CONFIG) |
	       (doctor->in_force ? 0 : (unsigned)NEEDS_IN_FORCE) |
	       (doctor->has_admin ? 0 : (unsigned)NEEDS_ADMIN) |
	       (doctor->status ? 0 : (unsigned)NEEDS_DAEMON) |
	       (doctor->options.send_test_client ? 0 : (unsigned)NEEDS_TEST) |
	       (doctor->has_raw ? 0 : (unsigned)NEEDS_RAW);
}

/* Says that a check could not be made; what is wrong with config and daemon was said before. */
static void say_skipped(const struct doctor *doctor, struct doctor_report *report, unsigned missing)
{
	const bool rights = missing & (NEEDS_ADMIN | NEEDS_RAW),
		   config = missing & (NEEDS_CONFIG | NEEDS_IN_FORCE);
	struct doctor_finding *finding;

	if (missing & NEEDS_TEST)
		return;
	finding = doctor_report_add(report, DOCTOR_WARNING, "not_examined", NULL,
				    "not examined: this needs %s",
				    rights   ? "root"
				    : config ? "a valid configuration"
					     : "an answer from the daemon");
	doctor_meaning(finding, "What is wrong here would not be seen.");
	if (rights)
		doctor_mend(finding, "sudo trafficduplicator doctor");
	else if (config)
		doctor_mend(finding, "trafficduplicator check -c %s", doctor->options.config_path);
	else
		doctor_mend(finding, "systemctl start trafficduplicator");
}

int doctor_examine(const struct doctor_options *options, struct doctor_report *report,
		   enum config_file_result *config_result)
{
	struct doctor doctor = {.options = *options};
	int result = gather(&doctor);
	unsigned missing = lacks(&doctor);

	*config_result = doctor.config_result;
	for (size_t i = 0; result == 0 && i < CHECK_COUNT; i++) {
		const bool goes_on = i > 0 && strcmp(checks[i].subject, checks[i - 1].subject) == 0;

		report->subject = checks[i].subject;
		if ((checks[i].needs & missing) && goes_on)
			continue;
		if (checks[i].needs & missing)
			say_skipped(&doctor, report, checks[i].needs & missing);
		else
			checks[i].run(&doctor, report);
	}
	release(&doctor);
	return result == 0 && report->out_of_memory ? -ENOMEM : result;
}

/* SPDX-License-Identifier: MIT */
#include "control/confine.h"

#include "control/confine_calls.h"
#include "control/confine_files.h"
#include "control/log.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "TRAFFICDUPLICATOR_CONFINE"

enum mode { MODE_REFUSE, MODE_KILL, MODE_OFF, MODE_UNKNOWN };

static enum mode chosen_mode(void)
{
	const char *value = getenv(VARIABLE);

	if (!value || value[0] == '\0')
		return MODE_REFUSE;
	if (strcmp(value, "kill") == 0)
		return MODE_KILL;
	return strcmp(value, "off") == 0 ? MODE_OFF : MODE_UNKNOWN;
}

/* Adds one rule. Returns 0 or -errno. A call that this machine does not have is none that could be
 * made. */
static int add_call(scmp_filter_ctx filter, uint32_t action, const struct confine_call *call)
{
	struct scmp_arg_cmp conditions[2];
	int number = seccomp_syscall_resolve_name(call->name);

	if (number < 0)
		return 0;
	for (unsigned i = 0; i < call->count; i++)
		conditions[i] = SCMP_CMP64(call->conditions[i].argument, SCMP_CMP_MASKED_EQ,
					   call->conditions[i].mask, call->conditions[i].value);
	return seccomp_rule_add_array(filter, action, number, call->count, conditions);
}

static int add_names(scmp_filter_ctx filter, const char *const *names)
{
	int error = 0;

	for (; *names && !error; names++)
		error = add_call(filter, SCMP_ACT_ALLOW, &(struct confine_call){.name = *names});
	return error;
}

static int add_checked(scmp_filter_ctx filter, const struct confine_call *calls)
{
	int error = 0;

	for (; calls->name && !error; calls++)
		error = add_call(filter, SCMP_ACT_ALLOW, calls);
	return error;
}

/* Signals to ourselves alone: abort(3) and pthread_kill(3) are made of these. */
static int add_own_signals(scmp_filter_ctx filter)
{
	const struct confine_call call = {"tgkill", 1, {{0, UINT32_MAX, (uint32_t)getpid()}}};

	return add_call(filter, SCMP_ACT_ALLOW, &call);
}

static int add_lists(scmp_filter_ctx filter, enum confine_role role)
{
	bool is_daemon = role == CONFINE_DAEMON;
	int error = add_names(filter, confine_shared_calls);

	if (!error)
		error = add_checked(filter, confine_shared_checked);
	/* A call that is allowed at all cannot also be allowed with conditions, so lists that say
	 * more come first (seccomp_rule_add(3)). */
	if (!error && (!is_daemon || CONFINE_IS_INSTRUMENTED))
		error = add_names(filter, confine_helper_calls);
	if (!error && CONFINE_IS_INSTRUMENTED)
		error = add_names(filter, confine_instrumented_calls);
	if (!error && is_daemon)
		error = add_checked(filter, confine_daemon_checked);
	if (!error && !is_daemon)
		error = add_checked(filter, confine_helper_checked);
	if (!error && is_daemon)
		error = add_own_signals(filter);
	return error;
}

/* Returns 0 or -errno. */
static int set_attributes(scmp_filter_ctx filter, bool is_logged)
{
	/* Errors as the kernel gives them. */
	int error = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);

	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A tree rather than a chain of comparisons. */
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* That it is logged is not worth a start: older kernels cannot. */
	if (!error && is_logged)
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	return error;
}

/*
 * clone3 has its flags where no filter can see them. Where it is said not to exist, the libc goes
 * on with clone, which shows them. A filter of its own, because that is no refusal: it is not
 * logged, and kills nobody. Returns 0 or -errno.
 */
static int hide_clone3(void)
{
	const struct confine_call call = {.name = "clone3"};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error;

	if (!filter)
		return -ENOMEM;
	error = set_attributes(filter, false);
	if (!error)
		error = add_call(filter, SCMP_ACT_ERRNO(ENOSYS), &call);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

/* Returns 0 or -errno. */
static int load_list(enum confine_role role, enum mode mode)
{
	scmp_filter_ctx filter =
		seccomp_init(mode == MODE_KILL ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
	int error;

	if (!filter)
		return -ENOMEM;
	error = set_attributes(filter, true);
	if (!error)
		error = add_lists(filter, role);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

int confine_apply(enum confine_role role, char why[static CONFINE_ERROR_BYTES])
{
	enum mode mode = chosen_mode();
	int error = 0;

	why[0] = '\0';
	if (mode == MODE_UNKNOWN) {
		snprintf(why, CONFINE_ERROR_BYTES,
			 VARIABLE " is neither 'kill' nor 'off': unset it in the environment");
		return -EINVAL;
	}
	if (mode == MODE_OFF) {
		if (role == CONFINE_DAEMON)
			log_warning(VARIABLE "=off: no list of system calls bounds what the daemon "
					     "can do");
		return 0;
	}
	/* A profile is a file that is written at the end. */
	if (role == CONFINE_DAEMON && !CONFINE_IS_INSTRUMENTED)
		error = confine_files();
	if (error) {
		snprintf(why, CONFINE_ERROR_BYTES, "cannot give up writing files (landlock): %s",
			 strerror(-error));
		return error;
	}
	error = hide_clone3();
	if (!error)
		error = load_list(role, mode);
	if (error)
		snprintf(why, CONFINE_ERROR_BYTES,
			 "the list of system calls cannot be put in force: %s. It takes a kernel "
			 "with CONFIG_SECCOMP_FILTER, and a container or service manager that "
			 "allows seccomp(2). " VARIABLE "=off in the environment starts without it",
			 strerror(-error));
	return error;
}

/* SPDX-License-Identifier: MIT */
#include "core/config_names.h"

#include "core/config.h"

const char *const config_names_original[] = {"auto", "forward", "drop", NULL};
const char *const config_names_oversize[] = {"fragment", "drop", NULL};
const char *const config_names_balance[] = {"all", "round-robin", "hash", "failover", NULL};
const char *const config_names_when_full[] = {"drop", "forward", NULL};
const char *const config_names_send[] = {"ip", "link", NULL};
const char *const config_names_fast_path[] = {"off", "auto", NULL};
const char *const config_names_log_level[] = {"error", "warning", "info", "debug", NULL};

const char *original_mode_name(enum original_mode mode)
{
	return config_names_original[mode];
}

const char *oversize_mode_name(enum oversize_mode mode)
{
	return config_names_oversize[mode];
}

const char *balance_mode_name(enum balance_mode mode)
{
	return config_names_balance[mode];
}

const char *source_mode_name(enum source_mode mode)
{
	static const char *const names[] = {"client", "appliance", "fixed"};

	return names[mode];
}

const char *check_kind_name(enum check_kind kind)
{
	static const char *const names[] = {"none", "icmp", "tcp"};

	return names[kind];
}

const char *send_mode_name(enum send_mode mode)
{
	return config_names_send[mode];
}

const char *fastpath_mode_name(enum fastpath_mode mode)
{
	return config_names_fast_path[mode];
}

const char *when_full_name(enum when_full when_full)
{
	return config_names_when_full[when_full];
}

const char *log_level_name(enum log_level level)
{
	return config_names_log_level[level];
}

/* SPDX-License-Identifier: MIT */
#include "cli/top_terminfo.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

static bool has_text(const char *capability)
{
	const char *text = tigetstr(capability);

	return text && text != (char *)-1; /* terminfo(3): cancelled, absent; no such name */
}

/* Before newterm(), which leaks memory over a type that it does not know. */
enum top_terminfo top_terminfo_examine(const char *type)
{
	bool is_fit;
	int error;

	if (setupterm(type, STDOUT_FILENO, &error) != OK)
		return TOP_TERMINFO_UNKNOWN;
	is_fit = has_text("cup") && has_text("clear");
	del_curterm(cur_term);
	return is_fit ? TOP_TERMINFO_FIT : TOP_TERMINFO_UNFIT;
}

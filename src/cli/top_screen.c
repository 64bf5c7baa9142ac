/* SPDX-License-Identifier: MIT */
#include "cli/top_screen.h"

#include "cli/top_terminfo.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/* The longest text that is shown, in characters: more than a screen's width. */
#define TEXT_SIZE 1024
#define ESCAPE_DELAY_MS 25

enum { PAIR_GOOD = 1, PAIR_LOSS };

static attr_t attribute_of(enum top_style style)
{
	static const attr_t attributes[] = {
		[TOP_PLAIN] = A_NORMAL,	     [TOP_STRONG] = A_BOLD,
		[TOP_BAR] = A_REVERSE,	     [TOP_HEADING] = A_UNDERLINE,
		[TOP_GOOD] = A_NORMAL,	     [TOP_LOSS] = A_NORMAL,
		[TOP_GROWING_LOSS] = A_BOLD, [TOP_ALARM] = A_REVERSE | A_BOLD,
	};

	return attributes[style];
}

/* Pair 0 is the terminal's own colours, and all there is without colour. */
static short pair_of(enum top_style style)
{
	static const short pairs[] = {
		[TOP_GOOD] = PAIR_GOOD,
		[TOP_LOSS] = PAIR_LOSS,
		[TOP_GROWING_LOSS] = PAIR_LOSS,
		[TOP_ALARM] = PAIR_LOSS,
	};

	return has_colors() && !getenv("NO_COLOR") ? pairs[style] : 0;
}

static void prepare_colours(void)
{
	short background = -1;

	if (!has_colors() || getenv("NO_COLOR"))
		return;
	start_color();
	if (use_default_colors() == ERR)
		background = COLOR_BLACK;
	init_pair(PAIR_GOOD, COLOR_GREEN, background);
	init_pair(PAIR_LOSS, COLOR_RED, background);
}

/* Returns whether it is fit; says why not. */
static bool examine(const char *type)
{
	switch (top_terminfo_examine(type)) {
	case TOP_TERMINFO_FIT:
		return true;
	case TOP_TERMINFO_UNKNOWN:
		fprintf(stderr,
			"trafficduplicator: the terminal type '%s' (TERM) is not known here; try "
			"TERM=xterm, or install ncurses-term\n",
			type);
		return false;
	case TOP_TERMINFO_UNFIT:
		break;
	}
	fprintf(stderr,
		"trafficduplicator: a terminal of type '%s' (TERM) cannot show top: it cannot "
		"place text; there is 'trafficduplicator status'\n",
		type);
	return false;
}

SCREEN *top_screen_open(void)
{
	const char *type = getenv("TERM");
	SCREEN *screen;

	if (!type || !*type)
		type = "unknown";
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fprintf(stderr, "trafficduplicator: top needs a terminal; elsewhere there is "
				"'trafficduplicator status'\n");
		return NULL;
	}
	if (!examine(type))
		return NULL;
	setlocale(LC_CTYPE, "");
	screen = newterm(type, stdout, stdin);
	if (!screen) {
		fprintf(stderr, "trafficduplicator: ncurses cannot use this terminal\n");
		return NULL;
	}
	prepare_colours();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_DELAY_MS);
	curs_set(0);
	return screen;
}

void top_screen_close(SCREEN *screen)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
}

void top_screen_fit(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		resizeterm(size.ws_row, size.ws_col);
}

int top_screen_rows(void)
{
	return getmaxy(stdscr);
}

int top_screen_columns(void)
{
	return getmaxx(stdscr);
}

void top_screen_begin(void)
{
	erase();
}

void top_screen_end(void)
{
	refresh();
}

int top_screen_key(void)
{
	return getch();
}

/* The next character of *utf8 and its width; a byte that is none becomes "?". */
static wchar_t next_character(const char **utf8, mbstate_t *state, int *width)
{
	wchar_t character;
	size_t length = mbrtowc(&character, *utf8, MB_CUR_MAX, state);

	if (length == (size_t)-1 || length == (size_t)-2) {
		*state = (mbstate_t){0};
		length = 1;
		character = L'?';
	}
	*utf8 += length;
	*width = wcwidth(character);
	if (*width >= 0)
		return character;
	*width = 1;
	return L'?';
}

int top_screen_width(const char *utf8)
{
	mbstate_t state = {0};
	int width, sum = 0;

	while (*utf8) {
		next_character(&utf8, &state, &width);
		sum += width;
	}
	return sum;
}

/* As much of utf8 as fits into so many columns, into out. Returns the columns it takes. */
static int fit_text(const char *utf8, int columns, wchar_t out[static TEXT_SIZE])
{
	mbstate_t state = {0};
	bool is_cut = top_screen_width(utf8) > columns;
	int room = is_cut ? columns - 1 : columns;
	int taken = 0, width;
	size_t count = 0;

	while (*utf8 && count < TEXT_SIZE - 2) {
		wchar_t character = next_character(&utf8, &state, &width);

		if (taken + width > room)
			break;
		out[count++] = character;
		taken += width;
	}
	if (is_cut)
		out[count++] = L'+';
	out[count] = L'\0';
	return taken + is_cut;
}

static int put_styled(int row, int column, int width, enum top_style style, const char *utf8,
		      bool to_the_right)
{
	wchar_t characters[TEXT_SIZE];
	int taken;

	if (width > top_screen_columns() - column)
		width = top_screen_columns() - column;
	if (width <= 0 || row < 0 || row >= top_screen_rows())
		return 0;
	taken = fit_text(utf8, width, characters);
	attr_set(attribute_of(style), pair_of(style), NULL);
	mvaddwstr(row, to_the_right ? column + width - taken : column, characters);
	attr_set(A_NORMAL, 0, NULL);
	return taken;
}

int top_screen_put(int row, int column, int width, enum top_style style, const char *utf8)
{
	return put_styled(row, column, width, style, utf8, false);
}

void top_screen_put_right(int row, int column, int width, enum top_style style, const char *utf8)
{
	put_styled(row, column, width, style, utf8, true);
}

void top_screen_bar(int row, enum top_style style)
{
	if (row >= 0 && row < top_screen_rows())
		mvchgat(row, 0, -1, attribute_of(style), pair_of(style), NULL);
}

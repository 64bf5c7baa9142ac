/* SPDX-License-Identifier: MIT */
/* The terminal, as ncurses has it: text at a place, in a style. One at a time. */
#ifndef TRAFFICDUPLICATOR_CLI_TOP_SCREEN_H
#define TRAFFICDUPLICATOR_CLI_TOP_SCREEN_H

#include <ncurses.h>

enum top_style {
	TOP_PLAIN,
	TOP_STRONG,
	TOP_BAR,
	TOP_HEADING,
	TOP_GOOD,
	TOP_LOSS,
	TOP_GROWING_LOSS,
	TOP_ALARM,
};

/*
 * Takes the terminal over, in colour unless NO_COLOR is set. Returns NULL, having said why on
 * stderr, where stdin and stdout are not a terminal or it is of an unknown or unfit type.
 */
SCREEN *top_screen_open(void);
/* Gives the terminal back as it was. NULL is fine. */
void top_screen_close(SCREEN *screen);

/* Asks the terminal how large it is now, and takes that over. */
void top_screen_fit(void);
int top_screen_rows(void);
int top_screen_columns(void);

/* Between these two, everything is written anew. */
void top_screen_begin(void);
void top_screen_end(void);

/* The next key, as in ncurses.h; ERR when there is none: does not wait. */
int top_screen_key(void);

/* How many columns UTF-8 text takes. What the terminal cannot show is "?", one column. */
int top_screen_width(const char *utf8);

/*
 * Writes at row, column at most width columns; a text that is cut ends in "+". Returns the columns
 * written. What lies outside the screen is not shown.
 */
int top_screen_put(int row, int column, int width, enum top_style style, const char *utf8);
/* The same, ending at column + width. */
void top_screen_put_right(int row, int column, int width, enum top_style style, const char *utf8);

/* A bar over the whole row. */
void top_screen_bar(int row, enum top_style style);

#endif

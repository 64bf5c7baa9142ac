/* SPDX-License-Identifier: MIT */
/*
 * Lets memory run out at a chosen moment, in the program's own code. The linker puts these
 * functions in the place of the C library's (--wrap, see the Makefile).
 */
#ifndef TESTS_UNIT_NO_MEMORY_H
#define TESTS_UNIT_NO_MEMORY_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Which request is refused, from 1; 0: none. Whether those behind it are as well. */
static unsigned no_memory_at;
static bool no_memory_stays;
static unsigned no_memory_asked; /* requests so far */

static bool no_memory_now(void)
{
	no_memory_asked++;
	if (no_memory_at == 0 || no_memory_asked < no_memory_at)
		return false;
	return no_memory_stays || no_memory_asked == no_memory_at;
}

/* The C library's own, and what the program calls in their place. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
FILE *__real_open_memstream(char **text, size_t *size);
int __real_fclose(FILE *file);
int __real_vasprintf(char **text, const char *format, va_list arguments);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
FILE *__wrap_open_memstream(char **text, size_t *size);
int __wrap_fclose(FILE *file);
int __wrap_vasprintf(char **text, const char *format, va_list arguments);
int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list arguments);
int __wrap_asprintf(char **text, const char *format, ...);
int __wrap___asprintf_chk(char **text, int flag, const char *format, ...);

#define NO_MEMORY_OR(result)                                                                       \
	do {                                                                                       \
		if (!no_memory_now())                                                              \
			return (result);                                                           \
		errno = ENOMEM;                                                                    \
		return NULL;                                                                       \
	} while (0)

void *__wrap_malloc(size_t size)
{
	NO_MEMORY_OR(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	NO_MEMORY_OR(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	NO_MEMORY_OR(__real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	NO_MEMORY_OR(__real_reallocarray(old, count, size));
}

char *__wrap_strdup(const char *text)
{
	NO_MEMORY_OR(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t length)
{
	NO_MEMORY_OR(__real_strndup(text, length));
}

FILE *__wrap_open_memstream(char **text, size_t *size)
{
	NO_MEMORY_OR(__real_open_memstream(text, size));
}

/* Memory for the text of a stream may have run out unnoticed before. */
int __wrap_fclose(FILE *file)
{
	int result = __real_fclose(file);

	return no_memory_now() ? EOF : result;
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
	return no_memory_now() ? -1 : __real_vasprintf(text, format, arguments);
}

int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list arguments)
{
	(void)flag;
	return __wrap_vasprintf(text, format, arguments);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
	va_list arguments;
	int written;

	va_start(arguments, format);
	written = __wrap_vasprintf(text, format, arguments);
	va_end(arguments);
	return written;
}

int __wrap___asprintf_chk(char **text, int flag, const char *format, ...)
{
	va_list arguments;
	int written;

	(void)flag;
	va_start(arguments, format);
	written = __wrap_vasprintf(text, format, arguments);
	va_end(arguments);
	return written;
}

#endif

/* SPDX-License-Identifier: MIT */
#include "control/config_file.h"

#include "control/log.h"
#include "control/netmon.h"
#include "core/config_report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (64u << 10)

/* Makes room for READ_BYTES more and a NUL. */
static bool grow(struct config_file *file, size_t *capacity)
{
	char *text;

	if (*capacity - file->length > READ_BYTES)
		return true;
	text = realloc(file->text, *capacity * 2 + READ_BYTES + 1);
	if (!text)
		return false;
	file->text = text;
	*capacity = *capacity * 2 + READ_BYTES + 1;
	return true;
}

/* Reads until the end, or one byte too many. Returns 0 or -errno. */
static int read_all(int fd, struct config_file *file)
{
	size_t capacity = 0;
	ssize_t got;

	do {
		if (!grow(file, &capacity))
			return -ENOMEM;
		got = read(fd, file->text + file->length, READ_BYTES);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0)
			file->length += (size_t)got;
		file->text[file->length] = '\0';
	} while (got != 0 && file->length <= CONFIG_TEXT_MAX);
	return 0;
}

enum config_file_result config_file_read(const char *path, enum config_file_kind kind,
					 struct config_file *file, struct config_errors *errors)
{
	struct config_report report = {.file = path};
	/* Opening a FIFO waits for somebody to write into it, unless it is told not to. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY |
				    (kind == CONFIG_FILE_REGULAR ? O_NONBLOCK : 0));
	enum config_file_result result = CONFIG_FILE_UNREADABLE;
	int error = 0;

	*file = (struct config_file){0};
	if (fd < 0 || fstat(fd, &file->status) < 0)
		error = -errno;
	else if (kind == CONFIG_FILE_REGULAR && S_ISFIFO(file->status.st_mode))
		error = -ESPIPE;
	else
		error = read_all(fd, file);
	if (error == -ESPIPE) {
		config_report_add(&report, 0,
				  "is a pipe, and every reload reads it again; write a file");
	} else if (error < 0) {
		config_report_add(&report, 0, "cannot be read: %s", strerror(-error));
	} else if (file->length > CONFIG_TEXT_MAX) {
		config_report_add(&report, 0, "is larger than %u MiB", CONFIG_TEXT_MAX >> 20);
		result = CONFIG_FILE_INVALID;
	} else {
		result = CONFIG_FILE_OK;
	}
	if (fd >= 0)
		close(fd);
	if (result != CONFIG_FILE_OK) {
		free(file->text);
		*file = (struct config_file){0};
	}
	config_report_finish(&report, errors);
	return result;
}

/*
 * Whether others than the owner can change the file. One without a name (a pipe, a memfd, whose
 * mode is always 0777) can be reached by those only who were given it.
 */
static bool is_writable_by_others(const struct stat *status)
{
	return S_ISREG(status->st_mode) && status->st_nlink > 0 &&
	       (status->st_mode & (S_IWGRP | S_IWOTH));
}

/* Who can write a folder can put another file in the place of ours. In one with the sticky bit, as
 * /tmp has it, only the file's owner can (inode(7)). Some have a mode that is not theirs to choose,
 * as what Kubernetes mounts: so it is said, and no more. */
static void warn_of_folder(const char *path)
{
	char *real = realpath(path, NULL);
	char *slash = real ? strrchr(real, '/') : NULL;
	struct stat status;

	if (slash)
		slash[slash == real] = '\0';
	if (slash && stat(real, &status) == 0 && S_ISDIR(status.st_mode) &&
	    (status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & S_ISVTX))
		log_warning("%s: its folder can be written by others than its owner, who can put "
			    "another file there: chmod go-w %s",
			    path, real);
	free(real);
}

/* Returns whether the file may be used. */
static bool check_writable(const char *path, const struct stat *status,
			   enum config_file_writable writable, struct config_errors *errors)
{
	static const char finding[] = "can be written by others than its owner";
	struct config_report report = {.file = path};

	if (S_ISREG(status->st_mode) && status->st_nlink > 0)
		warn_of_folder(path);
	if (!is_writable_by_others(status))
		return true;
	if (writable == CONFIG_FILE_WRITABLE_WARN) {
		log_warning("%s: %s; the daemon refuses it until: chmod go-w %s", path, finding,
			    path);
		return true;
	}
	config_report_add(&report, 0, "%s: chmod go-w %s", finding, path);
	config_report_finish(&report, errors);
	return false;
}

/* Returns whether the config can run on this machine. */
static bool check_addresses(const char *path, const struct config *config,
			    struct config_errors *errors)
{
	struct config_report report = {.file = path};
	struct ip_interface_address *addresses;
	size_t count;
	bool ok;
	int error = netmon_addresses(&addresses, &count);

	if (error < 0) {
		config_report_add(&report, 0,
				  "cannot be checked against this machine's addresses: %s",
				  strerror(-error));
		config_report_finish(&report, errors);
		errors->unfinished = true;
		return false;
	}
	ok = config_check_addresses(config, path, addresses, count, errors);
	free(addresses);
	return ok;
}

enum config_file_result config_file_parse(const char *path, const struct config_file *file,
					  enum config_file_writable writable, struct config **out,
					  struct config_errors *errors)
{
	bool ok = check_writable(path, &file->status, writable, errors);
	bool clean;
	struct config *config = config_parse_partly(file->text, file->length, path, &clean, errors);

	if (config)
		ok = check_addresses(path, config, errors) && ok;
	if (!config || !clean || !ok) {
		config_free(config);
		return errors->unfinished ? CONFIG_FILE_UNREADABLE : CONFIG_FILE_INVALID;
	}
	*out = config;
	return CONFIG_FILE_OK;
}

enum config_file_result config_file_load(const char *path, enum config_file_writable writable,
					 struct config **config, struct config_errors *errors)
{
	struct config_file file;
	enum config_file_result result = config_file_read(path, CONFIG_FILE_ANY, &file, errors);

	if (result == CONFIG_FILE_OK)
		result = config_file_parse(path, &file, writable, config, errors);
	free(file.text);
	return result;
}

/* SPDX-License-Identifier: MIT */
#include "control/autoreload.h"

#include "control/log.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Editors write in several steps: a file is complete when nothing has happened for so long. */
#define QUIET_MS 200

/* Between two tries to watch a folder that is not there. */
#define MISSING_MS 1000

#define WATCHED                                                                                    \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF |    \
	 IN_ONLYDIR)

/* A path whose folder is watched. */
struct place {
	int watch; /* -1: none */
	char path[PATH_MAX];
};

struct autoreload {
	int fd;
	struct place named; /* as the path says */
	struct place real;  /* behind symbolic links */
	struct event readable;
	struct event quiet;
	bool missing; /* the folder is not there, which was said */
	autoreload_changed *changed;
	void *context;
};

/* The folder of a path, or "." where it has none. */
static void folder_of(const char *path, char folder[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (slash == path)
		length = 1;
	if (length == 0) {
		strcpy(folder, ".");
		return;
	}
	memcpy(folder, path, length);
	folder[length] = '\0';
}

/* Watches the place's folder, whichever that is by now. Returns 0 or -errno. */
static int watch(struct autoreload *autoreload, struct place *place)
{
	char folder[PATH_MAX];
	int former = place->watch, found;

	folder_of(place->path, folder);
	found = inotify_add_watch(autoreload->fd, folder, WATCHED);
	if (found < 0)
		return -errno;
	place->watch = found;
	/* One folder is one watch, which the other place may have, too. */
	if (former >= 0 && former != autoreload->named.watch && former != autoreload->real.watch)
		inotify_rm_watch(autoreload->fd, former);
	return 0;
}

static int watch_folders(struct autoreload *autoreload)
{
	int error = watch(autoreload, &autoreload->named);
	char real[PATH_MAX];

	/* A file that is not there comes back in one of the folders that are watched. */
	if (error || !realpath(autoreload->named.path, real))
		return error;
	strcpy(autoreload->real.path, real);
	return watch(autoreload, &autoreload->real);
}

static void wait_ms(struct autoreload *autoreload, long ms)
{
	const struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(&autoreload->quiet, &wait);
}

static void on_quiet(evutil_socket_t fd, short what, void *context)
{
	struct autoreload *autoreload = context;
	int error = watch_folders(autoreload);

	(void)fd;
	(void)what;
	if (error) {
		if (!autoreload->missing)
			log_warning("AUTORELOAD waits for the folder of %s: %s",
				    autoreload->named.path, strerror(-error));
		autoreload->missing = true;
		wait_ms(autoreload, MISSING_MS);
		return;
	}
	autoreload->missing = false;
	autoreload->changed(autoreload->context);
}

/* Whether what was created is complete: a link is. A file is when it is closed after writing. */
static bool is_complete(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && (S_ISLNK(status.st_mode) || status.st_nlink > 1);
}

/* Whether an event is about the file of a place, or about its whole folder. */
static bool is_at(const struct inotify_event *event, struct place *place)
{
	const char *slash = strrchr(place->path, '/');

	if (event->wd != place->watch)
		return false;
	if (event->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_IGNORED))
		return true;
	return event->len > 0 && strcmp(event->name, slash ? slash + 1 : place->path) == 0 &&
	       (!(event->mask & IN_CREATE) || is_complete(place->path));
}

/* Whether a link on the way to the file leads elsewhere now. */
static bool has_moved(const struct autoreload *autoreload)
{
	char real[PATH_MAX];

	return realpath(autoreload->named.path, real) && strcmp(real, autoreload->real.path) != 0;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	_Alignas(struct inotify_event) char buffer[4096];
	struct autoreload *autoreload = context;
	bool ours = false;
	ssize_t got;

	(void)what;
	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		for (char *at = buffer; at < buffer + got;) {
			const struct inotify_event *event =
				(const struct inotify_event *)(void *)at;

			/* After an overflow of the queue, anything may have happened. */
			ours |= event->mask & IN_Q_OVERFLOW || is_at(event, &autoreload->named) ||
				is_at(event, &autoreload->real);
			at += sizeof(*event) + event->len;
		}
	/* What others do in these folders does not hold up what was noticed before. */
	if (ours || (!event_pending(&autoreload->quiet, EV_TIMEOUT, NULL) && has_moved(autoreload)))
		wait_ms(autoreload, QUIET_MS);
}

int autoreload_open(struct autoreload **out, struct event_base *base, const char *path,
		    autoreload_changed *changed, void *context)
{
	struct autoreload *autoreload;
	int error;

	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	autoreload = calloc(1, sizeof(*autoreload));
	if (!autoreload)
		return -ENOMEM;
	autoreload->changed = changed;
	autoreload->context = context;
	autoreload->named.watch = autoreload->real.watch = -1;
	strcpy(autoreload->named.path, path);
	autoreload->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	error = autoreload->fd < 0 ? -errno : watch_folders(autoreload);
	if (error) {
		if (autoreload->fd >= 0)
			close(autoreload->fd);
		free(autoreload);
		return error;
	}
	event_assign(&autoreload->readable, base, autoreload->fd, EV_READ | EV_PERSIST, on_readable,
		     autoreload);
	evtimer_assign(&autoreload->quiet, base, on_quiet, autoreload);
	if (event_add(&autoreload->readable, NULL) < 0) {
		autoreload_close(autoreload);
		return -ENOMEM;
	}
	*out = autoreload;
	return 0;
}

void autoreload_close(struct autoreload *autoreload)
{
	if (!autoreload)
		return;
	event_del(&autoreload->readable);
	event_del(&autoreload->quiet);
	close(autoreload->fd);
	free(autoreload);
}

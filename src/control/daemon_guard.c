/* SPDX-License-Identifier: MIT */
/* Other programs may take away what is ours: then it is said, and put back. */
#include "control/daemon_state.h"
#include "control/instance_lock.h"
#include "control/log.h"
#include "control/nft_image.h"
#include "control/nft_watch.h"
#include "control/timer.h"
#include "datapath/queue_owner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rules are put back so many times at once, and from then on once in a while: another program that
 * takes them away every time must not have us do nothing else. */
enum { RESTORES_MAX = 5, RESTORE_INTERVAL_MS = 15000 };

#define TABLE "table inet trafficduplicator"

struct daemon_guard {
	struct nft_watch *watch; /* NULL: changes are not heard of */
	struct nft_image wanted; /* as the script has left them */
	bool has_wanted;	 /* else nothing is known to be wrong */
	bool is_wrong;		 /* they are not like that now */
	bool is_unread;		 /* they could not be compared: once more */
	bool has_doubted;	 /* the script was run once more for what it had left */
	bool is_slow;		 /* they are taken away more often than they are put back */
	unsigned allowance;	 /* how often they may be put back now */
	uint64_t refilled_ms;	 /* when it last grew; timer_now_ms */
	uint64_t restored;
	int lock_fd;	      /* -1: none */
	char queue_loss[192]; /* "": all queues are ours */
};

/* Whoever changed rules of ours last, for the log. */
struct culprit {
	char text[NFT_WATCH_NAME_BYTES + 32];
};

static struct culprit name_culprit(const struct nft_change *change)
{
	struct culprit culprit = {"another program"};

	if (change && change->process_id > 0)
		snprintf(culprit.text, sizeof(culprit.text), "%s (process %u)",
			 change->process_name, change->process_id);
	return culprit;
}

static bool may_restore(struct daemon_guard *guard)
{
	uint64_t now_ms = timer_now_ms();
	uint64_t intervals = (now_ms - guard->refilled_ms) / RESTORE_INTERVAL_MS;

	if (intervals >= RESTORES_MAX - guard->allowance) {
		guard->allowance = RESTORES_MAX;
		guard->refilled_ms = now_ms;
	} else {
		guard->allowance += (unsigned)intervals;
		guard->refilled_ms += intervals * RESTORE_INTERVAL_MS;
	}
	if (guard->allowance == 0)
		return false;
	guard->allowance--;
	return true;
}

/* Where what is there now cannot be brought up to date, all is made anew. */
static void restore(struct daemon *daemon)
{
	if (daemon_run_rules_script(daemon, "up", &daemon->program))
		return;
	daemon_run_rules_script(daemon, "down", &daemon->program);
	if (!daemon_run_rules_script(daemon, "up", &daemon->program))
		daemon_follow_rules_failed(daemon);
}

static void put_back(struct daemon *daemon, const char *what, const struct nft_change *change)
{
	struct daemon_guard *guard = daemon->guard;
	bool was_slow = guard->is_slow;

	guard->is_slow = !may_restore(guard);
	if (!guard->is_slow) {
		log_warning(TABLE " was %s by %s: putting it back", what,
			    name_culprit(change).text);
		restore(daemon);
	} else if (!was_slow) {
		log_warning(TABLE " was %s by %s, again and again: from now on it is put back once "
				  "in %d s; find out who does that, and why",
			    what, name_culprit(change).text, RESTORE_INTERVAL_MS / 1000);
	}
}

/* Rules that the administrator installs are looked at, and no more: only a table that was there
 * must be there. */
static void compare_foreign(struct daemon_guard *guard, const struct nft_image *image,
			    const struct nft_change *change)
{
	if (image->has_table) {
		if (guard->is_wrong)
			log_info(TABLE " is there again");
		guard->is_wrong = false;
		guard->wanted = *image;
	} else if (guard->wanted.has_table && !guard->is_wrong) {
		guard->is_wrong = true;
		log_warning(TABLE " was taken away by %s: nothing is queued until you install it "
				  "again, since this daemon runs with --no-rules",
			    name_culprit(change).text);
	}
}

/* Looks at the rules; change is NULL where nobody is known to have changed anything. */
static void compare(struct daemon *daemon, const struct nft_change *change)
{
	struct daemon_guard *guard = daemon->guard;
	struct nft_image image;
	int error;

	/* The script has failed: that is tried again without us (daemon_follow.c). */
	if (!guard->has_wanted)
		return;
	error = nft_image_take(&image);
	guard->is_unread = error != 0;
	if (error) {
		log_debug("cannot read the netfilter rules: %s; trying again", strerror(-error));
		return;
	}
	if (daemon->options->no_rules) {
		compare_foreign(guard, &image, change);
		return;
	}
	guard->is_wrong |= image.hash != guard->wanted.hash;
	if (guard->is_wrong)
		put_back(daemon, image.is_whole ? "changed" : "taken away", change);
}

static void on_changed(void *context, const struct nft_change *change)
{
	struct daemon *daemon = context;

	if (daemon->stage == DAEMON_SERVING)
		compare(daemon, change);
}

void daemon_guard_accept(struct daemon *daemon, bool done)
{
	struct daemon_guard *guard = daemon->guard;
	struct nft_image image;
	bool was_wrong;

	if (!guard || !guard->watch)
		return;
	was_wrong = guard->is_wrong;
	guard->has_wanted = done && nft_image_take(&image) == 0;
	if (!guard->has_wanted)
		return;
	guard->wanted = image;
	/* Somebody may have taken something away meanwhile; but a script of the administrator's own
	 * may do without the table. */
	guard->is_wrong = !daemon->options->no_rules && !image.is_whole && !guard->has_doubted;
	guard->has_doubted = guard->is_wrong;
	if (was_wrong && !guard->is_wrong) {
		guard->restored++;
		log_info(TABLE " is back");
	}
}

/* Once a second queues are looked at as well: nobody tells of a queue that is unbound. */
static void watch_queues(struct daemon *daemon)
{
	struct daemon_guard *guard = daemon->guard;
	char owner[QUEUE_OWNER_TEXT_BYTES];
	struct datapath_queue_loss loss;
	bool was_lost = guard->queue_loss[0] != '\0';

	if (!datapath_find_loss(daemon->datapath, &loss)) {
		if (was_lost)
			log_info("all queues are ours again");
		guard->queue_loss[0] = '\0';
	} else if (loss.is_mended) {
		log_warning("queue %u was bound by nobody: bound again", loss.queue);
		guard->queue_loss[0] = '\0';
	} else if (!was_lost) {
		snprintf(guard->queue_loss, sizeof(guard->queue_loss), "queue %u belongs to %s",
			 loss.queue,
			 loss.port_id ? queue_owner_describe(loss.port_id, owner)
				      : "nobody, and cannot be bound");
		log_error("%s: its packets are not duplicated", guard->queue_loss);
	}
}

void daemon_guard_tick(struct daemon *daemon)
{
	struct daemon_guard *guard = daemon->guard;

	if (guard->lock_fd >= 0)
		instance_lock_serve(guard->lock_fd);
	watch_queues(daemon);
	if (guard->is_unread || (guard->is_wrong && !daemon->options->no_rules))
		compare(daemon, NULL);
}

const char *daemon_guard_ill(const struct daemon *daemon)
{
	const struct daemon_guard *guard = daemon->guard;

	if (!guard)
		return NULL;
	if (guard->is_wrong)
		return daemon->options->no_rules ? TABLE ", which was there before, is missing"
						 : TABLE
			       " was changed or taken away by another program";
	return guard->queue_loss[0] ? guard->queue_loss : NULL;
}

uint64_t daemon_guard_restored(const struct daemon *daemon)
{
	return daemon->guard->restored;
}

/* Returns false, having logged why, where another daemon has the rules. */
static bool take_lock(struct daemon_guard *guard)
{
	struct instance_holder holder;
	char process[32] = "some process";

	guard->lock_fd = instance_lock_take(&holder);
	if (guard->lock_fd >= 0)
		return true;
	if (guard->lock_fd == -EADDRINUSE && holder.pid > 0)
		snprintf(process, sizeof(process), "process %d", (int)holder.pid);
	if (guard->lock_fd != -EADDRINUSE) {
		log_warning("cannot make sure that no other trafficduplicator runs here: %s",
			    strerror(-guard->lock_fd));
	} else if (holder.is_stranger) {
		log_warning("%s of another user has the address @trafficduplicator: that no other "
			    "trafficduplicator runs here cannot be made sure of",
			    process);
	} else {
		log_error("another trafficduplicator, %s, has the rules of this network namespace: "
			  "stop it, or add your rules to its configuration; with --no-rules and "
			  "other QUEUE numbers this one can run beside it",
			  process);
		return false;
	}
	guard->lock_fd = -1;
	return true;
}

bool daemon_guard_open(struct daemon *daemon)
{
	struct daemon_guard *guard = calloc(1, sizeof(*guard));
	int error;

	if (!guard) {
		log_error("out of memory");
		return false;
	}
	*guard = (struct daemon_guard){.allowance = RESTORES_MAX, .lock_fd = -1};
	daemon->guard = guard;
	if (!daemon->options->no_rules && !take_lock(guard))
		return false;
	error = nft_watch_open(&guard->watch, daemon->base, on_changed, daemon);
	if (error)
		log_warning("cannot listen for changes of the netfilter rules: %s; when others "
			    "take them away, 'trafficduplicator reload' puts them back",
			    strerror(-error));
	return true;
}

void daemon_guard_stop(struct daemon *daemon)
{
	if (!daemon->guard)
		return;
	nft_watch_close(daemon->guard->watch);
	daemon->guard->watch = NULL;
}

void daemon_guard_close(struct daemon *daemon)
{
	if (!daemon->guard)
		return;
	if (daemon->guard->lock_fd >= 0)
		close(daemon->guard->lock_fd);
	free(daemon->guard);
	daemon->guard = NULL;
}

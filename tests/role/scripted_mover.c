/* SPDX-License-Identifier: MIT */
#include "role/scripted_mover.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* One transfer under way. */
struct run {
	struct sgh_list link;
	struct sgh_move *move;
	struct scripted_move how;
	pthread_t thread;
	bool resumed;
	int cancelled;
};

struct sgh_mover {
	struct sgh_list runs;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const char *body;
	struct scripted_move moves[16];
	size_t move_count;
	size_t begun; /* transfers */
	uint64_t offsets[16];
	size_t paused;
	size_t stalled;
} script = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- what a test says and sees ---- */

void scripted_mover_reset(const char *body)
{
	memset(script.moves, 0, sizeof(script.moves));
	script.move_count = 0;
	script.begun = 0;
	script.body = body;
}

void scripted_mover_go(const struct scripted_move *moves, size_t count)
{
	memcpy(script.moves, moves, count * sizeof(*moves));
	script.move_count = count;
}

static size_t count_of(const size_t *what)
{
	size_t count;

	pthread_mutex_lock(&script.lock);
	count = *what;
	pthread_mutex_unlock(&script.lock);
	return count;
}

size_t scripted_begun(void)
{
	return count_of(&script.begun);
}

size_t scripted_paused(void)
{
	return count_of(&script.paused);
}

size_t scripted_stalled(void)
{
	return count_of(&script.stalled);
}

uint64_t scripted_offset(size_t nth)
{
	return script.offsets[nth];
}

/* ---- a transfer ---- */

static void wait_locked(size_t *what)
{
	(*what)++;
	pthread_cond_wait(&script.changed, &script.lock);
	(*what)--;
}

static int push_piece(struct run *run, uint64_t at, size_t length)
{
	struct sgh_move *move = run->move;
	sgh_autofree char *copy = malloc(length);

	memcpy(copy, script.body + move->offset + at, length);
	if (run->how.wrong && at + length == move->length)
		copy[length - 1] ^= 1;
	pthread_mutex_lock(&script.lock);
	run->resumed = false;
	pthread_mutex_unlock(&script.lock);
	return move->push(move, copy, length);
}

/* True when the transfer was cancelled. */
static bool sleep_until_resumed(struct run *run)
{
	bool cancelled;

	pthread_mutex_lock(&script.lock);
	while (!run->resumed && !run->cancelled)
		wait_locked(&script.paused);
	cancelled = run->cancelled;
	pthread_mutex_unlock(&script.lock);
	return cancelled;
}

static int carry(struct run *run)
{
	uint64_t end = run->how.give ? run->how.give : run->move->length;
	size_t most = run->how.piece ? run->how.piece : 16 << 10;
	uint64_t at = 0;

	if (run->how.nothing)
		end = 0;
	if (end > run->move->length)
		end = run->move->length;
	while (at < end) {
		size_t length = sgh_min((size_t)(end - at), most);
		int status = push_piece(run, at, length);

		if (!status)
			at += length;
		else if (status != SGH_MOVE_PAUSE)
			return status;
		else if (sleep_until_resumed(run))
			return run->cancelled;
	}
	pthread_mutex_lock(&script.lock);
	while (run->how.stall && !run->cancelled)
		wait_locked(&script.stalled);
	pthread_mutex_unlock(&script.lock);
	return run->cancelled ? run->cancelled : run->how.status;
}

static void *run_main(void *arg)
{
	struct run *run = arg;
	struct sgh_move *move = run->move;
	int status = carry(run);

	pthread_mutex_lock(&script.lock);
	move->backend = NULL;
	pthread_mutex_unlock(&script.lock);
	move->status = status;
	if (status)
		sgh_fail(&move->err, status, 0, "the transfer ended");
	move->done(move);
	return NULL;
}

/* ---- the mover ---- */

int sgh_mover_new(struct sangraha_context *context,
		  const struct sgh_mover_options *options, struct sgh_mover **ret,
		  struct sangraha_error *err)
{
	*ret = calloc(1, sizeof(**ret));
	sgh_list_init(&(*ret)->runs);
	return 0;
}

void sgh_mover_free(struct sgh_mover *mover)
{
	struct sgh_list *link;

	while (mover && (link = sgh_list_pop(&mover->runs))) {
		struct run *run = sgh_list_entry(link, struct run, link);

		pthread_join(run->thread, NULL);
		free(run);
	}
	free(mover);
}

int sgh_mover_submit(struct sgh_mover *mover, struct sgh_move *move,
		     struct sangraha_error *err)
{
	struct run *run = calloc(1, sizeof(*run));
	size_t n;

	run->move = move;
	pthread_mutex_lock(&script.lock);
	n = script.begun++;
	if (script.move_count && script.moves[script.move_count - 1].for_ever)
		run->how = script.moves[sgh_min(n, script.move_count - 1)];
	else if (n < script.move_count)
		run->how = script.moves[n];
	if (n < SGH_COUNT(script.offsets))
		script.offsets[n] = move->offset;
	move->backend = run;
	if (!run->how.submit)
		sgh_list_append(&mover->runs, &run->link);
	pthread_mutex_unlock(&script.lock);
	if (run->how.submit) {
		sgh_fail(err, run->how.submit, 0, "the transfer did not begin");
		free(run);
		return err->status;
	}
	pthread_create(&run->thread, NULL, run_main, run);
	return 0;
}

void sgh_mover_resume(struct sgh_mover *mover, struct sgh_move *move)
{
	struct run *run;

	pthread_mutex_lock(&script.lock);
	run = move->backend;
	if (run)
		run->resumed = true;
	pthread_cond_broadcast(&script.changed);
	pthread_mutex_unlock(&script.lock);
}

void sgh_mover_cancel(struct sgh_mover *mover, struct sgh_move *move, int status)
{
	struct run *run;

	pthread_mutex_lock(&script.lock);
	run = move->backend;
	if (run)
		run->cancelled = status;
	pthread_cond_broadcast(&script.changed);
	pthread_mutex_unlock(&script.lock);
}

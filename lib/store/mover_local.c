/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/thread.h"
#include "base/timer.h"
#include "store/local.h"
#include "store/mover_kind.h"

/*
 * Transfers to stores in this process. Each is driven by act(), on threads that never wait
 * for a disk: one call at a time, whenever something may have changed. So a transfer ends
 * at its deadline or when it is cancelled whatever the disk does; what the disk still uses
 * is the transfer's own, and is let go when it comes back.
 */

#define THREADS     2
#define CONNECTIONS 64
#define IDLE_MS     30000
/* Those in line count too: each has its URL and headers in memory. */
#define TRANSFERS_MAX 4096
/* Each transfer at work has one piece, besides the budget: 8 MiB with 64 of them. */
#define PIECE_SIZE (128 << 10)

struct local_mover {
	struct sangraha_context *context;
	unsigned most; /* transfers at work */
	unsigned idle_ms;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t idle;
		struct sgh_pool *pool; /* NULL until the first transfer */
		struct sgh_pool *closer;
		struct sgh_timers *timers;
		struct sgh_list waiting; /* transfer.link, for one at work to be over */
		unsigned working;
		unsigned reading; /* of these, the GETs */
		unsigned count;   /* that are not free yet */
	} s;
};

struct transfer {
	struct local_mover *mover;
	struct sgh_move *move; /* of act() alone; NULL when it has ended */
	bool reads;            /* it is a GET */
	struct sgh_list link;
	struct sgh_job job;
	struct sgh_timer timer;
	struct sgh_arena arena;
	struct sgh_local_grant grant;
	struct sgh_pair meta[SGH_STORE_META_MAX];
	struct sangraha_store *store;
	struct sgh_local *local; /* of `taken`, as long as the handle is open */
	struct sgh_local_body *taken;
	struct sgh_bytes *piece;
	struct sgh_store_op op;
	/* of act() alone */
	uint64_t pulled;
	size_t held;     /* bytes in `piece` that push() has to take */
	int64_t version; /* of the object that the first piece is of */
	bool asked;      /* the store was asked to put what was taken */
	/* under the mover's lock */
	struct {
		bool queued; /* act() will run or runs */
		bool again;  /* and something has changed since it began */
		bool working;
		bool armed;
		bool busy; /* the disk has something of it */
		int cancelled;
		int64_t moved_ms; /* when it last got on */
		int status;       /* of a piece that was taken */
		struct sangraha_error err;
	} s;
};

/* ---- the driving ---- */

static void kick_locked(struct transfer *self)
{
	self->s.again = true;
	if (!self->s.queued) {
		self->s.queued = true;
		sgh_pool_submit(self->mover->s.pool, &self->job);
	}
}

/* The disk is done with what it had. */
static void returned(struct transfer *self, int status, const struct sangraha_error *err)
{
	struct local_mover *mover = self->mover;

	pthread_mutex_lock(&mover->s.lock);
	self->s.busy = false;
	self->s.moved_ms = sgh_now_ms();
	self->s.status = status;
	if (status)
		self->s.err = *err;
	kick_locked(self);
	pthread_mutex_unlock(&mover->s.lock);
}

static void op_done(struct sgh_store_op *op)
{
	returned(sgh_container_of(op, struct transfer, op), op->status, &op->err);
}

static void appended(struct sgh_local_body *body, int status,
		     const struct sangraha_error *err)
{
	returned(body->arg, status, err);
}

static void set_busy(struct transfer *self, bool busy)
{
	pthread_mutex_lock(&self->mover->s.lock);
	self->s.busy = busy;
	self->s.moved_ms = sgh_now_ms();
	pthread_mutex_unlock(&self->mover->s.lock);
}

/* ---- the end ---- */

/* Let go of all that it has. */
static void transfer_close(struct transfer *self)
{
	sgh_store_op_fini(&self->op);
	if (self->taken)
		self->local->ops->body_free(self->taken);
	sangraha_store_unref(self->store);
	sgh_bytes_unref(self->piece);
	sgh_bytes_unref(self->op.body);
	sgh_arena_fini(&self->arena);
}

/* Who takes slowly is at work for long, so readers leave some room to others. */
static bool may_work_locked(const struct local_mover *mover, bool reads)
{
	return mover->s.working < mover->most &&
	       (!reads || mover->s.reading < mover->most - mover->most / 4);
}

static void set_working_locked(struct transfer *self, bool working)
{
	struct local_mover *mover = self->mover;
	const unsigned change = working ? 1 : UINT_MAX; /* plus or minus one */

	if (self->s.working == working)
		return;
	self->s.working = working;
	mover->s.working += change;
	mover->s.reading += self->reads ? change : 0;
}

/* There is room: the first in line that may use it goes to work. */
static void let_work_locked(struct local_mover *mover)
{
	sgh_list_for_each_safe (link, &mover->s.waiting) {
		struct transfer *next = sgh_list_entry(link, struct transfer, link);

		if (!may_work_locked(mover, next->reads))
			continue;
		sgh_list_remove(&next->link);
		set_working_locked(next, true);
		kick_locked(next);
		return;
	}
}

/* On a thread of its own: closing a handle waits for the disk. */
static void release(struct sgh_job *job)
{
	struct transfer *self = sgh_container_of(job, struct transfer, job);
	struct local_mover *mover = self->mover;

	transfer_close(self);
	pthread_mutex_lock(&mover->s.lock);
	set_working_locked(self, false);
	let_work_locked(mover);
	if (!--mover->s.count)
		pthread_cond_broadcast(&mover->s.idle);
	pthread_mutex_unlock(&mover->s.lock);
	free(self);
}

static void end(struct transfer *self, int status, const struct sangraha_error *err)
{
	struct local_mover *mover = self->mover;
	struct sgh_move *move = sgh_take(self->move);

	pthread_mutex_lock(&mover->s.lock);
	sgh_list_remove(&self->link);
	if (sgh_timer_cancel(mover->s.timers, &self->timer))
		self->s.armed = false;
	pthread_mutex_unlock(&mover->s.lock);
	move->status = status;
	if (status)
		move->err = *err;
	sgh_mover_end(move);
	move->done(move);
}

static void fail(struct transfer *self, int status, const char *why)
{
	struct sangraha_error err;

	end(self, sgh_fail(&err, status, 0, "%s", why), &err);
}

/* ---- asking the store ---- */

static int64_t deadline_of(const struct transfer *self)
{
	int64_t idle_ms = sgh_now_ms() + self->mover->idle_ms;

	return self->move->deadline_ms < idle_ms ? self->move->deadline_ms : idle_ms;
}

static void ask(struct transfer *self)
{
	struct sangraha_error err;
	int rc;

	self->op.deadline_ms = deadline_of(self);
	set_busy(self, true);
	rc = sgh_store_submit(self->store, &self->op, &err);
	if (!rc)
		return;
	set_busy(self, false);
	end(self, rc, &err);
}

static void ask_get(struct transfer *self)
{
	uint64_t left = self->move->length - self->move->moved;

	sgh_store_op_fini(&self->op);
	self->op.offset = self->move->offset + self->move->moved;
	self->op.max_length = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
	self->op.room = self->piece;
	ask(self);
}

static void ask_put(struct transfer *self)
{
	self->asked = true;
	self->op.taken = self->taken;
	ask(self);
	/* The store has it now, unless it refused at once. */
	if (self->move)
		self->taken = NULL;
}

/* ---- each kind's next step; false: there is none for now ---- */

static bool next_get(struct transfer *self)
{
	struct sgh_move *move = self->move;
	int rc;

	if (self->held) {
		rc = move->push(move, self->piece->data, self->held);
		if (rc == SGH_MOVE_PAUSE)
			return false;
		if (rc) {
			fail(self, rc, "the bytes were not taken");
			return true;
		}
		move->moved += self->held;
		self->held = 0;
	}
	if (move->moved == move->length)
		end(self, 0, NULL);
	else
		ask_get(self);
	return true;
}

static void got(struct transfer *self)
{
	if (!self->move->moved)
		self->version = self->op.head.version;
	self->held = self->op.data ? self->op.data->length : 0;
	if (self->op.head.version != self->version)
		fail(self, SANGRAHA_E_UNAVAILABLE,
		     "the object was replaced while it was read");
	else if (self->held < self->op.max_length)
		fail(self, SANGRAHA_E_INTERNAL,
		     "the object ends before the bytes wanted");
}

static bool next_piece(struct transfer *self)
{
	struct sgh_move *move = self->move;
	uint64_t left = move->length - self->pulled;
	size_t most = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
	int64_t count = move->pull(move, self->piece->data, most);

	if (count == SGH_MOVE_PAUSE)
		return false;
	if (count < 0) {
		fail(self, (int)count, "the bytes did not come");
	} else if (count == 0 || (uint64_t)count > most) {
		fail(self, SANGRAHA_E_INTERNAL, "the bytes ended before their length");
	} else {
		self->pulled += (uint64_t)count;
		set_busy(self, true);
		self->local->ops->body_append(self->taken, self->piece->data,
					      (size_t)count);
	}
	return true;
}

static void put_done(struct transfer *self)
{
	const char *etag = self->op.etag ? self->op.etag : "";

	snprintf(self->move->etag, sizeof(self->move->etag), "%s", etag);
	end(self, 0, NULL);
}

static bool next_put(struct transfer *self)
{
	if (self->asked) {
		put_done(self);
		return true;
	}
	if (self->move->pull && self->pulled < self->move->length)
		return next_piece(self);
	ask_put(self);
	return true;
}

/* ---- time ---- */

static void fired(struct sgh_timer *timer)
{
	struct transfer *self = sgh_container_of(timer, struct transfer, timer);
	struct local_mover *mover = self->mover;

	pthread_mutex_lock(&mover->s.lock);
	self->s.armed = false;
	kick_locked(self);
	pthread_mutex_unlock(&mover->s.lock);
}

/* When it will have taken too long; who is paused, or in line, has until its deadline. */
static int64_t due_locked(const struct transfer *self)
{
	int64_t due_ms = self->s.moved_ms + self->mover->idle_ms;

	return self->s.busy && due_ms < self->move->deadline_ms ? due_ms
								: self->move->deadline_ms;
}

/* The timer is never later than the idle time from now, so it need not be armed again. */
static bool arm_locked(struct transfer *self)
{
	int64_t at_ms = deadline_of(self);

	if (self->s.armed)
		return true;
	if (due_locked(self) < at_ms)
		at_ms = due_locked(self);
	self->s.armed = sgh_timer_arm(self->mover->s.timers, &self->timer, at_ms);
	return self->s.armed;
}

/* ---- act() ---- */

struct state {
	bool go; /* it is at work, and the disk has nothing of it */
	int status;
	struct sangraha_error err;
};

/* What happened since the last look. */
static struct state look(struct transfer *self)
{
	struct local_mover *mover = self->mover;
	struct state state = { 0 };

	pthread_mutex_lock(&mover->s.lock);
	state.go = self->s.working && !self->s.busy;
	if (self->s.status) {
		state.status = self->s.status;
		state.err = self->s.err;
	}
	if (self->s.cancelled)
		state.status = sgh_fail(&state.err, self->s.cancelled, 0,
					"the transfer was cancelled");
	else if (self->move && sgh_now_ms() >= due_locked(self))
		state.status = sgh_fail(&state.err, SANGRAHA_E_TIMEOUT, 0,
					self->s.busy ? "the disk took too long"
						     : "the deadline passed");
	else if (self->move && !arm_locked(self))
		state.status = sgh_fail_memory(&state.err);
	pthread_mutex_unlock(&mover->s.lock);
	return state;
}

static bool has_room(struct transfer *self)
{
	bool needed = self->move->kind == SGH_TICKET_GET || self->move->pull;

	if (needed && !self->piece)
		self->piece = sgh_bytes_new(NULL, PIECE_SIZE);
	return !needed || self->piece;
}

static bool next(struct transfer *self)
{
	if (!has_room(self)) {
		fail(self, SANGRAHA_E_OVERLOADED, "out of memory");
		return true;
	}
	if (self->move->kind != SGH_TICKET_GET)
		return next_put(self);
	if (self->op.data && !self->held) {
		got(self);
		sgh_bytes_unref(sgh_take(self->op.data));
		return true;
	}
	return next_get(self);
}

/* True: call again. */
static bool act(struct transfer *self)
{
	struct state state = look(self);

	if (!self->move)
		return false;
	if (state.status) {
		end(self, state.status, &state.err);
		return true;
	}
	return state.go && next(self);
}

static void run(struct sgh_job *job)
{
	struct transfer *self = sgh_container_of(job, struct transfer, job);
	struct local_mover *mover = self->mover;
	bool over;

	pthread_mutex_lock(&mover->s.lock);
	self->s.again = false;
	pthread_mutex_unlock(&mover->s.lock);
	while (act(self))
		;
	pthread_mutex_lock(&mover->s.lock);
	over = !self->move && !self->s.busy && !self->s.armed;
	self->s.queued = self->s.again || over;
	if (over)
		self->job.run = release;
	if (self->s.queued)
		sgh_pool_submit(over ? mover->s.closer : mover->s.pool, &self->job);
	pthread_mutex_unlock(&mover->s.lock);
}

/* ---- the beginning ---- */

static int find_store(struct local_mover *mover, struct transfer *self,
		      struct sangraha_error *err)
{
	struct sgh_shared *shared = sgh_shared_find(mover->context, self->grant.name);

	if (!shared)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"the store of the ticket is not open in this process");
	self->local = sgh_container_of(shared, struct sgh_local, shared);
	return self->local->ops->open(self->local, &self->store, err);
}

/* The operation may outlive the transfer, so it has copies. */
static int copy_header(struct transfer *self, const struct sgh_pair *header)
{
	static const char meta[] = "x-amz-meta-";
	struct sgh_store_op *op = &self->op;
	struct sgh_pair *pair = &self->meta[op->meta_count];
	char *value = sgh_arena_strdup(&self->arena, header->value);
	size_t prefix = strlen(meta);

	if (!value)
		return SANGRAHA_E_OVERLOADED;
	if (strcasecmp(header->name, "content-type") == 0)
		op->content_type = value;
	else if (strcasecmp(header->name, "if-none-match") == 0)
		op->if_none_match = true;
	if (strncasecmp(header->name, meta, prefix) != 0)
		return 0;
	if (op->meta_count == SGH_STORE_META_MAX)
		return SANGRAHA_E_INVALID;
	pair->name = sgh_arena_strdup(&self->arena, header->name + prefix);
	pair->value = value;
	op->meta = self->meta;
	op->meta_count++;
	return pair->name ? 0 : SANGRAHA_E_OVERLOADED;
}

static int describe(struct transfer *self, struct sangraha_error *err)
{
	static const enum sgh_store_verb verbs[] = {
		[SGH_TICKET_PUT] = SGH_STORE_PUT,
		[SGH_TICKET_PARTS] = SGH_STORE_UPLOAD_PART,
		[SGH_TICKET_GET] = SGH_STORE_GET,
	};
	const struct sgh_move *move = self->move;
	int rc = 0;

	self->op.verb = verbs[move->kind];
	self->op.bucket = self->grant.bucket;
	self->op.key = self->grant.key;
	self->op.upload = self->grant.upload;
	self->op.part = self->grant.part;
	self->op.sha256 = self->grant.sha256;
	self->op.done = op_done;
	if (move->kind == SGH_TICKET_GET)
		return 0;
	self->op.body = sgh_bytes_ref(move->body);
	for (size_t i = 0; !rc && i < move->header_count; i++)
		rc = copy_header(self, &move->headers[i]);
	if (rc)
		return sgh_fail(err, rc, 0, "the headers are too many");
	return 0;
}

static int prepare(struct transfer *self, struct sangraha_error *err)
{
	const struct sgh_move *move = self->move;
	int rc = sgh_local_grant_check(self->local, &self->grant, move, err);

	if (!rc)
		rc = describe(self, err);
	if (rc || !move->pull || move->kind == SGH_TICKET_GET)
		return rc;
	rc = self->local->ops->body_new(self->local, move->length, &self->taken, err);
	if (!rc) {
		self->taken->appended = appended;
		self->taken->arg = self;
	}
	return rc;
}

static int start_locked(struct local_mover *mover, struct sangraha_error *err)
{
	int rc = 0;

	if (!mover->s.timers)
		rc = sgh_timers_new(&mover->s.timers, err);
	if (!rc && !mover->s.closer)
		rc = sgh_pool_new(1, &mover->s.closer, err);
	if (!rc && !mover->s.pool)
		rc = sgh_pool_new(THREADS, &mover->s.pool, err);
	return rc;
}

static int begin(struct local_mover *mover, struct transfer *self,
		 struct sangraha_error *err)
{
	int rc;

	pthread_mutex_lock(&mover->s.lock);
	rc = mover->s.count < TRANSFERS_MAX
		     ? start_locked(mover, err)
		     : sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				"%d transfers are under way", TRANSFERS_MAX);
	if (!rc) {
		self->move->backend = self;
		mover->s.count++;
		set_working_locked(self, may_work_locked(mover, self->reads));
		if (!self->s.working)
			sgh_list_append(&mover->s.waiting, &self->link);
		kick_locked(self);
	}
	pthread_mutex_unlock(&mover->s.lock);
	return rc;
}

static int local_submit(void *arg, struct sgh_move *move, struct sangraha_error *err)
{
	struct local_mover *mover = arg;
	struct transfer *self = calloc(1, sizeof(*self));
	int rc;

	if (!self)
		return sgh_fail_memory(err);
	self->mover = mover;
	self->move = move;
	self->reads = move->kind == SGH_TICKET_GET;
	sgh_list_init(&self->link);
	self->job.run = run;
	self->timer.fire = fired;
	self->s.moved_ms = sgh_now_ms();
	rc = sgh_local_grant_parse(move->url, &self->arena, &self->grant, err);
	if (!rc)
		rc = find_store(mover, self, err);
	if (!rc) {
		/* What a ticket does not allow is an answer, as another store's would be. */
		self->s.status = prepare(self, &self->s.err);
		rc = begin(mover, self, err);
	}
	if (rc) {
		transfer_close(self);
		free(self);
	}
	return rc;
}

static void local_resume(void *arg, struct sgh_move *move)
{
	struct local_mover *mover = arg;

	pthread_mutex_lock(&mover->s.lock);
	if (move->backend)
		kick_locked(move->backend);
	pthread_mutex_unlock(&mover->s.lock);
}

static void local_cancel(void *arg, struct sgh_move *move, int status)
{
	struct local_mover *mover = arg;
	struct transfer *self;

	pthread_mutex_lock(&mover->s.lock);
	self = move->backend;
	if (self) {
		self->s.cancelled = status;
		kick_locked(self);
	}
	pthread_mutex_unlock(&mover->s.lock);
}

/* ---- life ---- */

static int local_open(struct sangraha_context *context,
		      const struct sgh_mover_options *options, void **ret,
		      struct sangraha_error *err)
{
	struct local_mover *mover = calloc(1, sizeof(*mover));

	if (!mover)
		return sgh_fail_memory(err);
	mover->context = sangraha_context_ref(context);
	mover->most =
		options && options->connections ? options->connections : CONNECTIONS;
	mover->idle_ms =
		options && options->idle_timeout_ms ? options->idle_timeout_ms : IDLE_MS;
	pthread_mutex_init(&mover->s.lock, NULL);
	sgh_cond_init(&mover->s.idle);
	sgh_list_init(&mover->s.waiting);
	*ret = mover;
	return 0;
}

static void local_close(void *arg)
{
	struct local_mover *mover = arg;

	pthread_mutex_lock(&mover->s.lock);
	while (mover->s.count)
		sgh_cond_wait_until(&mover->s.idle, &mover->s.lock, SGH_NEVER);
	pthread_mutex_unlock(&mover->s.lock);
	sgh_pool_free(mover->s.pool);
	sgh_pool_free(mover->s.closer);
	sgh_timers_free(mover->s.timers);
	pthread_cond_destroy(&mover->s.idle);
	pthread_mutex_destroy(&mover->s.lock);
	sangraha_context_unref(mover->context);
	free(mover);
}

/* "memory:" is how a store names itself that has no folder. */
const struct sgh_mover_kind sgh_mover_local = {
	.schemes = "file: memory:",
	.open = local_open,
	.close = local_close,
	.submit = local_submit,
	.resume = local_resume,
	.cancel = local_cancel,
};

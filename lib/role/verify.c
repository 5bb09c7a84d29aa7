/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/large.h"
#include "wire/sha256.h"

/*
 * Reading a large object back through a validator of our own, for requesters that are not
 * trusted to have run theirs: a piece from the store, a worker that looks at it, the next
 * piece. Few objects at once, the others wait for their turn. It takes the time it takes:
 * the requester may have given up long before, and the object is completed or removed all
 * the same.
 */

#define AT_ONCE     4
#define PIECE_MOST  ((size_t)1 << 20)
#define PIECE_LEAST ((size_t)64 << 10)
#define TRIES       3
#define AGAIN_MS    500
#define RENEW_MS    60000

struct sgh_verify {
	struct sgh_list link; /* in verifying.waiting, then in .reading to its end */
	struct sgh_task *task;
	struct sangraha_validator *validator;
	struct sgh_sha256 *hash;
	uint64_t size;
	uint64_t offset;
	unsigned tries;
	bool turn; /* it has one */
	void (*then)(struct sgh_task *task);
	void (*see)(struct sgh_task *task); /* how somebody else has ended it meanwhile */
};

static void next_piece(struct sgh_task *task);

static const struct sangraha_verdict *verdict_of(const struct sgh_verify *verify)
{
	return sangraha_validator_verdict(verify->validator);
}

const char *sgh_verify_facts(const struct sgh_verify *verify)
{
	return sangraha_verdict_facts(verdict_of(verify));
}

const char *sgh_verify_rules(const struct sgh_verify *verify)
{
	return sangraha_verdict_rules(verdict_of(verify));
}

/* ---- turns ---- */

static void retry(struct sgh_task *task, const struct sangraha_error *err);

/* A put-commit that is sent again is not to read what the first one reads. */
static bool is_read_locked(const struct sangraha_receiver *receiver,
			   const struct sgh_task *task)
{
	sgh_list_for_each (link, &receiver->verifying.reading) {
		const struct sgh_task *other =
			sgh_list_entry(link, struct sgh_verify, link)->task;

		if (sgh_streq(other->request->record, task->request->record))
			return true;
	}
	return false;
}

static bool may_read_locked(const struct sangraha_receiver *receiver,
			    const struct sgh_task *task)
{
	return receiver->verifying.count < AT_ONCE && !is_read_locked(receiver, task);
}

static void note_turn_locked(struct sangraha_receiver *receiver, struct sgh_task *task)
{
	receiver->verifying.count++;
	sgh_large_of(task)->verify->turn = true;
	sgh_list_append(&receiver->verifying.reading, &sgh_large_of(task)->verify->link);
	sgh_large_of(task)->failed = retry;
}

static void take_turn(struct sgh_task *task)
{
	struct sangraha_receiver *receiver = task->service->role;
	bool turn;

	pthread_mutex_lock(&receiver->verifying.lock);
	turn = may_read_locked(receiver, task);
	if (turn)
		note_turn_locked(receiver, task);
	else
		sgh_list_append(&receiver->verifying.waiting,
				&sgh_large_of(task)->verify->link);
	pthread_mutex_unlock(&receiver->verifying.lock);
	if (turn)
		next_piece(task);
}

/* The first of those that wait who may read now; NULL: none. */
static struct sgh_task *next_turn_locked(struct sangraha_receiver *receiver)
{
	sgh_list_for_each_safe (link, &receiver->verifying.waiting) {
		struct sgh_task *task =
			sgh_list_entry(link, struct sgh_verify, link)->task;

		if (!may_read_locked(receiver, task))
			continue;
		sgh_list_remove(link);
		note_turn_locked(receiver, task);
		return task;
	}
	return NULL;
}

static void turn_came(struct sgh_job *job);

/* It goes on by way of the workers; NULL is accepted. */
static void give_turn(struct sgh_task *next)
{
	if (!next)
		return;
	next->job.run = turn_came;
	sgh_pool_submit(next->service->pool, &next->job);
}

static void end_turn_locked(struct sangraha_receiver *receiver, struct sgh_verify *verify)
{
	receiver->verifying.count -= verify->turn;
	verify->turn = false;
}

/* Others may read, but for those of the same record: what is to be said of it is not yet. */
static void leave_turn(struct sgh_task *task)
{
	struct sangraha_receiver *receiver = task->service->role;
	struct sgh_task *next;

	sgh_large_of(task)->failed = NULL;
	pthread_mutex_lock(&receiver->verifying.lock);
	end_turn_locked(receiver, sgh_large_of(task)->verify);
	next = next_turn_locked(receiver);
	pthread_mutex_unlock(&receiver->verifying.lock);
	give_turn(next);
}

void sgh_verify_free(struct sgh_verify *verify)
{
	struct sangraha_receiver *receiver;
	struct sgh_task *next;

	if (!verify)
		return;
	receiver = verify->task->service->role;
	pthread_mutex_lock(&receiver->verifying.lock);
	end_turn_locked(receiver, verify);
	sgh_list_remove(&verify->link);
	next = next_turn_locked(receiver);
	pthread_mutex_unlock(&receiver->verifying.lock);
	sangraha_validator_free(verify->validator);
	sgh_sha256_free(verify->hash);
	free(verify);
	give_turn(next);
}

/* Another run of it, or whoever ended it, may have been quicker. */
static void upload_asked(struct sgh_task *task)
{
	SGH_FAIL_POINT("verify.turn-came");
	if (sgh_large_is_ours(task)) {
		next_piece(task);
	} else {
		leave_turn(task);
		sgh_large_of(task)->verify->see(task);
	}
}

static void turn_came(struct sgh_job *job)
{
	struct sgh_task *task = sgh_container_of(job, struct sgh_task, job);

	if (sgh_service_stopping(task->service))
		next_piece(task);
	else
		sgh_large_read_upload(task, upload_asked);
}

/* ---- ends ---- */

static void retry(struct sgh_task *task, const struct sangraha_error *err)
{
	struct sangraha_error why = *err;

	leave_turn(task);
	sgh_task_retry(task, &why);
}

static void refused(struct sgh_task *task)
{
	sgh_write_end(task, &sgh_large_of(task)->why);
}

/* It must not stay: remove it, then say why. */
static void refuse(struct sgh_task *task, const struct sangraha_error *err)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_write *write = &large->write;

	if (sgh_status_passing(err->status)) {
		retry(task, err);
		return;
	}
	large->why = *err;
	sangraha_verdict_free(write->verdict);
	write->verdict = sgh_verdict_copy(verdict_of(large->verify));
	leave_turn(task);
	sgh_large_clear(task, false, refused);
}

/* All was seen: is it what was announced? */
static int judge(struct sgh_task *task, struct sangraha_error *err)
{
	const struct sgh_verify *verify = sgh_large_of(task)->verify;
	unsigned char digest[32];
	char hex[SANGRAHA_SHA256_SIZE];
	int status = sangraha_validator_finish(verify->validator, err);

	if (!status)
		status = sgh_sha256_final(verify->hash, digest, err);
	if (status)
		return status;
	sgh_hex(digest, sizeof(digest), hex);
	if (!sgh_streq(hex, task->request->sha256))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the object's SHA-256 is %s, not the one that was "
				"announced",
				hex);
	return 0;
}

static void finish(struct sgh_task *task)
{
	struct sgh_verify *verify = sgh_large_of(task)->verify;
	struct sangraha_error err;

	if (judge(task, &err)) {
		refuse(task, &err);
	} else {
		leave_turn(task);
		SGH_FAIL_POINT("verify.accepted");
		verify->then(task);
	}
}

/* ---- pieces ---- */

static void looked_at(struct sgh_job *job)
{
	struct sgh_task *task = sgh_container_of(job, struct sgh_task, job);
	struct sgh_verify *verify = sgh_large_of(task)->verify;
	const struct sgh_bytes *data = task->op.data;
	struct sangraha_error err;
	int status = sgh_sha256_update(verify->hash, data->data, data->length, &err);

	if (!status)
		status = sangraha_validator_feed(verify->validator, data->data,
						 data->length, &err);
	verify->offset += data->length;
	sgh_store_op_fini(&task->op);
	if (status)
		refuse(task, &err);
	else
		next_piece(task);
}

static void ask_again(struct sgh_timer *timer)
{
	next_piece(sgh_container_of(timer, struct sgh_task, again));
}

static void piece_read(struct sgh_task *task)
{
	struct sgh_verify *verify = sgh_large_of(task)->verify;
	const struct sgh_store_op *op = &task->op;
	struct sangraha_error err = op->err;

	SGH_FAIL_POINT("verify.piece-read");
	if (!op->status && op->data && op->data->length) {
		verify->tries = 0;
		task->job.run = looked_at;
		sgh_pool_submit(task->service->pool, &task->job);
		return;
	}
	if (!op->status || op->status == SANGRAHA_E_NOT_FOUND)
		sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0,
			 "%.36s went away while it was read back",
			 task->request->object_id);
	task->again.fire = ask_again;
	if (!sgh_status_passing(op->status) || ++verify->tries >= TRIES ||
	    !sgh_service_wait(task->service, task, AGAIN_MS))
		retry(task, &err);
}

/* Of a short time half is soon: what has just been renewed does not end soon. */
static bool ends_soon(const struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;
	const struct sgh_large *large = sgh_large_of(task);
	int64_t half = receiver->ticket_ms / 2;
	int64_t soon = half < RENEW_MS ? half : RENEW_MS;

	return large->upload.expires_ms - sgh_time_ms() < soon;
}

static size_t piece_size(const struct sgh_task *task)
{
	size_t share = sgh_budget_limit(task->service->context->budget) / 32;

	if (share < PIECE_LEAST)
		return PIECE_LEAST;
	return sgh_min(share, PIECE_MOST);
}

static void read_piece(struct sgh_task *task)
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_store_op *op = sgh_task_op(
		task, SGH_STORE_GET, large->write.type.bucket, task->request->object_id);

	op->offset = large->verify->offset;
	op->max_length = piece_size(task);
	sgh_task_run_one(task, piece_read);
}

static void next_piece(struct sgh_task *task)
{
	const struct sgh_verify *verify = sgh_large_of(task)->verify;

	if (sgh_service_stopping(task->service)) {
		leave_turn(task);
		sgh_task_abandon(task);
	} else if (verify->offset == verify->size) {
		finish(task);
	} else if (ends_soon(task)) {
		sgh_large_write_upload(task, false, read_piece);
	} else {
		read_piece(task);
	}
}

static int begin(struct sgh_verify *verify, struct sgh_task *task,
		 struct sangraha_error *err)
{
	struct sangraha_validate_options options = {
		.size = sizeof(options),
		.declared = task->op.head.content_type,
		.asserted = task->request->object_type,
		.length = verify->size,
	};
	int status = sangraha_validator_new(task->service->types, &options,
					    &verify->validator, err);

	return status ? status : sgh_sha256_new(&verify->hash, err);
}

/* Nobody renews it while it waits, and its requester has ceased to. */
static bool may_end_in_line(const struct sgh_task *task)
{
	const struct sangraha_receiver *receiver = task->service->role;
	int64_t left_ms = sgh_large_of(task)->upload.expires_ms - sgh_time_ms();

	return left_ms < receiver->ticket_ms / 2;
}

void sgh_large_verify(struct sgh_task *task, void (*see)(struct sgh_task *task),
		      void (*then)(struct sgh_task *task))
{
	struct sgh_large *large = sgh_large_of(task);
	struct sgh_verify *verify = calloc(1, sizeof(*verify));
	struct sangraha_error err;

	if (!verify) {
		sgh_task_abandon(task);
		return;
	}
	sgh_verify_free(large->verify);
	large->verify = verify;
	sgh_list_init(&verify->link);
	verify->task = task;
	verify->size = (uint64_t)task->request->size;
	verify->then = then;
	verify->see = see;
	if (begin(verify, task, &err)) {
		sgh_task_retry(task, &err);
		return;
	}
	/* Nobody ends the task for us while others wait for its turn to be over. */
	task->begun = true;
	if (may_end_in_line(task))
		sgh_large_write_upload(task, false, take_turn);
	else
		take_turn(task);
}

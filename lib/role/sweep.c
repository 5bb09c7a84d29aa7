/* SPDX-License-Identifier: MIT */
#include "role/sweep.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/task.h"
#include "validate/types.h"

#define PREFIX     "upload/"
#define LIST_LIMIT 1000
/* Not longer than a service asks whether the store serves: an end waits for it. */
#define STORE_MS 10000

static void list(struct sgh_sweep *sweep);
static void next(struct sgh_sweep *sweep);

void sgh_sweep_fini(struct sgh_sweep *sweep)
{
	sgh_store_op_fini(&sweep->list);
	sgh_store_op_fini(&sweep->read);
	sgh_record_fini(&sweep->record);
	sgh_remains_fini(&sweep->remains);
}

static void note(struct sgh_sweep *sweep, int status, const struct sangraha_error *err)
{
	if (sweep->status)
		return;
	sweep->status = status;
	sgh_fail_with(&sweep->err, status, err);
}

static bool over(const struct sgh_sweep *sweep)
{
	return (sweep->stop && __atomic_load_n(sweep->stop, __ATOMIC_RELAXED)) ||
	       (sweep->until_ms && sgh_now_ms() >= sweep->until_ms);
}

static void end_early(struct sgh_sweep *sweep)
{
	struct sangraha_error err;

	sgh_fail(&err, SANGRAHA_E_TIMEOUT, 0, "the sweep was broken off");
	note(sweep, SANGRAHA_E_TIMEOUT, &err);
	sweep->done(sweep);
}

/* A store that fails now will fail for the next one too. */
static void submit(struct sgh_sweep *sweep, struct sgh_store_op *op,
		   void (*done)(struct sgh_store_op *op))
{
	struct sangraha_error err;
	int status;

	op->deadline_ms = sgh_now_ms() + STORE_MS;
	if (sweep->until_ms && sweep->until_ms < op->deadline_ms)
		op->deadline_ms = sweep->until_ms;
	op->done = done;
	op->arg = sweep;
	status = sgh_store_submit(sweep->store, op, &err);
	if (status) {
		note(sweep, status, &err);
		sweep->done(sweep);
	}
}

/* ---- one record ---- */

static void cleared(struct sgh_remains *remains)
{
	struct sgh_sweep *sweep = remains->arg;

	SGH_FAIL_POINT("sweep.cleared");
	if (remains->status) {
		note(sweep, remains->status, &remains->err);
	} else {
		sweep->cleared++;
		sgh_log(sweep->context, SANGRAHA_LOG_INFO, sweep->role, "sweep",
			remains->kept ? "the upload of %s/%s was completed"
				      : "the upload of %s/%s ended without an object",
			remains->type, remains->id);
	}
	next(sweep);
}

static void clear(struct sgh_sweep *sweep, const struct sgh_type_info *type)
{
	struct sgh_remains *remains = &sweep->remains;

	remains->store = sweep->store;
	remains->type = type->name;
	remains->bucket = type->bucket;
	remains->id = sweep->id;
	remains->record = sweep->record.record;
	remains->upload = sweep->record.upload;
	remains->until_ms = sweep->until_ms;
	remains->request_ms = STORE_MS;
	remains->done = cleared;
	remains->arg = sweep;
	sgh_remains_clear(remains);
}

static void record_read(struct sgh_store_op *op)
{
	struct sgh_sweep *sweep = op->arg;
	const struct sgh_bytes *data = op->data;
	struct sgh_record *record = &sweep->record;
	struct sgh_type_info type;
	struct sangraha_error err;
	int status = op->status;

	SGH_FAIL_POINT("sweep.record-read");
	sgh_record_fini(record);
	*record = (struct sgh_record){ .offset = -1 };
	if (!status)
		status = sgh_record_parse(data ? data->data : NULL,
					  data ? data->length : 0, record, &op->err);
	if (status && status != SANGRAHA_E_NOT_FOUND)
		note(sweep, status, &op->err);
	if (!status && record->expires_ms &&
	    record->expires_ms <= sgh_time_ms() - sweep->grace_ms && record->type &&
	    record->record && sangraha_id_valid(record->record) &&
	    !sgh_types_find(sweep->types, record->type, &type, &err))
		clear(sweep, &type);
	else
		next(sweep);
}

/* ---- all of them ---- */

/* The next key that is of an upload's record; NULL when no more were listed. */
static const char *next_key(struct sgh_sweep *sweep)
{
	const size_t prefix = strlen(PREFIX);

	while (sweep->next < sweep->list.key_count) {
		const char *key = sweep->list.keys[sweep->next++].key;

		if (strncmp(key, PREFIX, prefix) == 0 &&
		    sangraha_id_valid(key + prefix)) {
			memcpy(sweep->id, key + prefix, sizeof(sweep->id));
			return key;
		}
	}
	return NULL;
}

static void next(struct sgh_sweep *sweep)
{
	const char *key = next_key(sweep);
	size_t count = sweep->list.key_count;

	if (over(sweep)) {
		end_early(sweep);
	} else if (key) {
		sgh_store_op_fini(&sweep->read);
		sweep->read = (struct sgh_store_op){
			.verb = SGH_STORE_GET,
			.bucket = "meta",
			.key = key,
			.max_length = SGH_RECORD_MAX,
		};
		submit(sweep, &sweep->read, record_read);
	} else if (sweep->list.more && count &&
		   strlen(sweep->list.keys[count - 1].key) < sizeof(sweep->after)) {
		strcpy(sweep->after, sweep->list.keys[count - 1].key);
		list(sweep);
	} else {
		sweep->done(sweep);
	}
}

static void listed(struct sgh_store_op *op)
{
	struct sgh_sweep *sweep = op->arg;

	SGH_FAIL_POINT("sweep.listed");
	/* Without the bucket nothing was ever begun. */
	if (op->status && op->status != SANGRAHA_E_NOT_FOUND) {
		note(sweep, op->status, &op->err);
		sweep->done(sweep);
		return;
	}
	sweep->next = 0;
	next(sweep);
}

static void list(struct sgh_sweep *sweep)
{
	sgh_store_op_fini(&sweep->list);
	sweep->list = (struct sgh_store_op){
		.verb = SGH_STORE_LIST,
		.bucket = "meta",
		.prefix = PREFIX,
		.after = sweep->after[0] ? sweep->after : NULL,
		.limit = LIST_LIMIT,
	};
	submit(sweep, &sweep->list, listed);
}

void sgh_sweep_run(struct sgh_sweep *sweep)
{
	sweep->cleared = 0;
	sweep->status = 0;
	sweep->after[0] = '\0';
	list(sweep);
}

/* SPDX-License-Identifier: MIT */
#include "role/reconcile.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/thread.h"

/*
 * Comparing records, objects and dead letters: each bucket page by page, "meta" first, then
 * the letters. A key that a look finds something wrong with becomes a suspect. When there
 * are many, or a bucket is done, they are looked at once more, no sooner than `wait_ms`
 * after the first look; what is the same then is a finding, repaired at once where that is
 * wanted, and reported.
 */

#define PAGE_KEYS  1000
#define MIN_AGE_MS 3600000
#define WAIT_MS    5000
#define LONGEST_MS 86400000

static const char *const names[] = {
	[SANGRAHA_FINDING_UPLOAD_ENDED] = "upload-ended",
	[SANGRAHA_FINDING_UPLOAD_COMPLETE] = "upload-complete",
	[SANGRAHA_FINDING_RECORD_UNUSED] = "record-unused",
	[SANGRAHA_FINDING_OBJECT_INCOMPLETE] = "object-incomplete",
	[SANGRAHA_FINDING_OBJECT_DELETED] = "object-deleted",
	[SANGRAHA_FINDING_TOMBSTONE_ENDED] = "tombstone-ended",
	[SANGRAHA_FINDING_OPERATION_ENDED] = "operation-ended",
	[SANGRAHA_FINDING_CLAIM_UNUSED] = "claim-unused",
	[SANGRAHA_FINDING_OBJECT_FOREIGN] = "object-foreign",
	[SANGRAHA_FINDING_RECORD_FOREIGN] = "record-foreign",
	[SANGRAHA_FINDING_OBJECT_CONTRADICTED] = "object-contradicted",
	[SANGRAHA_FINDING_LETTER_DONE] = "letter-done",
	[SANGRAHA_FINDING_LETTER_REFUSED] = "letter-refused",
	[SANGRAHA_FINDING_PROBE_LEFT] = "probe-left",
};

/* ---- findings ---- */

void sgh_reconcile_tell(struct sgh_reconcile *rec, struct sangraha_finding *finding)
{
	finding->size = sizeof(*finding);
	finding->name = names[finding->kind];
	rec->counts.found++;
	rec->counts.left += finding->action == SANGRAHA_FINDING_LEFT;
	rec->counts.would += finding->action == SANGRAHA_FINDING_WOULD;
	rec->counts.did += finding->action == SANGRAHA_FINDING_DID;
	rec->counts.failed += finding->action == SANGRAHA_FINDING_FAILED;
	if (rec->report && rec->report(rec->arg, finding))
		rec->stopped = true;
}

static void tell_suspect(struct sgh_reconcile *rec, const struct sgh_suspect *suspect,
			 enum sangraha_finding_action action, const char *error)
{
	char place[SANGRAHA_PLACE_SIZE];
	struct sangraha_finding finding = {
		.kind = suspect->kind,
		.action = action,
		.place = place,
		.type = suspect->type ? suspect->type->name : NULL,
		.id = suspect->id[0] ? suspect->id : NULL,
		.reason = suspect->reason,
		.remedy = sgh_reconcile_remedy(suspect->kind),
		.error = error,
		.age_ms = suspect->age_ms,
	};

	if (suspect->object)
		snprintf(place, sizeof(place), "%s/%s", suspect->type->bucket,
			 suspect->id);
	else
		snprintf(place, sizeof(place), "%s/%s",
			 sgh_reconcile_bucket(rec, suspect->bucket), suspect->key);
	sgh_reconcile_tell(rec, &finding);
}

/* A failure of one repair is told, and does not keep the others from being made. */
static void settle(struct sgh_reconcile *rec, const struct sgh_suspect *suspect)
{
	struct sangraha_error err = { 0 };
	bool done = false;

	if (!sgh_reconcile_remedy(suspect->kind))
		tell_suspect(rec, suspect, SANGRAHA_FINDING_LEFT, NULL);
	else if (!rec->repair)
		tell_suspect(rec, suspect, SANGRAHA_FINDING_WOULD, NULL);
	else if (sgh_reconcile_repair(rec, suspect, &done, &err))
		tell_suspect(rec, suspect, SANGRAHA_FINDING_FAILED, err.message);
	else if (done)
		tell_suspect(rec, suspect, SANGRAHA_FINDING_DID, NULL);
	else
		rec->counts.passed++;
}

/* Look at all suspects once more. */
static int look_again(struct sgh_reconcile *rec, struct sangraha_error *err)
{
	unsigned count = rec->suspect_count;
	int status = 0;

	if (!count)
		return 0;
	/* The last one that was found has waited for the shortest time. */
	status = sgh_reconcile_sleep(
		rec, rec->suspects[count - 1].looked_ms + rec->wait_ms, err);
	for (unsigned i = 0; !status && !rec->stopped && i < count; i++) {
		struct sgh_suspect *suspect = &rec->suspects[i];
		enum sangraha_finding_kind before = suspect->kind;

		status = sgh_reconcile_look(rec, suspect, err);
		SGH_FAIL_POINT("reconcile.looked-again");
		if (!status && suspect->kind && suspect->kind == before)
			settle(rec, suspect);
		else if (!status)
			rec->counts.passed++;
	}
	if (!status && !rec->stopped)
		rec->suspect_count = 0;
	return status;
}

/* ---- places ---- */

/* Where to go on if what follows is broken off: no suspect is waiting from before it. */
static void mark_place(struct sgh_reconcile *rec)
{
	snprintf(rec->counts.place, sizeof(rec->counts.place), "%s/%s",
		 sgh_reconcile_bucket(rec, rec->bucket), rec->after);
}

/* "bucket/key", behind which to go on. */
static int take_place(struct sgh_reconcile *rec, const char *place,
		      struct sangraha_error *err)
{
	size_t length = place ? strcspn(place, "/") : 0;

	if (!place || !place[0])
		return 0;
	for (unsigned i = 0; i <= rec->type_count + 1; i++) {
		const char *bucket = sgh_reconcile_bucket(rec, i);

		if (strlen(bucket) != length || strncmp(place, bucket, length) != 0)
			continue;
		rec->bucket = i;
		if (place[length] != '/' ||
		    strlen(place + length + 1) >= sizeof(rec->after))
			break;
		strcpy(rec->after, place + length + 1);
		return 0;
	}
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"there is no such place to go on reconciling at");
}

/* ---- buckets ---- */

int sgh_reconcile_suspect(struct sgh_reconcile *rec, const char *key,
			  struct sangraha_error *err)
{
	struct sgh_suspect *suspect;
	int status = 0;

	if (rec->stopped)
		return 0;
	if (rec->suspect_count == SGH_SUSPECTS) {
		status = look_again(rec, err);
		if (status || rec->stopped)
			return status;
		/* The page in hand may have others that were found before. */
		mark_place(rec);
	}
	suspect = &rec->suspects[rec->suspect_count];
	suspect->bucket = rec->bucket;
	snprintf(suspect->key, sizeof(suspect->key), "%s", key);
	status = sgh_reconcile_look(rec, suspect, err);
	SGH_FAIL_POINT("reconcile.looked");
	rec->suspect_count += !status && suspect->kind;
	return status;
}

static int list_page(struct sgh_reconcile *rec, struct sangraha_error *err)
{
	sgh_store_op_fini(&rec->page);
	rec->page = (struct sgh_store_op){
		.verb = SGH_STORE_LIST,
		.bucket = sgh_reconcile_bucket(rec, rec->bucket),
		.after = rec->after[0] ? rec->after : NULL,
		.limit = PAGE_KEYS,
	};
	return sgh_reconcile_run(rec, &rec->page, 1, err);
}

static int reconcile_bucket(struct sgh_reconcile *rec, struct sangraha_error *err)
{
	bool more = true;
	int status = 0;

	while (more && !status && !rec->stopped) {
		if (!rec->suspect_count)
			mark_place(rec);
		status = list_page(rec, err);
		if (!status)
			status = sgh_reconcile_walk(rec, err);
		more = rec->page.more && rec->page.key_count;
		if (!status && more)
			snprintf(rec->after, sizeof(rec->after), "%s",
				 rec->page.keys[rec->page.key_count - 1].key);
	}
	if (!status && !rec->stopped)
		status = look_again(rec, err);
	return status;
}

static int reconcile(struct sgh_reconcile *rec, struct sangraha_error *err)
{
	int status = 0;

	while (!status && !rec->stopped && rec->bucket <= rec->type_count) {
		status = reconcile_bucket(rec, err);
		if (status || rec->stopped)
			break;
		rec->bucket++;
		rec->after[0] = '\0';
	}
	if (!status && !rec->stopped) {
		mark_place(rec);
		status = sgh_reconcile_letters(rec, err);
	}
	if (!status && !rec->stopped)
		rec->counts.place[0] = '\0';
	return status;
}

/* ---- the call ---- */

static void fini(struct sgh_reconcile *rec)
{
	for (size_t i = 0; i < SGH_RECONCILE_PARALLEL; i++)
		sgh_store_op_fini(&rec->ops[i]);
	for (size_t i = 0; i < SGH_MAX_TYPES; i++)
		sgh_store_op_fini(&rec->windows[i].list);
	sgh_store_op_fini(&rec->page);
	sgh_store_op_fini(&rec->op);
	sgh_record_fini(&rec->record);
	sgh_remains_fini(&rec->remains);
	sgh_grave_fini(&rec->grave);
	sangraha_types_unref(rec->registry);
	pthread_cond_destroy(&rec->state.changed);
	pthread_mutex_destroy(&rec->state.lock);
	free(rec);
}

static int take_types(struct sgh_reconcile *rec,
		      const struct sangraha_reconcile_options *options,
		      struct sangraha_error *err)
{
	struct sangraha_types *types = sgh_option(options, types, NULL);
	int status = 0;

	if (types)
		rec->registry = sangraha_types_ref(types);
	else
		status = sangraha_types_new(NULL, &rec->registry, err);
	if (!status)
		rec->type_count = (unsigned)sgh_types_all(rec->registry, rec->types);
	return status;
}

static int begin(struct sgh_reconcile *rec,
		 const struct sangraha_reconcile_options *options,
		 struct sangraha_error *err)
{
	unsigned timeout_ms = sgh_option(options, timeout_ms, 0);
	int status;

	pthread_mutex_init(&rec->state.lock, NULL);
	sgh_cond_init(&rec->state.changed);
	rec->repair = sgh_option(options, repair, 0);
	rec->min_age_ms = sgh_option(options, min_age_ms, MIN_AGE_MS);
	rec->wait_ms = sgh_option(options, wait_ms, WAIT_MS);
	rec->over_age_ms = 2 * (int64_t)sgh_option(options, longest_ms, LONGEST_MS);
	rec->errand.until_ms = timeout_ms ? sgh_now_ms() + timeout_ms : 0;
	status = take_types(rec, options, err);
	return status ? status : take_place(rec, sgh_option(options, from, NULL), err);
}

/* What the caller's struct has room for. */
static void copy_counts(const struct sgh_reconcile *rec,
			struct sangraha_reconcile_counts *ret)
{
	size_t size = sgh_min(ret->size, sizeof(rec->counts));

	memcpy((char *)ret + sizeof(ret->size), (char *)&rec->counts + sizeof(ret->size),
	       size - sizeof(ret->size));
}

int sangraha_admin_reconcile(struct sangraha_store *store, struct sangraha_queue *queue,
			     const struct sangraha_reconcile_options *options,
			     int (*report)(void *arg,
					   const struct sangraha_finding *finding),
			     void *arg, struct sangraha_reconcile_counts *ret,
			     struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	struct sgh_reconcile *rec;
	int status;

	if (!store)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "reconciling needs a store");
	status = sgh_options_check(options, err);
	if (!status && ret)
		status = sgh_options_check(ret, err);
	if (status)
		return status;
	rec = calloc(1, sizeof(*rec));
	if (!rec)
		return sgh_fail_memory(err);
	rec->errand.store = store;
	rec->queue = queue;
	rec->report = report;
	rec->arg = arg;
	status = begin(rec, options, &why);
	if (!status)
		status = reconcile(rec, &why);
	if (ret)
		copy_counts(rec, ret);
	fini(rec);
	return status ? sgh_fail_with(err, status, &why) : 0;
}

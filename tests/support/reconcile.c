/* SPDX-License-Identifier: MIT */
#include "support/reconcile.h"

#include "support/large.h"
#include "wire/sha256.h"

#define BODY   T_BODY
#define DELETE "6e0a3c56-1f0e-4c0a-8f5e-000000000001"
#define DAY    (86400 * 1000LL)

/* ---- what lies in the store ---- */

void t_make_buckets(struct t_roles *f)
{
	static const char *const buckets[] = { "meta", "json" };

	for (size_t i = 0; i < SGH_COUNT(buckets); i++) {
		struct sgh_store_op op = {
			.verb = SGH_STORE_MAKE_BUCKET,
			.bucket = buckets[i],
		};

		t_ok(t_op(f, &op));
		sgh_store_op_fini(&op);
	}
}

int t_reconcile_begin(void **state)
{
	int rc = t_roles_begin(state);

	if (!rc)
		t_make_buckets(*state);
	return rc;
}

void t_stores(struct t_roles *f, const char *id)
{
	char sha256[SANGRAHA_SHA256_SIZE];
	const struct sgh_object_parts parts = {
		.id = id,
		.type = "json",
		.content_type = "application/json",
		.sha256 = sha256,
		.created_ms = 1767323045678,
		.size = strlen(BODY),
	};
	struct sgh_store_op op = { .bucket = "json", .key = id, .body = t_bytes(BODY) };
	struct sgh_pair meta[SGH_STORE_META_MAX];
	struct sangraha_object *object = NULL;
	struct sgh_arena arena = { 0 };

	t_ok(sgh_sha256_hex(BODY, strlen(BODY), sha256, &t_err));
	t_ok(sgh_object_new(&parts, &object, &t_err));
	t_ok(sgh_object_to_meta(object, &arena, meta, &op.meta_count, &t_err));
	op.meta = meta;
	memory_store_put(f->store, &op);
	sangraha_object_unref(object);
	sgh_bytes_unref(op.body);
	sgh_arena_fini(&arena);
}

void t_buries(struct t_roles *f, const char *id, int64_t expires_ms)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record record = {
		.operation_id = DELETE,
		.type = "json",
		.created_ms = 1,
		.expires_ms = expires_ms,
		.offset = -1,
	};

	sgh_record_key_deleted(key, "json", id);
	t_set_record(f, key, &record);
}

void t_claims(struct t_roles *f, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record record = {
		.operation_id = id,
		.type = "json",
		.created_ms = 1,
		.offset = -1,
	};

	sgh_record_key_operation(key, id);
	t_set_record(f, key, &record);
}

void t_fails_for(struct t_roles *f, const char *id, int64_t expires_ms)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record record = {
		.operation_id = id,
		.code = "rejected",
		.created_ms = 1,
		.expires_ms = expires_ms,
		.offset = -1,
	};

	sgh_record_key_operation(key, id);
	t_set_record(f, key, &record);
}

void t_uploads(struct t_roles *f, const char *id, int64_t expires_ms)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_record record = {
		.record = T_RECORD,
		.type = "json",
		.created_ms = 1,
		.expires_ms = expires_ms,
		.offset = -1,
	};

	sgh_record_key_upload(key, id);
	t_set_record(f, key, &record);
}

void t_opens(struct t_roles *f, const char *id)
{
	struct sgh_store_op op = {
		.verb = SGH_STORE_UPLOAD_BEGIN,
		.bucket = "json",
		.key = id,
		.content_type = "application/json",
	};

	t_ok(t_op(f, &op));
	sgh_store_op_fini(&op);
}

int64_t t_later(void)
{
	return sgh_time_ms() + DAY;
}

char *t_contents(struct t_roles *f)
{
	static const char *const buckets[] = { "meta", "json", "image", "pdf" };
	struct sgh_buf buf = { 0 };
	char *key;

	for (size_t b = 0; b < SGH_COUNT(buckets); b++) {
		for (unsigned i = 0; (key = memory_store_key(f->store, buckets[b], i));
		     i++) {
			struct sgh_bytes *body =
				memory_store_body(f->store, buckets[b], key);

			sgh_buf_printf(&buf, "%s/%s %.*s\n", buckets[b], key,
				       (int)body->length, (const char *)body->data);
			sgh_bytes_unref(body);
			free(key);
		}
		sgh_buf_printf(&buf, "%d\n", memory_store_uploads(f->store, buckets[b]));
	}
	key = strdup(sgh_buf_text(&buf));
	sgh_buf_fini(&buf);
	return key;
}

void t_everything_that_lives(struct t_roles *f)
{
	t_stores(f, t_id(11));
	t_pins(f, t_id(12), BODY, true);
	t_claims(f, t_id(11));
	t_fails_for(f, t_id(13), t_later());
	t_buries(f, t_id(14), t_later());
	t_claims(f, t_id(14));
	t_uploads(f, t_id(15), t_later());
	t_opens(f, t_id(15));
	t_claims(f, t_id(15));
	/* Just completed, and its record comes after it was read back. */
	t_uploads(f, t_id(16), t_later());
	t_pins(f, t_id(16), BODY, false);
}

/* ---- reconciling ---- */

static int note(void *arg, const struct sangraha_finding *finding)
{
	static const char *const actions[] = { "left", "would", "did", "failed" };

	assert_int_equal(finding->size, sizeof(*finding));
	assert_true(finding->reason && finding->reason[0]);
	assert_true(!finding->remedy == (finding->action == SANGRAHA_FINDING_LEFT));
	assert_true(!finding->error == (finding->action != SANGRAHA_FINDING_FAILED));
	sgh_buf_printf(arg, "%s %s %s\n", finding->name, actions[finding->action],
		       finding->place);
	return 0;
}

void t_reconciling(struct t_reconciling *run, bool repair)
{
	*run = (struct t_reconciling){
		.options = {
			.size = sizeof(run->options),
			.repair = repair,
			.min_age_ms = 1,
			.wait_ms = 1,
			.longest_ms = 1,
		},
		.counts.size = sizeof(run->counts),
	};
}

void t_ages(void)
{
	int64_t now = sgh_time_ms();

	t_wait(sgh_time_ms() > now + 2);
}

int t_reconcile(struct t_roles *f, struct t_reconciling *run)
{
	t_ages();
	return sangraha_admin_reconcile(f->store, run->with_letters ? f->queue : NULL,
					&run->options, note, &run->found, &run->counts,
					&t_err);
}

void t_finds_(struct t_roles *f, bool repair, const char *lines, const char *file,
	      int line)
{
	struct t_reconciling run;

	t_reconciling(&run, repair);
	t_ok(t_reconcile(f, &run));
	_assert_string_equal(sgh_buf_text(&run.found), lines, file, line);
	assert_string_equal(run.counts.place, "");
	assert_int_equal(run.counts.found, run.counts.left + run.counts.would +
						   run.counts.did + run.counts.failed);
	sgh_buf_fini(&run.found);
}

/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "base/buf.h"
#include "conformance/stores.h"
#include "wire/record.h"

/* Sweeping and reconciling over every back end of the store. */

#define ID(n)  "0199f2c4-0000-7000-8000-00000000000" #n
#define RECORD "6e0a3c56-1f0e-4c0a-8f5e-00000000abcd"
#define SHA256 "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
#define NEVER  9000000000000

/* ---- what lies there ---- */

static void stores(struct fixture *f, const char *id, const char *record)
{
	const char *const names[] = { "sangraha", "sangraha-created",
				      record ? "sangraha-record" : "sangraha-sha256" };
	const char *const values[] = { "1", "2026-01-02T03:04:05.678Z",
				       record ? record : SHA256 };
	const struct sangraha_store_put options = {
		.size = sizeof(options),
		.content_type = "image/png",
		.meta_names = names,
		.meta_values = values,
		.meta_count = 3,
	};

	t_ok(sangraha_store_put(f->store, "image", id, "{}", 2, &options, &t_err));
}

static void records(struct fixture *f, const char *key, const char *members)
{
	char text[400];
	int length = snprintf(text, sizeof(text), "{\"sangraha\":1%s}", members);

	t_ok(sangraha_store_put(f->store, "meta", key, text, (size_t)length, NULL,
				&t_err));
}

static void ends(struct fixture *f, const char *key, const char *members, int64_t when)
{
	char text[300];

	snprintf(text, sizeof(text),
		 ",\"type\":\"image\",\"created_ms\":1,\"expires_ms\":%lld%s",
		 (long long)when, members);
	records(f, key, text);
}

static void what_lives(struct fixture *f)
{
	stores(f, ID(1), NULL);
	stores(f, ID(2), RECORD);
	records(f, "object/image/" ID(2) "/" RECORD,
		",\"type\":\"image\",\"record\":\"" RECORD "\",\"size\":2,\"sha256\":"
		"\"" SHA256 "\"");
	ends(f, "deleted/image/" ID(3), ",\"operation_id\":\"x\"", NEVER);
	ends(f, "upload/" ID(4), ",\"record\":\"" RECORD "\"", NEVER);
	t_ok(begin(f, ID(4)));
}

static void what_is_foreign(struct fixture *f)
{
	t_ok(put(f, "some/thing", "x"));
	records(f, "note", "");
}

static void what_is_wrong(struct fixture *f)
{
	stores(f, ID(5), RECORD);
	t_ok(begin(f, ID(5)));
	records(f, "object/image/" ID(6) "/" RECORD,
		",\"type\":\"image\",\"record\":\"" RECORD "\"");
	stores(f, ID(7), NULL);
	ends(f, "deleted/image/" ID(7), ",\"operation_id\":\"x\"", NEVER);
	ends(f, "deleted/image/" ID(8), ",\"operation_id\":\"x\"", 1);
	ends(f, "operation/" ID(8), ",\"operation_id\":\"x\",\"code\":\"rejected\"", 1);
	ends(f, "upload/" ID(9), ",\"record\":\"" RECORD "\"", 1);
	t_ok(begin(f, ID(9)));
}

static int add_key(void *arg, const char *key, uint64_t size)
{
	/* A store is tried in passing. */
	if (strncmp(key, "probe/", 6) != 0)
		sgh_buf_printf(arg, "%s %u\n", key, (unsigned)size);
	return 0;
}

/* All keys, in their order; yours. */
static char *keys(struct fixture *f)
{
	struct sgh_buf buf = { 0 };
	char *text;

	t_ok(sangraha_store_list(f->store, "meta", NULL, NULL, 1000, 0, add_key, &buf,
				 NULL, &t_err));
	t_ok(sangraha_store_list(f->store, "image", NULL, NULL, 1000, 0, add_key, &buf,
				 NULL, &t_err));
	text = strdup(sgh_buf_text(&buf));
	sgh_buf_fini(&buf);
	return text;
}

/* ---- reconciling ---- */

static int note(void *arg, const struct sangraha_finding *finding)
{
	static const char *const actions[] = { "left", "would", "did", "failed" };

	sgh_buf_printf(arg, "%s %s %s\n", actions[finding->action], finding->name,
		       finding->place);
	return 0;
}

static void reconciles(struct fixture *f, bool repair, const char *lines)
{
	const struct sangraha_reconcile_options options = {
		.size = sizeof(options),
		.repair = repair,
		.min_age_ms = 1,
		.wait_ms = 1,
		.longest_ms = 1,
	};
	struct sgh_buf found = { 0 };
	int64_t now = sgh_time_ms();

	/* Servers round, and what is listed is older than this. */
	t_wait(sgh_time_ms() > now + 10);
	t_ok(sangraha_admin_reconcile(f->store, NULL, &options, note, &found, NULL,
				      &t_err));
	assert_string_equal(sgh_buf_text(&found), lines);
	sgh_buf_fini(&found);
}

#define FOREIGN                           \
	"left record-foreign meta/note\n" \
	"left object-foreign image/some/thing\n"
#define WRONG(action)                                                             \
	action " object-deleted image/" ID(                                       \
		7) "\n" action                                                    \
		   " tombstone-ended meta/deleted/image/" ID(                     \
			   8) "\n" action                                         \
			      " operation-ended meta/operation/" ID(              \
				      8) "\n" action                              \
					 " upload-ended meta/upload/" ID(         \
						 9) "\n" action " record-unused " \
						    "meta/object/image/" ID(      \
							    6) "/" RECORD "\n"
#define INCOMPLETE(action) action " object-incomplete image/" ID(5) "\n"

static void a_store_is_reconciled(void **state)
{
	struct fixture *f = needed(state);
	sgh_autofree char *wanted = NULL, *before = NULL, *after = NULL, *end = NULL;

	what_lives(f);
	reconciles(f, true, "");
	ends(f, "deleted/image/" ID(7), ",\"operation_id\":\"x\"", NEVER);
	wanted = keys(f);
	what_is_wrong(f);
	before = keys(f);
	reconciles(f, false, WRONG("would") INCOMPLETE("would"));
	after = keys(f);
	assert_string_equal(after, before);
	reconciles(f, true, WRONG("did") INCOMPLETE("did"));
	end = keys(f);
	assert_string_equal(end, wanted);
	reconciles(f, true, "");
	t_ok(find_uploads(f, ID(9)));
	assert_int_equal(f->op.upload_count, 0);
	t_ok(find_uploads(f, ID(5)));
	assert_int_equal(f->op.upload_count, 0);
	t_ok(find_uploads(f, ID(4)));
	assert_int_equal(f->op.upload_count, 1);
}

static void what_is_foreign_is_left(void **state)
{
	struct fixture *f = needed(state);
	sgh_autofree char *before = NULL, *after = NULL;

	what_is_foreign(f);
	before = keys(f);
	reconciles(f, true, FOREIGN);
	after = keys(f);
	assert_string_equal(after, before);
}

static void what_ended_is_swept(void **state)
{
	struct fixture *f = needed(state);
	sgh_autofree char *wanted = NULL, *end = NULL;
	uint64_t count = 0;

	what_lives(f);
	wanted = keys(f);
	ends(f, "deleted/image/" ID(8), ",\"operation_id\":\"x\"", 1);
	stores(f, ID(8), RECORD);
	records(f, "object/image/" ID(8) "/" RECORD, "");
	ends(f, "operation/" ID(8), ",\"operation_id\":\"x\",\"code\":\"rejected\"", 1);
	ends(f, "upload/" ID(9), ",\"record\":\"" RECORD "\"", 1);
	t_ok(sangraha_admin_sweep(f->store, NULL, 0, &count, &t_err));
	assert_int_equal(count, 2);
	t_ok(sangraha_admin_sweep(f->store, NULL, 0, &count, &t_err));
	assert_int_equal(count, 1);
	end = keys(f);
	assert_string_equal(end, wanted);
}

static const struct CMUnitTest cases[] = {
	CASE(a_store_is_reconciled),
	CASE(what_is_foreign_is_left),
	CASE(what_ended_is_swept),
};

CONFORMANCE_MAIN(cases)

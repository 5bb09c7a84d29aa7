/* SPDX-License-Identifier: MIT */
#include "wire/record.h"

#include "support/t.h"
#include "wire/object.h"

#define ID     "0199f2c4-0000-7000-8000-0123456789ab"
#define RECORD "3f0e2b52-9c1d-4f0a-8a77-0c6a3b1d2e4f"
#define SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static void makes_keys(void **state)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_operation(key, ID);
	assert_string_equal(key, "operation/" ID);
	sgh_record_key_deleted(key, "a2345678901234567890123456789012", ID);
	assert_string_equal(key, "deleted/a2345678901234567890123456789012/" ID);
	sgh_record_key_upload(key, ID);
	assert_string_equal(key, "upload/" ID);
	sgh_record_key_object(key, "a2345678901234567890123456789012", ID, RECORD);
	assert_string_equal(key,
			    "object/a2345678901234567890123456789012/" ID "/" RECORD);
}

static void names(const char *key, enum sgh_record_kind kind, const char *type,
		  const char *record)
{
	struct sgh_record_name name;

	sgh_record_name(key, &name);
	assert_int_equal(name.kind, kind);
	assert_string_equal(name.type, type);
	assert_string_equal(name.id, kind == SGH_RECORD_FOREIGN ? "" : ID);
	assert_string_equal(name.record, record);
}

static void takes_keys_apart(void **state)
{
	names("operation/" ID, SGH_RECORD_OPERATION, "", "");
	names("upload/" ID, SGH_RECORD_UPLOAD, "", "");
	names("probe/" ID, SGH_RECORD_PROBE, "", "");
	names("deleted/pdf/" ID, SGH_RECORD_DELETED, "pdf", "");
	names("object/pdf/" ID "/" RECORD, SGH_RECORD_OBJECT, "pdf", RECORD);
}

static void other_keys_are_foreign(void **state)
{
	static const char *const keys[] = {
		"",
		"/",
		"operation",
		"operation/",
		"operation//" ID,
		"operation/" ID "/",
		"operation/" ID "/x",
		"operation/" ID "0",
		"operation/0199F2C4-0000-7000-8000-0123456789AB",
		"operations/" ID,
		"upload/pdf/" ID,
		"uploads/" ID,
		"deleted/" ID,
		"deleted/Pdf/" ID,
		"deleted/a23456789012345678901234567890123/" ID,
		"object/pdf/" ID,
		"object/pdf/" ID "/",
		"object/pdf/" ID "/" RECORD "/" RECORD,
		ID,
	};

	for (size_t i = 0; i < SGH_COUNT(keys); i++)
		names(keys[i], SGH_RECORD_FOREIGN, "", "");
}

static void tells_a_claim(void **state)
{
	struct sgh_record record = { .operation_id = ID, .offset = -1 };

	assert_true(sgh_record_is_claim(&record, ID));
	assert_false(sgh_record_is_claim(&record, RECORD));
	record.expires_ms = 1;
	assert_true(sgh_record_is_claim(&record, ID));
	record.code = "rejected";
	assert_false(sgh_record_is_claim(&record, ID));
}

static struct sgh_record parsed(const void *json, size_t length)
{
	struct sgh_record record;

	t_ok(sgh_record_parse(json, length, &record, &t_err));
	return record;
}

static void comes_back_whole(void **state)
{
	struct sgh_record record = {
		.operation_id = ID,
		.type = "json",
		.sha256 = "ab",
		.code = "rejected",
		.message = "a \"comma\" is missing — über",
		.declared = "application/json",
		.detected = "text/plain",
		.rule = "json.comma",
		.record = RECORD,
		.upload = "VXBsb2FkIElE",
		.place = "00000000-0000-4000-8000-000000000002",
		.content_type = "application/pdf",
		.facts = "{\"pages\":3}",
		.rules = "2",
		.size = (int64_t)5 << 40,
		.offset = (int64_t)1 << 53,
		.created_ms = 1767323045678,
		.expires_ms = 1767409445678,
	};
	sgh_autobytes struct sgh_bytes *bytes = NULL;
	struct sgh_record back;

	t_ok(sgh_record_write(&record, &bytes, &t_err));
	back = parsed(bytes->data, bytes->length);
	assert_string_equal(back.operation_id, ID);
	assert_string_equal(back.type, "json");
	assert_string_equal(back.sha256, "ab");
	assert_string_equal(back.code, "rejected");
	assert_string_equal(back.message, record.message);
	assert_string_equal(back.declared, "application/json");
	assert_string_equal(back.detected, "text/plain");
	assert_string_equal(back.rule, "json.comma");
	assert_string_equal(back.record, RECORD);
	assert_string_equal(back.upload, "VXBsb2FkIElE");
	assert_string_equal(back.place, "00000000-0000-4000-8000-000000000002");
	assert_string_equal(back.content_type, "application/pdf");
	assert_string_equal(back.facts, "{\"pages\":3}");
	assert_string_equal(back.rules, "2");
	assert_true(back.size == record.size);
	assert_true(back.offset == record.offset);
	assert_true(back.created_ms == record.created_ms);
	assert_true(back.expires_ms == record.expires_ms);
	sgh_record_fini(&back);
}

static void absent_members_stay_absent(void **state)
{
	struct sgh_record record = { .offset = -1 };
	sgh_autobytes struct sgh_bytes *bytes = NULL;
	struct sgh_record back;

	t_ok(sgh_record_write(&record, &bytes, &t_err));
	t_same_bytes(bytes, "{\"sangraha\":1}");
	back = parsed(bytes->data, bytes->length);
	assert_null(back.operation_id);
	assert_null(back.rule);
	assert_null(back.record);
	assert_null(back.upload);
	assert_null(back.place);
	assert_int_equal(back.size, 0);
	assert_int_equal(back.offset, -1);
	assert_int_equal(back.expires_ms, 0);
	sgh_record_fini(&back);
}

static void later_members_are_ignored(void **state)
{
	static const char json[] = "{\"sangraha\":1,\"later\":{\"parts\":[1]},\"x\":2}";
	struct sgh_record back = parsed(json, strlen(json));

	sgh_record_fini(&back);
}

static void refuses_what_is_no_record(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"sangraha\":2}",
		"{\"sangraha\":\"1\"}",
		"{\"sangraha\":1",
		"{\"sangraha\":1,\"type\":5}",
		"{\"sangraha\":1,\"type\":\"\\u0000\"}",
		"{\"sangraha\":1,\"type\":\"a\",\"type\":\"b\"}",
		"{\"sangraha\":1,\"offset\":\"5\"}",
		"{\"sangraha\":1,\"offset\":-5}",
		"{\"sangraha\":1,\"type\":\"a\",\"expires_ms\":1.5}",
	};
	struct sgh_record record = { .offset = 99 };

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		t_fails(SANGRAHA_E_INTERNAL,
			sgh_record_parse(bad[i], strlen(bad[i]), &record, &t_err));
	assert_int_equal(record.offset, 99);
}

/* ---- large objects ---- */

/* A large object as its stored metadata alone tells it. */
static struct sangraha_object *pinned(void)
{
	struct sgh_object_parts parts = {
		.id = ID,
		.type = "pdf",
		.size = 6000000,
		.created_ms = 1767323045678,
		.rules = "1",
		.record = RECORD,
	};
	struct sangraha_object *object = NULL;

	t_ok(sgh_object_new(&parts, &object, &t_err));
	return object;
}

static struct sgh_record of_object(void)
{
	return (struct sgh_record){
		.record = RECORD,
		.type = "pdf",
		.sha256 = SHA256,
		.size = 6000000,
		.facts = "{\"pages\":3}",
		.rules = "2",
		.offset = -1,
	};
}

static void describes_its_object(void **state)
{
	struct sangraha_object *object = pinned();
	struct sgh_record record = of_object();

	t_ok(sgh_record_describe(&record, object, &t_err));
	assert_string_equal(sangraha_object_sha256(object), SHA256);
	assert_string_equal(sangraha_object_etag(object), "\"" SHA256 "\"");
	assert_string_equal(sangraha_object_facts(object), "{\"pages\":3}");
	assert_string_equal(object->rules, "2");
	/* Once more is as well. */
	t_ok(sgh_record_describe(&record, object, &t_err));
	sangraha_object_unref(object);
}

static void facts_may_be_missing(void **state)
{
	struct sangraha_object *object = pinned();
	struct sgh_record record = of_object();

	record.facts = NULL;
	record.rules = NULL;
	record.type = NULL;
	t_ok(sgh_record_describe(&record, object, &t_err));
	assert_string_equal(sangraha_object_facts(object), "{}");
	assert_string_equal(object->rules, "1");
	sangraha_object_unref(object);
}

static void does_not_describe(const struct sgh_record *record, const char *why)
{
	struct sangraha_object *object = pinned();

	t_fails(SANGRAHA_E_INTERNAL, sgh_record_describe(record, object, &t_err));
	t_says(why);
	assert_string_equal(object->sha256, "");
	assert_string_equal(object->etag, "");
	assert_string_equal(object->facts, "{}");
	sangraha_object_unref(object);
}

static void does_not_describe_another(void **state)
{
	struct sgh_record record = of_object();

	record.record = ID;
	does_not_describe(&record, "pins another");
	record.record = NULL;
	does_not_describe(&record, "pins another");
	record = of_object();
	record.type = "json";
	does_not_describe(&record, "type");
	record = of_object();
	record.size++;
	does_not_describe(&record, "size");
	record.size = 0;
	does_not_describe(&record, "size");
	record = of_object();
	record.sha256 = NULL;
	does_not_describe(&record, "SHA-256");
	record.sha256 = "ab";
	does_not_describe(&record, "SHA-256");
	record = of_object();
	record.facts = "[]";
	does_not_describe(&record, "facts");
	record.facts = NULL;
	record.rules = "";
	does_not_describe(&record, "rule");
}

static void does_not_change_a_digest(void **state)
{
	struct sangraha_object *object = pinned();
	struct sgh_record record = of_object();

	t_ok(sgh_record_describe(&record, object, &t_err));
	record.sha256 =
		"c94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
	t_fails(SANGRAHA_E_INTERNAL, sgh_record_describe(&record, object, &t_err));
	t_says("digest");
	sangraha_object_unref(object);
}

static void needs_no_record(void **state)
{
	struct sgh_object_parts parts = { .id = ID, .type = "pdf", .sha256 = SHA256 };
	struct sangraha_object *object = NULL;
	struct sgh_record record = of_object();

	t_ok(sgh_object_new(&parts, &object, &t_err));
	t_fails(SANGRAHA_E_INTERNAL, sgh_record_describe(&record, object, &t_err));
	sangraha_object_unref(object);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(makes_keys),
	cmocka_unit_test(takes_keys_apart),
	cmocka_unit_test(other_keys_are_foreign),
	cmocka_unit_test(tells_a_claim),
	cmocka_unit_test(comes_back_whole),
	cmocka_unit_test(absent_members_stay_absent),
	cmocka_unit_test(later_members_are_ignored),
	cmocka_unit_test(refuses_what_is_no_record),
	cmocka_unit_test(describes_its_object),
	cmocka_unit_test(facts_may_be_missing),
	cmocka_unit_test(does_not_describe_another),
	cmocka_unit_test(does_not_change_a_digest),
	cmocka_unit_test(needs_no_record),
};

t_main(tests)

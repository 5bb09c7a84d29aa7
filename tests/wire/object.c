/* SPDX-License-Identifier: MIT */
#include "wire/object.h"

#include "base/buf.h"
#include "support/t.h"

#define ID     "0199f2c4-0000-7000-8000-0123456789ab"
#define SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static const struct sgh_pair two_pairs[] = {
	{ "invoice-no", "4711" },
	{ "author", "Jürgen, 李" },
};

/* A good set of parts, to be spoilt by the tests. */
static struct sgh_object_parts parts(void)
{
	return (struct sgh_object_parts){
		.id = ID,
		.type = "image",
		.filename = "Menü.png",
		.content_type = "image/png",
		.sha256 = SHA256,
		.created_ms = 1767323045678,
		.size = 1234,
		.facts = "{\"width\":2,\"height\":3}",
		.rules = "1",
		.operation = ID,
		.meta = two_pairs,
		.meta_count = 2,
	};
}

static struct sangraha_object *made(const struct sgh_object_parts *from)
{
	struct sangraha_object *object = NULL;

	t_ok(sgh_object_new(from, &object, &t_err));
	return object;
}

static void knows_its_parts(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object = made(&from);

	assert_string_equal(sangraha_object_id(object), ID);
	assert_string_equal(sangraha_object_type(object), "image");
	assert_string_equal(sangraha_object_reference(object), "image/" ID);
	assert_string_equal(sangraha_object_filename(object), "Menü.png");
	assert_string_equal(sangraha_object_content_type(object), "image/png");
	assert_int_equal(sangraha_object_size(object), 1234);
	assert_string_equal(sangraha_object_sha256(object), SHA256);
	assert_string_equal(sangraha_object_etag(object), "\"" SHA256 "\"");
	assert_string_equal(sangraha_object_created(object), "2026-01-02T03:04:05.678Z");
	assert_int_equal(sangraha_object_created_ms(object), 1767323045678);
	assert_string_equal(sangraha_object_facts(object), "{\"width\":2,\"height\":3}");
	sangraha_object_unref(object);
}

static void a_fact_is_a_number(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object;
	int64_t number = 7;

	from.facts = "{\"width\":2,\"encrypted\":true,\"open\":false,\"kind\":\"a\","
		     "\"x\":1.5}";
	object = made(&from);
	assert_int_equal(sangraha_object_fact(object, "kind", &number),
			 SANGRAHA_E_NOT_FOUND);
	assert_int_equal(sangraha_object_fact(object, "x", &number),
			 SANGRAHA_E_NOT_FOUND);
	assert_int_equal(sangraha_object_fact(object, "none", &number),
			 SANGRAHA_E_NOT_FOUND);
	assert_int_equal(sangraha_object_fact(object, NULL, &number), SANGRAHA_E_INVALID);
	assert_int_equal(number, 7);
	assert_int_equal(sangraha_object_fact(object, "width", &number), 0);
	assert_int_equal(number, 2);
	assert_int_equal(sangraha_object_fact(object, "encrypted", &number), 0);
	assert_int_equal(number, 1);
	assert_int_equal(sangraha_object_fact(object, "open", &number), 0);
	assert_int_equal(number, 0);
	sangraha_object_unref(object);
}

static void sorts_its_metadata(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object = made(&from);
	const char *name;
	const char *value;

	assert_string_equal(sangraha_object_meta(object, "invoice-no"), "4711");
	assert_null(sangraha_object_meta(object, "other"));
	assert_null(sangraha_object_meta(object, NULL));
	assert_int_equal(sangraha_object_meta_at(object, 0, &name, &value), 0);
	assert_string_equal(name, "author");
	assert_int_equal(sangraha_object_meta_at(object, 1, &name, &value), 0);
	assert_string_equal(value, "4711");
	assert_int_equal(sangraha_object_meta_at(object, 2, &name, &value),
			 SANGRAHA_E_NOT_FOUND);
	sangraha_object_unref(object);
}

static void may_lack_what_is_optional(void **state)
{
	struct sgh_object_parts from = {
		.id = ID,
		.type = "x",
		.sha256 = SHA256,
	};
	struct sangraha_object *object = made(&from);

	assert_null(sangraha_object_filename(object));
	assert_string_equal(sangraha_object_content_type(object),
			    "application/octet-stream");
	assert_string_equal(sangraha_object_facts(object), "{}");
	assert_string_equal(sangraha_object_created(object), "1970-01-01T00:00:00.000Z");
	assert_ptr_equal(sangraha_object_ref(object), object);
	sangraha_object_unref(object);
	sangraha_object_unref(object);
	sangraha_object_unref(NULL);
}

static void is_refused(const struct sgh_object_parts *from, const char *why)
{
	struct sangraha_object *object = NULL;

	t_fails(SANGRAHA_E_INVALID, sgh_object_new(from, &object, &t_err));
	t_says(why);
	assert_null(object);
}

#define with(member, wrong, why)                        \
	do {                                            \
		struct sgh_object_parts from = parts(); \
		from.member = wrong;                    \
		is_refused(&from, why);                 \
	} while (0)

static void refuses_bad_parts(void **state)
{
	char long_facts[SGH_FACTS_SIZE + 1];

	memset(long_facts, ' ', sizeof(long_facts));
	memcpy(long_facts, "{}", 2);
	long_facts[SGH_FACTS_SIZE] = '\0';
	with(id, NULL, "id");
	with(id, "0199F2C4-0000-7000-8000-0123456789AB", "id");
	with(type, NULL, "type");
	with(type, "1mage", "type");
	with(type, "im/age", "type");
	with(type, "", "type");
	with(type, "a23456789012345678901234567890123", "type");
	with(sha256, NULL, "SHA-256");
	with(sha256, "abc", "SHA-256");
	with(filename, "../x", "file name");
	with(content_type, "a/b\r\nX: y", "content type");
	with(content_type, "", "content type");
	with(rules, "1 ", "rule");
	with(operation, "ü", "operation");
	with(record, "a\n", "record");
	with(record, "../x", "record");
	with(facts, "", "facts");
	with(facts, "[]", "facts");
	with(facts, "{\"a\":1", "facts");
	with(facts, long_facts, "facts");
	with(created_ms, -1, "creation");
	with(created_ms, 253402300800000, "creation");
	with(size, (uint64_t)1 << 63, "size");
}

static int meta_of(const char *name, const char *value)
{
	struct sgh_pair pair = { name, value };

	return sgh_meta_check(&pair, 1, &t_err);
}

static void checks_metadata_names(void **state)
{
	static const char *const bad[] = {
		"",
		"A",
		"a_b",
		"a b",
		"a.b",
		"ä",
		"a\n",
		"a234567890123456789012345678901234567890123456789012345678901234x",
	};

	t_ok(meta_of("a", ""));
	t_ok(meta_of("-", "x\ny"));
	t_ok(meta_of("a23456789012345678901234567890123456789012345678901234567890123x",
		     "x"));
	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		t_fails(SANGRAHA_E_INVALID, meta_of(bad[i], "x"));
	t_fails(SANGRAHA_E_INVALID, meta_of("a", "\xff"));
	t_says("UTF-8");
}

static void bounds_metadata(void **state)
{
	char value[SGH_META_BYTES_MAX + 1] = "";

	memset(value, 'x', SGH_META_BYTES_MAX - 1);
	t_ok(meta_of("a", value));
	t_fails(SANGRAHA_E_INVALID, meta_of("ab", value));
	value[0] = ' '; /* takes three bytes encoded */
	t_fails(SANGRAHA_E_INVALID, meta_of("a", value));
	t_says("514 bytes");
}

static void bounds_pairs(void **state)
{
	struct sgh_pair pairs[SGH_META_MAX + 1];
	char names[SGH_META_MAX + 1][4];

	for (size_t i = 0; i < SGH_COUNT(pairs); i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		pairs[i] = (struct sgh_pair){ names[i], "x" };
	}
	t_ok(sgh_meta_check(pairs, SGH_META_MAX, &t_err));
	t_fails(SANGRAHA_E_INVALID, sgh_meta_check(pairs, SGH_META_MAX + 1, &t_err));
	pairs[3].name = pairs[7].name;
	t_fails(SANGRAHA_E_INVALID, sgh_meta_check(pairs, SGH_META_MAX, &t_err));
	t_says("twice");
}

/* ---- the description ---- */

static void writes_the_description(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object = made(&from);
	sgh_autofree char *text = NULL;

	t_ok(sangraha_object_json(object, &text, &t_err));
	assert_string_equal(
		text, "{\"id\":\"" ID "\",\"type\":\"image\",\"reference\":\"image/" ID
		      "\",\"filename\":\"Menü.png\",\"content_type\":\"image/png\","
		      "\"size\":1234,\"sha256\":\"" SHA256 "\",\"etag\":\"\\\"" SHA256
		      "\\\"\",\"created\":\"2026-01-02T03:04:05.678Z\","
		      "\"metadata\":{\"author\":\"Jürgen, 李\",\"invoice-no\":\"4711\"},"
		      "\"facts\":{\"width\":2,\"height\":3}}");
	sangraha_object_unref(object);
}

static void writes_an_absent_name_as_null(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object;
	sgh_autofree char *text = NULL;

	from.filename = NULL;
	from.meta_count = 0;
	object = made(&from);
	t_ok(sangraha_object_json(object, &text, &t_err));
	assert_non_null(strstr(text, "\"filename\":null,"));
	assert_non_null(strstr(text, "\"metadata\":{},"));
	t_fails(SANGRAHA_E_INVALID, sangraha_object_json(object, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_object_json(NULL, &text, &t_err));
	sangraha_object_unref(object);
}

static void same(const struct sangraha_object *a, const struct sangraha_object *b)
{
	assert_string_equal(a->reference, b->reference);
	assert_string_equal(a->etag, b->etag);
	assert_string_equal(a->created, b->created);
	assert_string_equal(a->content_type, b->content_type);
	assert_string_equal(a->facts, b->facts);
	assert_true(a->size == b->size);
	assert_true(sgh_streq(a->filename, b->filename));
	assert_int_equal(a->meta_count, b->meta_count);
	for (size_t i = 0; i < a->meta_count; i++) {
		assert_string_equal(a->meta[i].name, b->meta[i].name);
		assert_string_equal(a->meta[i].value, b->meta[i].value);
	}
}

static void description_round_trip(const struct sgh_object_parts *from)
{
	struct sangraha_object *object = made(from);
	struct sangraha_object *back = NULL;
	sgh_autobuf struct sgh_buf buf = { 0 };

	sgh_object_write_json(object, &buf);
	t_ok(sgh_object_parse_json(buf.data, buf.length, &back, &t_err));
	same(object, back);
	sangraha_object_unref(object);
	sangraha_object_unref(back);
}

/* Facts and texts come back to the byte: nothing passes through a double. */
static void description_comes_back(void **state)
{
	struct sgh_object_parts from = parts();
	struct sgh_pair odd[] = { { "a", "\"\\\b\f\n\r\t\x01\x7f" }, { "b", "" } };

	description_round_trip(&from);
	from.filename = NULL;
	from.facts = "{ \"n\": 1.0, \"big\":18446744073709551615, \"x\":[1e2]}";
	from.meta = odd;
	description_round_trip(&from);
	from.filename = "\"quoted\" 'it' 報告書 😀";
	from.facts = NULL;
	from.meta_count = 0;
	description_round_trip(&from);
}

static void unreadable(const char *json, const char *why)
{
	struct sangraha_object *object = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sgh_object_parse_json(json, strlen(json), &object, &t_err));
	t_says(why);
	t_fails(SANGRAHA_E_INTERNAL,
		sangraha_object_parse(json, strlen(json), &object, &t_err));
	t_says(why);
}

#define MEMBERS(size, created, rest)                                                     \
	"{\"id\":\"" ID "\",\"type\":\"image\",\"sha256\":\"" SHA256 "\",\"size\":" size \
	",\"created\":" created rest "}"
#define TIME "\"2026-01-02T03:04:05Z\""

static void foreign_descriptions(void **state)
{
	static const char good[] = MEMBERS("1", TIME, ",\"more\":[{}]");
	struct sangraha_object *object = NULL;

	t_ok(sangraha_object_parse(good, strlen(good), &object, &t_err));
	assert_null(object->filename);
	sangraha_object_unref(object);
	unreadable("{}", "size");
	unreadable("[]", "no JSON object");
	unreadable(MEMBERS("-1", TIME, ""), "size");
	unreadable(MEMBERS("1.5", TIME, ""), "size");
	unreadable(MEMBERS("\"1\"", TIME, ""), "size");
	unreadable(MEMBERS("1", "\"yesterday\"", ""), "created");
	unreadable(MEMBERS("1", "5", ""), "created");
	unreadable(MEMBERS("1", TIME, ",\"filename\":5"), "filename");
	unreadable(MEMBERS("1", TIME, ",\"filename\":\"a/b\""), "file name");
	unreadable(MEMBERS("1", TIME, ",\"facts\":[]"), "facts");
	unreadable(MEMBERS("1", TIME, ",\"metadata\":5"), "no JSON object");
	unreadable(MEMBERS("1", TIME, ",\"metadata\":{\"a\":5}"), "metadata");
	unreadable(MEMBERS("1", TIME, ",\"metadata\":{\"A\":\"b\"}"), "metadata");
	unreadable(MEMBERS("1", TIME, ",\"id\":\"x\""), "twice");
}

/* ---- stored metadata ---- */

static const char *stored(const struct sgh_pair *pairs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return pairs[i].value;
	return NULL;
}

static void writes_stored_metadata(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object = made(&from);
	struct sgh_arena arena = { 0 };
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	size_t n;

	t_ok(sgh_object_to_meta(object, &arena, pairs, &n, &t_err));
	assert_int_equal(n, 9);
	assert_string_equal(stored(pairs, n, "sangraha"), "1");
	assert_string_equal(stored(pairs, n, "sangraha-filename"), "Men%C3%BC.png");
	assert_string_equal(stored(pairs, n, "sangraha-sha256"), SHA256);
	assert_string_equal(stored(pairs, n, "sangraha-operation"), ID);
	assert_string_equal(stored(pairs, n, "sangraha-created"),
			    "2026-01-02T03:04:05.678Z");
	assert_string_equal(stored(pairs, n, "sangraha-rules"), "1");
	assert_string_equal(stored(pairs, n, "sangraha-facts"),
			    "%7B%22width%22%3A2%2C%22height%22%3A3%7D");
	assert_string_equal(stored(pairs, n, "sangraha-u-author"),
			    "J%C3%BCrgen%2C%20%E6%9D%8E");
	assert_string_equal(stored(pairs, n, "sangraha-u-invoice-no"), "4711");
	sgh_arena_fini(&arena);
	sangraha_object_unref(object);
}

static void stored_metadata_comes_back(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object;
	struct sangraha_object *back = NULL;
	struct sgh_arena arena = { 0 };
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	size_t n;

	from.record = ID;
	object = made(&from);
	t_ok(sgh_object_to_meta(object, &arena, pairs, &n, &t_err));
	t_ok(sgh_object_from_meta("image", ID, "image/png", 1234, pairs, n, &back,
				  &t_err));
	sgh_arena_fini(&arena);
	same(object, back);
	assert_string_equal(back->rules, "1");
	assert_string_equal(back->operation, ID);
	assert_string_equal(back->record, ID);
	sangraha_object_unref(object);
	sangraha_object_unref(back);
}

/* A large object: its digest and facts are in a record, and nowhere before that. */
static void a_record_may_tell_the_digest(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object;
	struct sangraha_object *back = NULL;
	struct sgh_arena arena = { 0 };
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	sgh_autofree char *json = NULL;
	size_t n;

	from.record = ID;
	from.sha256 = NULL;
	object = made(&from);
	assert_string_equal(sangraha_object_sha256(object), "");
	assert_string_equal(sangraha_object_etag(object), "");
	t_ok(sgh_object_to_meta(object, &arena, pairs, &n, &t_err));
	assert_null(stored(pairs, n, "sangraha-sha256"));
	assert_null(stored(pairs, n, "sangraha-facts"));
	assert_string_equal(stored(pairs, n, "sangraha-record"), ID);
	t_ok(sgh_object_from_meta("image", ID, "image/png", 1234, pairs, n, &back,
				  &t_err));
	assert_string_equal(back->sha256, "");
	assert_string_equal(back->etag, "");
	assert_string_equal(back->facts, "{}");
	assert_string_equal(back->record, ID);
	assert_int_equal(sangraha_object_size(back), 1234);
	assert_int_equal(back->created_ms, object->created_ms);
	t_ok(sangraha_object_json(back, &json, &t_err));
	assert_non_null(strstr(json, "\"sha256\":null,\"etag\":null"));
	sgh_arena_fini(&arena);
	sangraha_object_unref(object);
	sangraha_object_unref(back);
}

/* The longest name there is, in a script of three bytes, and all the user metadata. */
static void stored_metadata_takes_the_bounds(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object;
	struct sgh_arena arena = { 0 };
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	struct sgh_pair pair = { "a", NULL };
	char name[256] = "";
	char value[SGH_META_BYTES_MAX] = "";
	size_t n;

	for (int i = 0; i < 85; i++)
		memcpy(name + 3 * i, "報", 3);
	memset(value, 'x', sizeof(value) - 1);
	pair.value = value;
	from.filename = name;
	from.meta = &pair;
	from.meta_count = 1;
	object = made(&from);
	t_ok(sgh_object_to_meta(object, &arena, pairs, &n, &t_err));
	sgh_arena_fini(&arena);
	sangraha_object_unref(object);
}

static void stored_metadata_over_2_kib(void **state)
{
	struct sgh_object_parts from = parts();
	struct sangraha_object *object;
	struct sgh_arena arena = { 0 };
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	struct sgh_pair many[SGH_META_MAX];
	char names[SGH_META_MAX][4];
	char facts[SGH_FACTS_SIZE] = "{\"";
	size_t n = 99;

	memset(facts + 2, '!', SGH_FACTS_SIZE - 8);
	strcpy(facts + SGH_FACTS_SIZE - 6, "\":1}");
	for (size_t i = 0; i < SGH_META_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		many[i] = (struct sgh_pair){ names[i], "1234567890" };
	}
	from.facts = facts;
	from.meta = many;
	from.meta_count = SGH_META_MAX;
	object = made(&from);
	t_fails(SANGRAHA_E_INVALID,
		sgh_object_to_meta(object, &arena, pairs, &n, &t_err));
	t_says("2048");
	assert_int_equal(n, 99);
	sgh_arena_fini(&arena);
	sangraha_object_unref(object);
}

static void broken(const struct sgh_pair *pairs, size_t count, const char *why)
{
	struct sangraha_object *object = NULL;

	t_fails(SANGRAHA_E_INTERNAL, sgh_object_from_meta("image", ID, NULL, 1, pairs,
							  count, &object, &t_err));
	t_says(why);
	t_says("image/" ID);
}

static void foreign_stored_metadata(void **state)
{
	struct sgh_pair pairs[] = {
		{ "sangraha", "1" },
		{ "sangraha-sha256", SHA256 },
		{ "sangraha-created", "2026-01-02T03:04:05.678Z" },
		{ "sangraha-later", "what a later version wrote" },
		{ "sangraha-filename", "a" },
	};
	struct sangraha_object *object = NULL;

	t_ok(sgh_object_from_meta("image", ID, NULL, 1, pairs, 5, &object, &t_err));
	sangraha_object_unref(object);
	broken(NULL, 0, "version");
	broken(pairs + 1, 4, "version");
	broken(pairs, 1, "creation");
	pairs[4].value = "%zz";
	broken(pairs, 5, "percent");
	pairs[4].value = "a%2Fb";
	broken(pairs, 5, "file name");
	pairs[4] = (struct sgh_pair){ "sangraha-u-", "x" };
	broken(pairs, 5, "metadata");
	pairs[4] = (struct sgh_pair){ "sangraha-facts", "%5B%5D" };
	broken(pairs, 5, "facts");
	pairs[1].value = "abc";
	broken(pairs, 3, "SHA-256");
	pairs[1] = (struct sgh_pair){ "sangraha-record", "../x" };
	broken(pairs, 3, "record");
	pairs[0].value = "2";
	broken(pairs, 5, "version");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(knows_its_parts),
	cmocka_unit_test(a_fact_is_a_number),
	cmocka_unit_test(sorts_its_metadata),
	cmocka_unit_test(may_lack_what_is_optional),
	cmocka_unit_test(refuses_bad_parts),
	cmocka_unit_test(checks_metadata_names),
	cmocka_unit_test(bounds_metadata),
	cmocka_unit_test(bounds_pairs),
	cmocka_unit_test(writes_the_description),
	cmocka_unit_test(writes_an_absent_name_as_null),
	cmocka_unit_test(description_comes_back),
	cmocka_unit_test(foreign_descriptions),
	cmocka_unit_test(writes_stored_metadata),
	cmocka_unit_test(stored_metadata_comes_back),
	cmocka_unit_test(a_record_may_tell_the_digest),
	cmocka_unit_test(stored_metadata_takes_the_bounds),
	cmocka_unit_test(stored_metadata_over_2_kib),
	cmocka_unit_test(foreign_stored_metadata),
};

t_main(tests)

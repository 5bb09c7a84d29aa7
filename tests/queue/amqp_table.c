/* SPDX-License-Identifier: MIT */
#include "queue/amqp_table.h"

#include "support/t.h"

static struct sgh_message *fresh(void)
{
	struct sgh_message *message = sgh_message_new();

	assert_non_null(message);
	return message;
}

static amqp_table_entry_t entry(const char *name, uint8_t kind)
{
	amqp_table_entry_t made = { .key = amqp_cstring_bytes(name) };

	made.value.kind = kind;
	return made;
}

/* The message that one header of that kind and bits becomes. */
static struct sgh_message *with_header(const amqp_table_entry_t *header)
{
	amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_HEADERS_FLAG,
					       .headers = { 1, (void *)header } };
	struct sgh_message *message = fresh();

	sgh_amqp_message_fill(message, &properties);
	return message;
}

static void a_message_survives_the_round_trip(void **state)
{
	struct sgh_message *out = fresh(), *in = fresh();
	struct sgh_amqp_properties properties;

	out->type = "sangraha.put.v1";
	out->message_id = "id";
	out->persistent = true;
	out->timestamp = 7;
	assert_true(sgh_message_add_text(out, "a", "b"));
	assert_true(sgh_message_add_number(out, "n", -1));
	assert_true(sgh_message_add_bool(out, "f", false));
	sgh_amqp_properties_fill(&properties, out);
	sgh_amqp_message_fill(in, &properties.properties);
	assert_string_equal(in->type, out->type);
	assert_string_equal(in->message_id, "id");
	assert_null(in->reply_to);
	assert_true(in->persistent);
	assert_int_equal(in->timestamp, 7);
	assert_int_equal(in->header_count, 3);
	assert_string_equal(sgh_message_text(in, "a"), "b");
	assert_int_equal(sgh_message_header(in, "n")->number, -1);
	assert_int_equal(sgh_message_header(in, "f")->kind, SGH_HEADER_BOOL);
	assert_true(sgh_amqp_properties_match(in, &properties.properties));
	sgh_message_free(in);
	sgh_message_free(out);
}

static void every_integer_is_a_number(void **state)
{
	static const uint8_t kinds[] = {
		AMQP_FIELD_KIND_I8,  AMQP_FIELD_KIND_U8,  AMQP_FIELD_KIND_I16,
		AMQP_FIELD_KIND_U16, AMQP_FIELD_KIND_I32, AMQP_FIELD_KIND_U32,
		AMQP_FIELD_KIND_I64, AMQP_FIELD_KIND_U64, AMQP_FIELD_KIND_TIMESTAMP,
	};

	for (size_t i = 0; i < SGH_COUNT(kinds); i++) {
		amqp_table_entry_t header = entry("n", kinds[i]);
		struct sgh_message *message;

		header.value.value.u64 = 42;
		message = with_header(&header);
		assert_int_equal(message->headers[0].kind, SGH_HEADER_NUMBER);
		assert_int_equal(message->headers[0].number, 42);
		sgh_message_free(message);
	}
}

static void a_number_that_is_too_large_is_the_largest(void **state)
{
	amqp_table_entry_t header = entry("n", AMQP_FIELD_KIND_U64);
	struct sgh_message *message;

	header.value.value.u64 = UINT64_MAX;
	message = with_header(&header);
	assert_int_equal(message->headers[0].number, INT64_MAX);
	sgh_message_free(message);
}

static void other_kinds_are_marked(void **state)
{
	static const uint8_t kinds[] = {
		AMQP_FIELD_KIND_VOID,  AMQP_FIELD_KIND_F32,     AMQP_FIELD_KIND_F64,
		AMQP_FIELD_KIND_ARRAY, AMQP_FIELD_KIND_DECIMAL, AMQP_FIELD_KIND_TABLE,
	};

	for (size_t i = 0; i < SGH_COUNT(kinds); i++) {
		amqp_table_entry_t header = entry("x", kinds[i]);
		struct sgh_message *message = with_header(&header);

		assert_int_equal(message->header_count, 1);
		assert_int_equal(message->headers[0].kind, SGH_HEADER_OTHER);
		assert_false(message->cut);
		sgh_message_free(message);
	}
}

static void a_nul_inside_is_marked(void **state)
{
	amqp_table_entry_t header = entry("x", AMQP_FIELD_KIND_BYTES);
	amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_TYPE_FLAG,
					       .type = { 3, (void *)"a\0b" } };
	struct sgh_message *message;

	header.value.value.bytes = (amqp_bytes_t){ 3, (void *)"a\0b" };
	message = with_header(&header);
	assert_int_equal(message->headers[0].kind, SGH_HEADER_OTHER);
	assert_false(message->cut);
	sgh_amqp_message_fill(message, &properties);
	assert_null(message->type);
	assert_true(message->cut);
	sgh_message_free(message);
}

static void what_is_over_the_bounds_is_left_out(void **state)
{
	static char large[SGH_HEADER_BYTES_MAX];
	amqp_table_entry_t headers[SGH_HEADERS_MAX + 10];
	amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_HEADERS_FLAG,
					       .headers = { SGH_COUNT(headers),
							    headers } };
	struct sgh_message *message = fresh();

	memset(large, 'x', sizeof(large));
	for (size_t i = 0; i < SGH_COUNT(headers); i++)
		headers[i] = entry("n", AMQP_FIELD_KIND_I64);
	headers[0].value.kind = AMQP_FIELD_KIND_UTF8;
	headers[0].value.value.bytes = (amqp_bytes_t){ sizeof(large), large };
	sgh_amqp_message_fill(message, &properties);
	assert_int_equal(message->header_count, SGH_HEADERS_MAX);
	assert_int_equal(message->headers[0].kind, SGH_HEADER_NUMBER);
	assert_true(message->cut);
	sgh_message_free(message);
}

/* One of the tables in x-death. */
static amqp_table_entry_t *death(const char *reason, uint64_t seconds)
{
	amqp_table_entry_t *entries = calloc(2, sizeof(*entries));

	assert_non_null(entries);
	entries[0] = entry("reason", AMQP_FIELD_KIND_UTF8);
	entries[0].value.value.bytes = amqp_cstring_bytes(reason);
	entries[1] = entry("time", AMQP_FIELD_KIND_TIMESTAMP);
	entries[1].value.value.u64 = seconds;
	return entries;
}

static void the_last_death_is_told(void **state)
{
	amqp_field_value_t deaths[2] = { { .kind = AMQP_FIELD_KIND_TABLE },
					 { .kind = AMQP_FIELD_KIND_TABLE } };
	amqp_table_entry_t header = entry("x-death", AMQP_FIELD_KIND_ARRAY);
	amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_HEADERS_FLAG,
					       .headers = { 1, &header } };
	struct sgh_message *message = fresh();
	int64_t ms = 0;

	deaths[0].value.table = (amqp_table_t){ 2, death("delivery_limit", 1700000000) };
	deaths[1].value.table = (amqp_table_t){ 2, death("expired", 1600000000) };
	header.value.value.array = (amqp_array_t){ 2, deaths };
	assert_string_equal(sgh_amqp_death(message, &properties, &ms), "delivery_limit");
	assert_int_equal(ms, 1700000000000);
	for (int i = 0; i < 2; i++)
		free(deaths[i].value.table.entries);
	sgh_message_free(message);
}

static void a_strange_death_tells_nothing(void **state)
{
	amqp_field_value_t table = { .kind = AMQP_FIELD_KIND_TABLE };
	amqp_table_entry_t header = entry("x-death", AMQP_FIELD_KIND_I64);
	amqp_basic_properties_t properties = { ._flags = AMQP_BASIC_HEADERS_FLAG,
					       .headers = { 1, &header } };
	struct sgh_message *message = fresh();
	int64_t ms = 0;

	assert_null(sgh_amqp_death(message, &properties, &ms));
	header.value.kind = AMQP_FIELD_KIND_ARRAY;
	header.value.value.array = (amqp_array_t){ 0, NULL };
	assert_null(sgh_amqp_death(message, &properties, &ms));
	table.value.table = (amqp_table_t){ 2, death("x", UINT64_MAX) };
	table.value.table.entries[0].value.value.bytes =
		(amqp_bytes_t){ 2, (void *)"x\0" };
	header.value.value.array = (amqp_array_t){ 1, &table };
	assert_null(sgh_amqp_death(message, &properties, &ms));
	properties._flags = 0;
	assert_null(sgh_amqp_death(message, &properties, &ms));
	assert_int_equal(ms, 0);
	free(table.value.table.entries);
	sgh_message_free(message);
}

static void the_size_is_never_too_small(void **state)
{
	struct sgh_message *message = fresh();
	struct sgh_amqp_properties properties;
	static char buffer[65536];
	int size;

	message->type = "t";
	message->timestamp = 1;
	for (int i = 0; i < 20; i++) {
		assert_true(sgh_message_add_text(message, "name", "some text"));
		assert_true(sgh_message_add_number(message, "number", i));
		assert_true(sgh_message_add_bool(message, "b", true));
	}
	sgh_amqp_properties_fill(&properties, message);
	size = amqp_encode_properties(AMQP_BASIC_CLASS, &properties.properties,
				      (amqp_bytes_t){ sizeof(buffer), buffer });
	assert_true(size > 0);
	assert_in_range(size, 1, sgh_amqp_properties_size(message));
	sgh_message_free(message);
}

static void long_fields_have_no_size(void **state)
{
	struct sgh_message *message = fresh();
	char text[300];

	memset(text, 'a', sizeof(text));
	text[256] = '\0';
	message->reply_to = text;
	assert_int_equal(sgh_amqp_properties_size(message), 0);
	text[255] = '\0';
	assert_true(sgh_amqp_properties_size(message) > 255);
	sgh_message_free(message);
}

static void other_properties_do_not_match(void **state)
{
	struct sgh_message *one = fresh(), *other = fresh();
	struct sgh_amqp_properties properties;

	one->message_id = "1";
	other->message_id = "1";
	sgh_amqp_properties_fill(&properties, one);
	assert_true(sgh_amqp_properties_match(other, &properties.properties));
	assert_true(sgh_message_add_number(other, "resend", 1));
	assert_false(sgh_amqp_properties_match(other, &properties.properties));
	other->header_count = 0;
	other->message_id = "2";
	assert_false(sgh_amqp_properties_match(other, &properties.properties));
	sgh_message_free(one);
	sgh_message_free(other);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_message_survives_the_round_trip),
	cmocka_unit_test(every_integer_is_a_number),
	cmocka_unit_test(a_number_that_is_too_large_is_the_largest),
	cmocka_unit_test(other_kinds_are_marked),
	cmocka_unit_test(a_nul_inside_is_marked),
	cmocka_unit_test(what_is_over_the_bounds_is_left_out),
	cmocka_unit_test(the_last_death_is_told),
	cmocka_unit_test(a_strange_death_tells_nothing),
	cmocka_unit_test(the_size_is_never_too_small),
	cmocka_unit_test(long_fields_have_no_size),
	cmocka_unit_test(other_properties_do_not_match),
};

t_main(tests)

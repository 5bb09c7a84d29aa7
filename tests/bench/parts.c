/* SPDX-License-Identifier: MIT */
#include "answer.h"
#include "body.h"
#include "histogram.h"
#include "stored.h"

#include "support/judge.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static void times_are_told_within_three_percent(void **state)
{
	static struct histogram histogram;

	assert_int_equal(histogram_at(&histogram, 0.5), 0);
	for (uint64_t us = 1; us <= 100000; us++)
		histogram_add(&histogram, us * 1000);
	assert_in_range(histogram_at(&histogram, 0.5), 50000000, 51600000);
	assert_in_range(histogram_at(&histogram, 0.99), 99000000, 100000000);
	assert_int_equal(histogram_at(&histogram, 1), 100000000);
	assert_int_equal(histogram.total, 100000);
}

static void short_times_are_told_exactly(void **state)
{
	static struct histogram histogram;

	for (uint64_t ns = 0; ns < 40; ns++)
		histogram_add(&histogram, ns);
	for (uint64_t ns = 0; ns < 40; ns++)
		assert_int_equal(histogram_at(&histogram, ((double)ns + 0.5) / 40), ns);
}

/* The head arrives in two pieces, and what is behind it is left. */
static void a_head_is_read_wherever_it_is_cut(void **state)
{
	static const char text[] =
		"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nlocation: /v1/x\r\n"
		"ETag: \"e\"\r\nConnection: Close\r\n\r\nabc";
	long length = (long)strlen(text) - 3;

	for (long cut = 1; cut < length; cut++) {
		static struct answer answer;

		answer_clear(&answer);
		assert_int_equal(answer_take_head(&answer, text, (size_t)cut), cut);
		assert_false(answer.has_head);
		assert_int_equal(
			answer_take_head(&answer, text + cut, strlen(text) - (size_t)cut),
			length - cut);
		assert_int_equal(answer.status, 201);
		assert_int_equal(answer.length, 3);
		assert_true(answer.closes && answer.has_etag);
		assert_string_equal(answer.location, "/v1/x");
		assert_false(answer_is_whole(&answer));
	}
}

static void what_cannot_be_measured_is_refused(void **state)
{
	static const char *const texts[] = {
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	static char endless[ANSWER_HEAD_MAX + 100];
	static struct answer answer;

	memset(endless, 'x', sizeof(endless));
	for (size_t i = 0; i < SGH_COUNT(texts); i++) {
		answer_clear(&answer);
		assert_int_equal(answer_take_head(&answer, texts[i], strlen(texts[i])),
				 -1);
	}
	answer_clear(&answer);
	assert_int_equal(answer_take_head(&answer, endless, sizeof(endless)), -1);
}

/* The whole object, as it is sent; yours to free. */
static char *bytes_of(const struct body *body, const char *token)
{
	char *bytes = malloc((size_t)body->size);
	char head[sizeof(body->head)];
	uint64_t at = 0;
	size_t length;

	assert_non_null(bytes);
	body_head(body, token, head);
	while (at < body->size) {
		const char *piece = body_at(body, head, at, &length);

		assert_in_range(length, 1, body->size - at);
		memcpy(bytes + at, piece, length);
		at += length;
	}
	return bytes;
}

static bool is_accepted(const struct body *body, const char *bytes)
{
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .declared = body->content_type,
						     .length = body->size };
	struct sangraha_validator *validator = NULL;
	int status;

	t_ok(sangraha_validator_new(t_types, &options, &validator, &t_err));
	status = sangraha_validator_feed(validator, bytes, (size_t)body->size, &t_err);
	if (!status)
		status = sangraha_validator_finish(validator, &t_err);
	sangraha_validator_free(validator);
	return status == 0;
}

static void every_object_is_valid(void **state)
{
	static const uint64_t sizes[] = { 1000, 4096, 102400, 1 << 20, (5 << 20) + 17 };
	static const char *const kinds[] = { "json", "pdf" };
	struct body body;

	for (size_t i = 0; i < SGH_COUNT(kinds) * SGH_COUNT(sizes); i++) {
		const char *kind = kinds[i % SGH_COUNT(kinds)];
		char *bytes;

		assert_int_equal(body_init(&body, kind, sizes[i / SGH_COUNT(kinds)]), 0);
		assert_string_equal(body.type, kind);
		bytes = bytes_of(&body, TOKEN);
		assert_true(is_accepted(&body, bytes));
		assert_non_null(memmem(bytes, 256, TOKEN, BODY_TOKEN));
		free(bytes);
		body_fini(&body);
	}
}

static void a_list_is_found_again_by_type_and_size(void **state)
{
	struct stored_list put = { 0 }, got = { 0 }, other = { 0 };
	struct stored item = { .id = "0199f2c4-0000-7000-8000-000000000001" };
	struct body body = { .type = "json", .size = 4096 };
	char *folder = t_folder_new();
	char *file = t_path(folder, "ids");

	memcpy(item.token, TOKEN, BODY_TOKEN);
	assert_int_equal(stored_load(&put, file, &body), 0);
	stored_add(&put, &item);
	stored_add(&put, &item);
	assert_int_equal(stored_save(&put, 1, file, &body), 0);
	assert_int_equal(stored_load(&got, file, &body), 0);
	assert_int_equal(got.count, 1);
	assert_memory_equal(&got.items[0], &item, sizeof(item));
	body.size++;
	assert_int_equal(stored_load(&other, file, &body), 0);
	assert_int_equal(other.count, 0);
	stored_fini(&put);
	stored_fini(&got);
	stored_fini(&other);
	free(file);
	t_folder_remove(folder);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(times_are_told_within_three_percent),
	cmocka_unit_test(short_times_are_told_exactly),
	cmocka_unit_test(a_head_is_read_wherever_it_is_cut),
	cmocka_unit_test(what_cannot_be_measured_is_refused),
	cmocka_unit_test(every_object_is_valid),
	cmocka_unit_test(a_list_is_found_again_by_type_and_size),
};

t_validate_main(tests)

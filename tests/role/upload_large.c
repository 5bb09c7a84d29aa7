/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <unistd.h>

#include "base/error.h"
#include "role/client.h"
#include "support/uploads.h"

/* Bodies that are more than one message, within a memory that is smaller than they are. */

/* ---- every size ---- */

static void stores(struct t_roles *f, size_t size, bool known)
{
	struct t_sending sending = { 0 };
	char *text = t_json_string(size);

	t_ok(t_send_all(&sending, f, text, size, known));
	t_stored(&sending, text, size);
	t_send_fini(&sending);
	free(text);
	t_wait(sgh_budget_used(f->context->budget) == 0);
	assert_int_equal(sgh_metric_get(f->client->uploads_open), 0);
}

static void sizes_around_each_boundary(void **state)
{
	static const size_t sizes[] = {
		T_INLINE - 1, T_INLINE,    T_INLINE + 1,   T_SPOOL - 1,
		T_SPOOL,      T_SPOOL + 1, T_PART - 1,     T_PART,
		T_PART + 1,   2 * T_PART,  2 * T_PART + 1,
	};

	for (size_t i = 0; i < SGH_COUNT(sizes); i++) {
		stores(*state, sizes[i], true);
		stores(*state, sizes[i], false);
	}
}

/* However it came, and with its length or not: what the store compares is of the whole. */
static void a_spooled_body_tells_its_crc(void **state)
{
	static const size_t steps[] = { 4093, 64 * T_KIB, T_SPOOL };
	struct t_roles *f = *state;
	char *text = t_json_string(T_SPOOL);
	char wanted[SGH_CRC32C_SIZE];
	char told[SGH_CRC32C_SIZE];

	sgh_crc32c_hex(sgh_crc32c_update(&f->client->crc32c, 0, text, T_SPOOL), wanted);
	for (size_t i = 0; i < 2 * SGH_COUNT(steps); i++) {
		struct t_sending sending = { .step = steps[i / 2] };

		t_ok(t_send_all(&sending, f, text, T_SPOOL, i % 2));
		memory_store_crc32c(f->store, told);
		assert_string_equal(told, wanted);
		t_send_fini(&sending);
	}
	free(text);
}

static void any_split_is_the_same(void **state)
{
	static const size_t steps[] = { 4093, 64 * T_KIB, 3 * T_MIB, 13 * T_MIB };
	struct t_roles *f = *state;
	size_t size = 12 * T_MIB + 17;
	char *text = t_json_string(size);

	for (size_t i = 0; i < 2 * SGH_COUNT(steps); i++) {
		struct t_sending sending = { .step = steps[i / 2] };

		t_ok(t_send_all(&sending, f, text, size, i % 2));
		t_stored(&sending, text, size);
		t_send_fini(&sending);
	}
	free(text);
}

/* Parts that do not fit the memory go through a window. */
static void a_part_may_be_larger_than_the_memory(void **state)
{
	stores(*state, T_SPOOL + 1, true);
	stores(*state, T_PART, true);
	stores(*state, 2 * T_PART + 100, true);
}

static void without_a_length_it_has_to_fit(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { 0 };
	char *text = t_json_string(T_INLINE + 1);

	t_fails(SANGRAHA_E_TOO_LARGE, t_send_all(&sending, f, text, T_INLINE + 1, false));
	t_says("because memory-limit is under 7M");
	t_send_fini(&sending);
	free(text);
	t_nothing_left(f);
}

/* ---- many at once ---- */

#define UPLOADERS 12

struct uploader {
	pthread_t thread;
	struct t_roles *f;
	const char *text;
	size_t size;
	size_t given;
	bool known;
	int status;
	struct sangraha_error err;
};

static int64_t give(void *arg, void *data, size_t size)
{
	struct uploader *up = arg;
	size_t n = sgh_min(size, up->size - up->given);

	memcpy(data, up->text + up->given, n);
	up->given += n;
	return (int64_t)n;
}

static void *upload(void *arg)
{
	struct uploader *up = arg;

	up->status = sangraha_client_put_stream(up->f->client,
						up->known ? (int64_t)up->size : -1, give,
						up, &t_json, NULL, &up->err);
	return NULL;
}

static void all_of_many_get_through(void **state)
{
	struct t_roles *f = *state;
	struct sgh_budget *budget = f->context->budget;
	struct uploader ups[UPLOADERS] = { 0 };
	size_t size = 11 * T_MIB;
	char *text = t_json_string(size);
	size_t peak = 0;
	int count = 0;

	for (size_t i = 0; i < UPLOADERS; i++) {
		ups[i] = (struct uploader){ .f = f, .text = text, .size = size };
		ups[i].known = i % 2;
		pthread_create(&ups[i].thread, NULL, upload, &ups[i]);
	}
	t_wait((peak = sgh_budget_used(budget) > peak ? sgh_budget_used(budget) : peak,
		count = memory_store_count(f->store, "json"), count == UPLOADERS));
	for (size_t i = 0; i < UPLOADERS; i++) {
		pthread_join(ups[i].thread, NULL);
		t_err = ups[i].err;
		t_ok(ups[i].status);
	}
	/* Besides, what an upload shows at its beginning is lent. */
	assert_true(peak <= sgh_budget_limit(budget) + UPLOADERS * 64 * T_KIB);
	free(text);
	t_wait(sgh_budget_used(budget) == 0);
}

/* What is read back for the commit may need the memory of the window. */
static void who_commits_holds_no_memory(void **state)
{
	struct t_roles *f = *state;
	size_t size = T_PART;
	char *text = t_json_string(size);
	struct uploader up = { .f = f, .text = text, .size = size, .known = true };

	script_hold(f->script, "upload-complete-new json", 1);
	pthread_create(&up.thread, NULL, upload, &up);
	t_wait(script_holding(f->script) == 1);
	/* The document of the parts is all. */
	t_wait(sgh_budget_used(f->context->budget) < T_KIB);
	script_release(f->script);
	pthread_join(up.thread, NULL);
	t_ok(up.status);
	free(text);
}

/* Else enough of those that wait for their next buffer would keep it from all. */
static void who_waits_holds_no_memory(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sendings[8] = { { 0 } };
	size_t size = 7 * T_MIB;
	char *text = t_json_string(size);

	for (size_t i = 0; i < SGH_COUNT(sendings); i++) {
		t_send_begin(&sendings[i], f, (int64_t)size, NULL);
		t_ok(t_send_bytes(&sendings[i], text, T_PART));
		t_wait(sgh_budget_used(f->context->budget) == 0);
	}
	for (size_t i = 0; i < SGH_COUNT(sendings); i++) {
		t_ok(t_send_bytes(&sendings[i], text + T_PART, size - T_PART));
		t_ok(t_send_end(&sendings[i]));
	}
	for (size_t i = 0; i < SGH_COUNT(sendings); i++) {
		t_stored(&sendings[i], text, size);
		t_send_fini(&sendings[i]);
	}
	free(text);
}

/* ---- the blocking calls ---- */

static void a_blocking_put_may_be_large(void **state)
{
	struct t_roles *f = *state;
	struct t_sending sending = { .f = f };
	size_t size = 40 * T_MIB;
	char *text = t_json_string(size);

	t_ok(sangraha_client_put(f->client, text, size, &t_json, &sending.result,
				 &t_err));
	t_stored(&sending, text, size);
	t_send_fini(&sending);
	free(text);
}

static void *fill_pipe(void *arg)
{
	struct uploader *up = arg;
	int fd = up->status;

	while (up->given < up->size) {
		ssize_t n = write(fd, up->text + up->given, up->size - up->given);

		if (n <= 0)
			break;
		up->given += (size_t)n;
	}
	close(fd);
	return NULL;
}

static void a_descriptor_is_read_to_its_end(void **state)
{
	struct t_roles *f = *state;
	size_t size = 6 * T_MIB;
	char *text = t_json_string(size);
	struct uploader up = { .text = text, .size = size };
	struct t_sending sending = { .f = f };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	up.status = ends[1];
	pthread_create(&up.thread, NULL, fill_pipe, &up);
	t_ok(sangraha_client_put_fd(f->client, ends[0], &t_json, &sending.result,
				    &t_err));
	pthread_join(up.thread, NULL);
	close(ends[0]);
	t_stored(&sending, text, size);
	t_send_fini(&sending);
	free(text);
}

static void a_file_is_read_from_where_it_stands(void **state)
{
	struct t_roles *f = *state;
	size_t size = 2 * T_MIB;
	char *text = t_json_string(size);
	struct t_sending sending = { .f = f };
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(fwrite("before", 1, 6, file), 6);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(lseek(fileno(file), 6, SEEK_SET), 6);
	t_ok(sangraha_client_put_fd(f->client, fileno(file), &t_json, &sending.result,
				    &t_err));
	t_stored(&sending, text, size);
	t_send_fini(&sending);
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_put_fd(f->client, -1, NULL, NULL, &t_err));
	fclose(file);
	free(text);
}

struct file_put {
	struct t_sending sending;
	FILE *file;
	int status;
};

static void *put_file(void *arg)
{
	struct file_put *put = arg;
	struct sangraha_client *client = put->sending.f->client;

	put->status = sangraha_client_put_fd(client, fileno(put->file), &t_json,
					     &put->sending.result, NULL);
	return NULL;
}

/* It has the length that it had at the beginning. */
static void a_file_that_grows_meanwhile_is_cut(void **state)
{
	struct file_put put = { .sending = { .f = *state }, .file = tmpfile() };
	struct script *script = put.sending.f->script;
	size_t size = 24 * T_MIB;
	char *text = t_json_string(size);
	pthread_t thread;

	assert_non_null(put.file);
	assert_int_equal(fwrite(text, 1, size, put.file), size);
	assert_int_equal(fflush(put.file), 0);
	assert_int_equal(lseek(fileno(put.file), 0, SEEK_SET), 0);
	script_hold(script, "upload-part json", 1);
	assert_int_equal(pthread_create(&thread, NULL, put_file, &put), 0);
	t_wait(script_holding(script));
	assert_int_equal(pwrite(fileno(put.file), "more", 4, (off_t)size), 4);
	script_release(script);
	pthread_join(thread, NULL);
	t_ok(put.status);
	t_stored(&put.sending, text, size);
	t_send_fini(&put.sending);
	fclose(put.file);
	free(text);
}

static int64_t break_off(void *arg, void *data, size_t size)
{
	struct uploader *up = arg;

	return up->given < up->size ? give(arg, data, size) : SANGRAHA_E_UNAVAILABLE;
}

static void who_cannot_read_on_leaves_nothing(void **state)
{
	struct t_roles *f = *state;
	size_t size = 7 * T_MIB;
	char *text = t_json_string(size);
	struct uploader up = { .text = text, .size = size };

	t_fails(SANGRAHA_E_UNAVAILABLE,
		sangraha_client_put_stream(f->client, -1, break_off, &up, &t_json, NULL,
					   &t_err));
	free(text);
	t_nothing_left(f);
}

/* ---- the same again ---- */

static void a_repeat_finds_the_object(void **state)
{
	char sha256[SANGRAHA_SHA256_SIZE];
	struct sangraha_put_options options = t_json;
	struct t_roles *f = *state;
	size_t size = 7 * T_MIB;
	char *text = t_json_string(size);

	options.idempotency_key = "once";
	options.sha256 = sha256;

	t_ok(sgh_sha256_hex(text, size, sha256, &t_err));
	for (int i = 0; i < 3; i++) {
		struct t_sending sending = { 0 };

		t_send_begin(&sending, f, i == 1 ? -1 : (int64_t)size, &options);
		t_ok(t_send_bytes(&sending, text, size));
		t_ok(t_send_end(&sending));
		assert_int_equal(sangraha_result_replayed(sending.result), i > 0);
		t_stored(&sending, text, size);
		t_send_fini(&sending);
	}
	free(text);
}

static void another_body_under_a_key_is_a_conflict(void **state)
{
	struct sangraha_put_options options = t_json;
	struct t_roles *f = *state;
	size_t size = 7 * T_MIB;
	char *text = t_json_string(size);

	options.idempotency_key = "once";

	for (int i = 0; i < 2; i++) {
		struct t_sending sending = { 0 };

		text[size / 2] = (char)('0' + i);
		t_send_begin(&sending, f, (int64_t)size, &options);
		(void)t_send_bytes(&sending, text, size);
		t_fails(i ? SANGRAHA_E_CONFLICT : 0, t_send_end(&sending));
		t_send_fini(&sending);
	}
	free(text);
	t_wait(memory_store_uploads(f->store, "json") == 0);
	assert_int_equal(memory_store_count(f->store, "json"), 1);
}

/* Of two at once the first is told to repeat: the second may be its repeat already. */
static void of_two_under_a_key_one_gets_through(void **state)
{
	struct sangraha_put_options options = t_json;
	struct t_sending sendings[2] = { { 0 } };
	struct t_roles *f = *state;
	size_t size = 7 * T_MIB;
	char *text = t_json_string(size);

	options.idempotency_key = "once";
	t_send_begin(&sendings[0], f, (int64_t)size, &options);
	t_ok(t_send_bytes(&sendings[0], text, size));
	t_wait(script_count(f->script, "upload-part json: ok") == 1);
	text[size / 2] = 'B';
	t_send_begin(&sendings[1], f, (int64_t)size, &options);
	t_ok(t_send_bytes(&sendings[1], text, size));
	t_wait(script_count(f->script, "upload-part json: ok") == 2);
	t_fails(SANGRAHA_E_UNAVAILABLE, t_send_end(&sendings[0]));
	t_says("ended by somebody else");
	t_ok(t_send_end(&sendings[1]));
	t_stored(&sendings[1], text, size);
	for (size_t i = 0; i < SGH_COUNT(sendings); i++)
		t_send_fini(&sendings[i]);
	free(text);
}

/* Nor does one of unknown length, which may be anything, join what is under way. */
static void who_does_not_know_its_length_begins_anew(void **state)
{
	struct sangraha_put_options options = t_json;
	struct t_sending sendings[2] = { { 0 } };
	struct t_roles *f = *state;
	size_t size = 7 * T_MIB;
	char *text = t_json_string(size);
	char *longer = t_json_string(size + 1);

	options.idempotency_key = "once";
	t_send_begin(&sendings[0], f, (int64_t)size, &options);
	t_ok(t_send_bytes(&sendings[0], text, size));
	t_wait(script_count(f->script, "upload-part json: ok") == 1);
	t_send_begin(&sendings[1], f, -1, &options);
	t_ok(t_send_bytes(&sendings[1], longer, size + 1));
	t_ok(t_send_end(&sendings[1]));
	t_stored(&sendings[1], longer, size + 1);
	assert_int_not_equal(t_send_end(&sendings[0]), 0);
	t_stored(&sendings[1], longer, size + 1);
	for (size_t i = 0; i < SGH_COUNT(sendings); i++)
		t_send_fini(&sendings[i]);
	free(longer);
	free(text);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_uploads_begin, t_roles_end)
#define SMALL(function) \
	cmocka_unit_test_setup_teardown(function, t_uploads_begin_small, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(sizes_around_each_boundary),
	CASE(a_spooled_body_tells_its_crc),
	CASE(any_split_is_the_same),
	SMALL(a_part_may_be_larger_than_the_memory),
	SMALL(without_a_length_it_has_to_fit),
	CASE(all_of_many_get_through),
	SMALL(who_commits_holds_no_memory),
	CASE(who_waits_holds_no_memory),
	CASE(a_blocking_put_may_be_large),
	CASE(a_descriptor_is_read_to_its_end),
	CASE(a_file_is_read_from_where_it_stands),
	CASE(a_file_that_grows_meanwhile_is_cut),
	CASE(who_cannot_read_on_leaves_nothing),
	CASE(a_repeat_finds_the_object),
	CASE(another_body_under_a_key_is_a_conflict),
	CASE(of_two_under_a_key_one_gets_through),
	CASE(who_does_not_know_its_length_begins_anew),
};

t_main(tests)

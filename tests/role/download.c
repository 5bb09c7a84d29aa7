/* SPDX-License-Identifier: MIT */
#include "role/downloads.h"

/* Bodies on their way out of the store, when nothing breaks. */

static void an_answer_without_bytes_says_so(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_result *result;
	size_t length = 1;

	t_client(f);
	result = t_answer_of(f);
	t_says("sangraha_client_get_stream()");
	assert_int_equal(sangraha_result_status(result), SANGRAHA_E_TOO_LARGE);
	assert_int_equal(sangraha_object_size(sangraha_result_object(result)), SIZE);
	assert_null(sangraha_result_data(result, &length));
	assert_int_equal(length, 0);
	/* The double's tickets are no addresses of the Web. */
	assert_null(sangraha_result_url(result));
	sangraha_result_free(result);
	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_client_get(f->client, "json", ID, NULL, NULL, &t_err));
}

static void a_large_object_comes_whole(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	t_ok(t_read_part(f, &reader, 0, 0));
	assert_int_equal(reader.begun, 1);
	t_was_read(&reader, 0, SIZE);
	t_began_at(1, (uint64_t[]){ 0 });
	t_wait(sgh_budget_used(t_budget(f)) == 0);
}

static void a_small_one_does_too(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_get_options options = {
		.size = sizeof(options),
		.offset = 2,
		.length = 3,
	};
	struct t_reader reader = { 0 };

	t_puts(f, 0, t_id(2), "{\"a\":1}");
	t_ok(sangraha_client_get_stream(t_client(f), "json", t_id(2), NULL, t_take,
					&reader, NULL, &t_err));
	assert_int_equal(reader.length, 7);
	assert_memory_equal(reader.bytes, "{\"a\":1}", 7);
	t_ok(sangraha_client_get_stream(f->client, "json", t_id(2), &options, t_take,
					&reader, NULL, &t_err));
	assert_int_equal(reader.length, 10);
	assert_memory_equal(reader.bytes + 7, "a\":", 3);
	free(reader.bytes);
	assert_int_equal(scripted_begun(), 0);
}

static void a_descriptor_is_written_to(void **state)
{
	struct t_roles *f = *state;
	char *folder = t_folder_new();
	sgh_autofree char *path = t_path(folder, "object");
	FILE *file = fopen(path, "w+");
	struct sangraha_result *result = NULL;
	struct sgh_bytes *bytes;

	t_ok(sangraha_client_get_fd(t_client(f), "json", ID, NULL, fileno(file), &result,
				    &t_err));
	assert_int_equal(sangraha_object_size(sangraha_result_object(result)), SIZE);
	sangraha_result_free(result);
	bytes = t_file(path);
	t_same_bytes(bytes, t_body);
	sgh_bytes_unref(bytes);
	fclose(file);
	file = fopen(path, "r");
	assert_true(sangraha_client_get_fd(f->client, "json", ID, NULL, fileno(file),
					   NULL, &t_err) < 0);
	t_says("could not be written");
	fclose(file);
	t_folder_remove(folder);
}

static void a_part_asks_for_that_part(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	t_ok(t_read_part(f, &reader, 1234, 5000));
	t_was_read(&reader, 1234, 5000);
	reader = (struct t_reader){ 0 };
	t_ok(t_read_part(f, &reader, SIZE - 10, 5000));
	t_was_read(&reader, SIZE - 10, 10);
	t_began_at(2, (uint64_t[]){ 1234, SIZE - 10 });
	t_fails(SANGRAHA_E_INVALID, t_read_part(f, &reader, SIZE, 1));
	t_says("none after");
}

static void no_object_is_not_found(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	t_fails(SANGRAHA_E_NOT_FOUND,
		sangraha_client_get_stream(t_client(f), "json", t_id(9), NULL, t_take,
					   &reader, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_get_stream(f->client, "json", "x", NULL, t_take, &reader,
					   NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_get_stream(f->client, "json", ID, NULL, NULL, &reader,
					   NULL, &t_err));
	assert_int_equal(reader.length, 0);
}

static void who_takes_the_bytes_may_give_up(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { .give_up = SANGRAHA_E_REJECTED };

	t_fails(SANGRAHA_E_REJECTED, t_read_part(f, &reader, 0, 0));
	assert_true(reader.length < SIZE);
	free(reader.bytes);
	t_wait(sgh_budget_used(t_budget(f)) == 0);
}

static void a_slow_reader_pauses_the_store(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;
	sgh_autofree char *data = malloc(SIZE);
	size_t have = 0;
	size_t got = 0;

	t_client(f);
	download = t_download_of(f, &calls);
	t_wait(scripted_paused() == 1);
	assert_true(sgh_budget_used(t_budget(f)) <= 256 << 10);
	while (!sangraha_download_ended(download)) {
		t_ok(sangraha_download_read(download, data + have, 777, &got, &t_err));
		have += got;
		if (!got && !sangraha_download_ended(download))
			t_wait(sangraha_download_poll(download, &t_err) != 0);
	}
	assert_int_equal(have, SIZE);
	assert_memory_equal(data, t_body, SIZE);
	/* At the end there is nothing to wait for. */
	assert_int_equal(sangraha_download_poll(download, &t_err), 1);
	t_ok(sangraha_download_read(download, data, 1, &got, &t_err));
	assert_int_equal(got, 0);
	assert_int_equal(scripted_begun(), 1);
	sangraha_download_free(download);
	t_wait(sgh_budget_used(t_budget(f)) == 0);
}

/* An open answer of the store's keeps others from one, and some stores from a delete. */
static void a_reader_that_stands_still_lets_the_store_go(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };
	size_t calls = 0;
	struct sangraha_download *download;
	char piece[4096];
	size_t got = 0;

	t_client(f);
	download = t_download_of(f, &calls);
	t_wait(scripted_paused() == 1);
	t_wait(scripted_paused() == 0);
	assert_int_equal(sangraha_download_poll(download, &t_err), 1);
	assert_int_equal(scripted_begun(), 1);
	while (!sangraha_download_ended(download)) {
		t_ok(sangraha_download_read(download, piece, sizeof(piece), &got,
					    &t_err));
		t_take(&reader, piece, got);
	}
	t_was_read(&reader, 0, SIZE);
	/* Taken up at once, where it stood. */
	assert_int_equal(scripted_begun(), 2);
	assert_true(scripted_offset(1) > 0);
	sangraha_download_free(download);
	t_wait(sgh_budget_used(t_budget(f)) == 0);
}

static void it_may_be_freed_while_the_store_is_let_go(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;

	t_client(f);
	download = t_download_of(f, &calls);
	t_wait(scripted_paused() == 1);
	sangraha_download_free(download);
	t_wait(scripted_paused() == 0);
	t_wait(sgh_budget_used(t_budget(f)) == 0);
}

static void ready_is_called_once_for_each_wait(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;
	char byte;
	size_t got = 1;

	SCRIPT({ .give = 1, .stall = true });
	t_client(f);
	download = t_download_of(f, &calls);
	t_wait(sangraha_download_poll(download, &t_err) == 1);
	t_ok(sangraha_download_read(download, &byte, 1, &got, &t_err));
	assert_int_equal(got, 1);
	t_wait(scripted_stalled() == 1);
	calls = 0;
	t_ok(sangraha_download_read(download, &byte, 1, &got, &t_err));
	assert_int_equal(got, 0);
	assert_int_equal(calls, 0);
	sgh_mover_cancel(NULL, &download->move, SANGRAHA_E_INTERNAL);
	t_wait(__atomic_load_n(&calls, __ATOMIC_SEQ_CST) == 1);
	t_fails(SANGRAHA_E_INTERNAL,
		sangraha_download_read(download, &byte, 1, &got, &t_err));
	t_fails(SANGRAHA_E_INTERNAL, sangraha_download_poll(download, &t_err));
	sangraha_download_free(download);
}

static void it_may_be_freed_at_any_time(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;

	SCRIPT({ .stall = true, .nothing = true }, { .stall = true, .give = 100 },
	       { .nothing = true, .status = SANGRAHA_E_UNAVAILABLE, .for_ever = true });
	t_client(f);
	for (size_t i = 0; i < 6; i++) {
		struct sangraha_download *download = t_download_of(f, &calls);

		if (i < 2)
			t_wait(scripted_stalled() == 1);
		sangraha_download_free(download);
		t_wait(sgh_budget_used(t_budget(f)) == 0);
	}
	sangraha_download_free(NULL);
}

static void free_in_ready(void *arg)
{
	struct sangraha_download **download = arg;

	sangraha_download_free(sgh_take(*download));
}

static void it_may_be_freed_inside_ready(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_download *download = NULL;
	struct sangraha_result *result;

	t_small_client(f, 256 << 10);
	result = t_answer_of(f);
	/* It waits for memory, so that nothing comes before it is asked. */
	sgh_budget_force(t_budget(f), 256 << 10);
	t_ok(sangraha_download_new(f->client, result, 0, 0, free_in_ready, &download,
				   &download, &t_err));
	assert_int_equal(sangraha_download_poll(download, &t_err), 0);
	sgh_budget_release(t_budget(f), 256 << 10);
	t_wait(sgh_budget_used(t_budget(f)) == 0 && scripted_begun() == 1);
	sangraha_result_free(result);
}

static void without_memory_it_waits(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_download *first;
	struct sangraha_download *second;
	size_t calls = 0;

	t_small_client(f, 256 << 10);
	sgh_budget_force(t_budget(f), 256 << 10);
	first = t_download_of(f, &calls);
	second = t_download_of(f, &calls);
	assert_int_equal(sangraha_download_poll(first, &t_err), 0);
	assert_int_equal(sangraha_download_poll(second, &t_err), 0);
	sangraha_download_free(first);
	assert_int_equal(scripted_begun(), 0);
	sgh_budget_release(t_budget(f), 256 << 10);
	t_wait(sangraha_download_poll(second, &t_err) == 1);
	assert_int_equal(scripted_begun(), 1);
	sangraha_download_free(second);
}

#define MANY 40

/* More than the memory is for: they take turns, and each gets its bytes. */
static void many_share_a_little_memory(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_download *downloads[MANY];
	size_t have[MANY] = { 0 };
	size_t calls = 0;
	size_t ended = 0;
	char piece[20000];

	t_small_client(f, 256 << 10);
	for (size_t i = 0; i < MANY; i++)
		downloads[i] = t_download_of(f, &calls);
	assert_true(sgh_budget_used(t_budget(f)) <= 192 << 10);
	for (size_t i = 0; ended < MANY; i = (i + 1) % MANY) {
		size_t got = 0;

		if (!downloads[i])
			continue;
		t_ok(sangraha_download_read(downloads[i], piece, sizeof(piece), &got,
					    &t_err));
		assert_memory_equal(piece, t_body + have[i], got);
		have[i] += got;
		if (!sangraha_download_ended(downloads[i]))
			continue;
		assert_int_equal(have[i], SIZE);
		sangraha_download_free(sgh_take(downloads[i]));
		ended++;
	}
	t_wait(sgh_budget_used(t_budget(f)) == 0);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_downloads_begin, t_downloads_end)

static const struct CMUnitTest tests[] = {
	CASE(an_answer_without_bytes_says_so),
	CASE(a_large_object_comes_whole),
	CASE(a_small_one_does_too),
	CASE(a_descriptor_is_written_to),
	CASE(a_part_asks_for_that_part),
	CASE(no_object_is_not_found),
	CASE(who_takes_the_bytes_may_give_up),
	CASE(a_slow_reader_pauses_the_store),
	CASE(a_reader_that_stands_still_lets_the_store_go),
	CASE(it_may_be_freed_while_the_store_is_let_go),
	CASE(ready_is_called_once_for_each_wait),
	CASE(it_may_be_freed_at_any_time),
	CASE(it_may_be_freed_inside_ready),
	CASE(without_memory_it_waits),
	CASE(many_share_a_little_memory),
};

t_main(tests)

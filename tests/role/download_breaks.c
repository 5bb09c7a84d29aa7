/* SPDX-License-Identifier: MIT */
#include "role/downloads.h"

/* Bodies on their way out of the store, when something breaks. */

static void a_connection_that_breaks_is_taken_up(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	SCRIPT({ .give = 1000, .status = SANGRAHA_E_UNAVAILABLE },
	       { .submit = SANGRAHA_E_OVERLOADED },
	       { .give = 70000, .status = SANGRAHA_E_TIMEOUT }, { .give = 9 });
	t_ok(t_read_part(f, &reader, 100, 0));
	t_was_read(&reader, 100, SIZE - 100);
	t_began_at(5, (uint64_t[]){ 100, 1100, 1100, 71100, 71109 });
	/* Who fell silent is left for who another ticket names. */
	assert_int_equal(t_questions(f), 2);
}

static void a_store_that_stays_away_is_given_up(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	SCRIPT({ .give = 1000, .status = SANGRAHA_E_UNAVAILABLE },
	       { .nothing = true, .status = SANGRAHA_E_UNAVAILABLE, .for_ever = true });
	t_fails(SANGRAHA_E_UNAVAILABLE, t_read_part(f, &reader, 0, 0));
	t_was_read(&reader, 0, 1000);
	assert_true(scripted_begun() > 2);
	/* Another ticket may be for a gateway that is there. */
	assert_true(t_questions(f) > 1);
}

/* The last piece is kept back: who was given it would think that all is there. */
static void another_object_is_not_handed_out(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	SCRIPT({ .wrong = true });
	t_fails(SANGRAHA_E_INTERNAL, t_read_part(f, &reader, 0, 0));
	t_says("differs from its digest");
	assert_true(reader.length < SIZE);
	free(reader.bytes);
}

static void a_part_has_no_digest(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	SCRIPT({ .wrong = true });
	t_ok(t_read_part(f, &reader, 1, 0));
	assert_int_equal(reader.length, SIZE - 1);
	free(reader.bytes);
}

static void a_ticket_that_ended_is_renewed(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	SCRIPT({ .give = 5000, .status = SANGRAHA_E_UNAUTHORIZED },
	       { .give = 6000, .status = SANGRAHA_E_UNAUTHORIZED });
	t_ok(t_read_part(f, &reader, 0, 0));
	t_was_read(&reader, 0, SIZE);
	t_began_at(3, (uint64_t[]){ 0, 5000, 11000 });
	assert_int_equal(t_questions(f), 3);
}

static void a_new_ticket_that_is_refused_is_the_end(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	SCRIPT({ .nothing = true, .status = SANGRAHA_E_UNAUTHORIZED, .for_ever = true });
	t_fails(SANGRAHA_E_UNAVAILABLE, t_read_part(f, &reader, 0, 0));
	assert_int_equal(t_questions(f), 2);
	assert_int_equal(scripted_begun(), 2);
}

static void an_object_may_be_deleted_in_between(void **state)
{
	struct t_roles *f = *state;
	struct t_reader reader = { 0 };

	SCRIPT({ .nothing = true, .status = SANGRAHA_E_NOT_FOUND });
	t_fails(SANGRAHA_E_NOT_FOUND, t_read_part(f, &reader, 0, 0));
	assert_int_equal(scripted_begun(), 1);
}

/* ---- behind the reader's back ---- */

static bool waits_for_the_reader(struct sangraha_download *download)
{
	bool waits;

	pthread_mutex_lock(&download->state.lock);
	waits = download->state.phase == SGH_DOWNLOAD_IDLE && download->state.for_reader;
	pthread_mutex_unlock(&download->state.lock);
	return waits;
}

/* As if no byte had come for longer than anybody waits for a store. */
static void age(struct sangraha_download *download)
{
	pthread_mutex_lock(&download->state.lock);
	download->state.byte_ms -= INT32_MAX;
	pthread_mutex_unlock(&download->state.lock);
}

static unsigned patience(struct sangraha_download *download)
{
	unsigned ms;

	pthread_mutex_lock(&download->state.lock);
	ms = download->move.patience_ms;
	pthread_mutex_unlock(&download->state.lock);
	return ms;
}

static void read_all(struct sangraha_download *download)
{
	char piece[4096];
	size_t have = 0;

	while (!sangraha_download_ended(download)) {
		size_t got = 0;

		t_wait(sangraha_download_poll(download, &t_err) == 1);
		t_ok(sangraha_download_read(download, piece, sizeof(piece), &got,
					    &t_err));
		assert_memory_equal(piece, t_body + have, got);
		have += got;
	}
	assert_int_equal(have, SIZE);
}

/*
 * It broke while the reader did not read, and once more when he went on: his time is no
 * silence of the store's.
 */
static void a_break_behind_a_slow_reader_is_taken_up(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;

	SCRIPT({ .give = 100000, .status = SANGRAHA_E_UNAVAILABLE },
	       { .nothing = true, .status = SANGRAHA_E_UNAVAILABLE });
	t_start_client(f, NULL);
	download = t_download_of(f, &calls);
	t_wait(waits_for_the_reader(download));
	assert_int_equal(scripted_begun(), 1);
	age(download);
	read_all(download);
	t_began_at(3, (uint64_t[]){ 0, 100000, 100000 });
	sangraha_download_free(download);
}

static void a_break_in_a_pause_is_taken_up(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;

	t_start_client(f, NULL);
	download = t_download_of(f, &calls);
	t_wait(scripted_paused() == 1);
	age(download);
	sgh_mover_cancel(NULL, &download->move, SANGRAHA_E_UNAVAILABLE);
	t_wait(waits_for_the_reader(download));
	read_all(download);
	assert_int_equal(scripted_begun(), 2);
	sangraha_download_free(download);
}

/* Nobody waits for longer than he was told he would. */
static void the_last_try_has_what_is_left(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;

	SCRIPT({ .give = 1000, .stall = true }, { .nothing = true, .stall = true });
	t_client(f);
	download = t_download_of(f, &calls);
	t_wait(scripted_stalled() == 1);
	assert_in_range(patience(download), 600, 700);
	pthread_mutex_lock(&download->state.lock);
	download->state.byte_ms -= 1500;
	pthread_mutex_unlock(&download->state.lock);
	sgh_mover_cancel(NULL, &download->move, SANGRAHA_E_UNAVAILABLE);
	t_wait(scripted_begun() == 2 && scripted_stalled() == 1);
	assert_in_range(patience(download), 1, 500);
	sangraha_download_free(download);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_downloads_begin, t_downloads_end)

static const struct CMUnitTest tests[] = {
	CASE(a_connection_that_breaks_is_taken_up),
	CASE(a_store_that_stays_away_is_given_up),
	CASE(another_object_is_not_handed_out),
	CASE(a_part_has_no_digest),
	CASE(a_ticket_that_ended_is_renewed),
	CASE(a_new_ticket_that_is_refused_is_the_end),
	CASE(an_object_may_be_deleted_in_between),
	CASE(a_break_behind_a_slow_reader_is_taken_up),
	CASE(a_break_in_a_pause_is_taken_up),
	CASE(the_last_try_has_what_is_left),
};

t_main(tests)

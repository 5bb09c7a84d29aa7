/* SPDX-License-Identifier: MIT */
#include "support/queues.h"
#include "support/reconcile.h"

/* Dead letters whose work is done, or cannot be done any more. */

#define OTHER "{\"a\":2}"

/* A request among the dead; takes it. */
static void dies_at(struct t_roles *f, struct sgh_request *request, const char *time)
{
	struct sgh_message *message = NULL, *copy = NULL;

	t_ok(sgh_request_message(request, &message, &t_err));
	t_ok(sgh_message_retry(message, 5, &copy, &t_err));
	assert_true(sgh_message_add_text(copy, "dead-reason", "out of retries"));
	assert_true(sgh_message_add_text(copy, "dead-time", time));
	memory_broker_put(f->broker, T_DEAD, copy);
	sgh_message_free(message);
	sgh_request_free(request);
}

static void dies(struct t_roles *f, struct sgh_request *request)
{
	dies_at(f, request, "2026-01-02T03:04:05.678Z");
}

static uint64_t letters(struct t_roles *f)
{
	uint64_t count = 0;

	t_ok(sangraha_admin_dead_letters(f->queue, T_WRITE, 10000, &count, &t_err));
	return count;
}

static void reconciles(struct t_roles *f, struct t_reconciling *run, bool repair)
{
	t_reconciling(run, repair);
	run->with_letters = true;
	t_ok(t_reconcile(f, run));
	assert_string_equal(run->counts.place, "");
}

/* Told, kept by a dry run, and dropped by a repair. */
static void is_done(struct t_roles *f, const char *place)
{
	struct t_reconciling run;
	char line[200];

	reconciles(f, &run, false);
	snprintf(line, sizeof(line), "letter-done would " T_DEAD "/%s\n", place);
	assert_string_equal(sgh_buf_text(&run.found), line);
	sgh_buf_fini(&run.found);
	assert_int_equal(letters(f), 1);
	reconciles(f, &run, true);
	snprintf(line, sizeof(line), "letter-done did " T_DEAD "/%s\n", place);
	assert_string_equal(sgh_buf_text(&run.found), line);
	assert_int_equal(run.counts.letters, 1);
	sgh_buf_fini(&run.found);
	assert_int_equal(letters(f), 0);
}

static void is_kept(struct t_roles *f, const char *line)
{
	struct t_reconciling run;

	for (int repair = 0; repair < 2; repair++) {
		reconciles(f, &run, repair);
		assert_string_equal(sgh_buf_text(&run.found), line);
		sgh_buf_fini(&run.found);
		assert_int_equal(letters(f), 1);
	}
}

static void one_whose_object_is_stored(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), T_BODY);
	dies(f, t_put(t_id(1), T_BODY));
	is_done(f, T_ID_1);
	assert_true(memory_store_has(f->store, "json", t_id(1)));
}

static void one_whose_large_object_is_stored(void **state)
{
	struct t_roles *f = *state;

	t_pins(f, t_id(1), T_BODY, true);
	dies(f, t_put(t_id(1), T_BODY));
	is_done(f, T_ID_1);
}

static void one_whose_object_is_not_stored(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(2), T_BODY);
	dies(f, t_put(t_id(1), T_BODY));
	is_kept(f, "");
}

static void one_whose_id_has_another_object(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), OTHER);
	dies(f, t_put(t_id(1), T_BODY));
	is_kept(f, "letter-refused left " T_DEAD "/" T_ID_1 "\n");
}

static void one_whose_id_was_deleted(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), T_BODY);
	t_deletes(f, 0, "json", t_id(1));
	dies(f, t_put(t_id(1), T_BODY));
	is_kept(f, "letter-refused left " T_DEAD "/" T_ID_1 "\n");
}

static struct sgh_request *erase(const char *id)
{
	struct sgh_request *request = t_request(SGH_DELETE, "json", id);

	request->operation_id = T_RECORD;
	return request;
}

static void a_delete_of_what_was_deleted(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), T_BODY);
	t_deletes(f, 0, "json", t_id(1));
	dies(f, erase(t_id(1)));
	is_done(f, T_RECORD);
}

/* Its put may be a dead letter too, or on its way. */
static void a_delete_of_what_never_came(void **state)
{
	struct t_roles *f = *state;

	dies(f, erase(t_id(1)));
	is_kept(f, "");
}

static void a_delete_of_what_is_there(void **state)
{
	struct t_roles *f = *state;

	t_puts(f, 0, t_id(1), T_BODY);
	dies(f, t_request(SGH_DELETE, "json", t_id(1)));
	is_kept(f, "");
}

static void what_cannot_be_read_is_kept(void **state)
{
	struct t_roles *f = *state;

	memory_broker_put(f->broker, T_DEAD, t_message("?"));
	is_kept(f, "");
}

static void a_young_one_is_kept(void **state)
{
	struct t_roles *f = *state;
	char now[SGH_RFC3339_SIZE];
	struct t_reconciling run;

	t_puts(f, 0, t_id(1), T_BODY);
	sgh_rfc3339(sgh_time_ms(), now);
	dies_at(f, t_put(t_id(1), T_BODY), now);
	t_reconciling(&run, true);
	run.with_letters = true;
	run.options.min_age_ms = 0; /* an hour */
	t_ok(t_reconcile(f, &run));
	assert_int_equal(run.counts.letters, 1);
	assert_int_equal(run.counts.found, 0);
	assert_int_equal(letters(f), 1);
}

static void a_store_that_fails_keeps_it(void **state)
{
	struct t_roles *f = *state;
	struct t_reconciling run;

	t_puts(f, 0, t_id(1), T_BODY);
	dies(f, t_put(t_id(1), T_BODY));
	t_reconciling(&run, true);
	run.with_letters = true;
	script_fail(f->script, "head meta/deleted", 0, SANGRAHA_E_UNAUTHORIZED);
	t_fails(SANGRAHA_E_UNAUTHORIZED, t_reconcile(f, &run));
	assert_string_equal(run.counts.place, T_WRITE "/");
	script_clear(f->script);
	run.options.from = T_WRITE "/";
	t_ok(t_reconcile(f, &run));
	assert_string_equal(sgh_buf_text(&run.found),
			    "letter-done did " T_DEAD "/" T_ID_1 "\n");
	assert_int_equal(run.counts.objects, 0);
	sgh_buf_fini(&run.found);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(one_whose_object_is_stored),     CASE(one_whose_large_object_is_stored),
	CASE(one_whose_object_is_not_stored), CASE(one_whose_id_has_another_object),
	CASE(one_whose_id_was_deleted),       CASE(a_delete_of_what_was_deleted),
	CASE(a_delete_of_what_never_came),    CASE(a_delete_of_what_is_there),
	CASE(what_cannot_be_read_is_kept),    CASE(a_young_one_is_kept),
	CASE(a_store_that_fails_keeps_it),
};

t_main(tests)

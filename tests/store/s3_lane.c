/* SPDX-License-Identifier: MIT */
#include "store/packs.h"

/* When small puts go, those that wait for company, and who is told that others follow. */

/* ---- those that are held ---- */

static void what_is_held_travels_together(void **state)
{
	struct call *calls[3];

	PEER(TRIED, TAKEN(OK), { .bytes = OK });
	learn();
	calls[0] = hold("a");
	calls[1] = hold("b");
	calls[2] = hold("c");
	assert_int_equal(t_peer_requests(f.peer), 1 + TRIAL_REQUESTS);
	sgh_store_go_on(f.store);
	for (size_t i = 0; i < SGH_COUNT(calls); i++)
		t_ok(end(calls[i]));
	assert_int_equal(archives(), 1);
	assert_int_equal(counted("sangraha_store_packed_objects_total"), 3);
}

/* Who has no others says so by that. */
static void the_last_one_takes_with_it_who_is_held(void **state)
{
	struct call *calls[3];

	PEER(TRIED, TAKEN(OK), { .bytes = OK });
	learn();
	calls[0] = hold("a");
	calls[1] = hold("b");
	calls[2] = put("c");
	for (size_t i = 0; i < SGH_COUNT(calls); i++)
		t_ok(end(calls[i]));
	assert_int_equal(archives(), 1);
	/* Nothing is left of it. */
	t_ok(end(put("d")));
	sgh_store_go_on(f.store);
	assert_int_equal(archives(), 1);
}

static void one_that_is_held_alone_goes_alone(void **state)
{
	struct call *call;

	PEER(TRIED, { .bytes = OK });
	learn();
	call = hold("a");
	sgh_store_go_on(f.store);
	t_ok(end(call));
	assert_int_equal(archives(), 0);
}

static void enough_are_not_held(void **state)
{
	PEER(TRIED, TAKEN(OK), { .bytes = OK });
	learn();
	for (unsigned i = 0; i < 16; i++)
		hold("a");
	for (unsigned i = 0; i < f.count; i++)
		t_ok(end(&f.calls[i]));
	assert_int_equal(archives(), 1);
}

static void what_is_held_ends_at_its_deadline(void **state)
{
	struct call *call;

	PEER(TRIED, { .bytes = OK });
	learn();
	call = make("a");
	call->op.held = true;
	call->op.deadline_ms = sgh_now_ms() + 50;
	go(call);
	assert_int_equal(end(call), SANGRAHA_E_TIMEOUT);
	assert_true(call->op.unsent);
	t_ok(end(put("b")));
}

/* ---- who is told that others follow ---- */

static struct call *put_of(const void *owner)
{
	struct call *call = make("a");

	call->op.owner = owner;
	return go(call);
}

static void who_ends_before_another_of_its_owner_is_told(void **state)
{
	static const char owners[2];
	static const struct {
		const void *owner;
		bool goes_on;
	} rows[] = {
		{ &owners[0], true },  { &owners[0], true }, { &owners[0], false },
		{ &owners[1], false }, { NULL, false },      { NULL, false },
		{ &owners[0], false },
	};
	struct call *calls[SGH_COUNT(rows)];

	PEER(TRIED, HELD, TAKEN(OK), { .bytes = OK });
	learn();
	hold_two();
	for (size_t i = 0; i < SGH_COUNT(rows); i++)
		calls[i] = put_of(rows[i].owner);
	t_peer_release(f.peer);
	for (size_t i = 0; i < SGH_COUNT(rows); i++) {
		t_ok(end(calls[i]));
		assert_int_equal(calls[i]->op.goes_on, rows[i].goes_on);
		if (!rows[i].goes_on)
			continue;
		/* That one has its turn behind it, on the same thread. */
		t_wait(is_done(calls[i + 1]));
		assert_true(calls[i]->turn < calls[i + 1]->turn);
		assert_true(pthread_equal(calls[i]->thread, calls[i + 1]->thread));
	}
	assert_int_equal(archives(), 1);
	t_peer_release(f.peer);
}

static void who_is_given_up_before_another_is_told(void **state)
{
	static const char mine;
	struct call *calls[2];

	PEER(TRIED, HELD, { .bytes = OK });
	learn();
	hold_two();
	calls[0] = put_of(&mine);
	calls[1] = put_of(&mine);
	sgh_store_cancel(f.store, &mine);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(calls[0]));
	t_fails(SANGRAHA_E_UNAVAILABLE, end(calls[1]));
	assert_true(calls[0]->op.goes_on);
	assert_false(calls[1]->op.goes_on);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
}

/* Nothing is left of that when the operation is used again, or ends alone. */
static void who_ends_alone_is_not_told(void **state)
{
	static const char mine;
	struct call *call;

	PEER(TRIED, { .bytes = OK });
	learn();
	call = make("a");
	call->op.owner = &mine;
	call->op.goes_on = true;
	t_ok(end(go(call)));
	assert_false(call->op.goes_on);
}

static const struct CMUnitTest tests[] = {
	CASE(what_is_held_travels_together),
	CASE(the_last_one_takes_with_it_who_is_held),
	CASE(one_that_is_held_alone_goes_alone),
	CASE(enough_are_not_held),
	CASE(what_is_held_ends_at_its_deadline),
	CASE(who_ends_before_another_of_its_owner_is_told),
	CASE(who_is_given_up_before_another_is_told),
	CASE(who_ends_alone_is_not_told),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "store/packs.h"

#include "store/s3.h"

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
	assert_int_equal(archived(), 3);
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

/* ---- the second flight ---- */

#define HOUR_MS (3600 * 1000)

/* How long something is under way until it holds up nobody. */
static void grow_old_after(int64_t ms)
{
	sgh_container_of(f.store, struct sgh_s3, store)->packing.old_ms = ms;
}

/* Archives are answered when the peer is released, and nothing grows old. */
static void begin(void)
{
	PEER(TRIED, HELD, { .match = ARCHIVE, .bytes = OK, .hold = true },
	     { .bytes = OK });
	grow_old_after(HOUR_MS);
	learn();
}

/* So many in one archive, which alone is under way. */
static void send_together(unsigned count)
{
	while (count--)
		hold("travels");
	sgh_store_go_on(f.store);
	t_wait(request_with(ARCHIVE));
}

static void put_some(unsigned count)
{
	while (count--)
		put("a");
}

static void all_are_stored(void)
{
	for (unsigned i = 0; i < f.count; i++)
		t_ok(end(&f.calls[i]));
}

static unsigned ended(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < f.count; i++)
		count += is_done(&f.calls[i]);
	return count;
}

static void one_goes_beside_one(void **state)
{
	struct call *first;

	begin();
	first = put("held1");
	t_ok(end(put("a")));
	assert_false(is_done(first));
	assert_int_equal(archives(), 0);
	t_peer_release(f.peer);
	all_are_stored();
}

static void those_behind_an_archive_wait_to_be_as_many(void **state)
{
	begin();
	send_together(3);
	put_some(2);
	assert_int_equal(archives(), 1);
	put_some(1);
	assert_int_equal(archives(), 2);
	assert_int_equal(archived(), 3 + 3);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	all_are_stored();
}

static void those_behind_an_archive_go_when_it_has_landed(void **state)
{
	begin();
	send_together(3);
	put_some(2);
	t_peer_release(f.peer);
	t_wait(archives() == 2);
	assert_int_equal(archived(), 3 + 2);
	t_peer_release(f.peer);
	all_are_stored();
}

/* Of two the one that is left is what counts. */
static void when_one_has_landed_the_other_is_waited_for(void **state)
{
	begin();
	send_together(3);
	put_some(3);
	t_peer_release(f.peer);
	t_wait(ended() == 1 + 3);
	put_some(2);
	assert_int_equal(archives(), 2);
	put_some(1);
	assert_int_equal(archives(), 3);
	assert_int_equal(archived(), 3 + 3 + 3);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	all_are_stored();
}

/* The archive is as large as it was. */
static void who_has_left_an_archive_still_counts(void **state)
{
	static const char mine;
	unsigned first;

	begin();
	for (unsigned i = 0; i < 3; i++) {
		struct call *call = make("leaves");

		call->op.held = true;
		call->op.owner = &mine;
		go(call);
	}
	sgh_store_go_on(f.store);
	t_wait(request_with(ARCHIVE));
	sgh_store_cancel(f.store, &mine);
	first = f.count;
	put_some(2);
	assert_int_equal(archives(), 1);
	put_some(1);
	assert_int_equal(archived(), 3 + 3);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	for (unsigned i = first; i < f.count; i++)
		t_ok(end(&f.calls[i]));
}

/* So many that it takes more to hold them than one batch; there is no answer to it. */
static void send_many_together(unsigned count)
{
	PEER(TRIED, HELD, { .match = ARCHIVE, .stall = true }, { .bytes = OK });
	grow_old_after(HOUR_MS);
	learn();
	hold_two();
	put_some(count);
	t_peer_release(f.peer);
	t_wait(request_with(ARCHIVE));
	t_peer_release(f.peer);
	for (unsigned i = 0; i < 3; i++)
		t_ok(end(&f.calls[i]));
	assert_int_equal(archived(), count);
}

static void a_full_archive_waits_for_no_more(void **state)
{
	send_many_together(64);
	put_some(63);
	assert_int_equal(archives(), 1);
	put_some(1);
	assert_int_equal(archived(), 64 + 64);
}

static void enough_bytes_wait_for_no_more(void **state)
{
	struct sgh_bytes *large = sgh_bytes_new(NULL, 32 << 10);
	size_t bytes = 0;

	memset(large->data, 'x', large->capacity);
	large->length = large->capacity;
	send_many_together(64);
	while (bytes < 1 << 20) {
		struct call *call = make("a");

		assert_int_equal(archives(), 1);
		call->op.body = large;
		bytes += sgh_s3_archive_size(&call->op);
		go(call);
	}
	assert_int_equal(archives(), 2);
	sangraha_store_unref(sgh_take(f.store));
	sgh_bytes_unref(large);
}

/* What comes behind an archive that old goes, by itself, before that is answered. */
static void goes_once_it_is_old(int64_t ms)
{
	begin();
	grow_old_after(ms);
	send_together(3);
	t_ok(end(put("a")));
	assert_int_equal(archives(), 1);
	assert_false(is_done(&f.calls[1]));
	t_peer_release(f.peer);
	all_are_stored();
}

static void nobody_waits_behind_what_is_old(void **state)
{
	goes_once_it_is_old(0);
}

static void who_waits_goes_when_the_other_grows_old(void **state)
{
	goes_once_it_is_old(300);
}

static void enough_that_are_held_still_wait_for_company(void **state)
{
	begin();
	send_together(2);
	for (unsigned i = 0; i < 3; i++)
		hold("a");
	assert_int_equal(archives(), 1);
	sgh_store_go_on(f.store);
	assert_int_equal(archived(), 2 + 3);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	all_are_stored();
}

static void too_few_that_were_held_wait_as_others_do(void **state)
{
	begin();
	send_together(3);
	hold("a");
	sgh_store_go_on(f.store);
	put_some(1);
	assert_int_equal(archives(), 1);
	put_some(1);
	assert_int_equal(archived(), 3 + 3);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	all_are_stored();
}

/* The timer looks at all of them, but company is what these wait for. */
static void one_that_is_held_does_not_go_by_the_timer(void **state)
{
	struct call *hurried;

	begin();
	grow_old_after(0);
	put("held1");
	hold("a");
	hurried = make("hurried");
	hurried->op.held = true;
	hurried->op.deadline_ms = sgh_now_ms() + 50;
	go(hurried);
	t_fails(SANGRAHA_E_TIMEOUT, end(hurried));
	hold("b");
	sgh_store_go_on(f.store);
	assert_int_equal(archived(), 2);
	t_peer_release(f.peer);
	t_peer_release(f.peer);
	t_ok(end(&f.calls[2]));
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
	CASE(one_goes_beside_one),
	CASE(those_behind_an_archive_wait_to_be_as_many),
	CASE(those_behind_an_archive_go_when_it_has_landed),
	CASE(when_one_has_landed_the_other_is_waited_for),
	CASE(who_has_left_an_archive_still_counts),
	CASE(a_full_archive_waits_for_no_more),
	CASE(enough_bytes_wait_for_no_more),
	CASE(nobody_waits_behind_what_is_old),
	CASE(who_waits_goes_when_the_other_grows_old),
	CASE(enough_that_are_held_still_wait_for_company),
	CASE(too_few_that_were_held_wait_as_others_do),
	CASE(one_that_is_held_does_not_go_by_the_timer),
	CASE(who_ends_before_another_of_its_owner_is_told),
	CASE(who_is_given_up_before_another_is_told),
	CASE(who_ends_alone_is_not_told),
};

t_main(tests)

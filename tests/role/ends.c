/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "base/metrics.h"
#include "base/error.h"
#include "role/receiver.h"
#include "support/large.h"

/*
 * A put-commit that reads back, and what ends the upload under its hands: one of them
 * stands still before each of its steps in turn, the others come to their end, and it goes
 * on. Whoever said ok is right about it, and of what nobody said ok to nothing stays.
 */

#define SMALL  100
#define STEPS  40 /* nobody has more */
#define DELAYS 12
#define ROUNDS 60

enum way {
	PARTS,
	COMPLETED, /* by a receiver that died after that */
	PUT,
	WAYS,
};

/* The letters: c put-commit, a put-abort, s a sweep when the upload's time is over. */
struct crossing {
	struct t_roles *f;
	enum way way;
	char first;       /* it stands still */
	const char *then; /* these come to their end meanwhile, one after another */
};

struct round {
	const struct crossing *crossing;
	struct t_roles *f;
	struct t_upload up;
	bool ok;       /* a put-commit said so */
	unsigned late; /* those that wait for the first one to read */
};

/* Nobody has read it back, and no record makes an object of it. */
static void completes(struct t_upload *up)
{
	struct sgh_record record = { 0 };
	struct sgh_store_op op = {
		.verb = SGH_STORE_UPLOAD_COMPLETE,
		.bucket = "json",
		.key = up->id,
		.parts = up->parts,
		.part_count = up->part_count,
	};

	assert_true(t_upload_record(up, &record));
	op.upload = record.upload;
	t_ok(t_op(up->f, &op));
	sgh_store_op_fini(&op);
	sgh_record_fini(&record);
}

/* What was answered before may not be acknowledged yet: its event is on its way. */
static void all_is_settled(struct t_roles *f)
{
	struct sgh_metric *in_flight = sgh_metrics_gauge(
		f->context->metrics, "sangraha_in_flight", "role=\"receiver\"");

	t_wait(sgh_metric_get(in_flight) == 0);
}

static void uploads(struct round *round)
{
	static unsigned ids;
	struct t_upload *up = &round->up;

	all_is_settled(round->f);
	t_upload(up, round->f, t_id(++ids), SMALL);
	script_forget(round->f->script);
	if (round->crossing->way != PUT) {
		t_open(up);
		t_store_parts(up);
		if (round->crossing->way == COMPLETED)
			completes(up);
		script_forget(round->f->script);
		return;
	}
	t_put_whole(up);
	t_wait(script_count(round->f->script, "ack ") == 1);
	script_forget(round->f->script);
}

/* ---- who crosses ---- */

static int sweep(struct round *round)
{
	struct sgh_record record = { 0 };
	bool there = t_upload_record(&round->up, &record);

	sgh_record_fini(&record);
	if (there)
		t_expire(&round->up);
	return sangraha_admin_sweep(round->f->store, NULL, 0, NULL, &t_err);
}

static void send(struct round *round, char who)
{
	bool put = round->crossing->way == PUT;
	struct t_upload *up = &round->up;
	struct sgh_record record = { 0 };
	struct sgh_request *request;

	/* One PUT has no need to know its record; who aborts does. */
	if (who == 'a' && !up->record[0] && t_upload_record(up, &record))
		snprintf(up->record, sizeof(up->record), "%s", record.record);
	sgh_record_fini(&record);
	if (who == 'a')
		request = t_aborts(up);
	else
		request = t_commits(up, put ? SGH_TICKET_PUT : SGH_TICKET_PARTS);
	request->correlation_id =
		sgh_arena_strdup(&request->arena, who == 'a' ? "abort" : "commit");
	t_send(round->f, request);
}

static bool answered(struct round *round)
{
	return memory_broker_count(round->f->broker, T_REPLIES) > 0;
}

static void take_answer(struct round *round)
{
	struct sgh_message *message;
	struct sgh_reply *reply = NULL;

	t_wait(answered(round));
	message = memory_broker_take(round->f->broker, T_REPLIES);
	t_ok(sgh_reply_parse(message, NULL, &reply, &t_err));
	round->ok |= !reply->status && sgh_streq(reply->correlation_id, "commit");
	sgh_message_free(message);
	sgh_reply_free(reply);
}

/* Whether somebody waits for another one to be done with the reading. */
static bool waits_for_turn(struct round *round)
{
	struct sangraha_receiver *receiver = round->f->receiver;
	bool waits;

	pthread_mutex_lock(&receiver->verifying.lock);
	waits = !sgh_list_empty(&receiver->verifying.waiting);
	pthread_mutex_unlock(&receiver->verifying.lock);
	return waits;
}

static void runs(struct round *round, char who)
{
	if (who == 's') {
		t_ok(sweep(round));
		return;
	}
	send(round, who);
	t_wait(answered(round) || (who == 'c' && waits_for_turn(round)));
	if (answered(round))
		take_answer(round);
	else
		round->late++;
}

/* ---- one after another ---- */

static bool is_right(struct round *round)
{
	t_ok(sweep(round));
	return round->ok ? t_is_complete(&round->up) : t_is_nothing(&round->up);
}

static void judge(struct round *round, unsigned step)
{
	const struct crossing *crossing = round->crossing;

	if (!is_right(round))
		fail_msg("%c stood still before its step %u, and %s ran: %s",
			 crossing->first, step, crossing->then,
			 round->ok ? "ok, and it is not there" : "no, and it is there");
}

/* False when whoever is first came to its end before that step. */
static bool play(const struct crossing *crossing, unsigned step)
{
	struct round round = { .crossing = crossing, .f = crossing->f };
	struct script *script = round.f->script;
	bool held;

	uploads(&round);
	script_hold(script, "", step);
	send(&round, crossing->first);
	t_wait(script_holding(script) || answered(&round));
	held = script_holding(script);
	if (!held)
		script_clear(script);
	for (const char *who = crossing->then; *who; who++)
		runs(&round, *who);
	script_release(script);
	for (unsigned i = 0; i <= round.late; i++)
		take_answer(&round);
	judge(&round, step);
	t_upload_fini(&round.up);
	return held;
}

static void plays(struct t_roles *f, char first, const char *then)
{
	for (enum way way = 0; way < WAYS; way++) {
		struct crossing crossing = {
			.f = f,
			.way = way,
			.first = first,
			.then = then,
		};
		unsigned step = 1;

		while (play(&crossing, step))
			assert_true(++step < STEPS);
		assert_true(step > 5);
	}
}

static void a_commit_is_crossed_by_an_abort(void **state)
{
	plays(*state, 'c', "a");
}

static void a_commit_is_crossed_by_a_sweep(void **state)
{
	plays(*state, 'c', "s");
}

static void an_abort_is_crossed_by_a_commit(void **state)
{
	plays(*state, 'a', "c");
}

/* The first one's answer was lost, or both were delivered. */
static void a_commit_is_crossed_by_its_like_and_an_abort(void **state)
{
	plays(*state, 'c', "ca");
	plays(*state, 'c', "ac");
}

static void an_abort_is_crossed_by_a_commit_and_another_abort(void **state)
{
	plays(*state, 'a', "ca");
	plays(*state, 'a', "ac");
	plays(*state, 'a', "cc");
}

/* ---- three in turns ---- */

/*
 * One run stands still before it writes the record, another one has seen the object and not
 * yet read the record. What is ended then, and recorded after that, is no object.
 */
static void who_saw_the_object_before_looks_again(void **state)
{
	struct crossing crossing = { .f = *state, .way = COMPLETED };
	struct round round = { .crossing = &crossing, .f = *state };
	struct script *script = round.f->script;

	uploads(&round);
	script_hold(script, "put-new meta/object", 1);
	send(&round, 'c');
	t_wait(script_holding(script));
	script_forget(script);
	script_delay(script, "get meta/object", 1, 400);
	send(&round, 'c');
	t_wait(script_count(script, "head json: ok"));
	runs(&round, 'a');
	script_delay(script, "head json", 1, 800);
	script_release(script);
	take_answer(&round);
	take_answer(&round);
	assert_true(is_right(&round));
	t_upload_fini(&round.up);
}

/* ---- who begins meanwhile ---- */

/* Nothing of it is open any more, and it is in its put-commit's hands nevertheless. */
static void a_begin_leaves_who_is_read_back_alone(void **state)
{
	struct crossing crossing = { .f = *state, .way = COMPLETED };
	struct round round = { .crossing = &crossing, .f = *state };
	struct t_roles *f = *state;

	uploads(&round);
	script_hold(f->script, "get json", 1);
	send(&round, 'c');
	t_wait(script_holding(f->script));
	script_hold(f->script, "publish " T_WRITE ".delay.1s", 1);
	round.up.fresh = false;
	t_send(f, t_begins(&round.up, SGH_TICKET_PARTS));
	t_wait(script_holding(f->script) == 2);
	assert_int_equal(script_count(f->script, "delete"), 0);
	script_release(f->script);
	take_answer(&round);
	take_answer(&round);
	assert_true(round.ok);
	assert_true(is_right(&round));
	t_upload_fini(&round.up);
}

/* ---- all at once ---- */

static void play_at_once(struct t_roles *f, enum way way, unsigned seed)
{
	static const char *const orders[] = { "cac", "acc", "cca", "aca", "cas", "acs" };
	struct crossing crossing = { .f = f, .way = way };
	struct round round = { .crossing = &crossing, .f = f };
	unsigned dice = seed;
	unsigned answers = 0;

	uploads(&round);
	for (unsigned step = 1; step <= DELAYS; step++)
		script_delay(f->script, "", 1 + (unsigned)rand_r(&dice) / 7 % STEPS,
			     1 + (unsigned)rand_r(&dice) / 7 % 10);
	for (const char *who = orders[seed % SGH_COUNT(orders)]; *who; who++) {
		/* A sweep that is overtaken leaves the rest to the next one. */
		if (*who == 's')
			assert_true(!sweep(&round) || sgh_status_passing(t_err.status));
		else
			send(&round, *who);
		answers += *who != 's';
	}
	while (answers--)
		take_answer(&round);
	script_clear(f->script);
	if (!is_right(&round))
		fail_msg("way %d, seed %u: %s", way, seed,
			 round.ok ? "ok, and it is not there" : "no, and it is there");
	t_upload_fini(&round.up);
}

static void all_cross_at_once(void **state)
{
	for (unsigned seed = 1; seed <= ROUNDS; seed++)
		for (enum way way = 0; way < WAYS; way++)
			play_at_once(*state, way, seed);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_verifier_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(a_commit_is_crossed_by_an_abort),
	CASE(a_commit_is_crossed_by_a_sweep),
	CASE(an_abort_is_crossed_by_a_commit),
	CASE(a_commit_is_crossed_by_its_like_and_an_abort),
	CASE(an_abort_is_crossed_by_a_commit_and_another_abort),
	CASE(who_saw_the_object_before_looks_again),
	CASE(a_begin_leaves_who_is_read_back_alone),
	CASE(all_cross_at_once),
};

t_main(tests)

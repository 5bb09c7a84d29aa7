/* SPDX-License-Identifier: MIT */
#include <sangraha/admin.h>

#include "base/id.h"
#include "support/large.h"

/*
 * Large objects whose receiver is broken off between any two requests to the store: the nth
 * request of a step fails, or happens and its answer is lost, for every n. Delivered again,
 * the step comes to its end; never delivered again, the sweep does. Everything is there
 * then, or nothing.
 */

#define SMALL 100
/* With so many tries behind it a request is not tried again. */
#define LAST_ATTEMPT 5

enum step {
	BEGIN,
	COMMIT,
	ABORT,
};

typedef void (*breaks)(struct script *script, const char *op, unsigned nth, int status);

static const char *const verbs[] = { "put", "get", "head", "delete", "upload" };

/* An object of its own, with the steps before that one done. */
static void prepare(struct t_upload *up, struct t_roles *f, enum step step)
{
	char id[SANGRAHA_ID_SIZE];

	sgh_id_random(id);
	t_upload(up, f, id, SMALL);
	if (step == BEGIN)
		return;
	t_open(up);
	t_store_parts(up);
}

static struct sgh_request *request_of(const struct t_upload *up, enum step step)
{
	if (step == BEGIN)
		return t_begins(up, SGH_TICKET_PARTS);
	return step == COMMIT ? t_commits(up, SGH_TICKET_PARTS) : t_aborts(up);
}

/* Do the step; its answer has that status, or any. The journal tells of it alone. */
static struct sgh_reply *does(struct t_upload *up, enum step step, unsigned attempt)
{
	struct t_roles *f = up->f;
	struct sgh_request *request = request_of(up, step);
	struct sgh_message *message;
	struct sgh_reply *reply = NULL;

	request->attempt = attempt;
	script_forget(f->script);
	t_send(f, request);
	message = memory_broker_take(f->broker, T_REPLIES);
	t_ok(sgh_reply_parse(message, NULL, &reply, &t_err));
	sgh_message_free(message);
	/* Each try has one. */
	t_wait(script_count(f->script, "ack ") ==
	       1 + script_count(f->script, "publish " T_WRITE ".delay"));
	if (reply->ticket)
		snprintf(up->record, sizeof(up->record), "%s", reply->ticket->record);
	return reply;
}

/* How many requests of a kind the step needs when nothing goes wrong. */
static unsigned count(struct t_roles *f, enum step step, const char *verb,
		      unsigned attempt)
{
	struct t_upload up;
	unsigned n;

	prepare(&up, f, step);
	sgh_reply_free(does(&up, step, attempt));
	n = script_count(f->script, verb);
	if (step == BEGIN)
		sgh_reply_free(does(&up, ABORT, 0));
	t_upload_fini(&up);
	return n;
}

/* What follows a step that came to its end. */
static void go_on(struct t_upload *up, enum step step, const char *at, unsigned nth)
{
	struct sgh_reply *reply;

	if (step == BEGIN) {
		t_store_parts(up);
		reply = does(up, COMMIT, 0);
		assert_int_equal(reply->status, 0);
		sgh_reply_free(reply);
	}
	if (step == ABORT ? !t_is_nothing(up) : !t_is_complete(up))
		fail_msg("broken off at %s %u, something is left", at, nth);
}

static void delivered_again(struct t_roles *f, enum step step, breaks how)
{
	for (size_t i = 0; i < SGH_COUNT(verbs); i++) {
		unsigned n = count(f, step, verbs[i], 0);

		for (unsigned nth = 1; nth <= n; nth++) {
			struct t_upload up;
			struct sgh_reply *reply;

			prepare(&up, f, step);
			how(f->script, verbs[i], nth, SANGRAHA_E_UNAVAILABLE);
			reply = does(&up, step, 0);
			script_clear(f->script);
			if (reply->status)
				fail_msg("broken off at %s %u, it ends as %s", verbs[i],
					 nth, sangraha_status_name(reply->status));
			sgh_reply_free(reply);
			go_on(&up, step, verbs[i], nth);
			t_upload_fini(&up);
		}
	}
}

static void never_again(struct t_roles *f, enum step step, breaks how)
{
	for (size_t i = 0; i < SGH_COUNT(verbs); i++) {
		unsigned n = count(f, step, verbs[i], LAST_ATTEMPT);

		for (unsigned nth = 1; nth <= n; nth++) {
			struct sgh_record record = { 0 };
			struct t_upload up;

			prepare(&up, f, step);
			how(f->script, verbs[i], nth, SANGRAHA_E_UNAVAILABLE);
			sgh_reply_free(does(&up, step, LAST_ATTEMPT));
			script_clear(f->script);
			if (t_upload_record(&up, &record))
				t_expire(&up);
			sgh_record_fini(&record);
			t_ok(sangraha_admin_sweep(f->store, NULL, 0, NULL, &t_err));
			if (!t_is_nothing(&up) && !t_is_complete(&up))
				fail_msg("broken off at %s %u, half of it is left",
					 verbs[i], nth);
			t_upload_fini(&up);
		}
	}
}

static void a_begin(void **state)
{
	delivered_again(*state, BEGIN, script_fail);
	delivered_again(*state, BEGIN, script_lose);
}

static void a_commit(void **state)
{
	delivered_again(*state, COMMIT, script_fail);
	delivered_again(*state, COMMIT, script_lose);
}

static void an_abort(void **state)
{
	delivered_again(*state, ABORT, script_fail);
	delivered_again(*state, ABORT, script_lose);
}

static void a_begin_for_good(void **state)
{
	never_again(*state, BEGIN, script_fail);
	never_again(*state, BEGIN, script_lose);
}

static void a_commit_for_good(void **state)
{
	never_again(*state, COMMIT, script_fail);
	never_again(*state, COMMIT, script_lose);
}

static void an_abort_for_good(void **state)
{
	never_again(*state, ABORT, script_fail);
	never_again(*state, ABORT, script_lose);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)
#define VERIFYING(function)                                                          \
	{                                                                            \
#function "_verified", function, t_verifier_begin, t_roles_end, NULL \
	}

static const struct CMUnitTest tests[] = {
	CASE(a_begin),           CASE(a_commit),
	CASE(an_abort),          CASE(a_begin_for_good),
	CASE(a_commit_for_good), CASE(an_abort_for_good),
	VERIFYING(a_commit),     VERIFYING(a_commit_for_good),
};

t_main(tests)

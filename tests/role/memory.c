/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "support/roles.h"

/*
 * A role without memory, which is to say that a message of its own cannot be made: the
 * linker's --wrap puts this function between the layers.
 */

#define BODY "{\"a\":1}"

static int failures; /* atomic: how many are still to come */

int __real_sgh_event_message(const char *kind, const struct sgh_request *request,
			     const struct sangraha_object *object,
			     const struct sgh_reply *reply, struct sgh_message **ret,
			     struct sangraha_error *err);
int __wrap_sgh_event_message(const char *kind, const struct sgh_request *request,
			     const struct sangraha_object *object,
			     const struct sgh_reply *reply, struct sgh_message **ret,
			     struct sangraha_error *err);

int __wrap_sgh_event_message(const char *kind, const struct sgh_request *request,
			     const struct sangraha_object *object,
			     const struct sgh_reply *reply, struct sgh_message **ret,
			     struct sangraha_error *err)
{
	if (__atomic_sub_fetch(&failures, 1, __ATOMIC_RELAXED) >= 0)
		return sgh_fail_memory(err);
	return __real_sgh_event_message(kind, request, object, reply, ret, err);
}

static void fail_once(void)
{
	__atomic_store_n(&failures, 1, __ATOMIC_RELAXED);
}

/* At once it would go round and round. */
static void it_goes_back_after_a_while(void **state)
{
	struct t_roles *f = *state;
	int64_t start = sgh_now_ms();

	fail_once();
	t_send(f, t_put(t_id(1), BODY));
	t_answers(f, 0);
	assert_in_range(sgh_now_ms() - start, 1000, 9000);
	assert_int_equal(script_count(f->script, "return object_write_queue: ok"), 1);
}

static void an_end_does_not_wait_for_that(void **state)
{
	struct t_roles *f = *state;
	int64_t start = sgh_now_ms();

	fail_once();
	t_send(f, t_put(t_id(1), BODY));
	t_wait(script_count(f->script, "put json: ok") == 1);
	sangraha_receiver_free(sgh_take(f->receiver));
	assert_in_range(sgh_now_ms() - start, 0, 900);
	assert_int_equal(memory_broker_count(f->broker, T_WRITE), 1);
}

#define CASE(function) \
	cmocka_unit_test_setup_teardown(function, t_receiver_begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(it_goes_back_after_a_while),
	CASE(an_end_does_not_wait_for_that),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "base/context.h"
#include "base/metrics.h"
#include "support/roles.h"

/* What a requester says of the broker, and of who consumes. */

static int begin(void **state)
{
	t_roles_begin(state);
	t_start_client(*state, NULL);
	return 0;
}

static int health_of(struct t_roles *f, size_t offset)
{
	struct sangraha_health health = { .size = sizeof(health) };

	sangraha_client_health(f->client, &health);
	return *(int *)(void *)((char *)&health + offset);
}

#define HEALTH(f, what) health_of((f), offsetof(struct sangraha_health, what))

static void consumers_make_health(void **state)
{
	struct t_roles *f = *state;

	assert_int_equal(HEALTH(f, writes), SANGRAHA_HEALTH_DOWN);
	t_start_receiver(f, NULL);
	t_wait(HEALTH(f, writes) == SANGRAHA_HEALTH_OK);
	assert_int_equal(HEALTH(f, reads), SANGRAHA_HEALTH_DOWN);
	assert_int_equal(HEALTH(f, broker), SANGRAHA_HEALTH_OK);
	memory_queue_disconnect(f->client_queue);
	assert_int_equal(HEALTH(f, broker), SANGRAHA_HEALTH_DOWN);
	assert_int_equal(HEALTH(f, writes), SANGRAHA_HEALTH_DOWN);
}

static bool tells(struct t_roles *f, const char *line)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(0);

	sgh_metrics_render(f->context->metrics, &buf);
	return strstr(buf.data, line) != NULL;
}

#define LETTERS "sangraha_dlq_messages{queue=\"object_write_queue.dlq\"}"

static void dead_letters_are_counted_while_that_is_known(void **state)
{
	struct t_roles *f = *state;

	t_wait(tells(f, LETTERS " 0\n"));
	memory_broker_put(f->broker, T_DEAD, sgh_message_new());
	t_wait(tells(f, LETTERS " 1\n"));
	memory_queue_disconnect(f->client_queue);
	t_wait(!tells(f, LETTERS));
	memory_queue_connect(f->client_queue);
	t_wait(tells(f, LETTERS " 1\n"));
	sangraha_client_free(sgh_take(f->client));
	assert_false(tells(f, LETTERS));
}

/* A queue without room on its disk takes what is in memory only. */
static void a_full_queue_reads(void **state)
{
	struct t_roles *f = *state;

	t_start_receiver(f, NULL);
	t_start_getter(f, NULL);
	t_wait(HEALTH(f, writes) == SANGRAHA_HEALTH_OK);
	t_wait(HEALTH(f, reads) == SANGRAHA_HEALTH_OK);
	memory_queue_fill(f->client_queue, true);
	assert_int_equal(HEALTH(f, broker), SANGRAHA_HEALTH_OK);
	assert_int_equal(HEALTH(f, writes), SANGRAHA_HEALTH_DOWN);
	assert_int_equal(HEALTH(f, reads), SANGRAHA_HEALTH_OK);
	memory_queue_fill(f->client_queue, false);
	assert_int_equal(HEALTH(f, writes), SANGRAHA_HEALTH_OK);
}

static void a_full_queue_takes_no_persistent_reads(void **state)
{
	struct sangraha_client_options options = { .size = sizeof(options),
						   .persistent_reads = 1 };
	struct t_roles *f = *state;

	sangraha_client_free(sgh_take(f->client));
	sangraha_queue_unref(sgh_take(f->client_queue));
	t_start_client(f, &options);
	t_start_receiver(f, NULL);
	t_start_getter(f, NULL);
	t_wait(HEALTH(f, reads) == SANGRAHA_HEALTH_OK);
	memory_queue_fill(f->client_queue, true);
	assert_int_equal(HEALTH(f, reads), SANGRAHA_HEALTH_DOWN);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, t_roles_end)

static const struct CMUnitTest tests[] = {
	CASE(consumers_make_health),
	CASE(dead_letters_are_counted_while_that_is_known),
	CASE(a_full_queue_reads),
	CASE(a_full_queue_takes_no_persistent_reads),
};

t_main(tests)

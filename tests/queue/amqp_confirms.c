/* SPDX-License-Identifier: MIT */
#include "queue/amqp_confirms.h"

#include "queue/amqp_table.h"
#include "support/queues.h"
#include "support/t.h"

struct fixture {
	struct sgh_amqp_confirms confirms;
	struct sgh_publish publishes[1000];
	struct sgh_message *message;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->message = t_message("x");
	sgh_amqp_confirms_reset(&f->confirms);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sgh_amqp_confirms_fini(&f->confirms);
	sgh_message_free(f->message);
	free(f);
	return 0;
}

static void add(struct fixture *f, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t tag = f->confirms.next;

		f->publishes[tag].exchange = "";
		f->publishes[tag].routing_key = key;
		f->publishes[tag].message = f->message;
		f->publishes[tag].mandatory = true;
		assert_true(sgh_amqp_confirms_reserve(&f->confirms));
		sgh_amqp_confirms_add(&f->confirms, &f->publishes[tag]);
	}
}

static void tags_find_what_was_sent(void **state)
{
	struct fixture *f = *state;

	add(f, 900, "q");
	assert_ptr_equal(sgh_amqp_confirms_take(&f->confirms, 900), &f->publishes[900]);
	assert_ptr_equal(sgh_amqp_confirms_take(&f->confirms, 1), &f->publishes[1]);
	assert_null(sgh_amqp_confirms_take(&f->confirms, 1));
	assert_null(sgh_amqp_confirms_take(&f->confirms, 0));
	assert_null(sgh_amqp_confirms_take(&f->confirms, 901));
	assert_null(sgh_amqp_confirms_take(&f->confirms, UINT64_MAX));
}

static void the_ring_goes_round(void **state)
{
	struct fixture *f = *state;

	for (uint64_t tag = 1; tag < 900; tag++) {
		add(f, 1, "q");
		assert_ptr_equal(sgh_amqp_confirms_take(&f->confirms, tag),
				 &f->publishes[tag]);
	}
	assert_int_equal(f->confirms.size, 256);
}

static void the_oldest_is_passed_by_when_done(void **state)
{
	struct fixture *f = *state;

	add(f, 5, "q");
	sgh_amqp_confirms_take(&f->confirms, 2);
	assert_int_equal(f->confirms.first, 1);
	sgh_amqp_confirms_take(&f->confirms, 1);
	assert_int_equal(f->confirms.first, 3);
}

static uint64_t find(struct fixture *f, const char *key, uint64_t body_size)
{
	struct sgh_amqp_properties properties;
	struct sgh_amqp_returned returned = { .properties = &properties.properties,
					      .body_size = body_size };

	sgh_amqp_properties_fill(&properties, f->message);
	snprintf(returned.routing_key, sizeof(returned.routing_key), "%s", key);
	return sgh_amqp_confirms_find(&f->confirms, &returned);
}

static void returns_come_in_order(void **state)
{
	struct fixture *f = *state;

	add(f, 2, "a");
	add(f, 2, "b");
	assert_int_equal(find(f, "b", 1), 3);
	f->confirms.returned = 3;
	assert_int_equal(find(f, "b", 1), 4);
	assert_int_equal(find(f, "a", 1), 0);
	assert_int_equal(find(f, "b", 2), 0);
	f->publishes[4].mandatory = false;
	assert_int_equal(find(f, "b", 1), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(tags_find_what_was_sent, set_up, tear_down),
	cmocka_unit_test_setup_teardown(the_ring_goes_round, set_up, tear_down),
	cmocka_unit_test_setup_teardown(the_oldest_is_passed_by_when_done, set_up,
					tear_down),
	cmocka_unit_test_setup_teardown(returns_come_in_order, set_up, tear_down),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "support/broker.h"
#include "support/queues.h"
#include "support/t.h"

#include <unistd.h>

#define WRITE SANGRAHA_WRITE_QUEUE
#define DEAD  SANGRAHA_WRITE_QUEUE ".dlq"
#define MANY  64
#define LARGE ((size_t)32 << 20)

/* ---- the back ends: each case runs over each ---- */

struct backend {
	const char *name;
	const char *queue_type;
	char *vhost;
	char *url;
};

static struct backend backends[] = {
	{ .name = "amqp quorum", .queue_type = "quorum" },
	{ .name = "amqp classic", .queue_type = "classic" },
};

struct fixture {
	struct backend *backend;
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct t_inbox inbox;
};

static struct sangraha_queue *open_queue(struct fixture *f, const char *url)
{
	struct sangraha_queue_options options = {
		.size = sizeof(options),
		.queue_type = f->backend->queue_type,
		.ca_file = getenv("SANGRAHA_TEST_AMQP_CA"),
		.connection_name = "conformance",
	};
	struct sangraha_queue *queue = NULL;

	t_ok(sangraha_queue_open(f->context, url, &options, &queue, &t_err));
	return queue;
}

/* A vhost for each back end: the arguments of its queues differ. */
static void prepare(struct backend *backend)
{
	const char *url = t_need("SANGRAHA_TEST_AMQP_URL");

	t_need("SANGRAHA_TEST_RABBITMQCTL");
	if (backend->vhost)
		return;
	if (asprintf(&backend->vhost, "queue-%d-%s", (int)getpid(), backend->queue_type) <
	    0)
		fail_msg("out of memory");
	t_vhost_make(backend->vhost);
	backend->url = t_broker_url(url, backend->vhost);
}

static struct fixture *begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->backend = *state;
	*state = f;
	t_inbox_init(&f->inbox);
	prepare(f->backend);
	f->context = t_context();
	f->queue = open_queue(f, f->backend->url);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	t_amqp_purge_all(f->backend->url);
	return f;
}

static int end(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < SGH_COUNT(backends); i++)
		if (*state == &backends[i])
			return 0;
	t_inbox_fini(&f->inbox);
	sangraha_queue_unref(f->queue);
	sangraha_context_unref(f->context);
	free(f);
	return 0;
}

static int remove_vhosts(void **state)
{
	for (size_t i = 0; i < SGH_COUNT(backends); i++) {
		if (backends[i].vhost)
			t_vhost_remove(backends[i].vhost);
		free(backends[i].vhost);
		free(backends[i].url);
	}
	return 0;
}

/* ---- cases ---- */

static void what_is_published_arrives(void **state)
{
	struct fixture *f = begin(state);
	struct sgh_consumer *consumer =
		t_consume(f->queue, &f->inbox, WRITE, MANY, LARGE, LARGE);
	struct sgh_delivery *delivery;

	t_publish(f->queue, WRITE, "hello");
	delivery = t_inbox_next(&f->inbox);
	assert_true(t_body_is(delivery, "hello"));
	assert_string_equal(delivery->message->type, "test");
	assert_true(delivery->message->persistent);
	assert_false(delivery->redelivered);
	sgh_delivery_ack(delivery);
	sgh_consumer_free(consumer);
}

/* ---- running ---- */

static const struct {
	const char *name;
	CMUnitTestFunction run;
} cases[] = {
#define CASE(function)              \
	{                           \
#function, function \
	}
	CASE(what_is_published_arrives),
};

int main(void)
{
	struct CMUnitTest tests[SGH_COUNT(cases) * SGH_COUNT(backends)];
	char names[SGH_COUNT(tests)][80];

	for (size_t i = 0; i < SGH_COUNT(tests); i++) {
		size_t b = i / SGH_COUNT(cases), c = i % SGH_COUNT(cases);

		snprintf(names[i], sizeof(names[i]), "%s: %s", backends[b].name,
			 cases[c].name);
		tests[i] = (struct CMUnitTest){ names[i], cases[c].run, NULL, end,
						&backends[b] };
	}
	return _cmocka_run_group_tests(__FILE__, tests, SGH_COUNT(tests), NULL,
				       remove_vhosts);
}

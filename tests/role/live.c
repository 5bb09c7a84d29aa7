/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <unistd.h>

#include <sangraha/sangraha.h>

#include "support/broker.h"
#include "support/t.h"

/* Receiver, getter and client in one process, over a real broker and a real store. */

#define BODY "{\"a\":1}"

/* The initial states: on which kind of queue a case runs. */
static char quorum[] = "quorum";
static char classic[] = "classic";

struct live {
	const char *queue_type;
	char *vhost;
	char *url;
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct sangraha_queue *client_queue;
	struct sangraha_store *store;
	struct sangraha_receiver *receiver;
	struct sangraha_getter *getter;
	struct sangraha_client *client;
};

/* ---- set-up ---- */

static struct sangraha_queue *open_queue(struct live *f)
{
	struct sangraha_queue_options options = {
		.size = sizeof(options),
		.queue_type = f->queue_type,
	};
	struct sangraha_queue *queue = NULL;

	t_ok(sangraha_queue_open(f->context, f->url, &options, &queue, &t_err));
	return queue;
}

static void open_store(struct live *f)
{
	char prefix[40];
	struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = t_need("SANGRAHA_TEST_S3_ACCESS_KEY"),
		.secret_key = t_need("SANGRAHA_TEST_S3_SECRET_KEY"),
		.bucket_prefix = prefix,
	};

	snprintf(prefix, sizeof(prefix), "r%d-%llx-", getpid(),
		 (unsigned long long)sgh_now_us());
	t_ok(sangraha_store_open(f->context, t_need("SANGRAHA_TEST_MINIO_URL"), &options,
				 &f->store, &t_err));
}

static bool serves(struct live *f)
{
	struct sangraha_health health = { .size = sizeof(health) };

	sangraha_client_health(f->client, &health);
	return health.reads == SANGRAHA_HEALTH_OK && health.writes == SANGRAHA_HEALTH_OK;
}

/* A vhost for each case: the arguments of its queues differ, and nobody else is there. */
static struct live *begin(void **state)
{
	struct live *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->queue_type = *state;
	*state = f;
	t_need("SANGRAHA_TEST_MINIO_URL");
	t_need("SANGRAHA_TEST_RABBITMQCTL");
	t_need("SANGRAHA_TEST_AMQP_URL");
	if (asprintf(&f->vhost, "roles-%d-%llx", (int)getpid(),
		     (unsigned long long)sgh_now_us()) < 0)
		fail_msg("out of memory");
	t_vhost_make(f->vhost);
	f->url = t_broker_url(t_need("SANGRAHA_TEST_AMQP_URL"), f->vhost);
	f->context = t_context();
	f->queue = open_queue(f);
	f->client_queue = open_queue(f);
	open_store(f);
	t_ok(sangraha_receiver_start(f->context, f->queue, f->store, NULL, &f->receiver,
				     &t_err));
	t_ok(sangraha_getter_start(f->context, f->queue, f->store, NULL, &f->getter,
				   &t_err));
	t_ok(sangraha_client_new(f->context, f->client_queue, NULL, &f->client, &t_err));
	t_wait(serves(f));
	return f;
}

static int end(void **state)
{
	struct live *f = *state;

	if (*state == quorum || *state == classic)
		return 0; /* it ended before anything was begun */
	sangraha_client_free(f->client);
	sangraha_receiver_free(f->receiver);
	sangraha_getter_free(f->getter);
	sangraha_queue_unref(f->client_queue);
	sangraha_queue_unref(f->queue);
	sangraha_store_unref(f->store);
	sangraha_context_unref(f->context);
	if (f->vhost)
		t_vhost_remove(f->vhost);
	free(f->vhost);
	free(f->url);
	free(f);
	return 0;
}

/* ---- cases ---- */

static void put(struct live *f, const char *filename, char id[SANGRAHA_ID_SIZE])
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.filename = filename,
	};
	struct sangraha_result *result = NULL;

	t_ok(sangraha_client_put(f->client, BODY, strlen(BODY), &options, &result,
				 &t_err));
	memcpy(id, sangraha_result_id(result), SANGRAHA_ID_SIZE);
	sangraha_result_free(result);
}

static void what_is_put_comes_back(void **state)
{
	struct live *f = begin(state);
	struct sangraha_result *result = NULL;
	char id[SANGRAHA_ID_SIZE];
	size_t length;

	put(f, "Men\xc3\xbc.json", id);
	t_ok(sangraha_client_get(f->client, "json", id, NULL, &result, &t_err));
	assert_memory_equal(sangraha_result_data(result, &length), BODY, strlen(BODY));
	assert_int_equal(length, strlen(BODY));
	assert_string_equal(sangraha_object_filename(sangraha_result_object(result)),
			    "Men\xc3\xbc.json");
	sangraha_result_free(result);
	t_ok(sangraha_client_stat(f->client, "json", id, NULL, &result, &t_err));
	assert_int_equal(sangraha_object_size(sangraha_result_object(result)), 7);
	sangraha_result_free(result);
	t_ok(sangraha_client_operation(f->client, id, NULL, &result, &t_err));
	sangraha_result_free(result);
}

static void deleted_is_gone(void **state)
{
	struct live *f = begin(state);
	struct sangraha_put_options again = { .size = sizeof(again) };
	struct sangraha_result *result = NULL;
	char id[SANGRAHA_ID_SIZE];

	put(f, NULL, id);
	again.id = id;
	t_ok(sangraha_client_delete(f->client, "json", id, NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_NOT_FOUND,
		sangraha_client_get(f->client, "json", id, NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_NOT_FOUND,
		sangraha_client_delete(f->client, "json", id, NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_GONE, sangraha_client_put(f->client, BODY, strlen(BODY),
						     &again, &result, &t_err));
	sangraha_result_free(result);
}

static void a_key_is_one_write(void **state)
{
	struct live *f = begin(state);
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.idempotency_key = "k",
	};
	struct sangraha_result *result = NULL;

	for (int i = 0; i < 2; i++) {
		t_ok(sangraha_client_put(f->client, BODY, strlen(BODY), &options, &result,
					 &t_err));
		assert_int_equal(sangraha_result_replayed(result), i);
		sangraha_result_free(result);
	}
	t_fails(SANGRAHA_E_CONFLICT,
		sangraha_client_put(f->client, "{}", 2, &options, NULL, &t_err));
}

static void a_refusal_says_why(void **state)
{
	struct live *f = begin(state);
	struct sangraha_result *result = NULL;

	t_fails(SANGRAHA_E_UNSUPPORTED,
		sangraha_client_put(f->client, "hello", 5, NULL, &result, &t_err));
	assert_string_equal(sangraha_result_detected(result), "text/plain");
	sangraha_result_free(result);
}

static void pages_join_up(void **state)
{
	struct live *f = begin(state);
	struct sangraha_result *result = NULL;
	char ids[5][SANGRAHA_ID_SIZE];
	char *cursor = NULL;
	int count = 0;

	for (int i = 0; i < 5; i++)
		put(f, NULL, ids[i]);
	do {
		struct sangraha_object *object;

		t_ok(sangraha_client_list(f->client, NULL, 2, cursor, NULL, &result,
					  &t_err));
		for (size_t i = 0; (object = sangraha_result_at(result, i)); i++)
			assert_string_equal(sangraha_object_id(object), ids[count++]);
		free(cursor);
		cursor = sangraha_result_next_cursor(result)
				 ? strdup(sangraha_result_next_cursor(result))
				 : NULL;
		sangraha_result_free(result);
	} while (cursor);
	assert_int_equal(count, 5);
}

static void count_success(void *arg, struct sangraha_result *result)
{
	*(int *)arg += sangraha_result_status(result) == 0;
	sangraha_result_free(result);
}

/* One thread, one descriptor, five hundred writes at once. */
static void many_from_one_poll_loop(void **state)
{
	enum { COUNT = 500 };
	struct live *f = begin(state);
	struct pollfd fd = { .fd = sangraha_client_fd(f->client), .events = POLLIN };
	int64_t until = sgh_now_ms() + 30000;
	int ended = 0;
	int done = 0;

	for (int i = 0; i < COUNT; i++)
		t_ok(sangraha_client_submit_put(f->client, BODY, strlen(BODY), NULL,
						count_success, &done, &t_err));
	while (ended < COUNT && sgh_now_ms() < until) {
		poll(&fd, 1, 1000);
		ended += sangraha_client_dispatch(f->client);
	}
	assert_int_equal(ended, COUNT);
	assert_int_equal(done, COUNT);
}

/* A receiver that ends gives its work to another; nothing is lost or done twice. */
static void a_receiver_ends_in_the_middle(void **state)
{
	enum { COUNT = 200 };
	struct live *f = begin(state);
	struct sangraha_receiver *second = NULL;
	int done = 0;

	t_ok(sangraha_receiver_start(f->context, f->client_queue, f->store, NULL, &second,
				     &t_err));
	for (int i = 0; i < COUNT; i++)
		t_ok(sangraha_client_submit_put(f->client, BODY, strlen(BODY), NULL,
						count_success, &done, &t_err));
	t_ok(sangraha_receiver_drain(f->receiver, 8000, &t_err));
	sangraha_receiver_free(sgh_take(f->receiver));
	t_wait((sangraha_client_dispatch(f->client), done == COUNT));
	sangraha_receiver_free(second);
}

#define ON(type, function)                                      \
	{                                                       \
#type ": " #function, function, NULL, end, type \
	}
#define CASE(function) ON(quorum, function), ON(classic, function)

static const struct CMUnitTest tests[] = {
	CASE(what_is_put_comes_back),
	CASE(deleted_is_gone),
	CASE(a_key_is_one_write),
	CASE(a_refusal_says_why),
	CASE(pages_join_up),
	CASE(many_from_one_poll_loop),
	CASE(a_receiver_ends_in_the_middle),
};

t_main(tests)

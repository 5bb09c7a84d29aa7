/* SPDX-License-Identifier: MIT */
#include "conformance/queue/fixture.h"

#include <unistd.h>

#include "queue/amqp_url.h"

static struct queue_backend backends[] = {
	{ .name = "amqp quorum", .queue_type = "quorum" },
	{ .name = "amqp classic", .queue_type = "classic" },
	{ .name = "memory quorum", .queue_type = "quorum", .memory = true },
	{ .name = "memory classic", .queue_type = "classic", .memory = true },
#ifdef SGH_WITH_EMBEDDED
	{ .name = "local", .queue_type = "quorum", .local = true },
#endif
};

/* Whether there is a server, and a connection to it that may break. */
static bool has_server(const struct queue_backend *backend)
{
	return !backend->memory && !backend->local;
}

struct sangraha_queue *queue_open(struct fixture *f, const char *url)
{
	struct sangraha_queue_options options = {
		.size = sizeof(options),
		.queue_type = f->backend->queue_type,
		.ca_file = getenv("SANGRAHA_TEST_AMQP_CA"),
		.connection_name = "conformance",
	};
	struct sangraha_queue *queue = NULL;

	if (f->backend->memory)
		return memory_queue_new(f->context, f->broker, f->script);
	t_ok(sangraha_queue_open(f->context, url, &options, &queue, &t_err));
	return queue;
}

/* A vhost for each back end: the arguments of its queues differ. */
static void prepare(struct queue_backend *backend)
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

struct fixture *queue_begin_within(void **state, size_t memory_limit)
{
	struct sangraha_context_options options = { .size = sizeof(options),
						    .memory_limit = memory_limit };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->backend = *state;
	*state = f;
	t_inbox_init(&f->inbox);
	if (f->backend->memory) {
		f->script = script_new();
		f->broker =
			memory_broker_new(sgh_streq(f->backend->queue_type, "quorum"), 1);
	} else if (f->backend->local) {
		f->folder = t_folder_new();
		if (asprintf(&f->url, "local:%s", f->folder) < 0)
			fail_msg("out of memory");
	} else {
		prepare(f->backend);
		f->url = strdup(f->backend->url);
	}
	t_ok(sangraha_context_new(&options, &f->context, &t_err));
	f->queue = queue_open(f, f->url);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	if (has_server(f->backend))
		t_amqp_purge_all(f->backend->url);
	return f;
}

struct fixture *queue_begin(void **state)
{
	return queue_begin_within(state, 0);
}

/* Whether it began or not. */
static int end(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < SGH_COUNT(backends); i++)
		if ((void *)f == &backends[i])
			return 0;
	t_inbox_fini(&f->inbox);
	sangraha_queue_unref(f->queue);
	memory_broker_unref(f->broker);
	script_free(f->script);
	sangraha_context_unref(f->context);
	if (f->folder)
		t_folder_remove(f->folder);
	free(f->url);
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

struct sgh_consumer *queue_consume(struct fixture *f)
{
	return t_consume(f->queue, &f->inbox, WRITE, MANY, LARGE, LARGE);
}

struct sgh_consumer *queue_consume_large(struct fixture *f, size_t count, size_t size,
					 size_t max_bytes)
{
	for (size_t i = 0; i < count; i++) {
		struct t_sent *sent = t_sent_new(WRITE, t_message_of(size));

		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		t_ok(t_sent_wait(sent));
		t_sent_free(sent);
	}
	return t_consume(f->queue, &f->inbox, WRITE, MANY, max_bytes, LARGE);
}

unsigned queue_broker_port(void)
{
	struct sgh_amqp_url *urls = NULL;
	size_t count;
	unsigned port;

	t_ok(sgh_amqp_urls_parse(t_need("SANGRAHA_TEST_AMQP_URL"), &urls, &count,
				 &t_err));
	port = urls->port;
	sgh_amqp_urls_free(urls, count);
	return port;
}

struct t_proxy *queue_through_proxy(struct fixture *f, unsigned heartbeat)
{
	struct sangraha_queue_options options = { .size = sizeof(options),
						  .queue_type = f->backend->queue_type,
						  .heartbeat = heartbeat };
	struct t_proxy *proxy;
	char *url = NULL;

	if (f->backend->local)
		t_skip("nothing between the queue and its files can be cut");
	if (f->backend->memory)
		return NULL;
	proxy = t_proxy_new(queue_broker_port());
	if (asprintf(&url, "amqp://guest:guest@127.0.0.1:%u/%s", t_proxy_port(proxy),
		     f->backend->vhost) < 0)
		fail_msg("out of memory");
	sangraha_queue_unref(f->queue);
	f->queue = NULL;
	t_ok(sangraha_queue_open(f->context, url, &options, &f->queue, &t_err));
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	free(url);
	return proxy;
}

void queue_cut(struct fixture *f, struct t_proxy *proxy)
{
	if (proxy) {
		t_proxy_cut(proxy);
		return;
	}
	memory_queue_disconnect(f->queue);
	memory_queue_connect(f->queue);
}

void queue_use_url(struct fixture *f, const char *url)
{
	sangraha_queue_unref(f->queue);
	f->queue = queue_open(f, url);
}

/* ---- running ---- */

struct list {
	struct CMUnitTest tests[300];
	char names[300][80];
	size_t count;
};

static bool is_for(const struct queue_case *row, const struct queue_backend *backend)
{
	return row->where == QUEUE_ANY ||
	       (row->where == QUEUE_SERVER ? has_server(backend) : backend->memory);
}

static void add(struct list *list, const struct queue_case *row,
		struct queue_backend *backend)
{
	size_t i = list->count++;

	assert_true(i < SGH_COUNT(list->tests));
	snprintf(list->names[i], sizeof(list->names[i]), "%s: %s", backend->name,
		 row->name);
	list->tests[i] =
		(struct CMUnitTest){ list->names[i], row->run, NULL, end, backend };
}

int queue_run(const char *file, const struct queue_case *const *stories, size_t count)
{
	static struct list list;
	const char *only = getenv("ONLY");

	for (size_t b = 0; b < SGH_COUNT(backends); b++)
		for (size_t i = 0; i < count; i++)
			for (const struct queue_case *row = stories[i]; row->name; row++)
				if (is_for(row, &backends[b]))
					add(&list, row, &backends[b]);
	if (only)
		cmocka_set_test_filter(only);
	return _cmocka_run_group_tests(file, list.tests, list.count, NULL, remove_vhosts);
}

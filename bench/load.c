/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

#define ERRORS_MAX 100 /* then there is no point in going on */
#define EVENTS     64
#define TICK_MS    100
#define REDIRECTED 307
/* A prime, so that all of a list come before one comes again, in no order of theirs. */
#define STRIDE UINT64_C(2654435761)

/* One of the clients: it has one operation under way, and then the next. */
struct client {
	struct load *load;
	struct exchange direct;
	struct exchange redirected; /* where large reads are sent on to */
	struct exchange *active;    /* NULL: none is */
	bool reads;
	struct stored object;
	uint64_t began;
};

struct load {
	const struct load_options *options;
	struct target *target;
	const struct body *body;
	struct stored_list *stored;
	struct load_result *result;
	int epoll;
	struct client *clients;
	unsigned busy;
	uint64_t run; /* a random number that all tokens begin with */
	uint64_t puts;
	uint64_t next_read;
	uint64_t turns; /* of reads and writes */
	uint64_t begun; /* in the measured time */
	uint64_t from;  /* when the measured time begins */
	uint64_t until; /* and ends */
	uint64_t last;  /* when something was answered last */
	bool measures;
	double cpu_from;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void begin_to_measure(struct load *load, uint64_t now)
{
	load->measures = true;
	load->from = now;
	load->last = now;
	load->begun = 0;
	load->cpu_from = cpu_now();
	load->until =
		load->options->seconds_ns ? now + load->options->seconds_ns : UINT64_MAX;
}

static bool may_begin(const struct load *load, uint64_t now)
{
	if (load->result->errors >= ERRORS_MAX)
		return false;
	if (!load->measures)
		return true;
	return now < load->until &&
	       (load->options->count == 0 || load->begun < load->options->count);
}

/* What came instead of what should have come. */
static void note_error(struct client *client, const struct exchange *exchange,
		       const char *what)
{
	struct load_result *result = client->load->result;

	if (result->errors++ > 0)
		return;
	snprintf(result->first_error, sizeof(result->first_error),
		 "%s of %.36s: %s, %d %.300s", client->reads ? "get" : "put",
		 client->object.id, what, exchange->answer.status, exchange->text);
}

static bool next_is_read(struct load *load)
{
	if (load->stored->count == 0)
		return false;
	/* 37 is prime to 100: reads and writes are spread evenly. */
	return load->turns++ * 37 % 100 < load->options->reads;
}

static int write_request(struct client *client)
{
	struct load *load = client->load;
	struct sgh_buf *request = &client->direct.request;
	char token[BODY_TOKEN + 1];

	sgh_buf_clear(request);
	client->reads = next_is_read(load);
	if (client->reads) {
		client->object =
			load->stored
				->items[load->next_read++ * STRIDE % load->stored->count];
		exchange_prepare(&client->direct, EXCHANGE_COMPARES, load->body,
				 client->object.token);
		return load->target->kind->get(load->target, load->body, &client->object,
					       request);
	}
	snprintf(token, sizeof(token), "%016" PRIx64 "%016" PRIx64, load->run,
		 load->puts++);
	memcpy(client->object.token, token, BODY_TOKEN);
	strcpy(client->object.id, "?");
	exchange_prepare(&client->direct, EXCHANGE_SENDS, load->body, token);
	return load->target->kind->put(load->target, load->body, &client->object,
				       request);
}

/* The operation has ended well. */
static void count(struct client *client, uint64_t now)
{
	struct load *load = client->load;
	bool in_time =
		load->options->count ? client->began >= load->from : now <= load->until;

	load->result->all_operations++;
	if (!client->reads)
		stored_add(load->stored, &client->object);
	if (!load->measures || !in_time)
		return;
	load->result->operations++;
	load->last = now;
	histogram_add(&load->result->latency, now - client->began);
}

static enum exchange_state follow(struct client *client)
{
	struct exchange *to = &client->redirected;
	struct endpoint endpoint;
	const char *path;

	if (!endpoint_parse(&endpoint, client->direct.answer.location, &path))
		return EXCHANGE_DONE;
	sgh_buf_clear(&to->request);
	sgh_buf_printf(&to->request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path,
		       endpoint.host);
	exchange_prepare(to, EXCHANGE_COMPARES, client->load->body, client->object.token);
	return exchange_begin(to, &endpoint);
}

/* Whether there is a whole answer, the one that should come. */
static void end(struct client *client, const struct exchange *exchange, uint64_t now)
{
	const struct load *load = client->load;
	bool is_right;

	if (client->reads)
		is_right = exchange->answer.status == 200 &&
			   exchange->answer.length == load->body->size &&
			   !exchange->differs;
	else
		is_right = load->target->kind->check_put(load->body, &exchange->answer,
							 exchange->text, &client->object);
	if (is_right)
		count(client, now);
	else
		note_error(client, exchange,
			   exchange->differs ? "other bytes" : "not the answer");
}

/* Go from one state to the next as far as there is nothing to wait for. */
static void advance(struct client *client, struct exchange *exchange,
		    enum exchange_state state)
{
	if (state == EXCHANGE_DONE && client->load->options->follows && client->reads &&
	    exchange == &client->direct && exchange->answer.status == REDIRECTED) {
		exchange = &client->redirected;
		state = follow(client);
	}
	client->active = state == EXCHANGE_WAITS ? exchange : NULL;
	if (state == EXCHANGE_DONE)
		end(client, exchange, now_ns());
	if (state == EXCHANGE_BROKEN)
		note_error(client, exchange, exchange->problem);
}

/* The next operations, until one has to be waited for or no more may begin. */
static void begin_next(struct client *client)
{
	struct load *load = client->load;

	for (;;) {
		client->began = now_ns();
		if (!may_begin(load, client->began))
			break;
		load->begun++;
		if (!write_request(client)) {
			load->result->errors = ERRORS_MAX;
			snprintf(load->result->first_error,
				 sizeof(load->result->first_error),
				 "a request could not be written");
			break;
		}
		advance(client, &client->direct,
			exchange_begin(&client->direct, &load->target->endpoint));
		if (client->active)
			return;
	}
	load->busy--;
}

static void handle(struct load *load, const struct epoll_event *event)
{
	struct exchange *exchange = event->data.ptr;
	struct client *client = exchange->owner;

	/* The server may close what nobody uses now. */
	if (exchange != client->active) {
		exchange_close(exchange);
		return;
	}
	advance(client, exchange, exchange_go_on(exchange, event->events));
	if (!client->active)
		begin_next(client);
}

static void end_late_ones(struct load *load, uint64_t now)
{
	for (unsigned i = 0; i < load->options->connections; i++) {
		struct client *client = &load->clients[i];

		if (!client->active || now < client->began + load->options->timeout_ns)
			continue;
		client->active = NULL;
		note_error(client, &client->direct, "no answer in time");
		exchange_close(&client->direct);
		exchange_close(&client->redirected);
		begin_next(client);
	}
}

static void run(struct load *load)
{
	struct epoll_event events[EVENTS];
	uint64_t began = now_ns();
	uint64_t looked = began;

	if (load->options->warm_up_ns == 0)
		begin_to_measure(load, began);
	load->busy = load->options->connections;
	for (unsigned i = 0; i < load->options->connections; i++)
		begin_next(&load->clients[i]);
	while (load->busy > 0) {
		int ready = epoll_wait(load->epoll, events, EVENTS, TICK_MS);
		uint64_t now = now_ns();

		if (!load->measures && now - began >= load->options->warm_up_ns)
			begin_to_measure(load, now);
		for (int i = 0; i < ready; i++)
			handle(load, &events[i]);
		if (now - looked >= TICK_MS * UINT64_C(1000000)) {
			end_late_ones(load, now);
			looked = now;
		}
	}
}

static void tell(struct load *load)
{
	struct load_result *result = load->result;
	uint64_t until = load->until == UINT64_MAX ? load->last : load->until;

	result->seconds = (double)(until - load->from) / 1e9;
	result->cpu_seconds = cpu_now() - load->cpu_from;
}

int load_run(const struct load_options *options, struct target *target,
	     const struct body *body, struct stored_list *stored,
	     struct load_result *result)
{
	struct load load = { .options = options,
			     .target = target,
			     .body = body,
			     .stored = stored,
			     .result = result,
			     .epoll = epoll_create1(EPOLL_CLOEXEC) };

	load.clients = calloc(options->connections, sizeof(*load.clients));
	if (load.epoll < 0 || !load.clients ||
	    getrandom(&load.run, sizeof(load.run), 0) != sizeof(load.run)) {
		fprintf(stderr, "%s\n", strerror(errno));
		return -1;
	}
	for (unsigned i = 0; i < options->connections; i++) {
		load.clients[i].load = &load;
		exchange_init(&load.clients[i].direct, load.epoll, &load.clients[i]);
		exchange_init(&load.clients[i].redirected, load.epoll, &load.clients[i]);
	}
	run(&load);
	tell(&load);
	for (unsigned i = 0; i < options->connections; i++) {
		exchange_fini(&load.clients[i].direct);
		exchange_fini(&load.clients[i].redirected);
	}
	free(load.clients);
	close(load.epoll);
	return 0;
}

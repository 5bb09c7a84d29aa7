/* SPDX-License-Identifier: MIT */
#include "support/roles.h"

#include "base/error.h"
#include "base/id.h"
#include "role/client.h"
#include "wire/record.h"
#include "wire/sha256.h"

/* ---- set-up and tear-down ---- */

static void declare(struct t_roles *f, unsigned speed)
{
	f->broker = memory_broker_new(true, speed);
	memory_broker_declare(f->broker, T_REPLIES, NULL, NULL);
	memory_broker_declare(f->broker, T_EVENTS, SANGRAHA_EVENT_EXCHANGE, NULL);
}

int t_roles_begin_within(void **state, size_t memory_limit)
{
	const struct sangraha_context_options options = {
		.size = sizeof(options),
		.memory_limit = memory_limit,
	};
	struct t_roles *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	if (memory_limit)
		t_ok(sangraha_context_new(&options, &f->context, &t_err));
	else
		f->context = t_context();
	f->script = script_new();
	f->store = memory_store_new(f->context, f->script);
	declare(f, 1000);
	f->queue = memory_queue_new(f->context, f->broker, f->script);
	return 0;
}

int t_roles_begin(void **state)
{
	return t_roles_begin_within(state, 0);
}

void t_roles_speed(struct t_roles *f, unsigned speed)
{
	sangraha_queue_unref(f->queue);
	memory_broker_unref(f->broker);
	declare(f, speed);
	f->queue = memory_queue_new(f->context, f->broker, f->script);
}

int t_roles_end(void **state)
{
	struct t_roles *f = *state;

	script_clear(f->script);
	sangraha_client_free(f->client);
	sangraha_receiver_free(f->receiver);
	sangraha_getter_free(f->getter);
	if (f->client_queue)
		sangraha_queue_unref(f->client_queue);
	sangraha_queue_unref(f->queue);
	sangraha_store_unref(f->store);
	memory_broker_unref(f->broker);
	/* Whatever a body was reserved for is over. */
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
	assert_int_equal(sgh_budget_kept(f->context->budget), 0);
	sangraha_context_unref(f->context);
	script_free(f->script);
	free(f);
	return 0;
}

int t_receiver_begin(void **state)
{
	t_roles_begin(state);
	t_start_receiver(*state, NULL);
	return 0;
}

int t_getter_begin(void **state)
{
	t_receiver_begin(state);
	t_start_getter(*state, NULL);
	return 0;
}

int t_verifier_begin(void **state)
{
	t_roles_begin(state);
	t_start_verifier(*state);
	return 0;
}

/* ---- roles ---- */

void t_start_verifier(struct t_roles *f)
{
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.verify_large = 1,
	};

	t_start_receiver(f, &options);
}

bool t_writes(struct t_roles *f)
{
	struct sangraha_health health = { .size = sizeof(health) };

	sangraha_receiver_health(f->receiver, &health);
	return health.writes == SANGRAHA_HEALTH_OK;
}

static bool reads(struct t_roles *f)
{
	struct sangraha_health health = { .size = sizeof(health) };

	sangraha_getter_health(f->getter, &health);
	return health.reads == SANGRAHA_HEALTH_OK;
}

void t_start_receiver(struct t_roles *f, const struct sangraha_receiver_options *options)
{
	t_ok(sangraha_receiver_start(f->context, f->queue, f->store, options,
				     &f->receiver, &t_err));
	t_wait(t_writes(f));
	script_forget(f->script);
}

void t_start_getter(struct t_roles *f, const struct sangraha_getter_options *options)
{
	t_ok(sangraha_getter_start(f->context, f->queue, f->store, options, &f->getter,
				   &t_err));
	t_wait(reads(f));
	script_forget(f->script);
}

static bool hears(struct sangraha_client *client)
{
	bool hears;

	pthread_mutex_lock(&client->state.lock);
	hears = client->state.was_attached;
	pthread_mutex_unlock(&client->state.lock);
	return hears;
}

void t_start_deaf_client(struct t_roles *f)
{
	const struct sangraha_client_options options = {
		.size = sizeof(options),
		.no_cache = 1,
	};

	script_hold(f->script, "attach " SANGRAHA_RESPONSE_QUEUE ".1", 1);
	f->client_queue = memory_queue_new(f->context, f->broker, f->script);
	t_ok(sangraha_client_new(f->context, f->client_queue, &options, &f->client,
				 &t_err));
	t_wait(script_holding(f->script));
}

void t_start_client(struct t_roles *f, const struct sangraha_client_options *options)
{
	struct sangraha_client_options plain = { .size = sizeof(plain) };

	if (options)
		plain = *options;
	plain.no_cache = 1;
	t_start_caching_client(f, &plain);
}

void t_start_caching_client(struct t_roles *f,
			    const struct sangraha_client_options *options)
{
	f->client_queue = memory_queue_new(f->context, f->broker, f->script);
	t_ok(sangraha_client_new(f->context, f->client_queue, options, &f->client,
				 &t_err));
	t_wait(hears(f->client));
	script_forget(f->script);
}

/* ---- requests ---- */

const char *t_id(unsigned n)
{
	static char ids[16][SANGRAHA_ID_SIZE];
	static unsigned next;
	char *id = ids[next++ % SGH_COUNT(ids)];

	snprintf(id, SANGRAHA_ID_SIZE, "0199f2c4-0000-7000-8000-%012u", n);
	return id;
}

static const char *keep(struct sgh_request *request, const char *text)
{
	return text ? sgh_arena_strdup(&request->arena, text) : NULL;
}

struct sgh_request *t_request(enum sgh_verb verb, const char *type, const char *id)
{
	struct sgh_request *request = sgh_request_new();
	char minted[SANGRAHA_ID_SIZE];

	assert_non_null(request);
	sgh_id_random(minted);
	request->verb = verb;
	request->object_type = keep(request, type);
	request->object_id = keep(request, id);
	request->operation_id = keep(request, verb < SGH_DELETE ? id : minted);
	request->correlation_id = "c-1";
	request->request_id = "r-1";
	request->reply_to = T_REPLIES;
	request->published = sgh_time_ms();
	request->deadline = sgh_time_ms() + 30000;
	request->fresh = verb == SGH_PUT;
	request->persistent = verb == SGH_PUT || verb == SGH_DELETE;
	return request;
}

struct sgh_request *t_put(const char *id, const char *body)
{
	struct sgh_request *request = t_request(SGH_PUT, NULL, id);

	request->body = t_bytes(body);
	request->content_type = "application/json";
	request->created_ms = sgh_time_ms();
	return request;
}

static void send_by(struct t_roles *f, struct sgh_request *request, unsigned deliveries,
		    void (*put)(struct memory_broker *broker, const char *queue,
				struct sgh_message *message, unsigned deliveries))
{
	const char *queue = request->verb >= SGH_GET ? T_READ : T_WRITE;
	struct sgh_message *message = NULL;

	t_ok(sgh_request_message(request, &message, &t_err));
	put(f->broker, queue, message, deliveries);
	sgh_request_free(request);
}

void t_send_again(struct t_roles *f, struct sgh_request *request, unsigned deliveries)
{
	send_by(f, request, deliveries, memory_broker_put_again);
}

void t_send_batched(struct t_roles *f, struct sgh_request *request, unsigned deliveries)
{
	send_by(f, request, deliveries, memory_broker_put_batched);
}

void t_send_together(struct t_roles *f, struct sgh_request **requests, size_t count)
{
	const char *queue = requests[0]->verb >= SGH_GET ? T_READ : T_WRITE;
	struct sgh_message *messages[64];

	assert_true(count <= SGH_COUNT(messages));
	for (size_t i = 0; i < count; i++) {
		t_ok(sgh_request_message(requests[i], &messages[i], &t_err));
		sgh_request_free(requests[i]);
	}
	memory_broker_put_batch(f->broker, queue, messages, count);
}

void t_send(struct t_roles *f, struct sgh_request *request)
{
	t_send_again(f, request, 0);
}

/* ---- answers ---- */

struct sgh_reply *t_answer_(struct t_roles *f, int status, const char *file, int line)
{
	struct sgh_message *message = memory_broker_take(f->broker, T_REPLIES);
	struct sgh_reply *reply = NULL;

	t_ok(sgh_reply_parse(message, NULL, &reply, &t_err));
	sgh_message_free(message);
	sgh_fail(&t_err, reply->status, 0, "%s", reply->message ? reply->message : "");
	t_status_(status, reply->status, "the answer", file, line);
	return reply;
}

void t_done_(struct t_roles *f, int status, const char *file, int line)
{
	sgh_reply_free(t_answer_(f, status, file, line));
	t_wait(script_count(f->script, "ack ") == 1);
	script_forget(f->script);
}

char *t_text(const struct sgh_message *message)
{
	const struct sgh_bytes *body = message->body;
	char *text =
		strndup(body ? (const char *)body->data : "", body ? body->length : 0);

	assert_non_null(text);
	return text;
}

static void set_record(struct t_roles *f, const char *id, const char *body)
{
	char sha256[SANGRAHA_SHA256_SIZE];
	struct sgh_record record = {
		.type = "json",
		.record = T_RECORD,
		.sha256 = sha256,
		.size = (int64_t)strlen(body),
		.facts = "{\"depth\":1}",
		.rules = "1",
		.content_type = "application/json",
		.created_ms = 1,
		.offset = -1,
	};
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_bytes *bytes = NULL;
	sgh_autofree char *text = NULL;

	t_ok(sgh_sha256_hex(body, strlen(body), sha256, &t_err));
	t_ok(sgh_record_write(&record, &bytes, &t_err));
	text = strndup((const char *)bytes->data, bytes->length);
	sgh_record_key_object(key, "json", id, T_RECORD);
	memory_store_set(f->store, "meta", key, text);
	sgh_bytes_unref(bytes);
}

void t_pins(struct t_roles *f, const char *id, const char *body, bool complete)
{
	const struct sgh_object_parts parts = {
		.id = id,
		.type = "json",
		.filename = "large.json",
		.content_type = "application/json",
		.created_ms = 1767323045678,
		.size = strlen(body),
		.record = T_RECORD,
	};
	struct sgh_store_op op = {
		.verb = SGH_STORE_PUT,
		.bucket = "json",
		.key = id,
		.body = t_bytes(body),
		.content_type = "application/json",
	};
	struct sgh_pair meta[SGH_STORE_META_MAX];
	struct sangraha_object *object = NULL;
	struct sgh_arena arena = { 0 };

	t_ok(sgh_object_new(&parts, &object, &t_err));
	t_ok(sgh_object_to_meta(object, &arena, meta, &op.meta_count, &t_err));
	op.meta = meta;
	memory_store_put(f->store, &op);
	if (complete)
		set_record(f, id, body);
	sangraha_object_unref(object);
	sgh_bytes_unref(op.body);
	sgh_arena_fini(&arena);
}

bool t_has_record(struct t_roles *f, const char *id)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_object(key, "json", id, T_RECORD);
	return memory_store_has(f->store, "meta", key);
}

void t_set_record(struct t_roles *f, const char *key, const struct sgh_record *record)
{
	struct sgh_bytes *body = NULL;
	struct sgh_store_op op = { .bucket = "meta", .key = key };

	t_ok(sgh_record_write(record, &body, &t_err));
	op.body = body;
	memory_store_put(f->store, &op);
	sgh_bytes_unref(body);
}

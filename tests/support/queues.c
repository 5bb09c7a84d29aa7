/* SPDX-License-Identifier: MIT */
#include "support/queues.h"

#include "base/id.h"
#include "support/t.h"

struct sgh_message *t_message(const char *body)
{
	struct sgh_message *message = sgh_message_new();
	char id[SANGRAHA_ID_SIZE];

	assert_non_null(message);
	sgh_id_random(id);
	message->message_id = sgh_arena_strdup(&message->arena, id);
	message->type = "test";
	message->persistent = true;
	if (*body)
		message->body = t_bytes(body);
	return message;
}

struct sgh_message *t_message_of(size_t size)
{
	struct sgh_message *message = t_message("");

	message->body = sgh_bytes_new(NULL, size);
	assert_non_null(message->body);
	message->body->length = size;
	for (size_t i = 0; i < size; i++)
		message->body->data[i] = (unsigned char)(i * 31 >> 3);
	return message;
}

static void sent_done(struct sgh_publish *publish, int status,
		      const struct sangraha_error *err)
{
	struct t_sent *sent = sgh_container_of(publish, struct t_sent, publish);

	sent->status = status;
	if (err)
		sent->err = *err;
	__atomic_add_fetch(&sent->calls, 1, __ATOMIC_SEQ_CST);
}

struct t_sent *t_sent_new(const char *routing_key, struct sgh_message *message)
{
	struct t_sent *sent = calloc(1, sizeof(*sent));

	assert_non_null(sent);
	sent->message = message;
	sent->publish = (struct sgh_publish){
		.exchange = "",
		.routing_key = routing_key,
		.message = message,
		.mandatory = true,
		.confirm = true,
		.deadline_ms = sgh_now_ms() + 10000,
		.done = sent_done,
	};
	return sent;
}

bool t_sent_done(struct t_sent *sent)
{
	return __atomic_load_n(&sent->calls, __ATOMIC_SEQ_CST) > 0;
}

int t_sent_wait(struct t_sent *sent)
{
	int64_t until = sgh_now_ms() + t_patience_ms();

	while (!t_sent_done(sent)) {
		if (sgh_now_ms() > until)
			fail_msg("done was never called");
		t_pause();
	}
	assert_int_equal(__atomic_load_n(&sent->calls, __ATOMIC_SEQ_CST), 1);
	t_err = sent->err;
	return sent->status;
}

void t_sent_free(struct t_sent *sent)
{
	assert_int_equal(__atomic_load_n(&sent->calls, __ATOMIC_SEQ_CST), 1);
	sgh_message_free(sent->message);
	free(sent);
}

int t_publish_status(struct sangraha_queue *queue, const char *exchange,
		     const char *routing_key, const char *body, unsigned timeout_ms)
{
	struct t_sent *sent = t_sent_new(routing_key, t_message(body));
	int status;

	sent->publish.exchange = exchange;
	sent->publish.deadline_ms = sgh_now_ms() + timeout_ms;
	status = sgh_queue_publish(queue, &sent->publish, &t_err);
	if (!status)
		status = t_sent_wait(sent);
	else
		sent->calls = 1;
	t_sent_free(sent);
	return status;
}

void t_publish(struct sangraha_queue *queue, const char *routing_key, const char *body)
{
	t_ok(t_publish_status(queue, "", routing_key, body, 10000));
}

static void inbox_deliver(void *arg, struct sgh_delivery *delivery)
{
	struct t_inbox *inbox = arg;
	bool ack;

	pthread_mutex_lock(&inbox->lock);
	ack = inbox->acks;
	if (!ack)
		inbox->deliveries[inbox->count % SGH_COUNT(inbox->deliveries)] = delivery;
	inbox->count++;
	pthread_mutex_unlock(&inbox->lock);
	if (ack)
		sgh_delivery_ack(delivery);
}

static void inbox_attached(void *arg, bool attached)
{
	struct t_inbox *inbox = arg;

	pthread_mutex_lock(&inbox->lock);
	inbox->attached = attached;
	inbox->changes++;
	pthread_mutex_unlock(&inbox->lock);
}

void t_inbox_init(struct t_inbox *inbox)
{
	memset(inbox, 0, sizeof(*inbox));
	inbox->attached = -1;
	pthread_mutex_init(&inbox->lock, NULL);
}

void t_inbox_fini(struct t_inbox *inbox)
{
	for (; !inbox->acks && inbox->taken < inbox->count; inbox->taken++)
		sgh_delivery_return(inbox->deliveries[inbox->taken]);
	pthread_mutex_destroy(&inbox->lock);
}

size_t t_inbox_count(struct t_inbox *inbox)
{
	size_t count;

	pthread_mutex_lock(&inbox->lock);
	count = inbox->count;
	pthread_mutex_unlock(&inbox->lock);
	return count;
}

int t_inbox_attached(struct t_inbox *inbox)
{
	int attached;

	pthread_mutex_lock(&inbox->lock);
	attached = inbox->attached;
	pthread_mutex_unlock(&inbox->lock);
	return attached;
}

unsigned t_inbox_changes(struct t_inbox *inbox)
{
	unsigned changes;

	pthread_mutex_lock(&inbox->lock);
	changes = inbox->changes;
	pthread_mutex_unlock(&inbox->lock);
	return changes;
}

struct sgh_delivery *t_inbox_next(struct t_inbox *inbox)
{
	struct sgh_delivery *delivery;

	t_wait(t_inbox_count(inbox) > inbox->taken);
	pthread_mutex_lock(&inbox->lock);
	delivery = inbox->deliveries[inbox->taken++ % SGH_COUNT(inbox->deliveries)];
	pthread_mutex_unlock(&inbox->lock);
	return delivery;
}

static struct sgh_consumer *attach(struct sangraha_queue *queue, struct t_inbox *inbox,
				   struct sgh_consumer_options options)
{
	struct sgh_consumer *consumer = NULL;

	options.deliver = inbox_deliver;
	options.attached = inbox_attached;
	options.arg = inbox;
	t_ok(sgh_consumer_new(queue, &options, &consumer, &t_err));
	t_wait(t_inbox_attached(inbox) == 1);
	return consumer;
}

struct sgh_consumer *t_consume(struct sangraha_queue *queue, struct t_inbox *inbox,
			       const char *name, unsigned prefetch, size_t max_bytes,
			       size_t max_body)
{
	return attach(queue, inbox,
		      (struct sgh_consumer_options){ .queue = name,
						     .prefetch = prefetch,
						     .max_bytes = max_bytes,
						     .max_body = max_body });
}

struct sgh_consumer *t_consume_batches(struct sangraha_queue *queue,
				       struct t_inbox *inbox, const char *name,
				       unsigned prefetch)
{
	return attach(queue, inbox,
		      (struct sgh_consumer_options){ .queue = name,
						     .prefetch = prefetch,
						     .max_bytes = 4 << 20,
						     .max_body = 64 << 10,
						     .batches = true });
}

struct sgh_consumer *t_listen(struct sangraha_queue *queue, struct t_inbox *inbox,
			      const char *event)
{
	return attach(queue, inbox,
		      (struct sgh_consumer_options){ .event = event,
						     .prefetch = 16,
						     .max_bytes = 1 << 20,
						     .max_body = 64 << 10 });
}

bool t_body_is(const struct sgh_delivery *delivery, const char *body)
{
	const struct sgh_bytes *bytes = delivery->message->body;

	return bytes && bytes->length == strlen(body) &&
	       memcmp(bytes->data, body, bytes->length) == 0;
}

struct asked {
	struct sgh_queue_probe probe;
	int done; /* atomic */
	int status;
};

static void probe_done(struct sgh_queue_probe *probe, int status,
		       const struct sangraha_error *err)
{
	struct asked *asked = sgh_container_of(probe, struct asked, probe);

	asked->status = status;
	if (err)
		t_err = *err;
	__atomic_store_n(&asked->done, 1, __ATOMIC_SEQ_CST);
}

uint64_t t_messages(struct sangraha_queue *queue, const char *name)
{
	struct asked asked = { .probe = { .queue = name,
					  .deadline_ms = sgh_now_ms() + 5000,
					  .done = probe_done } };

	t_ok(sgh_queue_probe(queue, &asked.probe, &t_err));
	t_wait(__atomic_load_n(&asked.done, __ATOMIC_SEQ_CST));
	return asked.status ? UINT64_MAX : asked.probe.messages;
}

/* SPDX-License-Identifier: MIT */
#include "queue/queue.h"

#include "base/error.h"
#include "base/util.h"

static const struct sgh_queue_backend *const backends[] = {
	&sgh_queue_amqp,
#ifdef SGH_WITH_EMBEDDED
	&sgh_queue_local,
#endif
};

static bool has_scheme(const char *schemes, const char *url)
{
	size_t length = strcspn(url, ":");

	if (url[length] != ':')
		return false;
	length++;
	while (*schemes) {
		size_t size = strcspn(schemes, " ");

		if (size == length && strncmp(schemes, url, length) == 0)
			return true;
		schemes += size;
		schemes += strspn(schemes, " ");
	}
	return false;
}

static const struct sgh_queue_backend *find_backend(const char *url)
{
	for (size_t i = 0; i < SGH_COUNT(backends); i++)
		if (has_scheme(backends[i]->schemes, url))
			return backends[i];
	return NULL;
}

int sangraha_queue_open(struct sangraha_context *context, const char *url,
			const struct sangraha_queue_options *options,
			struct sangraha_queue **ret, struct sangraha_error *err)
{
	const struct sgh_queue_backend *backend;
	struct sangraha_queue *queue = NULL;
	int rc;

	if (!context || !url || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"context, url and ret are needed");
	rc = sgh_options_check(options, err);
	if (rc)
		return rc;
	url += strspn(url, " ");
	backend = find_backend(url);
	if (!backend)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the queue URL has no scheme that this build knows; it "
				"begins with amqp:, amqps: or local:");
	rc = backend->open(context, url, options, &queue, err);
	if (rc)
		return rc;
	queue->backend = backend;
	queue->refs = 1;
	*ret = queue;
	return 0;
}

struct sangraha_queue *sangraha_queue_ref(struct sangraha_queue *queue)
{
	if (queue)
		__atomic_add_fetch(&queue->refs, 1, __ATOMIC_RELAXED);
	return queue;
}

void sangraha_queue_unref(struct sangraha_queue *queue)
{
	if (queue && __atomic_sub_fetch(&queue->refs, 1, __ATOMIC_ACQ_REL) == 0)
		queue->backend->destroy(queue);
}

int sangraha_queue_wait_ready(struct sangraha_queue *queue, unsigned timeout_ms,
			      struct sangraha_error *err)
{
	if (!queue)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "a queue is needed");
	return queue->backend->wait_ready(queue, timeout_ms, err);
}

int sgh_queue_publish(struct sangraha_queue *queue, struct sgh_publish *publish,
		      struct sangraha_error *err)
{
	if (!publish->exchange || !publish->routing_key || !publish->message ||
	    !publish->done)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a message needs exchange, routing key and done");
	return queue->backend->publish(queue, publish, err);
}

void sgh_queue_go_on(struct sangraha_queue *queue)
{
	if (queue->backend->go_on)
		queue->backend->go_on(queue);
}

void sgh_queue_expect(struct sangraha_queue *queue, const char *queue_name)
{
	if (queue->backend->expect)
		queue->backend->expect(queue, queue_name);
}

int sgh_queue_probe(struct sangraha_queue *queue, struct sgh_queue_probe *probe,
		    struct sangraha_error *err)
{
	if (!probe->queue || !*probe->queue || strlen(probe->queue) > 255 || !probe->done)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a probe needs a queue name of at most 255 bytes");
	return queue->backend->probe(queue, probe, err);
}

bool sgh_queue_ready(struct sangraha_queue *queue, bool persistent)
{
	return queue->backend->ready(queue, persistent);
}

/* A consumer keeps its queue open; what is in hand of it only keeps the memory. */
int sgh_consumer_new(struct sangraha_queue *queue,
		     const struct sgh_consumer_options *options,
		     struct sgh_consumer **ret, struct sangraha_error *err)
{
	int rc;

	if (!options->deliver || options->prefetch == 0 || options->prefetch > UINT16_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a consumer needs deliver and a prefetch of 1-65535");
	if (options->queue && (!*options->queue || strlen(options->queue) > 255))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a queue name has 1-255 bytes");
	if (options->event && (options->queue || strlen(options->event) > 255))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"events come into a queue of their own, by a key of at "
				"most 255 bytes");
	sangraha_queue_ref(queue);
	rc = queue->backend->consumer_new(queue, options, ret, err);
	if (rc)
		sangraha_queue_unref(queue);
	return rc;
}

const char *sgh_consumer_queue(const struct sgh_consumer *consumer)
{
	return consumer->queue->backend->consumer_queue(consumer);
}

bool sgh_consumer_attached(const struct sgh_consumer *consumer)
{
	return consumer->queue->backend->consumer_attached(consumer);
}

void sgh_consumer_pause(struct sgh_consumer *consumer)
{
	consumer->queue->backend->consumer_pause(consumer, true);
}

void sgh_consumer_resume(struct sgh_consumer *consumer)
{
	consumer->queue->backend->consumer_pause(consumer, false);
}

void sgh_consumer_free(struct sgh_consumer *consumer)
{
	struct sangraha_queue *queue;

	if (!consumer)
		return;
	queue = consumer->queue;
	queue->backend->consumer_free(consumer);
	sangraha_queue_unref(queue);
}

void sgh_delivery_shed(struct sgh_delivery *delivery)
{
	sgh_message_free(sgh_take(delivery->message));
	delivery->consumer->queue->backend->shed(delivery);
}

bool sgh_delivery_answered(struct sgh_delivery *delivery)
{
	const struct sgh_queue_backend *backend = delivery->consumer->queue->backend;

	return !delivery->batched || !backend->answered || backend->answered(delivery);
}

static void settle(struct sgh_delivery *delivery, enum sgh_settle verdict)
{
	delivery->consumer->queue->backend->settle(delivery, verdict);
}

void sgh_delivery_ack(struct sgh_delivery *delivery)
{
	settle(delivery, SGH_SETTLE_ACK);
}

void sgh_delivery_return(struct sgh_delivery *delivery)
{
	settle(delivery, SGH_SETTLE_RETURN);
}

void sgh_delivery_reject(struct sgh_delivery *delivery)
{
	settle(delivery, SGH_SETTLE_REJECT);
}

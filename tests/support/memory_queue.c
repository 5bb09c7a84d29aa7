/* SPDX-License-Identifier: MIT */
#include "support/memory_queue.h"

#include "base/error.h"
#include "base/thread.h"
#include "support/t.h"

#define PATIENCE_MS  1000 /* without a connection, before a publish fails at once */
#define TOGETHER_MAX 64   /* deliveries of one batch */

/* Everything below is guarded by broker->lock. */
struct handle {
	struct sangraha_queue base;
	int refs; /* atomic, of the memory: the queue, its thread, each consumer */
	struct memory_broker *broker;
	struct script *script;
	pthread_t thread;
	bool stop;
	bool connected;
	bool full;       /* for persistent messages */
	int64_t lost_ms; /* when the connection went */
	uint64_t epoch;
	uint64_t tags;
	struct sgh_list outgoing; /* struct outgoing */
	size_t outgoing_count;
	struct sgh_list probes;    /* struct sgh_queue_probe */
	struct sgh_list consumers; /* those not freed */
	struct sgh_list unsettled; /* deliveries, in order of tags */
	unsigned unanswered;       /* of those that came in batches: they count as one */
};

struct outgoing {
	struct sgh_list link;
	struct sgh_publish *publish;
	bool held; /* until one comes that is not */
	struct script_step step;
	uint64_t epoch; /* of the connection that carries it; 0: not sent yet */
};

struct consumer {
	struct sgh_consumer base;
	int refs; /* atomic: the holder, each delivery, a callback that runs */
	struct handle *handle;
	struct sgh_list link;
	char *name;
	unsigned in_hand;
	size_t bytes; /* of bodies in hand */
	bool paused;
	bool freed;
	bool attached;
	bool told;           /* what attached() was last called with */
	uint64_t told_epoch; /* and of which connection */
	uint64_t step_epoch; /* for which the script was asked */
	struct script_step step;
	bool calling;
};

struct delivery {
	struct sgh_delivery base;
	struct memory_item *item; /* NULL: the connection was lost since */
	size_t bytes;
};

static struct handle *handle_of(struct sangraha_queue *queue)
{
	return sgh_container_of(queue, struct handle, base);
}

static struct consumer *consumer_of(const struct sgh_consumer *base)
{
	return sgh_container_of(base, struct consumer, base);
}

static void handle_unref(struct handle *handle)
{
	if (__atomic_sub_fetch(&handle->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sangraha_context_unref(handle->base.context);
	memory_broker_unref(handle->broker);
	free(handle);
}

static void consumer_unref(struct consumer *consumer)
{
	struct handle *handle = consumer->handle;

	if (__atomic_sub_fetch(&consumer->refs, 1, __ATOMIC_ACQ_REL))
		return;
	free(consumer->name);
	free(consumer);
	handle_unref(handle);
}

static void changed(struct handle *handle)
{
	pthread_cond_broadcast(&handle->broker->changed);
}

/* ---- publishing ---- */

static void let_go_locked(struct handle *handle)
{
	sgh_list_for_each (link, &handle->outgoing)
		sgh_list_entry(link, struct outgoing, link)->held = false;
	changed(handle);
}

static void go_on(struct sangraha_queue *base)
{
	struct handle *handle = handle_of(base);

	pthread_mutex_lock(&handle->broker->lock);
	let_go_locked(handle);
	pthread_mutex_unlock(&handle->broker->lock);
}

static bool fits(const char *text)
{
	return !text || strlen(text) <= 255;
}

static bool is_sendable(const struct sgh_message *message)
{
	return fits(message->type) && fits(message->content_type) &&
	       fits(message->message_id) && fits(message->correlation_id) &&
	       fits(message->reply_to) && fits(message->app_id);
}

static void expect(struct sangraha_queue *base, const char *queue_name)
{
	struct handle *handle = handle_of(base);

	pthread_mutex_lock(&handle->broker->lock);
	handle->broker->expected += strcmp(queue_name, SANGRAHA_WRITE_QUEUE) == 0;
	pthread_mutex_unlock(&handle->broker->lock);
}

static int publish(struct sangraha_queue *base, struct sgh_publish *publish,
		   struct sangraha_error *err)
{
	struct handle *handle = handle_of(base);
	struct outgoing *outgoing;
	int status = 0;

	if (!is_sendable(publish->message))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a property is over 255 bytes");
	outgoing = calloc(1, sizeof(*outgoing));
	if (!outgoing)
		return sgh_fail_memory(err);
	outgoing->publish = publish;
	pthread_mutex_lock(&handle->broker->lock);
	if (!handle->connected && sgh_now_ms() - handle->lost_ms >= PATIENCE_MS)
		status = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				  "there is no connection to the broker");
	else if (handle->outgoing_count >= SGH_PUBLISH_MAX)
		status = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
				  "too many messages are on their way");
	if (!status) {
		sgh_list_append(&handle->outgoing, &outgoing->link);
		handle->outgoing_count++;
		outgoing->held = publish->held && !publish->held_ms;
		handle->broker->held += publish->held;
		if (!publish->held)
			let_go_locked(handle);
		else
			changed(handle);
	}
	pthread_mutex_unlock(&handle->broker->lock);
	if (status)
		free(outgoing);
	return status;
}

/* What becomes of a message that is sent now. */
static int route_locked(struct handle *handle, const struct sgh_publish *publish,
			const struct script_step *step)
{
	unsigned taken;

	handle->broker->company += publish->batch;
	if (step->deed == SCRIPT_FAIL)
		return step->status;
	if (!memory_exchange(publish->exchange))
		return SANGRAHA_E_INVALID;
	if (handle->full && publish->message->persistent)
		return SANGRAHA_E_OVERLOADED;
	taken = memory_route_locked(handle->broker, publish->exchange,
				    publish->routing_key, publish->message);
	if (!taken && publish->mandatory)
		return SANGRAHA_E_NOT_FOUND;
	return step->deed == SCRIPT_LOSE ? step->status : 0;
}

/* Take one out and tell its end; unlocks for that. */
static void end_locked(struct handle *handle, struct outgoing *outgoing, int status)
{
	struct sgh_publish *publish = outgoing->publish;
	bool lost = outgoing->step.deed == SCRIPT_LOSE && status == outgoing->step.status;
	struct sangraha_error err = { 0 };

	script_leave(handle->script, &outgoing->step);
	sgh_list_remove(&outgoing->link);
	handle->outgoing_count--;
	free(outgoing);
	if (status)
		sgh_fail(&err, status, 0, "the message to \"%s\", \"%s\": %s",
			 publish->exchange, publish->routing_key,
			 sangraha_status_text(status));
	script_note(handle->script, "publish %s: %s", publish->routing_key,
		    lost ? "lost" : sangraha_status_name(status));
	pthread_mutex_unlock(&handle->broker->lock);
	publish->done(publish, status, status ? &err : NULL);
	pthread_mutex_lock(&handle->broker->lock);
}

static bool publish_one_locked(struct handle *handle, int64_t *next_ms)
{
	sgh_list_for_each (link, &handle->outgoing) {
		struct outgoing *outgoing = sgh_list_entry(link, struct outgoing, link);
		struct sgh_publish *publish = outgoing->publish;
		char name[300];

		if (handle->stop ||
		    (outgoing->epoch && outgoing->epoch != handle->epoch)) {
			end_locked(handle, outgoing, SANGRAHA_E_UNAVAILABLE);
			return true;
		}
		if (sgh_now_ms() >= publish->deadline_ms) {
			end_locked(handle, outgoing, SANGRAHA_E_TIMEOUT);
			return true;
		}
		if (publish->deadline_ms < *next_ms)
			*next_ms = publish->deadline_ms;
		if (!handle->connected || outgoing->held)
			continue;
		if (!outgoing->epoch) {
			snprintf(name, sizeof(name), "publish %s", publish->routing_key);
			outgoing->step = script_next(handle->script, name);
			outgoing->epoch = handle->epoch;
		}
		if (script_waits(handle->script, &outgoing->step, next_ms))
			continue;
		end_locked(handle, outgoing,
			   route_locked(handle, publish, &outgoing->step));
		return true;
	}
	return false;
}

/* ---- delivering ---- */

static struct delivery *delivery_new(struct consumer *consumer, struct memory_item *item)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	struct handle *handle = consumer->handle;
	size_t size = item->message->body ? item->message->body->length : 0;
	struct delivery *delivery = calloc(1, sizeof(*delivery));
	struct sgh_bytes *body = item->message->body;

	delivery->item = item;
	delivery->base.consumer = &consumer->base;
	delivery->base.redelivered = item->redelivered;
	delivery->base.announced = size;
	delivery->base.oversize = size > options->max_body;
	delivery->base.tag = ++handle->tags;
	delivery->base.epoch = handle->epoch;
	if (delivery->base.oversize)
		item->message->body = NULL;
	else
		delivery->bytes = size;
	delivery->base.message =
		memory_message_copy(item->message, handle->base.context->budget);
	delivery->base.died_of =
		sgh_message_text(delivery->base.message, "x-first-death-reason");
	item->message->body = body;
	return delivery;
}

/* The next message for a consumer that has room; NULL when there is none. */
static struct delivery *next_delivery_locked(struct consumer *consumer)
{
	const struct sgh_consumer_options *options = &consumer->base.options;
	struct memory_bin *bin =
		memory_bin_locked(consumer->handle->broker, consumer->name);
	struct delivery *delivery;
	struct sgh_list *link;

	if (!consumer->attached || !consumer->told || !bin ||
	    consumer->in_hand >= options->prefetch ||
	    (consumer->bytes && consumer->bytes >= options->max_bytes))
		return NULL;
	link = sgh_list_pop(&bin->items);
	if (!link)
		return NULL;
	bin->count--;
	delivery = delivery_new(consumer, sgh_list_entry(link, struct memory_item, link));
	delivery->base.batched = delivery->item->batched;
	delivery->base.goes_on = delivery->item->goes_on;
	consumer->handle->unanswered += delivery->base.batched;
	if (bin->quorum)
		delivery->base.delivery_count = delivery->item->deliveries;
	consumer->in_hand++;
	consumer->bytes += delivery->bytes;
	sgh_list_append(&consumer->handle->unsettled, &delivery->base.link);
	__atomic_add_fetch(&consumer->refs, 1, __ATOMIC_RELAXED);
	return delivery;
}

/* One, or those that came in one batch and that there is room for; how many. */
static size_t next_deliveries_locked(struct consumer *consumer,
				     struct delivery *taken[TOGETHER_MAX])
{
	struct delivery *last = NULL;
	size_t count = 0;

	while (count < TOGETHER_MAX && (!last || last->base.goes_on) &&
	       (taken[count] = next_delivery_locked(consumer)))
		last = taken[count++];
	if (last)
		last->base.goes_on = false;
	return count;
}

/* Between these two no lock is held, and consumer_free() waits. */
static void call_begin_locked(struct consumer *consumer)
{
	consumer->calling = true;
	__atomic_add_fetch(&consumer->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&consumer->handle->broker->lock);
}

static void call_end(struct consumer *consumer)
{
	pthread_mutex_lock(&consumer->handle->broker->lock);
	consumer->calling = false;
	changed(consumer->handle);
	consumer_unref(consumer);
}

/* Whether the script lets a consumer in; it is asked once for each connection. */
static bool may_attach_locked(struct handle *handle, struct consumer *consumer,
			      int64_t *next_ms)
{
	char name[300];

	if (consumer->step_epoch != handle->epoch) {
		snprintf(name, sizeof(name), "attach %s", consumer->name);
		consumer->step = script_next(handle->script, name);
		consumer->step_epoch = handle->epoch;
	}
	return !script_waits(handle->script, &consumer->step, next_ms) &&
	       consumer->step.deed != SCRIPT_FAIL;
}

static void attach_locked(struct handle *handle, struct consumer *consumer,
			  int64_t *next_ms)
{
	const char *event = consumer->base.options.event;
	struct memory_bin *bin = memory_bin_locked(handle->broker, consumer->name);
	/* One that has not heard of the loss yet hears of that first. */
	bool current = !consumer->told || consumer->told_epoch == handle->epoch;
	bool wanted = handle->connected && !consumer->paused && current;

	if (wanted && event && !bin) {
		bin = memory_declare_locked(handle->broker, consumer->name, false);
		memory_bind_locked(bin, SANGRAHA_EVENT_EXCHANGE, event);
	}
	wanted = wanted && bin;
	if (wanted && !consumer->attached)
		wanted = may_attach_locked(handle, consumer, next_ms);
	if (bin && wanted != consumer->attached)
		bin->consumers += wanted ? 1 : -1;
	consumer->attached = wanted;
	if (event && bin && !wanted)
		memory_bin_free_locked(bin);
}

/* One callback to some consumer; false when none is due. */
static bool serve_one_locked(struct handle *handle, int64_t *next_ms)
{
	sgh_list_for_each (link, &handle->consumers) {
		struct consumer *consumer = sgh_list_entry(link, struct consumer, link);
		const struct sgh_consumer_options *options = &consumer->base.options;
		struct delivery *taken[TOGETHER_MAX];
		bool attached;
		size_t count;

		if (consumer->freed)
			continue;
		attach_locked(handle, consumer, next_ms);
		attached = consumer->attached;
		if (attached != consumer->told) {
			consumer->told = attached;
			consumer->told_epoch = handle->epoch;
			call_begin_locked(consumer);
			if (options->attached)
				options->attached(options->arg, attached);
			call_end(consumer);
			return true;
		}
		count = next_deliveries_locked(consumer, taken);
		if (!count)
			continue;
		/* Whoever was served goes to the end of the line. */
		sgh_list_remove(&consumer->link);
		sgh_list_append(&handle->consumers, &consumer->link);
		call_begin_locked(consumer);
		for (size_t i = 0; i < count; i++)
			options->deliver(options->arg, &taken[i]->base);
		call_end(consumer);
		return true;
	}
	return false;
}

static void settle_locked(struct consumer *consumer, struct delivery *delivery,
			  int verdict)
{
	static const char *const names[] = { "ack", "return", "reject" };
	struct handle *handle = consumer->handle;
	struct memory_bin *bin = memory_bin_locked(handle->broker, consumer->name);
	struct memory_item *item = delivery->item;

	script_note(handle->script, "%s %s: %s", names[verdict], consumer->name,
		    item ? "ok" : "stale");
	if (!item)
		return;
	sgh_list_remove(&delivery->base.link);
	consumer->in_hand--;
	consumer->bytes -= delivery->bytes;
	if (verdict == SGH_SETTLE_RETURN && bin)
		memory_requeue_locked(bin, item);
	else if (verdict == SGH_SETTLE_REJECT && bin)
		memory_reject_locked(handle->broker, bin, item, "rejected");
	else
		memory_item_free(item);
}

static void shed(struct sgh_delivery *base)
{
	struct delivery *delivery = sgh_container_of(base, struct delivery, base);
	struct consumer *consumer = consumer_of(base->consumer);
	struct memory_broker *broker = consumer->handle->broker;

	pthread_mutex_lock(&broker->lock);
	if (delivery->item)
		consumer->bytes -= delivery->bytes;
	delivery->bytes = 0;
	changed(consumer->handle);
	pthread_mutex_unlock(&broker->lock);
}

static bool answered(struct sgh_delivery *base)
{
	struct handle *handle = handle_of(base->consumer->queue);
	bool last;

	pthread_mutex_lock(&handle->broker->lock);
	last = --handle->unanswered == 0;
	pthread_mutex_unlock(&handle->broker->lock);
	return last;
}

static void settle(struct sgh_delivery *base, int verdict)
{
	struct delivery *delivery = sgh_container_of(base, struct delivery, base);
	struct consumer *consumer = consumer_of(base->consumer);
	struct memory_broker *broker = memory_broker_ref(consumer->handle->broker);

	sgh_message_free(sgh_take(base->message));
	pthread_mutex_lock(&broker->lock);
	settle_locked(consumer, delivery, verdict);
	changed(consumer->handle);
	pthread_mutex_unlock(&broker->lock);
	free(delivery);
	consumer_unref(consumer);
	memory_broker_unref(broker);
}

/* Everything in hand goes back, the last first, so that the order stays. */
static void give_back_locked(struct handle *handle)
{
	while (!sgh_list_empty(&handle->unsettled)) {
		struct delivery *delivery = sgh_list_entry(handle->unsettled.prev,
							   struct delivery, base.link);
		struct consumer *consumer = consumer_of(delivery->base.consumer);
		struct memory_bin *bin =
			memory_bin_locked(handle->broker, consumer->name);
		struct memory_item *item = sgh_take(delivery->item);

		sgh_list_remove(&delivery->base.link);
		consumer->in_hand--;
		consumer->bytes -= delivery->bytes;
		if (bin)
			memory_requeue_locked(bin, item);
		else
			memory_item_free(item);
	}
}

/* ---- consumers ---- */

static int consumer_new(struct sangraha_queue *base,
			const struct sgh_consumer_options *options,
			struct sgh_consumer **ret, struct sangraha_error *err)
{
	struct handle *handle = handle_of(base);
	struct consumer *consumer = calloc(1, sizeof(*consumer));
	const char *prefix = options->event ? SGH_EVENT_QUEUE : SANGRAHA_RESPONSE_QUEUE;
	unsigned *number;
	char own[64];

	if (!consumer)
		return sgh_fail_memory(err);
	pthread_mutex_lock(&handle->broker->lock);
	number = options->event ? &handle->broker->event_queues
				: &handle->broker->response_queues;
	snprintf(own, sizeof(own), "%s.%u", prefix, *number + 1);
	consumer->name = strdup(options->queue ? options->queue : own);
	*number += !options->queue;
	if (!options->queue && !options->event)
		memory_declare_locked(handle->broker, own, false);
	consumer->base = (struct sgh_consumer){ .queue = base, .options = *options };
	consumer->base.options.queue = consumer->name;
	consumer->refs = 1;
	consumer->handle = handle;
	__atomic_add_fetch(&handle->refs, 1, __ATOMIC_RELAXED);
	sgh_list_append(&handle->consumers, &consumer->link);
	changed(handle);
	pthread_mutex_unlock(&handle->broker->lock);
	*ret = &consumer->base;
	return 0;
}

static const char *consumer_queue(const struct sgh_consumer *base)
{
	return consumer_of(base)->name;
}

static bool consumer_attached(const struct sgh_consumer *base)
{
	struct consumer *consumer = consumer_of(base);
	bool attached;

	pthread_mutex_lock(&consumer->handle->broker->lock);
	attached = consumer->told && consumer->attached;
	pthread_mutex_unlock(&consumer->handle->broker->lock);
	return attached;
}

static void consumer_pause(struct sgh_consumer *base, bool paused)
{
	struct consumer *consumer = consumer_of(base);

	pthread_mutex_lock(&consumer->handle->broker->lock);
	consumer->paused = paused;
	changed(consumer->handle);
	pthread_mutex_unlock(&consumer->handle->broker->lock);
}

static void consumer_free(struct sgh_consumer *base)
{
	struct consumer *consumer = consumer_of(base);
	struct memory_broker *broker = consumer->handle->broker;
	int64_t next_ms = SGH_NEVER;

	pthread_mutex_lock(&broker->lock);
	consumer->freed = true;
	while (consumer->calling)
		sgh_cond_wait_until(&broker->changed, &broker->lock, SGH_NEVER);
	consumer->paused = true;
	attach_locked(consumer->handle, consumer, &next_ms);
	sgh_list_remove(&consumer->link);
	pthread_mutex_unlock(&broker->lock);
	consumer_unref(consumer);
}

/* ---- asking ---- */

static int probe(struct sangraha_queue *base, struct sgh_queue_probe *probe,
		 struct sangraha_error *err)
{
	struct handle *handle = handle_of(base);
	int status = 0;

	pthread_mutex_lock(&handle->broker->lock);
	if (handle->connected)
		sgh_list_append(&handle->probes, &probe->link);
	else
		status = sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				  "there is no connection to the broker");
	changed(handle);
	pthread_mutex_unlock(&handle->broker->lock);
	return status;
}

static bool probe_one_locked(struct handle *handle)
{
	struct sgh_list *link = sgh_list_pop(&handle->probes);
	struct sangraha_error err = { 0 };
	struct sgh_queue_probe *probe;
	struct memory_bin *bin;
	int status = 0;

	if (!link)
		return false;
	probe = sgh_list_entry(link, struct sgh_queue_probe, link);
	bin = memory_bin_locked(handle->broker, probe->queue);
	if (!handle->connected)
		status = sgh_fail(&err, SANGRAHA_E_UNAVAILABLE, 0, "no connection");
	else if (!bin)
		status = sgh_fail(&err, SANGRAHA_E_NOT_FOUND, 404,
				  "NOT_FOUND - no queue '%s'", probe->queue);
	probe->messages = bin ? bin->count : 0;
	probe->consumers = bin ? bin->consumers : 0;
	pthread_mutex_unlock(&handle->broker->lock);
	probe->done(probe, status, status ? &err : NULL);
	pthread_mutex_lock(&handle->broker->lock);
	return true;
}

static bool ready(struct sangraha_queue *base, bool persistent)
{
	struct handle *handle = handle_of(base);
	bool is_ready;

	pthread_mutex_lock(&handle->broker->lock);
	is_ready = handle->connected && !(persistent && handle->full);
	pthread_mutex_unlock(&handle->broker->lock);
	return is_ready;
}

static int wait_ready(struct sangraha_queue *base, unsigned timeout_ms,
		      struct sangraha_error *err)
{
	struct handle *handle = handle_of(base);
	int64_t until = sgh_now_ms() + timeout_ms;
	bool connected;

	pthread_mutex_lock(&handle->broker->lock);
	while (!handle->connected && sgh_cond_wait_until(&handle->broker->changed,
							 &handle->broker->lock, until))
		;
	connected = handle->connected;
	pthread_mutex_unlock(&handle->broker->lock);
	return connected ? 0
			 : sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
				    "there is no connection to the broker");
}

/* ---- the life of the connection ---- */

static void *run(void *arg)
{
	struct handle *handle = arg;
	struct memory_broker *broker = handle->broker;

	pthread_mutex_lock(&broker->lock);
	for (;;) {
		int64_t next_ms = memory_expire_locked(broker);
		bool busy = publish_one_locked(handle, &next_ms);

		busy |= probe_one_locked(handle);
		busy |= serve_one_locked(handle, &next_ms);
		if (!busy && handle->stop)
			break;
		if (!busy)
			sgh_cond_wait_until(&broker->changed, &broker->lock, next_ms);
	}
	give_back_locked(handle);
	changed(handle);
	pthread_mutex_unlock(&broker->lock);
	handle_unref(handle);
	return NULL;
}

static void wake(void *arg)
{
	struct handle *handle = arg;

	pthread_mutex_lock(&handle->broker->lock);
	changed(handle);
	pthread_mutex_unlock(&handle->broker->lock);
}

static void destroy(struct sangraha_queue *base)
{
	struct handle *handle = handle_of(base);

	script_detach(handle->script, handle);
	pthread_mutex_lock(&handle->broker->lock);
	handle->stop = true;
	handle->connected = false;
	changed(handle);
	pthread_mutex_unlock(&handle->broker->lock);
	/* A callback may have held the last reference. */
	if (pthread_equal(handle->thread, pthread_self()))
		pthread_detach(handle->thread);
	else
		pthread_join(handle->thread, NULL);
	handle_unref(handle);
}

static const struct sgh_queue_backend memory_backend = {
	.schemes = "memory:",
	.destroy = destroy,
	.publish = publish,
	.go_on = go_on,
	.expect = expect,
	.probe = probe,
	.ready = ready,
	.wait_ready = wait_ready,
	.consumer_new = consumer_new,
	.consumer_queue = consumer_queue,
	.consumer_attached = consumer_attached,
	.consumer_pause = consumer_pause,
	.consumer_free = consumer_free,
	.shed = shed,
	.answered = answered,
	.settle = settle,
};

struct sangraha_queue *memory_queue_new(struct sangraha_context *context,
					struct memory_broker *broker,
					struct script *script)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	assert_non_null(handle);
	handle->base.backend = &memory_backend;
	handle->base.refs = 1;
	handle->base.context = sangraha_context_ref(context);
	handle->refs = 2;
	handle->broker = memory_broker_ref(broker);
	handle->script = script;
	handle->connected = true;
	handle->epoch = 1;
	sgh_list_init(&handle->outgoing);
	sgh_list_init(&handle->probes);
	sgh_list_init(&handle->consumers);
	sgh_list_init(&handle->unsettled);
	script_attach(script, wake, handle);
	t_ok(sgh_thread_start(&handle->thread, "memory-queue", run, handle, &t_err));
	return &handle->base;
}

void memory_queue_disconnect(struct sangraha_queue *base)
{
	struct handle *handle = handle_of(base);

	pthread_mutex_lock(&handle->broker->lock);
	handle->connected = false;
	handle->lost_ms = sgh_now_ms();
	handle->epoch++;
	give_back_locked(handle);
	changed(handle);
	pthread_mutex_unlock(&handle->broker->lock);
}

void memory_queue_connect(struct sangraha_queue *base)
{
	struct handle *handle = handle_of(base);

	pthread_mutex_lock(&handle->broker->lock);
	handle->connected = true;
	changed(handle);
	pthread_mutex_unlock(&handle->broker->lock);
}

void memory_queue_fill(struct sangraha_queue *base, bool full)
{
	struct handle *handle = handle_of(base);

	pthread_mutex_lock(&handle->broker->lock);
	handle->full = full;
	pthread_mutex_unlock(&handle->broker->lock);
}

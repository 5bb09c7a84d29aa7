/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "queue/amqp_consumer.h"
#include "queue/amqp_publisher.h"
#include "queue/queue.h"

#define HEARTBEAT 600 /* seconds offered, as the original program did */

/*
 * The AMQP back end: what the seam asks goes to one of the two connections. Memory stays
 * until nobody can reach it: the last reference of the holder, both threads, and every
 * consumer, which deliveries in hand keep, count as holds.
 */
struct amqp_queue {
	struct sangraha_queue base;
	struct sgh_amqp_settings settings;
	int holds; /* atomic */
	struct sgh_amqp_publisher *publisher;
	pthread_mutex_t lock;                 /* of the next */
	struct sgh_amqp_consuming *consuming; /* with the first consumer */
};

static struct amqp_queue *amqp_of(struct sangraha_queue *queue)
{
	return sgh_container_of(queue, struct amqp_queue, base);
}

static void queue_free(struct amqp_queue *amqp)
{
	sgh_amqp_publisher_free(amqp->publisher);
	sgh_amqp_consuming_free(amqp->consuming);
	sgh_amqp_urls_free(amqp->settings.urls, amqp->settings.url_count);
	free(amqp->settings.endpoints);
	free(amqp->settings.ca_file);
	free(amqp->settings.connection_name);
	pthread_mutex_destroy(&amqp->lock);
	sangraha_context_unref(amqp->base.context);
	free(amqp);
}

static void hold(void *owner)
{
	struct amqp_queue *amqp = owner;

	__atomic_add_fetch(&amqp->holds, 1, __ATOMIC_RELAXED);
}

static void release(void *owner)
{
	struct amqp_queue *amqp = owner;

	if (__atomic_sub_fetch(&amqp->holds, 1, __ATOMIC_ACQ_REL) == 0)
		queue_free(amqp);
}

static int read_options(struct amqp_queue *amqp, const char *url,
			const struct sangraha_queue_options *options,
			struct sangraha_error *err)
{
	const char *type = sgh_option(options, queue_type, "quorum");
	struct sgh_amqp_settings *settings = &amqp->settings;
	unsigned heartbeat = sgh_option(options, heartbeat, HEARTBEAT);

	if (!sgh_streq(type, "quorum") && !sgh_streq(type, "classic"))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"\"%s\" is no queue type: quorum or classic", type);
	if (heartbeat > UINT16_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a heartbeat of %u s is over 65535", heartbeat);
	settings->context = amqp->base.context;
	settings->quorum = sgh_streq(type, "quorum");
	settings->heartbeat = heartbeat;
	if (!sgh_strdup(sgh_option(options, ca_file, NULL), &settings->ca_file) ||
	    !sgh_strdup(sgh_option(options, connection_name, "sangraha"),
			&settings->connection_name))
		return sgh_fail_memory(err);
	return sgh_amqp_urls_parse(url, &settings->urls, &settings->url_count, err);
}

static int amqp_open(struct sangraha_context *context, const char *url,
		     const struct sangraha_queue_options *options,
		     struct sangraha_queue **ret, struct sangraha_error *err)
{
	struct amqp_queue *amqp = calloc(1, sizeof(*amqp));
	int rc;

	if (!amqp)
		return sgh_fail_memory(err);
	amqp->base.context = sangraha_context_ref(context);
	amqp->holds = 1;
	pthread_mutex_init(&amqp->lock, NULL);
	rc = read_options(amqp, url, options, err);
	if (!rc)
		rc = sgh_amqp_endpoints_new(&amqp->settings, err);
	if (!rc)
		rc = sgh_amqp_publisher_new(&amqp->settings, release, amqp,
					    &amqp->publisher, err);
	if (!rc) {
		hold(amqp);
		rc = sgh_amqp_publisher_start(amqp->publisher, err);
		if (rc)
			release(amqp);
	}
	if (rc) {
		release(amqp);
		return rc;
	}
	*ret = &amqp->base;
	return 0;
}

/* Acknowledgements go out before what was published last is given up. */
static void amqp_destroy(struct sangraha_queue *queue)
{
	struct amqp_queue *amqp = amqp_of(queue);

	if (amqp->consuming)
		sgh_amqp_consuming_stop(amqp->consuming);
	sgh_amqp_publisher_stop(amqp->publisher);
	release(amqp);
}

static int amqp_publish(struct sangraha_queue *queue, struct sgh_publish *publish,
			struct sangraha_error *err)
{
	return sgh_amqp_publisher_publish(amqp_of(queue)->publisher, publish, err);
}

static void amqp_go_on(struct sangraha_queue *queue)
{
	sgh_amqp_publisher_go_on(amqp_of(queue)->publisher);
}

static void amqp_expect(struct sangraha_queue *queue, const char *queue_name)
{
	sgh_amqp_publisher_expect(amqp_of(queue)->publisher, queue_name);
}

static int amqp_probe(struct sangraha_queue *queue, struct sgh_queue_probe *probe,
		      struct sangraha_error *err)
{
	return sgh_amqp_publisher_probe(amqp_of(queue)->publisher, probe, err);
}

static bool amqp_ready(struct sangraha_queue *queue, bool persistent)
{
	return sgh_amqp_publisher_ready(amqp_of(queue)->publisher);
}

static int amqp_wait_ready(struct sangraha_queue *queue, unsigned timeout_ms,
			   struct sangraha_error *err)
{
	return sgh_amqp_publisher_wait(amqp_of(queue)->publisher, timeout_ms, err);
}

/* The connection that consumes is made with the first consumer. */
static int consuming_locked(struct amqp_queue *amqp, struct sangraha_error *err)
{
	struct sgh_amqp_consuming *consuming = NULL;
	int rc;

	if (amqp->consuming)
		return 0;
	rc = sgh_amqp_consuming_new(&amqp->settings, hold, release, amqp, &consuming,
				    err);
	if (rc)
		return rc;
	hold(amqp);
	rc = sgh_amqp_consuming_start(consuming, err);
	if (rc) {
		release(amqp);
		sgh_amqp_consuming_free(consuming);
		return rc;
	}
	amqp->consuming = consuming;
	return 0;
}

static int amqp_consumer_new(struct sangraha_queue *queue,
			     const struct sgh_consumer_options *options,
			     struct sgh_consumer **ret, struct sangraha_error *err)
{
	struct amqp_queue *amqp = amqp_of(queue);
	int rc;

	pthread_mutex_lock(&amqp->lock);
	rc = consuming_locked(amqp, err);
	pthread_mutex_unlock(&amqp->lock);
	return rc ? rc : sgh_amqp_consumer_new(amqp->consuming, queue, options, ret, err);
}

const struct sgh_queue_backend sgh_queue_amqp = {
	.schemes = "amqp: amqps:",
	.open = amqp_open,
	.destroy = amqp_destroy,
	.publish = amqp_publish,
	.go_on = amqp_go_on,
	.expect = amqp_expect,
	.probe = amqp_probe,
	.ready = amqp_ready,
	.wait_ready = amqp_wait_ready,
	.consumer_new = amqp_consumer_new,
	.consumer_queue = sgh_amqp_consumer_queue,
	.consumer_attached = sgh_amqp_consumer_attached,
	.consumer_pause = sgh_amqp_consumer_pause,
	.consumer_free = sgh_amqp_consumer_free,
	.shed = sgh_amqp_consumer_shed,
	.answered = sgh_amqp_member_answered,
	.settle = sgh_amqp_consumer_settle,
};

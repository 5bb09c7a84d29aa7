/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "queue/local_broker.h"

/*
 * The embedded back end, "local:DIR": handles on the broker of a data directory. See
 * README.md.
 */

#define SCHEME "local:"

static int handle_new(struct sangraha_context *context, const char *path,
		      struct sgh_local_handle **ret, struct sangraha_error *err)
{
	struct sgh_local_handle *handle = calloc(1, sizeof(*handle));
	int rc;

	if (!handle)
		return sgh_fail_memory(err);
	rc = sgh_local_get(context, path, &handle->local, err);
	if (rc) {
		free(handle);
		return rc;
	}
	handle->holds = 1;
	handle->base.context = sangraha_context_ref(context);
	sgh_list_init(&handle->told);
	sgh_list_init(&handle->probes);
	__atomic_add_fetch(&handle->local->holds, 1, __ATOMIC_RELAXED);
	*ret = handle;
	return 0;
}

static int local_open(struct sangraha_context *context, const char *url,
		      const struct sangraha_queue_options *options,
		      struct sangraha_queue **ret, struct sangraha_error *err)
{
	const char *folder = url + strlen(SCHEME);
	struct sgh_local_handle *handle = NULL;
	sgh_autofree char *path = NULL;
	int rc;

	if (!*folder)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"local: needs a folder: local:./sangraha-data");
	rc = sgh_datadir_make(folder, &path, err);
	if (!rc)
		rc = handle_new(context, path, &handle, err);
	if (rc)
		return rc;
	pthread_mutex_lock(&handle->local->lock);
	sgh_list_append(&handle->local->handles, &handle->link);
	pthread_mutex_unlock(&handle->local->lock);
	*ret = &handle->base;
	return 0;
}

/* The broker's thread closes the handle, and itself after the last one. */
static void local_destroy(struct sangraha_queue *base)
{
	struct sgh_local_handle *handle = sgh_local_handle_of(base);
	struct sgh_local *local = handle->local;
	bool own = pthread_equal(local->thread, pthread_self());

	__atomic_add_fetch(&handle->holds, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&local->lock);
	handle->closing_ms = sgh_now_ms();
	handle->own_end = own;
	sgh_local_wake_locked(local);
	while (!own && !handle->closed)
		sgh_cond_wait_until(&local->changed, &local->lock, SGH_NEVER);
	pthread_mutex_unlock(&local->lock);
	if (!own && handle->last)
		pthread_join(local->thread, NULL);
	sgh_local_handle_unhold(handle);
}

static int local_probe(struct sangraha_queue *base, struct sgh_queue_probe *probe,
		       struct sangraha_error *err)
{
	struct sgh_local_handle *handle = sgh_local_handle_of(base);

	pthread_mutex_lock(&handle->local->lock);
	sgh_list_append(&handle->probes, &probe->link);
	sgh_local_wake_locked(handle->local);
	pthread_mutex_unlock(&handle->local->lock);
	return 0;
}

static bool local_ready(struct sangraha_queue *base, bool persistent)
{
	struct sgh_local *local = sgh_local_handle_of(base)->local;
	bool ready;

	pthread_mutex_lock(&local->lock);
	ready = !persistent || (!local->failing && !sgh_local_hangs_locked(local));
	pthread_mutex_unlock(&local->lock);
	return ready;
}

static int local_wait_ready(struct sangraha_queue *base, unsigned timeout_ms,
			    struct sangraha_error *err)
{
	struct sgh_local *local = sgh_local_handle_of(base)->local;
	int64_t until = sgh_now_ms() + timeout_ms;
	int rc = 0;

	pthread_mutex_lock(&local->lock);
	while ((local->failing || sgh_local_hangs_locked(local)) &&
	       sgh_cond_wait_until(&local->changed, &local->lock, until))
		;
	if (local->failing)
		rc = sgh_fail(err, SANGRAHA_E_TIMEOUT, local->why.native, "%s",
			      local->why.message);
	else if (sgh_local_hangs_locked(local))
		rc = sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
			      "the disk has written nothing for seconds");
	pthread_mutex_unlock(&local->lock);
	return rc;
}

const struct sgh_queue_backend sgh_queue_local = {
	.schemes = SCHEME,
	.open = local_open,
	.destroy = local_destroy,
	.publish = sgh_local_publish,
	.probe = local_probe,
	.ready = local_ready,
	.wait_ready = local_wait_ready,
	.consumer_new = sgh_local_consumer_new,
	.consumer_queue = sgh_local_consumer_queue,
	.consumer_attached = sgh_local_consumer_attached,
	.consumer_pause = sgh_local_consumer_pause,
	.consumer_free = sgh_local_consumer_free,
	.shed = sgh_local_shed,
	.settle = sgh_local_settle,
};

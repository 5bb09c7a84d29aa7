/* SPDX-License-Identifier: MIT */
#include "base/shared.h"

#include "base/context.h"
#include "base/error.h"

void sgh_shared_list_init(struct sgh_shared_list *list)
{
	pthread_mutex_init(&list->lock, NULL);
	pthread_cond_init(&list->closed, NULL);
	sgh_list_init(&list->things);
}

void sgh_shared_list_fini(struct sgh_shared_list *list)
{
	pthread_cond_destroy(&list->closed);
	pthread_mutex_destroy(&list->lock);
}

static struct sgh_shared *find_locked(struct sgh_shared_list *list, const char *name)
{
	sgh_list_for_each (link, &list->things) {
		struct sgh_shared *shared = sgh_list_entry(link, struct sgh_shared, link);

		if (strcmp(shared->name, name) == 0)
			return shared;
	}
	return NULL;
}

/* What is being closed still holds its files: its successor has to wait for them. */
static struct sgh_shared *wait_locked(struct sgh_shared_list *list, const char *name)
{
	struct sgh_shared *shared;

	while ((shared = find_locked(list, name)) && shared->closing)
		pthread_cond_wait(&list->closed, &list->lock);
	return shared;
}

static int open_locked(struct sangraha_context *context, const char *name,
		       int (*open)(void *arg, struct sgh_shared **ret,
				   struct sangraha_error *err),
		       void *arg, struct sgh_shared **ret, struct sangraha_error *err)
{
	sgh_autofree char *copy = strdup(name);
	struct sgh_shared *shared = NULL;
	int rc;

	if (!copy)
		return sgh_fail_memory(err);
	rc = open(arg, &shared, err);
	if (rc)
		return rc;
	shared->name = sgh_take(copy);
	shared->context = sangraha_context_ref(context);
	shared->refs = 0;
	shared->closing = false;
	sgh_list_append(&context->shared.things, &shared->link);
	*ret = shared;
	return 0;
}

int sgh_shared_get(struct sangraha_context *context, const char *name,
		   int (*open)(void *arg, struct sgh_shared **ret,
			       struct sangraha_error *err),
		   void *arg, struct sgh_shared **ret, struct sangraha_error *err)
{
	struct sgh_shared *shared;
	int rc = 0;

	pthread_mutex_lock(&context->shared.lock);
	shared = wait_locked(&context->shared, name);
	if (!shared)
		rc = open_locked(context, name, open, arg, &shared, err);
	if (!rc) {
		shared->refs++;
		*ret = shared;
	}
	pthread_mutex_unlock(&context->shared.lock);
	return rc;
}

struct sgh_shared *sgh_shared_find(struct sangraha_context *context, const char *name)
{
	struct sgh_shared *shared;

	pthread_mutex_lock(&context->shared.lock);
	shared = find_locked(&context->shared, name);
	if (shared && shared->closing)
		shared = NULL;
	if (shared)
		shared->refs++;
	pthread_mutex_unlock(&context->shared.lock);
	return shared;
}

void sgh_shared_ref(struct sgh_shared *shared)
{
	struct sgh_shared_list *list = &shared->context->shared;

	pthread_mutex_lock(&list->lock);
	shared->refs++;
	pthread_mutex_unlock(&list->lock);
}

bool sgh_shared_unref(struct sgh_shared *shared)
{
	struct sgh_shared_list *list = &shared->context->shared;
	bool last;

	pthread_mutex_lock(&list->lock);
	last = --shared->refs == 0;
	shared->closing = last;
	pthread_mutex_unlock(&list->lock);
	return last;
}

void sgh_shared_closed(struct sgh_shared *shared)
{
	struct sangraha_context *context = sgh_take(shared->context);

	pthread_mutex_lock(&context->shared.lock);
	sgh_list_remove(&shared->link);
	pthread_cond_broadcast(&context->shared.closed);
	pthread_mutex_unlock(&context->shared.lock);
	free(sgh_take(shared->name));
	sangraha_context_unref(context);
}

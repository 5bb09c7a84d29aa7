/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

#define THREADS_MAX 256

struct sgh_pool {
	unsigned count;
	pthread_t *threads;
	void (*pause)(void *arg);
	void *arg;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t work;
		struct sgh_list jobs;
		bool stop;
	} queue;
};

static bool brief_is_next_locked(const struct sgh_pool *pool)
{
	const struct sgh_list *jobs = &pool->queue.jobs;

	return !sgh_list_empty(jobs) &&
	       sgh_list_entry(jobs->next, struct sgh_job, link)->brief;
}

/* Whether it is time for a pause, after so many jobs: nobody waits for more than a row. */
static bool pauses_locked(const struct sgh_pool *pool, unsigned worked)
{
	return worked && pool->pause &&
	       (worked >= SGH_POOL_ROW || !brief_is_next_locked(pool));
}

/* Run the next job, and before that, if need be, what is to be done in a pause. */
static bool run_next_locked(struct sgh_pool *pool, unsigned *worked)
{
	struct sgh_list *link = NULL;
	bool pause = pauses_locked(pool, *worked);

	if (!pause)
		link = sgh_list_pop(&pool->queue.jobs);
	if (!pause && !link)
		return false;
	*worked = link ? *worked + 1 : 0;
	pthread_mutex_unlock(&pool->queue.lock);
	if (link) {
		struct sgh_job *job = sgh_list_entry(link, struct sgh_job, link);

		job->run(job);
	} else {
		pool->pause(pool->arg);
	}
	pthread_mutex_lock(&pool->queue.lock);
	return true;
}

static void *run(void *arg)
{
	struct sgh_pool *pool = arg;
	unsigned worked = 0;

	pthread_mutex_lock(&pool->queue.lock);
	for (;;) {
		if (run_next_locked(pool, &worked))
			continue;
		if (pool->queue.stop)
			break;
		sgh_cond_wait_until(&pool->queue.work, &pool->queue.lock, SGH_NEVER);
	}
	pthread_mutex_unlock(&pool->queue.lock);
	return NULL;
}

int sgh_pool_new(unsigned threads, struct sgh_pool **ret, struct sangraha_error *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct sgh_pool *pool = calloc(1, sizeof(*pool));
	int status = 0;

	if (!threads)
		threads = cores > 0 ? (unsigned)cores : 1;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	if (pool)
		pool->threads = calloc(threads, sizeof(*pool->threads));
	if (!pool || !pool->threads) {
		free(pool);
		return sgh_fail_memory(err);
	}
	pthread_mutex_init(&pool->queue.lock, NULL);
	sgh_cond_init(&pool->queue.work);
	sgh_list_init(&pool->queue.jobs);
	for (; !status && pool->count < threads; pool->count += !status)
		status = sgh_thread_start(&pool->threads[pool->count], "sgh-worker", run,
					  pool, err);
	if (status) {
		sgh_pool_free(pool);
		return status;
	}
	*ret = pool;
	return 0;
}

void sgh_pool_free(struct sgh_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->queue.lock);
	pool->queue.stop = true;
	pthread_cond_broadcast(&pool->queue.work);
	pthread_mutex_unlock(&pool->queue.lock);
	for (unsigned i = 0; i < pool->count; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->queue.work);
	pthread_mutex_destroy(&pool->queue.lock);
	free(pool->threads);
	free(pool);
}

void sgh_pool_submit(struct sgh_pool *pool, struct sgh_job *job)
{
	pthread_mutex_lock(&pool->queue.lock);
	sgh_list_append(&pool->queue.jobs, &job->link);
	pthread_cond_signal(&pool->queue.work);
	pthread_mutex_unlock(&pool->queue.lock);
}

void sgh_pool_on_pause(struct sgh_pool *pool, void (*pause)(void *arg), void *arg)
{
	pthread_mutex_lock(&pool->queue.lock);
	pool->pause = pause;
	pool->arg = arg;
	pthread_mutex_unlock(&pool->queue.lock);
}

bool sgh_pool_goes_on(struct sgh_pool *pool)
{
	bool ours = false;
	bool brief;

	for (unsigned i = 0; i < pool->count; i++)
		ours |= pthread_equal(pool->threads[i], pthread_self());
	pthread_mutex_lock(&pool->queue.lock);
	brief = brief_is_next_locked(pool);
	pthread_mutex_unlock(&pool->queue.lock);
	return ours && brief;
}

bool sgh_pool_is_behind(struct sgh_pool *pool)
{
	bool behind;

	pthread_mutex_lock(&pool->queue.lock);
	behind = !sgh_list_empty(&pool->queue.jobs);
	pthread_mutex_unlock(&pool->queue.lock);
	return behind;
}

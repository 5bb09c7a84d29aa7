/* SPDX-License-Identifier: MIT */
#include "role/wait.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"

void sgh_wait_init(struct sgh_wait *wait)
{
	*wait = (struct sgh_wait){ 0 };
	pthread_mutex_init(&wait->lock, NULL);
	sgh_cond_init(&wait->changed);
}

void sgh_wait_fini(struct sgh_wait *wait)
{
	pthread_cond_destroy(&wait->changed);
	pthread_mutex_destroy(&wait->lock);
}

void sgh_wait_answered(void *arg, struct sangraha_result *result)
{
	struct sgh_wait *wait = arg;

	pthread_mutex_lock(&wait->lock);
	wait->result = result;
	pthread_cond_signal(&wait->changed);
	pthread_mutex_unlock(&wait->lock);
}

void sgh_wait_resumed(void *arg)
{
	struct sgh_wait *wait = arg;

	pthread_mutex_lock(&wait->lock);
	wait->resumed = true;
	pthread_cond_signal(&wait->changed);
	pthread_mutex_unlock(&wait->lock);
}

bool sgh_wait_for_resume(struct sgh_wait *wait, int64_t deadline_ms)
{
	bool in_time = true;

	pthread_mutex_lock(&wait->lock);
	while (!wait->resumed && in_time)
		in_time = sgh_cond_wait_until(&wait->changed, &wait->lock, deadline_ms);
	wait->resumed = false;
	pthread_mutex_unlock(&wait->lock);
	return in_time;
}

int sgh_wait_collect(struct sgh_wait *wait, struct sangraha_result **ret,
		     struct sangraha_error *err)
{
	struct sangraha_result *result;
	int status;

	pthread_mutex_lock(&wait->lock);
	while (!wait->result)
		sgh_cond_wait_until(&wait->changed, &wait->lock, SGH_NEVER);
	pthread_mutex_unlock(&wait->lock);
	result = wait->result;
	status = result->status;
	if (status)
		sgh_fail_with(err, status, &result->err);
	if (ret && (!status || result->reply))
		*ret = result;
	else
		sangraha_result_free(result);
	return status;
}

/* ---- a status ---- */

void sgh_outcome_init(struct sgh_outcome *outcome)
{
	*outcome = (struct sgh_outcome){ 0 };
	pthread_mutex_init(&outcome->lock, NULL);
	sgh_cond_init(&outcome->changed);
}

void sgh_outcome_fini(struct sgh_outcome *outcome)
{
	pthread_cond_destroy(&outcome->changed);
	pthread_mutex_destroy(&outcome->lock);
}

/* All of it under the lock: who waits is gone with it as soon as it is let go. */
void sgh_outcome_tell(struct sgh_outcome *outcome, int status,
		      const struct sangraha_error *err)
{
	pthread_mutex_lock(&outcome->lock);
	outcome->status = status;
	if (status)
		sgh_fail_with(&outcome->err, status, err);
	outcome->told = true;
	pthread_cond_signal(&outcome->changed);
	pthread_mutex_unlock(&outcome->lock);
}

int sgh_outcome_wait(struct sgh_outcome *outcome, struct sangraha_error *err)
{
	pthread_mutex_lock(&outcome->lock);
	while (!outcome->told)
		sgh_cond_wait_until(&outcome->changed, &outcome->lock, SGH_NEVER);
	pthread_mutex_unlock(&outcome->lock);
	return outcome->status ? sgh_fail_with(err, outcome->status, &outcome->err) : 0;
}

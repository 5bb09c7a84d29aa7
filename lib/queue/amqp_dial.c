/* SPDX-License-Identifier: MIT */
#include "queue/amqp_dial.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/util.h"

#define CONNECT_MS 6000 /* for all addresses of a name */

struct sgh_amqp_dial {
	struct sgh_amqp_target target;
	int wake;
	int refs; /* atomic: who began it, and the thread */
	struct {
		pthread_mutex_t lock;
		bool ended;
		bool unwanted; /* what it gets is closed at once */
		int status;
		struct sgh_amqp_line line; /* without a state: taken, or there is none */
		struct sangraha_error error;
	} s;
};

void sgh_amqp_target_fini(struct sgh_amqp_target *target)
{
	sgh_amqp_urls_free(target->url, 1);
	free(target->ca_file);
	free(target->name);
}

static void dial_unref(struct sgh_amqp_dial *dial)
{
	if (__atomic_sub_fetch(&dial->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (dial->s.line.state)
		amqp_destroy_connection(dial->s.line.state);
	if (dial->wake >= 0)
		close(dial->wake);
	pthread_mutex_destroy(&dial->s.lock);
	sgh_amqp_target_fini(&dial->target);
	free(dial);
}

static void *run(void *arg)
{
	struct sgh_amqp_dial *dial = arg;
	struct sgh_amqp_line line = { .fd = -1 };
	struct sangraha_error err = { 0 };
	int rc = sgh_amqp_connect(&dial->target, &line, sgh_now_ms() + CONNECT_MS, &err);

	if (!rc)
		rc = sgh_amqp_login(&dial->target, &line, &err);
	if (rc && line.state)
		amqp_destroy_connection(sgh_take(line.state));
	pthread_mutex_lock(&dial->s.lock);
	dial->s.status = rc;
	if (!dial->s.unwanted)
		dial->s.line = line;
	else if (line.state)
		amqp_destroy_connection(sgh_take(line.state));
	dial->s.error = err;
	dial->s.ended = true;
	pthread_mutex_unlock(&dial->s.lock);
	sgh_wake(dial->wake);
	dial_unref(dial);
	return NULL;
}

int sgh_amqp_dial(struct sgh_amqp_target *target, int wake, struct sgh_amqp_dial **ret,
		  struct sangraha_error *err)
{
	struct sgh_amqp_dial *dial = calloc(1, sizeof(*dial));
	pthread_t thread;
	int rc = 0;

	if (!dial) {
		sgh_amqp_target_fini(target);
		return sgh_fail_memory(err);
	}
	dial->target = *target;
	dial->refs = 2;
	pthread_mutex_init(&dial->s.lock, NULL);
	dial->wake = fcntl(wake, F_DUPFD_CLOEXEC, 3);
	if (dial->wake < 0)
		rc = sgh_fail_errno(err, errno, "eventfd");
	if (!rc)
		rc = sgh_thread_start(&thread, "sgh-dial", run, dial, err);
	if (rc) {
		dial->refs = 1;
		dial_unref(dial);
		return rc;
	}
	pthread_detach(thread);
	*ret = dial;
	return 0;
}

bool sgh_amqp_dial_ended(struct sgh_amqp_dial *dial)
{
	bool ended;

	pthread_mutex_lock(&dial->s.lock);
	ended = dial->s.ended;
	pthread_mutex_unlock(&dial->s.lock);
	return ended;
}

bool sgh_amqp_dial_hang_up(struct sgh_amqp_dial *dial)
{
	bool ended;

	pthread_mutex_lock(&dial->s.lock);
	ended = dial->s.ended;
	dial->s.unwanted = true;
	pthread_mutex_unlock(&dial->s.lock);
	return ended;
}

bool sgh_amqp_dial_unwanted(struct sgh_amqp_dial *dial)
{
	bool unwanted;

	pthread_mutex_lock(&dial->s.lock);
	unwanted = dial->s.unwanted;
	pthread_mutex_unlock(&dial->s.lock);
	return unwanted;
}

int sgh_amqp_dial_take(struct sgh_amqp_dial *dial, struct sgh_amqp_line *ret,
		       struct sangraha_error *err)
{
	int rc;

	pthread_mutex_lock(&dial->s.lock);
	rc = dial->s.status;
	if (rc) {
		sgh_fail_with(err, rc, &dial->s.error);
	} else {
		*ret = dial->s.line;
		dial->s.line.state = NULL;
	}
	pthread_mutex_unlock(&dial->s.lock);
	return rc;
}

void sgh_amqp_dial_free(struct sgh_amqp_dial *dial)
{
	if (dial)
		dial_unref(dial);
}

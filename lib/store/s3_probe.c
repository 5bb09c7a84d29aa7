/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"

/*
 * Some servers take If-None-Match and overwrite all the same. So the first conditional
 * write starts a probe: a key that nobody else uses is written twice under the condition,
 * and the second time must be refused. Until that is known, and for good when it is not
 * refused, the back end asks for the key before it writes.
 */

#define PROBE_TIMEOUT_MS 10000
#define PROBE_AGAIN_MS   10000

struct probe {
	struct sgh_store_op op;
	struct sgh_s3 *s3;
	char key[64];
	bool written; /* once already */
};

static void settle(struct sgh_s3 *s3, enum sgh_s3_conditions conditions)
{
	pthread_mutex_lock(&s3->state.lock);
	s3->state.conditions = conditions;
	s3->state.probe_ms = sgh_now_ms() + PROBE_AGAIN_MS;
	pthread_mutex_unlock(&s3->state.lock);
	if (conditions == SGH_S3_IGNORED)
		sgh_log(s3->store.context, SANGRAHA_LOG_WARN, "store", "probe",
			"the store ignores If-None-Match; keys are looked up before "
			"they are written, which is not atomic");
}

static void removed(struct sgh_store_op *op)
{
	sgh_store_op_fini(op);
	free(sgh_container_of(op, struct probe, op));
}

static void submit(struct probe *probe, enum sgh_store_verb verb,
		   void (*done)(struct sgh_store_op *op))
{
	struct sangraha_error err;
	int rc;

	sgh_store_op_fini(&probe->op);
	probe->op = (struct sgh_store_op){
		.verb = verb,
		.bucket = "meta",
		.key = probe->key,
		.if_none_match = true,
		.deadline_ms = sgh_now_ms() + PROBE_TIMEOUT_MS,
		.done = done,
	};
	/* Once it is sent, another thread may be done with it at any time. */
	rc = sgh_s3_submit_internal(probe->s3, &probe->op, NULL, &err);
	if (rc) {
		probe->op.status = rc;
		done(&probe->op);
	}
}

static void written(struct sgh_store_op *op)
{
	struct probe *probe = sgh_container_of(op, struct probe, op);
	struct sgh_s3 *s3 = probe->s3;

	if (!op->status && !probe->written) {
		probe->written = true;
		submit(probe, SGH_STORE_PUT, written);
		return;
	}
	if (!op->status)
		settle(s3, SGH_S3_IGNORED);
	else if (probe->written && op->status == SANGRAHA_E_PRECONDITION)
		settle(s3, SGH_S3_HONOURED);
	else
		settle(s3, SGH_S3_UNKNOWN);
	if (probe->written)
		submit(probe, SGH_STORE_DELETE, removed);
	else
		removed(op);
}

static void begin(struct sgh_s3 *s3)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	char id[SANGRAHA_ID_SIZE];

	if (!probe) {
		settle(s3, SGH_S3_UNKNOWN);
		return;
	}
	probe->s3 = s3;
	sgh_id_random(id);
	snprintf(probe->key, sizeof(probe->key), "probe/%s", id);
	submit(probe, SGH_STORE_PUT, written);
}

bool sgh_s3_must_ask(struct sgh_s3 *s3)
{
	enum sgh_s3_conditions conditions;
	bool probe;

	pthread_mutex_lock(&s3->state.lock);
	conditions = s3->state.conditions;
	probe = conditions == SGH_S3_UNKNOWN && sgh_now_ms() >= s3->state.probe_ms;
	if (probe)
		s3->state.conditions = SGH_S3_PROBING;
	pthread_mutex_unlock(&s3->state.lock);
	if (probe)
		begin(s3);
	return conditions != SGH_S3_HONOURED;
}

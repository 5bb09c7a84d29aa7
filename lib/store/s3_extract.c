/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "wire/sha256.h"
#include "wire/tar.h"

/*
 * MinIO takes an archive apart into single objects ("Snowball" in its documents); most
 * servers do not know that, and it is nowhere said who does. So the first put that could
 * travel with others has each gateway tried: an archive of two members, which nobody else
 * uses, must become two objects with the metadata that it gives them. Until that is known
 * everything travels alone. Who did not do it may be another server by and by, and is
 * tried again, less and less often.
 */

#define TRIAL_TIMEOUT_MS 10000
#define AGAIN_FIRST_MS   10000
#define AGAIN_MOST_MS    (3600 * 1000)
#define MEMBERS          2

#define TRIAL_TYPE  "application/x-sangraha-probe"
#define TRIAL_VALUE "M%C3%BC  1+1=2"

struct trial {
	struct sgh_store_op op;
	struct sgh_s3 *s3;
	struct sgh_s3_endpoint *endpoint;
	char keys[MEMBERS + 1][64]; /* the members', and the archive's own */
	unsigned at;
	struct sgh_bytes *archive;
	char sha256[SANGRAHA_SHA256_SIZE];
};

/* Also of one that does it only sometimes the trials become fewer. */
static void wait_locked(struct sgh_s3_endpoint *endpoint)
{
	int64_t wait = endpoint->extract_wait_ms * 2;

	wait = wait < AGAIN_FIRST_MS ? AGAIN_FIRST_MS : wait;
	endpoint->extract_wait_ms = wait < AGAIN_MOST_MS ? wait : AGAIN_MOST_MS;
	endpoint->extract_ms = sgh_now_ms() + endpoint->extract_wait_ms;
}

static void settle(struct trial *trial, bool works)
{
	struct sgh_s3 *s3 = trial->s3;
	struct sgh_s3_endpoint *endpoint = trial->endpoint;

	pthread_mutex_lock(&s3->state.lock);
	if (!works)
		wait_locked(endpoint);
	__atomic_store_n(&endpoint->extracts,
			 works ? SGH_S3_EXTRACT_WORKS : SGH_S3_EXTRACT_UNKNOWN,
			 __ATOMIC_RELAXED);
	pthread_mutex_unlock(&s3->state.lock);
	if (works)
		sgh_log(s3->store.context, SANGRAHA_LOG_INFO, "store", "pack",
			"%s takes many small objects in one request", endpoint->host);
}

static void ask(struct trial *trial, enum sgh_store_verb verb,
		void (*done)(struct sgh_store_op *op))
{
	int rc;

	sgh_store_op_fini(&trial->op);
	trial->op = (struct sgh_store_op){
		.verb = verb,
		.bucket = "meta",
		.key = trial->keys[trial->at],
		.avoid = ~(UINT32_C(1) << trial->endpoint->number),
		.deadline_ms = sgh_now_ms() + TRIAL_TIMEOUT_MS,
		.done = done,
	};
	if (verb == SGH_STORE_PUT) {
		trial->op.tar = true;
		trial->op.body = trial->archive;
		trial->op.sha256 = trial->sha256;
		trial->op.content_type = SGH_S3_TAR_TYPE;
		trial->op.meta = &sgh_s3_tar_meta;
		trial->op.meta_count = 1;
	}
	/* Once it is sent, another thread may be done with it at any time. */
	rc = sgh_s3_submit_internal(trial->s3, &trial->op, NULL, &trial->op.err);
	if (rc) {
		trial->op.status = rc;
		done(&trial->op);
	}
}

static void trial_free(struct trial *trial)
{
	if (!trial)
		return;
	sgh_store_op_fini(&trial->op);
	sgh_bytes_unref(trial->archive);
	free(trial);
}

/* Whatever there is of it, all goes; what cannot be removed is found by who reconciles. */
static void removed(struct sgh_store_op *op)
{
	struct trial *trial = sgh_container_of(op, struct trial, op);

	if (++trial->at <= MEMBERS)
		ask(trial, SGH_STORE_DELETE, removed);
	else
		trial_free(trial);
}

static void end(struct trial *trial, bool works)
{
	settle(trial, works);
	trial->at = 0;
	ask(trial, SGH_STORE_DELETE, removed);
}

static bool is_as_wanted(const struct sgh_store_op *op)
{
	const struct sgh_store_head *head = &op->head;

	return !op->status && head->size == 0 && head->meta_count == 1 &&
	       sgh_streq(head->content_type, TRIAL_TYPE) &&
	       sgh_streq(head->meta[0].name, "sangraha-probe") &&
	       sgh_streq(head->meta[0].value, TRIAL_VALUE);
}

static void seen(struct sgh_store_op *op)
{
	struct trial *trial = sgh_container_of(op, struct trial, op);

	if (!is_as_wanted(op))
		end(trial, false);
	else if (++trial->at == MEMBERS)
		end(trial, true);
	else
		ask(trial, SGH_STORE_HEAD, seen);
}

static void written(struct sgh_store_op *op)
{
	struct trial *trial = sgh_container_of(op, struct trial, op);

	if (op->status) {
		end(trial, false);
		return;
	}
	trial->at = 0;
	ask(trial, SGH_STORE_HEAD, seen);
}

static bool make_archive(struct trial *trial)
{
	static const struct sgh_tar_record records[] = {
		{ SGH_S3_TAR_SPACE, "Content-Type", TRIAL_TYPE },
		{ SGH_S3_TAR_SPACE, "x-amz-meta-sangraha-probe", TRIAL_VALUE },
	};
	struct sgh_tar_member member = {
		.name = trial->keys[0],
		.records = records,
		.record_count = SGH_COUNT(records),
	};
	size_t size = sgh_tar_size(&member);
	unsigned char *at;

	trial->archive = sgh_bytes_new(NULL, MEMBERS * size);
	if (!trial->archive)
		return false;
	at = trial->archive->data;
	for (unsigned i = 0; i < MEMBERS; i++) {
		member.name = trial->keys[i];
		at = sgh_tar_write(&member, at);
	}
	trial->archive->length = (size_t)(at - trial->archive->data);
	return !sgh_sha256_hex(trial->archive->data, trial->archive->length,
			       trial->sha256, NULL);
}

static void begin(struct sgh_s3 *s3, struct sgh_s3_endpoint *endpoint)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	struct trial nothing = { .s3 = s3, .endpoint = endpoint };
	char id[SANGRAHA_ID_SIZE];

	if (trial) {
		*trial = nothing;
		for (unsigned i = 0; i < SGH_COUNT(trial->keys); i++) {
			sgh_id_random(id);
			snprintf(trial->keys[i], sizeof(trial->keys[i]), "probe/%s", id);
		}
	}
	if (!trial || !make_archive(trial)) {
		settle(&nothing, false);
		trial_free(trial);
		return;
	}
	trial->at = MEMBERS;
	ask(trial, SGH_STORE_PUT, written);
}

/* Whether it is this caller who tries it. */
static bool is_due(struct sgh_s3 *s3, struct sgh_s3_endpoint *endpoint)
{
	bool due;

	pthread_mutex_lock(&s3->state.lock);
	due = endpoint->extracts == SGH_S3_EXTRACT_UNKNOWN &&
	      sgh_now_ms() >= endpoint->extract_ms;
	if (due)
		__atomic_store_n(&endpoint->extracts, SGH_S3_EXTRACT_TRYING,
				 __ATOMIC_RELAXED);
	pthread_mutex_unlock(&s3->state.lock);
	return due;
}

uint32_t sgh_s3_not_extracting(struct sgh_s3 *s3)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < s3->gateways.count; i++) {
		struct sgh_s3_endpoint *endpoint = &s3->gateways.endpoints[i];

		if (__atomic_load_n(&endpoint->extracts, __ATOMIC_RELAXED) ==
		    SGH_S3_EXTRACT_WORKS)
			continue;
		mask |= UINT32_C(1) << endpoint->number;
		if (is_due(s3, endpoint))
			begin(s3, endpoint);
	}
	return mask;
}

void sgh_s3_extract_refused(struct sgh_s3 *s3)
{
	pthread_mutex_lock(&s3->state.lock);
	for (unsigned i = 0; i < s3->gateways.count; i++) {
		struct sgh_s3_endpoint *endpoint = &s3->gateways.endpoints[i];

		if (endpoint->extracts != SGH_S3_EXTRACT_WORKS)
			continue;
		wait_locked(endpoint);
		__atomic_store_n(&endpoint->extracts, SGH_S3_EXTRACT_UNKNOWN,
				 __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&s3->state.lock);
}

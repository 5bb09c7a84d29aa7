/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include <stdio.h>

#include "base/error.h"
#include "base/failpoint.h"
#include "wire/sha256.h"

/* What the mover needs of a folder: handles, and bodies that come in pieces. */

static struct sgh_file_engine *engine_of(struct sgh_local *local)
{
	return sgh_container_of(local, struct sgh_file_engine, local);
}

static struct sgh_file_taken *taken_of(struct sgh_local_body *body)
{
	return sgh_container_of(body, struct sgh_file_taken, body);
}

static int local_open(struct sgh_local *local, struct sangraha_store **ret,
		      struct sangraha_error *err)
{
	struct sangraha_store_options options = {
		.size = sizeof(options),
		.bucket_prefix = "",
	};
	struct sgh_file_engine *engine = engine_of(local);

	return sgh_file_new(engine->context, engine, &options, ret, err);
}

static void local_put(struct sgh_local *local)
{
	sgh_file_engine_put(engine_of(local));
}

/* ---- a body in pieces ---- */

static void taken_free(struct sgh_file_taken *taken)
{
	sgh_sha256_free(taken->hash);
	free(taken);
}

static int body_new(struct sgh_local *local, uint64_t length, struct sgh_local_body **ret,
		    struct sangraha_error *err)
{
	struct sgh_file_taken *taken = calloc(1, sizeof(*taken));
	int rc;

	if (!taken)
		return sgh_fail_memory(err);
	rc = sgh_sha256_new(&taken->hash, err);
	if (rc) {
		taken_free(taken);
		return rc;
	}
	taken->body.local = local;
	taken->engine = engine_of(local);
	taken->length = length;
	taken->file = SGH_FILE_BODY_NONE;
	sgh_file_number_take(&taken->engine->bodies, &taken->file.number);
	*ret = &taken->body;
	return 0;
}

static void append(struct sgh_job *job)
{
	struct sgh_file_taken *taken = sgh_container_of(job, struct sgh_file_taken, job);
	struct sgh_file_bodies *bodies = &taken->engine->bodies;
	struct sangraha_error err = { 0 };
	int rc = 0;

	if (taken->file.fd < 0)
		rc = sgh_file_body_create(bodies, &taken->file, &err);
	if (!rc)
		rc = sgh_file_body_append(bodies, &taken->file, taken->data,
					  taken->data_length, &err);
	if (!rc)
		rc = sgh_sha256_update(taken->hash, taken->data, taken->data_length,
				       &err);
	SGH_FAIL_POINT("file.piece-written");
	taken->body.appended(&taken->body, rc, &err);
}

static void body_append(struct sgh_local_body *body, const void *data, size_t length)
{
	struct sgh_file_taken *taken = taken_of(body);

	taken->data = data;
	taken->data_length = length;
	taken->job.run = append;
	sgh_pool_submit(taken->engine->writers, &taken->job);
}

static void drop(struct sgh_job *job)
{
	struct sgh_file_taken *taken = sgh_container_of(job, struct sgh_file_taken, job);
	struct sgh_file_bodies *bodies = &taken->engine->bodies;
	uint64_t value = taken->file.number.value;
	size_t count = 1;

	sgh_file_body_close(&taken->file);
	if (sgh_file_bodies_remove(bodies, &value, &count, NULL))
		sgh_file_number_stick(bodies, &taken->file.number);
	else
		sgh_file_number_settle(bodies, &taken->file.number);
	taken_free(taken);
}

static void body_free(struct sgh_local_body *body)
{
	struct sgh_file_taken *taken = taken_of(body);

	taken->job.run = drop;
	sgh_pool_submit(taken->engine->writers, &taken->job);
}

int sgh_file_take_over(struct sgh_file_op *self, struct sangraha_error *err)
{
	struct sgh_file_taken *taken = sgh_take(self->taken);
	unsigned char digest[32];
	int rc;

	sgh_file_body_move(&self->file->engine->bodies, &self->body_file, &taken->file);
	self->in_file = true;
	rc = sgh_sha256_final(taken->hash, digest, err);
	if (!rc)
		sgh_hex(digest, sizeof(digest), self->digest);
	if (!rc && self->body_file.size != taken->length)
		rc = sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
			      "the body has %llu bytes instead of %llu",
			      (unsigned long long)self->body_file.size,
			      (unsigned long long)taken->length);
	taken_free(taken);
	return rc;
}

const struct sgh_local_ops sgh_file_local = {
	.open = local_open,
	.put = local_put,
	.body_new = body_new,
	.body_append = body_append,
	.body_free = body_free,
};

/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TARGET_H
#define BENCH_TARGET_H

#include "base/buf.h"
#include "wire/sigv4.h"

#include "answer.h"
#include "body.h"
#include "endpoint.h"
#include "stored.h"

/* What is measured: the REST interface, or a store that speaks S3. */
struct target {
	const struct target_kind *kind;
	struct endpoint endpoint;
	const char *bucket; /* S3 alone, and what follows */
	struct sgh_sigv4_scope scope;
	struct sgh_sigv4_key key;
	struct sgh_sigv4_work work;
};

/*
 * How to speak to it. Requests are appended to `request`, without their bodies. A `check`
 * tells whether the answer is the one that was hoped for; `text` is the beginning of its
 * body, a string.
 */
struct target_kind {
	const char *name;
	/* Names the object when the requester does that. */
	int (*put)(struct target *target, const struct body *body, struct stored *object,
		   struct sgh_buf *request);
	/* Takes over the object's id when the target names it. */
	int (*check_put)(const struct body *body, const struct answer *answer,
			 const char *text, struct stored *object);
	int (*get)(struct target *target, const struct body *body,
		   const struct stored *object, struct sgh_buf *request);
};

extern const struct target_kind target_sangraha;
extern const struct target_kind target_s3;

/*
 * See to it that the bucket is there; S3 alone. Waits for the answer. Negative, with a text
 * on standard error, when it was not made.
 */
int target_s3_make_bucket(struct target *target);

void target_fini(struct target *target);

#endif

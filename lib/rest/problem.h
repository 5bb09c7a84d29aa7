/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_PROBLEM_H
#define SGH_REST_PROBLEM_H

#include <stdint.h>

#include <sangraha/client.h>
#include <sangraha/object.h>

#include "base/buf.h"

/*
 * Why a request was not done (RFC 9457), and the headers that go with it. Zero is "no
 * problem"; the first one that is set stays.
 */
struct sgh_problem {
	unsigned http; /* the status of the answer; 0: there is no problem */
	int status;    /* enum sangraha_status */
	char detail[400];
	char declared[128]; /* of a refusal; "" where not known */
	char detected[128];
	char rule[64];
	int64_t offset; /* meaningful with `has_offset` */
	bool has_offset;
	char operation[SANGRAHA_ID_SIZE]; /* a write that may still be done; "" */
	const char *allow;                /* of a 405, static */
	char content_range[48];           /* of a 416; "" */
};

/* The HTTP status of a status. */
unsigned sgh_problem_http(int status);

/* Set; returns `status`. The detail is a sentence without a full stop. */
int sgh_problem_set(struct sgh_problem *problem, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with an HTTP status of its own. */
int sgh_problem_set_http(struct sgh_problem *problem, unsigned http, int status,
			 const char *format, ...) __attribute__((format(printf, 4, 5)));
/*
 * From a failed call, and from an answer with its rule and offset. What a veto or a
 * program's own check said stays as it is.
 */
int sgh_problem_set_error(struct sgh_problem *problem, int status,
			  const struct sangraha_error *err);
/* What a validator said; NULL: nothing. To be followed by one of the others. */
void sgh_problem_set_verdict(struct sgh_problem *problem,
			     const struct sangraha_verdict *verdict);
int sgh_problem_set_result(struct sgh_problem *problem,
			   const struct sangraha_result *result);

/* One JSON object; a `correlation_id` of "" is left out. */
void sgh_problem_write(const struct sgh_problem *problem, const char *correlation_id,
		       struct sgh_buf *buf);

#endif

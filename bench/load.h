/* SPDX-License-Identifier: MIT */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "body.h"
#include "histogram.h"
#include "stored.h"
#include "target.h"

struct load_options {
	const char *operation; /* put, get or mixed */
	unsigned reads;        /* of 100 operations */
	unsigned connections;
	uint64_t count;      /* operations; 0: as many as there is time for */
	uint64_t seconds_ns; /* 0: as long as it takes */
	uint64_t warm_up_ns; /* before, and not counted */
	uint64_t timeout_ns; /* of each operation */
	bool follows;        /* redirections */
};

/* What was measured. */
struct load_result {
	uint64_t operations; /* that were answered as they should be */
	uint64_t
		all_operations; /* the same with those before and after the measured time */
	uint64_t errors;
	char first_error[512]; /* "" without any */
	double seconds;
	double cpu_seconds; /* of this process */
	struct histogram latency;
};

/*
 * Put and get objects like `body`, each connection one after another. What is put is added
 * to `stored`, and what is got is taken from there, in turns. Negative, with a text on
 * standard error, when that cannot be begun; what is wrong with a single operation is in
 * the result.
 */
int load_run(const struct load_options *options, struct target *target,
	     const struct body *body, struct stored_list *stored,
	     struct load_result *result);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

/* Times in nanoseconds, each told to within 3 %: 32 steps for each power of two. */
#define HISTOGRAM_STEP_BITS 5
#define HISTOGRAM_STEPS     (1u << HISTOGRAM_STEP_BITS)

struct histogram {
	uint64_t counts[64][HISTOGRAM_STEPS];
	uint64_t total;
	uint64_t max;
	double sum;
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The time that `share` (0 to 1) of them do not exceed; 0 when there is none. */
uint64_t histogram_at(const struct histogram *histogram, double share);

#endif

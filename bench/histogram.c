/* SPDX-License-Identifier: MIT */
#include "histogram.h"

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	unsigned power = 0;
	uint64_t step = ns;

	/* What is below the first power of two with all its steps is counted exactly. */
	if (ns >= HISTOGRAM_STEPS) {
		power = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_STEP_BITS + 1;
		step = (ns >> (power - 1)) - HISTOGRAM_STEPS;
	}
	histogram->counts[power][step]++;
	histogram->total++;
	histogram->sum += (double)ns;
	if (ns > histogram->max)
		histogram->max = ns;
}

/* The largest time that counts as this one. */
static uint64_t upper_end(unsigned power, unsigned step)
{
	if (power == 0)
		return step;
	return ((uint64_t)(HISTOGRAM_STEPS + step + 1) << (power - 1)) - 1;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)histogram->total);
	uint64_t seen = 0;

	for (unsigned power = 0; power < 64; power++) {
		for (unsigned step = 0; step < HISTOGRAM_STEPS; step++) {
			seen += histogram->counts[power][step];
			if (histogram->counts[power][step] > 0 && seen > wanted) {
				uint64_t end = upper_end(power, step);

				return end < histogram->max ? end : histogram->max;
			}
		}
	}
	return histogram->max;
}

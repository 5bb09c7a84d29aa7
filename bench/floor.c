/* SPDX-License-Identifier: MIT */
#include "floor.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct run {
	const struct floor *floor;
	int writes;
	uint64_t count; /* that were there before */
	uint64_t until;
	uint64_t next; /* atomic: the next number, or the next read */
	uint64_t errors;
	uint64_t done;
};

struct worker {
	struct run *run;
	unsigned index;
	pthread_t thread;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fill(char data[FLOOR_SIZE], uint64_t number)
{
	memset(data, 'x', FLOOR_SIZE);
	memcpy(data, &number, sizeof(number));
}

static int put(const struct worker *worker, uint64_t number)
{
	char data[FLOOR_SIZE];

	fill(data, number);
	return worker->run->floor->put(worker->index, number, data);
}

static int get(const struct worker *worker, uint64_t turn)
{
	/* A prime, so that all are read in an order that nobody expects. */
	uint64_t number = turn * UINT64_C(2654435761) % worker->run->count;
	char expected[FLOOR_SIZE];
	char data[FLOOR_SIZE];

	fill(expected, number);
	return worker->run->floor->get(worker->index, number, data) &&
	       memcmp(data, expected, FLOOR_SIZE) == 0;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct run *run = worker->run;

	while (now_ns() < run->until) {
		uint64_t number = __atomic_fetch_add(&run->next, 1, __ATOMIC_RELAXED);
		int well = run->writes ? put(worker, number) : get(worker, number);

		__atomic_fetch_add(well ? &run->done : &run->errors, 1, __ATOMIC_RELAXED);
		if (!well)
			break;
	}
	return NULL;
}

/* 0 when threads cannot be had. */
static int measure(struct run *run, unsigned threads)
{
	struct worker workers[FLOOR_THREADS];
	unsigned begun = 0;

	for (; begun < threads; begun++) {
		workers[begun] = (struct worker){ .run = run, .index = begun };
		errno = pthread_create(&workers[begun].thread, NULL, work,
				       &workers[begun]);
		if (errno) {
			perror("pthread_create");
			break;
		}
	}
	for (unsigned i = 0; i < begun; i++)
		pthread_join(workers[i].thread, NULL);
	return begun == threads;
}

int floor_main(int argc, char **argv, const struct floor *floor)
{
	struct run run = { .floor = floor };
	unsigned threads = argc == 5 ? (unsigned)atoi(argv[2]) : 0;
	double seconds = argc == 5 ? atof(argv[3]) : 0;
	uint64_t began;

	run.writes = argc == 5 && strcmp(argv[4], "put") == 0;
	if (threads == 0 || threads > FLOOR_THREADS || seconds <= 0 ||
	    (!run.writes && strcmp(argv[4], "get") != 0)) {
		fprintf(stderr, "usage: bench-%s FOLDER THREADS SECONDS put|get\n",
			floor->name);
		return EXIT_FAILURE;
	}
	if (!floor->open(argv[1], threads, &run.count))
		return EXIT_FAILURE;
	if (!run.writes && run.count == 0) {
		fprintf(stderr, "nothing was put into %s yet\n", argv[1]);
		return EXIT_FAILURE;
	}
	run.next = run.writes ? run.count : 0;
	began = now_ns();
	run.until = began + (uint64_t)(seconds * 1e9);
	if (!measure(&run, threads))
		run.errors++;
	seconds = (double)(now_ns() - began) / 1e9;
	floor->close();
	printf("{\"target\":\"%s\",\"operation\":\"%s\",\"threads\":%u,\"size\":%d,"
	       "\"operations\":%" PRIu64 ",\"errors\":%" PRIu64
	       ",\"seconds\":%.4f,\"per_second\":%.2f}\n",
	       floor->name, argv[4], threads, FLOOR_SIZE, run.done, run.errors, seconds,
	       (double)run.done / seconds);
	return run.errors ? EXIT_FAILURE : EXIT_SUCCESS;
}

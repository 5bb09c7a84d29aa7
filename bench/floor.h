/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stddef.h>
#include <stdint.h>

#define FLOOR_SIZE    4096 /* bytes of each object */
#define FLOOR_THREADS 64   /* at most */

/*
 * A plain way to keep objects of FLOOR_SIZE bytes, numbered from 0 on, in a folder: what is
 * to be had without a service around it. Functions answer 0 when they failed, having said
 * why on standard error; `thread` is less than the number of threads, each with its own.
 */
struct floor {
	const char *name;
	/* *ret_count: how many are there already. */
	int (*open)(const char *folder, unsigned threads, uint64_t *ret_count);
	/* On disk, and sure to be found again, when it returns. */
	int (*put)(unsigned thread, uint64_t number, const char data[FLOOR_SIZE]);
	int (*get)(unsigned thread, uint64_t number, char data[FLOOR_SIZE]);
	void (*close)(void);
};

/* The main() of a program that measures one. */
int floor_main(int argc, char **argv, const struct floor *floor);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef FAKE_PARTS_H
#define FAKE_PARTS_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/util.h"
#include "support/fake_client.h"

/* What the files of the fake know of each other. */

/* One request on its way. */
struct fake_call {
	struct sgh_list link;
	sangraha_done_fn *done;
	void *arg;
	char id[64];
	/* No request, but what else the fake's thread is to do; with the lock held, so that
	 * it cannot be freed meanwhile. NULL: a request. */
	void (*instead)(struct fake_call *call);
	int refused; /* what an upload was refused with, unless the answer says more */
};

struct sangraha_client {
	pthread_t thread;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		bool stop;
		bool hold;
		bool cached;
		struct sgh_list calls;
		struct sangraha_health health;
		struct fake_answer answer;
		struct fake_seen seen;
		size_t in_flight;
		size_t requests;
		size_t uploads;
		struct sgh_list downloads;
		size_t brought;
		int broken; /* the status of what was not brought; 0: it is still to come */
		uint64_t part_offset;
		uint64_t part_length;
		size_t pause_after;
		size_t refuse_after; /* 0: nothing is refused */
		bool meta_first;
		int refusal;
		size_t cancelled;
		bool moves;
		size_t inline_limit;
	} state;
};

struct sangraha_result {
	struct fake_answer answer;
	struct sangraha_error error;
	struct sangraha_object *object;
	char *data;
	char id[64];
};

/* A setting, changed under the lock. */
#define FAKE_LOCKED(fake, statement)                            \
	do {                                                    \
		pthread_mutex_lock(&(fake)->state.lock);        \
		statement;                                      \
		pthread_cond_broadcast(&(fake)->state.changed); \
		pthread_mutex_unlock(&(fake)->state.lock);      \
	} while (0)

#define FAKE_KEEP(field, text) \
	snprintf((field), sizeof(field), "%s", (text) ? (text) : "")

/* Answer as the fake is told to; with its lock held, as for all that end so. */
struct sangraha_result *fake_result_locked(struct sangraha_client *fake,
					   const struct fake_call *call);
int fake_submit_locked(struct sangraha_client *fake, const char *id,
		       sangraha_done_fn *done, void *arg, struct sangraha_error *err);
/* What was submitted last. */
struct fake_call *fake_last_locked(struct sangraha_client *fake);

#endif

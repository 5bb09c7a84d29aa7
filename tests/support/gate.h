/* SPDX-License-Identifier: MIT */
#ifndef T_GATE_H
#define T_GATE_H

#include <pthread.h>
#include <stdbool.h>

/* Where threads of the library wait, in a callback of the test's, until they are let go. */
struct t_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int waiting;
	bool open;
};

#define T_GATE_INIT                                                                     \
	{                                                                               \
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, \
	}

/* Wait until it is open. */
void t_gate_pass(struct t_gate *gate);
/* How many wait. */
int t_gate_waiting(struct t_gate *gate);
void t_gate_open(struct t_gate *gate);

#endif

/* SPDX-License-Identifier: MIT */
#include "support/gate.h"

void t_gate_pass(struct t_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->waiting++;
	while (!gate->open)
		pthread_cond_wait(&gate->changed, &gate->lock);
	gate->waiting--;
	pthread_mutex_unlock(&gate->lock);
}

int t_gate_waiting(struct t_gate *gate)
{
	int waiting;

	pthread_mutex_lock(&gate->lock);
	waiting = gate->waiting;
	pthread_mutex_unlock(&gate->lock);
	return waiting;
}

void t_gate_open(struct t_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->open = true;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_HEALTH_H
#define SGH_DAEMONS_HEALTH_H

#include "program.h"

/*
 * The listener of health and metrics that receiver and getter have. health.c is it;
 * health_none.c stands in where the HTTP library is not built.
 */
struct sangraha_rest;

/* *ret is NULL when `health-listen` is off. */
int sgh_health_start(struct sgh_program *program,
		     void (*health)(void *arg, struct sangraha_health *health), void *arg,
		     struct sangraha_rest **ret, struct sangraha_error *err);
void sgh_health_stop(struct sangraha_rest *rest);

#endif

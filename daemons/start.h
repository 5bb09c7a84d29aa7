/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_START_H
#define SGH_DAEMONS_START_H

#include <sangraha/client.h>
#include <sangraha/getter.h>
#include <sangraha/receiver.h>
#include <sangraha/rest.h>

#include "program.h"

/* The roles as a program's configuration wants them, for programs of one and of all. */
int sgh_start_receiver(const struct sgh_program *program, struct sangraha_store *store,
		       struct sangraha_receiver **ret, struct sangraha_error *err);
int sgh_start_getter(const struct sgh_program *program, struct sangraha_store *store,
		     struct sangraha_getter **ret, struct sangraha_error *err);
int sgh_start_client(const struct sgh_program *program, struct sangraha_client **ret,
		     struct sangraha_error *err);

/* The HTTP interface over `client`; `health`, which may be NULL, corrects what it says. */
int sgh_start_rest(const struct sgh_program *program, struct sangraha_client *client,
		   void (*health)(void *arg, struct sangraha_health *health), void *arg,
		   struct sangraha_rest **ret, struct sangraha_error *err);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_POLICY_H
#define SGH_DAEMONS_POLICY_H

#include "program.h"

/*
 * The types with what the settings say is to be refused. Who receives and who asks need the
 * same: a body that is streamed is judged by who sends it. On success *ret is a reference.
 */
int sgh_policy_types(const struct sgh_program *program, struct sangraha_types **ret,
		     struct sangraha_error *err);

#endif

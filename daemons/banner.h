/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_BANNER_H
#define SGH_DAEMONS_BANNER_H

#include "program.h"

/*
 * Tell, on standard output, the address that was bound, where the data is, and a command to
 * try that works as it stands.
 */
void sgh_banner_print(struct sgh_program *program, unsigned port);

#endif

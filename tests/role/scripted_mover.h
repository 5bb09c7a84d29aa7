/* SPDX-License-Identifier: MIT */
#ifndef ROLE_SCRIPTED_MOVER_H
#define ROLE_SCRIPTED_MOVER_H

#include "base/util.h"
#include "store/mover.h"

/*
 * What moves bodies out of the store as a test says, instead of store/mover.c, which the
 * linker finds no need for. There is one script, and one body that all transfers bring.
 */

/* How a transfer goes; those that are not told of bring everything. */
struct scripted_move {
	size_t give;   /* bytes, at most; 0: all */
	int status;    /* and then */
	int submit;    /* it does not even begin */
	bool stall;    /* then nothing more comes */
	bool wrong;    /* the last byte is another one */
	size_t piece;  /* bytes; 0: 16 KiB */
	bool nothing;  /* not even `give` */
	bool for_ever; /* and so do all that follow */
};

/* Begin anew with that body, which is borrowed. */
void scripted_mover_reset(const char *body);
void scripted_mover_go(const struct scripted_move *moves, size_t count);
#define SCRIPT(...)                                                    \
	do {                                                           \
		const struct scripted_move moves_[] = { __VA_ARGS__ }; \
		scripted_mover_go(moves_, SGH_COUNT(moves_));          \
	} while (0)

/* How many transfers have begun, and where each did, for the first sixteen. */
size_t scripted_begun(void);
uint64_t scripted_offset(size_t nth);
/* How many wait to be resumed, and how many bring nothing more. */
size_t scripted_paused(void);
size_t scripted_stalled(void);

#endif

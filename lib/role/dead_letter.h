/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_DEAD_LETTER_H
#define SGH_ROLE_DEAD_LETTER_H

#include <sangraha/admin.h>

#include "queue/queue.h"
#include "wire/protocol.h"

/* One dead letter in hand: what there is to say of it, and the copies made of it. */
struct sgh_dead_letter {
	struct sangraha_dead_letter shown;
	const struct sgh_delivery *delivery;
	struct sgh_request *request; /* all of it, or what could be told; may be NULL */
	char id[SANGRAHA_ID_SIZE];   /* "raw-" and 32 digits are as long as a UUID */
	char obstacle[440];          /* a sentence around that of an error */
};

/*
 * Read what was delivered of the dead letters of `queue`; the delivery and its message must
 * outlive the letter. Anything can be read; fails only without memory. Call
 * sgh_dead_letter_fini() in any case.
 */
int sgh_dead_letter_read(struct sgh_dead_letter *letter, const char *queue,
			 const struct sgh_delivery *delivery, struct sangraha_error *err);
void sgh_dead_letter_fini(struct sgh_dead_letter *letter);

/*
 * The request again, for the queue that it was for, as of now and of somebody who does not
 * wait, to be done in `replay_ms`. Only of a letter without an obstacle.
 */
int sgh_dead_letter_replay(const struct sgh_dead_letter *letter, unsigned replay_ms,
			   struct sgh_message **ret, struct sangraha_error *err);

/* The letter again, for the queue that it lies in, with what only the broker told. */
int sgh_dead_letter_renew(const struct sgh_delivery *delivery, struct sgh_message **ret,
			  struct sangraha_error *err);

#endif

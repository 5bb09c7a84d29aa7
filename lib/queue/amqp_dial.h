/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_DIAL_H
#define SGH_QUEUE_AMQP_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "queue/amqp_library.h"
#include "queue/amqp_url.h"

/*
 * One attempt to get a connection of a broker: resolve, connect, TLS, login. All of that
 * may block, the resolver for as long as it likes, so it happens on a thread of its own
 * that shares nothing with anybody but the attempt.
 */
struct sgh_amqp_dial;

/* Who is dialled, and as whom; all of it copies. */
struct sgh_amqp_target {
	struct sgh_amqp_url *url;
	char *ca_file; /* NULL: the system's */
	char *name;    /* of the connection, for the broker's list of them */
	unsigned heartbeat;
};

void sgh_amqp_target_fini(struct sgh_amqp_target *target);

/* What was reached: logged in, without a channel. */
struct sgh_amqp_line {
	amqp_connection_state_t state;
	int fd; /* of the state's socket */
	bool tls;
	size_t send_buffer; /* bytes */
	size_t frame_max;   /* as negotiated */
	unsigned heartbeat; /* seconds, as negotiated */
};

/*
 * Begin. `target` is taken, also on failure. When the attempt ends, `wake` - an eventfd,
 * duplicated - is written to. On success *ret is yours: sgh_amqp_dial_free().
 */
int sgh_amqp_dial(struct sgh_amqp_target *target, int wake, struct sgh_amqp_dial **ret,
		  struct sangraha_error *err);

/* Whether it has ended. */
bool sgh_amqp_dial_ended(struct sgh_amqp_dial *dial);

/* How it ended: 0 with a line that is yours now, or why there is none. Once. */
int sgh_amqp_dial_take(struct sgh_amqp_dial *dial, struct sgh_amqp_line *ret,
		       struct sangraha_error *err);

/*
 * Its line is not wanted any more: one that is still under way closes what it gets. True
 * when it has ended before.
 */
bool sgh_amqp_dial_hang_up(struct sgh_amqp_dial *dial);
bool sgh_amqp_dial_unwanted(struct sgh_amqp_dial *dial);

/*
 * Ended or not: nobody wants it any more. Never blocks; a thread that is still under way
 * closes what it gets, within 10 s unless the resolver takes longer, and goes.
 */
void sgh_amqp_dial_free(struct sgh_amqp_dial *dial);

/* ---- its steps, on the dial's thread ---- */

/* amqp_connect.c: a socket to the broker in line->state and line->fd, before `until`. */
int sgh_amqp_connect(const struct sgh_amqp_target *target, struct sgh_amqp_line *line,
		     int64_t until, struct sangraha_error *err);
/* amqp_login.c: from a fresh socket to an open connection. */
int sgh_amqp_login(const struct sgh_amqp_target *target, struct sgh_amqp_line *line,
		   struct sangraha_error *err);

#endif

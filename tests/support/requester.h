/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_REQUESTER_H
#define SUPPORT_REQUESTER_H

#include "support/roles.h"

/* A client, and the tests as the receiver: they take its requests and answer them. */

#define T_BODY "{\"a\":1}"
#define T_OWN  SANGRAHA_RESPONSE_QUEUE ".1" /* the client's response queue */

/* Where a result ends up. */
struct t_box {
	int calls; /* atomic */
	struct sangraha_result *result;
};

/* A sangraha_done_fn. */
void t_box_put(void *box, struct sangraha_result *result);
int t_box_calls(struct t_box *box);
void t_box_empty(struct t_box *box);
/* Wait for the result; its status. */
int t_box_ended(struct t_roles *f, struct t_box *box);
/* Put T_BODY; the result goes into the box. */
int t_submit_put(struct t_roles *f, const struct sangraha_put_options *options,
		 struct t_box *box);

/* The next request that was sent. Yours: sgh_request_free(). */
struct sgh_request *t_taken(struct t_roles *f, const char *queue);
/* Takes the reply. */
void t_reply_to(struct t_roles *f, const char *reply_to, struct sgh_reply *reply);
/* Answer a request with success, or a failure. */
void t_answer_to(struct t_roles *f, const struct sgh_request *request, int status);
/* Answer a request with success, in one batch with others. */
void t_answer_together(struct t_roles *f, const struct sgh_request *request);
/* Answer a get with so many bytes. */
void t_answer_bytes(struct t_roles *f, const struct sgh_request *request, size_t size);

#endif

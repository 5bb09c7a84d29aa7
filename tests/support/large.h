/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_LARGE_H
#define SUPPORT_LARGE_H

#include "support/roles.h"
#include "wire/record.h"

/* The requester's side of large objects, step by step: all of them are of type json. */

/* A JSON string of so many bytes; yours. */
struct sgh_bytes *t_large_json(size_t size);

struct t_upload {
	struct t_roles *f;
	char id[SANGRAHA_ID_SIZE];
	struct sgh_bytes *body;
	char sha256[SANGRAHA_SHA256_SIZE];
	bool known;                    /* the length is announced */
	bool fresh;                    /* nobody has seen the id before */
	int64_t created;               /* Unix ms */
	char record[SANGRAHA_ID_SIZE]; /* once it was begun */
	struct sgh_part parts[4];      /* once they were stored */
	char etags[4][64];
	unsigned part_count;
};

/* Of `size` bytes; fresh and of known length. t_upload_fini() ends it. */
void t_upload(struct t_upload *up, struct t_roles *f, const char *id, size_t size);
void t_upload_fini(struct t_upload *up);

/* The request of each step. */
struct sgh_request *t_begins(const struct t_upload *up, enum sgh_ticket_kind transfer);
struct sgh_request *t_extends(const struct t_upload *up, unsigned first_part);
struct sgh_request *t_commits(const struct t_upload *up, enum sgh_ticket_kind transfer);
struct sgh_request *t_aborts(const struct t_upload *up);

/* Begin in parts; takes the answer, with the record that the ticket names. */
void t_open(struct t_upload *up);
/* Store the parts: of 5 MiB, and the rest. */
void t_store_parts(struct t_upload *up);
/* Store the whole, as somebody does who has a ticket for one PUT. */
void t_store_whole(struct t_upload *up, struct sgh_reply *begun);
/* Both: begin by one PUT, and store it. */
void t_put_whole(struct t_upload *up);

/* The record upload/<id>; false when it is not there. Fini it. */
bool t_upload_record(const struct t_upload *up, struct sgh_record *record);
/* Make the upload's time be over. */
void t_expire(const struct t_upload *up);
/* It ends so long from now. */
void t_expire_in(const struct t_upload *up, int64_t ms);

/* The object can be seen with its digest, and nothing else is left; or nothing at all. */
bool t_is_complete(const struct t_upload *up);
bool t_is_nothing(const struct t_upload *up);
/* How many keys of "meta" begin with that. */
unsigned t_records(struct t_roles *f, const char *prefix);

/* Run one operation of the store and wait for it; the status. Fini it. */
int t_op(struct t_roles *f, struct sgh_store_op *op);

#endif

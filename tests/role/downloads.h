/* SPDX-License-Identifier: MIT */
#ifndef ROLE_DOWNLOADS_H
#define ROLE_DOWNLOADS_H

#include "role/download.h"
#include "role/scripted_mover.h"
#include "support/roles.h"

/* A stored object that a scripted mover brings, and who reads it. */

#define SIZE ((size_t)300000)
#define ID   t_id(1)

/* Its bytes. */
extern char *t_body;

/* cmocka's set-up and tear-down: the object behind receiver and getter; no client yet. */
int t_downloads_begin(void **state);
int t_downloads_end(void **state);

/* The client, started when there is none. */
struct sangraha_client *t_client(struct t_roles *f);
/* One that is short of memory. */
struct sangraha_client *t_small_client(struct t_roles *f, size_t limit);
struct sgh_budget *t_budget(struct t_roles *f);
/* How often a getter was asked for the object. */
size_t t_questions(struct t_roles *f);

/* What a call that blocks has brought. */
struct t_reader {
	char *bytes; /* that came */
	size_t length;
	size_t begun;
	int give_up;
};

/* Takes the bytes; `arg` is the reader. */
int t_take(void *arg, const void *data, size_t length);
int t_read_part(struct t_roles *f, struct t_reader *reader, uint64_t offset,
		uint64_t length);
/* That is what came of the object; frees it. */
void t_was_read(struct t_reader *reader, size_t offset, size_t length);
/* So many transfers have begun, and at these bytes. */
void t_began_at(size_t count, const uint64_t *offsets);

/* The answer to a get, without its bytes. */
struct sangraha_result *t_answer_of(struct t_roles *f);
/* A download of the whole; *calls counts how often it is ready. */
struct sangraha_download *t_download_of(struct t_roles *f, size_t *calls);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_DLQ_H
#define SGH_DAEMONS_DLQ_H

#include <stdbool.h>
#include <stdio.h>

#include <sangraha/admin.h>
#include <sangraha/object.h>

#include "admin.h"
#include "cli_output.h"

/* What the commands of `sangraha dlq` share. */

/* The options, in the order in which each command has them; the first three have all. */
enum {
	SGH_DLQ_QUEUE,
	SGH_DLQ_JSON,
	SGH_DLQ_TIMEOUT,
	SGH_DLQ_LIMIT,                /* ls */
	SGH_DLQ_BODY = SGH_DLQ_LIMIT, /* show */
	SGH_DLQ_FORCE,
	SGH_DLQ_ALL = SGH_DLQ_LIMIT,  /* replay, drop */
	SGH_DLQ_WITHIN,               /* replay */
	SGH_DLQ_YES = SGH_DLQ_WITHIN, /* drop */
};

struct sgh_dlq {
	struct sgh_admin admin;
	int code;    /* how the program ends, so far */
	bool headed; /* something was printed: a heading, or a block before the next */
	char **ids;  /* of the letters that are meant */
	size_t id_count;
	bool *found;               /* which of them are there */
	bool all;                  /* every letter is meant */
	int fate;                  /* of those: enum sangraha_dead_letter_fate */
	struct sgh_output *output; /* for a body that was not written yet */
	uint64_t done;
	uint64_t told; /* of what this visit has done */
	bool refused;  /* something was not to be replayed */
	/* What was decided of the letter before; it is done when the next one is shown. */
	char pending[SANGRAHA_ID_SIZE];
	const char *pending_queue;
};

typedef int sgh_dlq_see(void *dlq, const struct sangraha_dead_letter *letter);

/* ---- dlq.c ---- */

uint64_t sgh_dlq_number(const struct sgh_dlq *dlq, int option);
/* Tell what failed, about a letter or nothing in particular, and let it count. */
void sgh_dlq_fail(struct sgh_dlq *dlq, const char *subject,
		  const struct sangraha_error *err);
__attribute__((format(printf, 4, 5))) void sgh_dlq_fail_with(struct sgh_dlq *dlq,
							     const char *subject,
							     int status,
							     const char *format, ...);
/* The queue at place 0 or 1, for which letters were meant; NULL: it is not meant. */
const char *sgh_dlq_queue_at(const struct sgh_dlq *dlq, int i);
/* Look at up to `max` letters of a queue. False after a failure, which was told. */
bool sgh_dlq_visit(struct sgh_dlq *dlq, const char *queue, uint64_t max, sgh_dlq_see *see,
		   struct sangraha_dead_letter_counts *counts);
/* Look at all letters of the queues that are meant, and tell which ids are not there. */
void sgh_dlq_visit_named(struct sgh_dlq *dlq, sgh_dlq_see *see);
bool sgh_dlq_wants(struct sgh_dlq *dlq, const struct sangraha_dead_letter *letter);

/* ---- dlq_show.c, dlq_decide.c: the commands ---- */

void sgh_dlq_list(struct sgh_dlq *dlq);
void sgh_dlq_show(struct sgh_dlq *dlq);
void sgh_dlq_decide(struct sgh_dlq *dlq); /* replay, drop */
/* What is pending is done. */
void sgh_dlq_tell_done(struct sgh_dlq *dlq);

/* ---- dlq_print.c ---- */

/* How dead letters are shown: dlq_print.c. All text that comes from them is cleaned. */

/* "write" or "read". */
const char *sgh_dlq_queue(const struct sangraha_dead_letter *letter);

/* A line of a list: for people, on a terminal of so many columns, or in fields. */
void sgh_dlq_print_heading(FILE *file, unsigned columns);
void sgh_dlq_print_row(FILE *file, const struct sangraha_dead_letter *letter,
		       unsigned columns);
void sgh_dlq_print_fields(FILE *file, const struct sangraha_dead_letter *letter);

/* Everything but its body: a line of JSON, or a line for each thing. */
void sgh_dlq_print_json(FILE *file, const struct sangraha_dead_letter *letter);
void sgh_dlq_print_block(FILE *file, const struct sangraha_dead_letter *letter);

#endif

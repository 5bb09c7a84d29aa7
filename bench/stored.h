/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STORED_H
#define BENCH_STORED_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/object.h>

#include "body.h"

/* An object that was stored, and what tells its bytes. */
struct stored {
	char id[SANGRAHA_ID_SIZE];
	char token[BODY_TOKEN];
};

struct stored_list {
	struct stored *items;
	size_t count;
	size_t room;
};

void stored_add(struct stored_list *list, const struct stored *item);
void stored_fini(struct stored_list *list);

/*
 * Add those of this type and size that the file names, one "type id token size" a line;
 * a file that is not there has none. Negative, with a text on standard error, when it
 * cannot be read.
 */
int stored_load(struct stored_list *list, const char *file, const struct body *body);

/* Append those from `first` on to the file. */
int stored_save(const struct stored_list *list, size_t first, const char *file,
		const struct body *body);

#endif

/* SPDX-License-Identifier: MIT */
#include "stored.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stored_add(struct stored_list *list, const struct stored *item)
{
	if (list->count == list->room) {
		list->room = list->room * 2 + 1024;
		list->items = realloc(list->items, list->room * sizeof(*list->items));
		if (!list->items)
			abort();
	}
	list->items[list->count++] = *item;
}

void stored_fini(struct stored_list *list)
{
	free(list->items);
}

static int failed(const char *file)
{
	fprintf(stderr, "%s: %s\n", file, strerror(errno));
	return -1;
}

int stored_load(struct stored_list *list, const char *file, const struct body *body)
{
	FILE *in = fopen(file, "re");
	char token[BODY_TOKEN + 1];
	struct stored item;
	char type[33];
	uint64_t size;
	int fields;

	if (!in)
		return errno == ENOENT ? 0 : failed(file);
	while ((fields = fscanf(in, "%32s %36s %32s %" SCNu64, type, item.id, token,
				&size)) == 4) {
		if (strcmp(type, body->type) != 0 || size != body->size)
			continue;
		memcpy(item.token, token, BODY_TOKEN);
		stored_add(list, &item);
	}
	fclose(in);
	if (fields == EOF)
		return 0;
	fprintf(stderr, "%s: not a list of what was stored\n", file);
	return -1;
}

int stored_save(const struct stored_list *list, size_t first, const char *file,
		const struct body *body)
{
	FILE *out = fopen(file, "ae");

	if (!out)
		return failed(file);
	for (size_t i = first; i < list->count; i++)
		fprintf(out, "%s %s %.*s %" PRIu64 "\n", body->type, list->items[i].id,
			BODY_TOKEN, list->items[i].token, body->size);
	return fclose(out) ? failed(file) : 0;
}

/* SPDX-License-Identifier: MIT */
#include "rest/conditions.h"

#include <stdio.h>

#include "fuzz/fuzz.h"

/*
 * The conditions of a read and its byte range. Each line of an input is a field, a letter
 * for its name and its value; "s" is the size of the object and "h" means HEAD.
 */

#define ETAG     "\"0123456789abcdef\""
#define MODIFIED 1767323045678 /* Fri, 02 Jan 2026 03:04:05 GMT */

struct read {
	struct sgh_conditions conditions;
	uint64_t size;
	bool head;
	char *texts[16];
	size_t count;
};

static void field(struct read *read, char *line)
{
	const struct {
		char letter;
		const char **place;
	} fields[] = {
		{ 'm', &read->conditions.if_match },
		{ 'n', &read->conditions.if_none_match },
		{ 'c', &read->conditions.if_modified_since },
		{ 'u', &read->conditions.if_unmodified_since },
		{ 'r', &read->conditions.range },
		{ 'i', &read->conditions.if_range },
	};

	if (*line == 's')
		read->size = strtoull(line + 1, NULL, 10);
	read->head |= *line == 'h';
	for (size_t i = 0; i < SGH_COUNT(fields); i++)
		if (*line == fields[i].letter)
			*fields[i].place = line + 1;
}

/* A part lies in the object, and asked for by its numbers it is the same. */
static void check_part(const struct read *read, const struct sgh_part *part)
{
	struct sgh_conditions conditions = { 0 };
	struct sgh_part again = { 0 };
	char range[64];

	fuzz_require(!read->head);
	fuzz_require(read->conditions.range);
	fuzz_require(part->length >= 1);
	fuzz_require(part->first < read->size);
	fuzz_require(part->length <= read->size - part->first);
	snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)part->first,
		 (unsigned long long)(part->first + part->length - 1));
	conditions.range = range;
	fuzz_require(sgh_conditions_check(&conditions, ETAG, MODIFIED, read->size, false,
					  &again) == 206);
	fuzz_require(again.first == part->first && again.length == part->length);
}

static void check(const struct read *read)
{
	struct sgh_part part = { 0 };
	unsigned code = sgh_conditions_check(&read->conditions, ETAG, MODIFIED,
					     read->size, read->head, &part);

	switch (code) {
	case 200:
		return;
	case 206:
		check_part(read, &part);
		return;
	case 304:
		fuzz_require(read->conditions.if_none_match ||
			     read->conditions.if_modified_since);
		return;
	case 412:
		fuzz_require(read->conditions.if_match ||
			     read->conditions.if_unmodified_since);
		return;
	default:
		fuzz_require(code == 416);
		fuzz_require(read->conditions.range && !read->head);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, data + size };
	struct read read = { .size = 1000 };

	while (read.count < SGH_COUNT(read.texts)) {
		char *line = fuzz_line(&input);

		if (!line)
			break;
		read.texts[read.count++] = line;
		field(&read, line);
	}
	check(&read);
	for (size_t i = 0; i < read.count; i++)
		free(read.texts[i]);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include <stdio.h>

#include "wire/filename.h"

struct sangraha_error fuzz_err;

_Noreturn void fuzz_broken(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

void fuzz_succeeded(int status, const struct sangraha_error *err, const char *call,
		    const char *file, int line)
{
	if (status == 0)
		return;
	fprintf(stderr, "%s (%d)\n", err->message, status);
	fuzz_broken(call, file, line);
}

void fuzz_explained(int status, const struct sangraha_error *err)
{
	fuzz_require(status < 0);
	fuzz_require(err->status == status);
	fuzz_require(*err->message);
	fuzz_require(strlen(err->message) < sizeof(err->message));
	fuzz_require(sgh_utf8_valid(err->message, strlen(err->message)));
}

void *fuzz_copy(const void *data, size_t size)
{
	void *copy = malloc(size ? size : 1);

	fuzz_require(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

char *fuzz_text(const void *data, size_t size)
{
	char *text = strndup(size ? data : "", size);

	fuzz_require(text);
	return text;
}

char *fuzz_line(struct fuzz_input *input)
{
	const uint8_t *start = input->at;
	const uint8_t *end;

	if (start == input->end)
		return NULL;
	end = memchr(start, '\n', fuzz_left(input));
	input->at = end ? end + 1 : input->end;
	return fuzz_text(start, (size_t)((end ? end : input->end) - start));
}

bool fuzz_field(const char *line, struct fuzz_field *ret)
{
	const char *colon = strchr(line, ':');
	const char *value;

	if (!colon)
		return false;
	value = colon + 1 + strspn(colon + 1, " \t");
	*ret = (struct fuzz_field){ .name_length = (size_t)(colon - line),
				    .value_length = strlen(value) };
	ret->name = fuzz_copy(line, ret->name_length);
	ret->value = fuzz_copy(value, ret->value_length);
	return true;
}

void fuzz_field_fini(struct fuzz_field *field)
{
	free(field->name);
	free(field->value);
}

uint8_t fuzz_byte(struct fuzz_input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

struct fuzz_pieces fuzz_pieces_of(const void *data, size_t size, size_t most)
{
	const unsigned char *at = data;
	struct fuzz_pieces pieces = { .state = 0xcbf29ce484222325, .most = most };

	/* FNV-1a. */
	for (size_t i = 0; i < size; i++)
		pieces.state = (pieces.state ^ at[i]) * 0x100000001b3;
	return pieces;
}

size_t fuzz_piece(struct fuzz_pieces *pieces, size_t left)
{
	pieces->state = pieces->state * 6364136223846793005 + 1442695040888963407;
	return sgh_min(1 + (size_t)(pieces->state >> 33) % pieces->most, left);
}

/* SPDX-License-Identifier: MIT */
#include "body.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "documents.h"

#define BLOCK  ((size_t)1 << 20)
#define ZEROES "00000000000000000000000000000000"

/* Noise, as compressed data look, the same in each run. */
static void fill_noise(char *at, size_t length)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < length; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at[i] = (char)(x >> 32);
	}
}

static void *allocate(size_t length)
{
	void *memory = malloc(length + 1);

	if (!memory)
		abort();
	return memory;
}

static void put_head(struct body *body, const void *text, size_t length)
{
	memcpy(body->head + body->head_length, text, length);
	body->head_length += length;
}

static void print_head(struct body *body, const char *text)
{
	put_head(body, text, strlen(text));
}

/* Where the token goes is where the zeroes are that stand in for it. */
static void put_token(struct body *body)
{
	body->token_at = body->head_length;
	print_head(body, ZEROES);
}

/*
 * Let the block go as often as it fits between the head and a tail of at least `least`
 * bytes, and make room for the rest in the tail. 0 when it is too small for any.
 */
static int divide(struct body *body, size_t least)
{
	uint64_t rest;

	if (body->size < body->head_length + least)
		return 0;
	rest = body->size - body->head_length - least;
	body->repeats = rest / body->block_length;
	body->tail_length = least + (size_t)(rest % body->block_length);
	body->tail = allocate(body->tail_length);
	return 1;
}

/* As many whole items as fit into `room` bytes, each with a comma behind it. */
static size_t whole_items(const struct document *items, size_t room)
{
	const char *last;

	if (room >= items->length)
		room = items->length - 1;
	last = memrchr(items->text, '}', room);
	/* A comma that ends an item is the one between two braces. */
	while (last && last[1] != ',')
		last = memrchr(items->text, '}', (size_t)(last - items->text));
	return last && (size_t)(last + 2 - items->text) <= room
		       ? (size_t)(last + 2 - items->text)
		       : 1;
}

/* Items that `block` begins with, and blanks, which may stand anywhere between them. */
static void fill_items(const struct document *items, char *at, size_t room)
{
	size_t length = whole_items(items, room + 1) - 1;

	memcpy(at, items->text + 1, length);
	memset(at + length, ' ', room - length);
}

static int make_json(struct body *body)
{
	static const char end[] = "null]}";
	struct document items;
	int fits;

	body->content_type = "application/json";
	document_make(0, BLOCK + 4096, &items);
	print_head(body, "{\"token\":\"");
	put_token(body);
	print_head(body, "\",\"items\":[");
	body->block_length = BLOCK;
	body->block = allocate(BLOCK);
	fill_items(&items, body->block, BLOCK);
	fits = divide(body, strlen(end));
	if (fits) {
		size_t room = body->tail_length - strlen(end);

		fill_items(&items, body->tail, room);
		memcpy(body->tail + room, end, strlen(end));
	}
	free(items.text);
	return fits;
}

/* What stands behind the stream of `length` bytes; the offsets are those of the objects. */
static int print_pdf_end(char *text, size_t size, const size_t offsets[4], uint64_t start)
{
	static const char stream_end[] = "\nendstream\nendobj\n";

	return snprintf(text, size,
			"%sxref\n0 5\n0000000000 65535 f \n%010zu 00000 n \n"
			"%010zu 00000 n \n%010zu 00000 n \n%010zu 00000 n \n"
			"trailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%020" PRIu64
			"\n%%%%EOF\n",
			stream_end, offsets[0], offsets[1], offsets[2], offsets[3],
			start + strlen(stream_end));
}

static int make_pdf(struct body *body)
{
	static const char *const objects[] = {
		"1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n",
		"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n",
		"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]"
		"/Contents 4 0 R>>\nendobj\n",
	};
	size_t offsets[4];
	char text[512];
	uint64_t length;
	size_t end;
	size_t at;

	body->content_type = "application/pdf";
	print_head(body, "%PDF-1.7\n%\xe2\xe3\xcf\xd3 ");
	put_token(body);
	print_head(body, "\n");
	for (size_t i = 0; i < 3; i++) {
		offsets[i] = body->head_length;
		print_head(body, objects[i]);
	}
	offsets[3] = body->head_length;
	end = (size_t)print_pdf_end(text, sizeof(text), offsets, 0);
	/* All numbers are written with so many digits that their length is known before. */
	print_head(body, "4 0 obj\n<</Length ");
	at = body->head_length;
	body->head_length += (size_t)snprintf(body->head + at, sizeof(body->head) - at,
					      "%020" PRIu64 ">>\nstream\n", body->size);
	length = body->size - body->head_length - end;
	snprintf(body->head + at, sizeof(body->head) - at, "%020" PRIu64 ">>\nstream\n",
		 length);
	body->block_length = BLOCK;
	body->block = allocate(BLOCK);
	fill_noise(body->block, BLOCK);
	if (!divide(body, end))
		return 0;
	fill_noise(body->tail, body->tail_length - end);
	print_pdf_end(text, sizeof(text), offsets, body->size - end);
	memcpy(body->tail + body->tail_length - end, text, end);
	return 1;
}

static const struct {
	const char *type;
	int (*make)(struct body *body); /* 0: too small for one */
} kinds[] = {
	{ "json", make_json },
	{ "pdf", make_pdf },
};

int body_init(struct body *body, const char *kind, uint64_t size)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].type, kind) != 0)
			continue;
		*body = (struct body){ .type = kinds[i].type, .size = size };
		if (kinds[i].make(body))
			return 0;
		fprintf(stderr, "a %s of %" PRIu64 " bytes is too small\n", kind, size);
		body_fini(body);
		return -1;
	}
	fprintf(stderr, "there is no kind '%s'\n", kind);
	return -1;
}

void body_fini(struct body *body)
{
	free(body->block);
	free(body->tail);
	body->block = NULL;
	body->tail = NULL;
}

void body_head(const struct body *body, const char token[BODY_TOKEN], char *ret)
{
	memcpy(ret, body->head, body->head_length);
	memcpy(ret + body->token_at, token, BODY_TOKEN);
}

const char *body_at(const struct body *body, const char *head, uint64_t offset,
		    size_t *ret_length)
{
	uint64_t blocks = body->repeats * body->block_length;
	size_t at;

	if (offset < body->head_length) {
		*ret_length = body->head_length - (size_t)offset;
		return head + offset;
	}
	offset -= body->head_length;
	if (offset < blocks) {
		at = (size_t)(offset % body->block_length);
		*ret_length = body->block_length - at;
		return body->block + at;
	}
	at = (size_t)(offset - blocks);
	*ret_length = body->tail_length - at;
	return body->tail + at;
}

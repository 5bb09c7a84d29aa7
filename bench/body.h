/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BODY_H
#define BENCH_BODY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Objects of one kind and one size that differ in a token near their beginning alone: what
 * is sent comes from memory that all of them share, and what comes back can be held against
 * it without anything having been kept.
 *
 * An object is the head with its token, the block again and again, and the tail.
 */
#define BODY_TOKEN 32 /* bytes of [0-9a-f] */

struct body {
	const char *type;         /* the object type and bucket suffix */
	const char *content_type; /* MIME */
	uint64_t size;
	char head[512]; /* with zeroes where the token belongs */
	size_t head_length;
	size_t token_at;
	char *block;
	size_t block_length;
	uint64_t repeats; /* of the block */
	char *tail;
	size_t tail_length;
};

/*
 * `kind` is json (records in an array), pdf (one page and a stream of noise) or png (one
 * pixel, and a private chunk of noise). Negative with a text on standard error when there
 * is no such kind or `size` is too small for one. End it with body_fini().
 */
int body_init(struct body *body, const char *kind, uint64_t size);
void body_fini(struct body *body);

/* The head of the object with this token: head_length bytes at `ret`. */
void body_head(const struct body *body, const char token[BODY_TOKEN], char *ret);

/*
 * What stands at `offset`, in one piece of *ret_length bytes; `head` is what body_head()
 * gave. `offset` is less than the size.
 */
const char *body_at(const struct body *body, const char *head, uint64_t offset,
		    size_t *ret_length);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef BENCH_DOCUMENTS_H
#define BENCH_DOCUMENTS_H

#include <stddef.h>

/* Ordinary JSON of some kinds, the same in each run. */
struct document {
	const char *kind;
	char *text; /* DOCUMENT_PADDING bytes of 0 follow it */
	size_t length;
};

#define DOCUMENT_PADDING 64

/* The i-th kind, of about `size` bytes; 0 past the last one. `ret->text` is malloc()ed. */
int document_make(size_t i, size_t size, struct document *ret);

#endif

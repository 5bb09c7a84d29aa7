/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STUB_REQUEST_H
#define BENCH_STUB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stub/keys.h"

#define REQUEST_HEAD_MAX ((size_t)16 << 10)
#define REQUEST_BODY_MAX (UINT64_C(5) << 30) /* what S3 takes in one PUT */
#define REQUEST_ETAG     "\"00000000000000000000000000000000\"" /* of every object */

enum request_method {
	REQUEST_OTHER,
	REQUEST_GET,
	REQUEST_HEAD,
	REQUEST_PUT,
	REQUEST_DELETE,
};

/* What of a request's head matters to one who only answers. */
struct request {
	enum request_method method;
	const char *path;  /* in the head, without the query */
	const char *query; /* behind the '?'; "" without one */
	uint64_t length;   /* of the body */
	bool closes;
	bool waits;   /* for "100 Continue" */
	bool archive; /* whose members become objects */
	bool absent;  /* If-None-Match: there must be none yet */
	bool another; /* If-Match: there must be one, and not one of ours */
	bool has_length;
	/* Content-Type and metadata; longer than there is room for when it is over the bound. */
	char lines[KEYS_LINES_MAX];
	size_t lines_length;
};

/*
 * Read a head without its empty line, NUL-terminated at `length`; it is changed, and must
 * stay as long as the request. 0, or the status to refuse it with.
 */
int request_read(struct request *request, char *head, size_t length);

/*
 * Append "name: value\r\n" when it is one of those that come back with an object; a length
 * over KEYS_LINES_MAX says that there was no room.
 */
void request_keep_line(char lines[KEYS_LINES_MAX], size_t *length, const char *name,
		       size_t name_length, const char *value, size_t value_length);

#endif

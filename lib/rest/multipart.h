/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_MULTIPART_H
#define SGH_REST_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include <sangraha/error.h>

#define SGH_BOUNDARY_MAX     70        /* RFC 2046, section 5.1.1 */
#define SGH_PART_HEADERS_MAX (8 << 10) /* bytes of one part's header */
#define SGH_MULTIPART_SKIP_MAX \
	(64 << 10) /* bytes before the first and after the last part */

/* The header of a part; borrowed for the call. */
struct sgh_part_header {
	const char *name;         /* of the form field; "" when there is none */
	const char *filename;     /* NULL: none */
	const char *content_type; /* NULL: none */
	const char *encoding;     /* Content-Encoding; NULL: none */
};

/*
 * What the parser calls. A negative status ends the parse with that status and `err`.
 * data() may take less than it is offered: the feed then stops and says so.
 */
struct sgh_multipart_sink {
	int (*begin)(void *arg, const struct sgh_part_header *header,
		     struct sangraha_error *err);
	int (*data)(void *arg, const char *data, size_t length, size_t *ret_taken,
		    struct sangraha_error *err);
	int (*end)(void *arg, struct sangraha_error *err);
};

/*
 * A streaming reader of multipart/form-data (RFC 7578): binary parts of any size, memory
 * for one part's header only.
 */
struct sgh_multipart {
	const struct sgh_multipart_sink *sink;
	void *arg;
	char delimiter[SGH_BOUNDARY_MAX + 5]; /* CR LF "--" boundary */
	size_t delimiter_length;
	int state;
	size_t matched;     /* bytes of the delimiter seen */
	size_t replay_from; /* of a delimiter that was none: to be given out as data */
	size_t replay_end;
	size_t skipped;
	char header[SGH_PART_HEADERS_MAX + 1];
	size_t header_length;
};

/* From a Content-Type header. SANGRAHA_E_INVALID without a usable boundary. */
int sgh_multipart_init(struct sgh_multipart *multipart, const char *content_type,
		       const struct sgh_multipart_sink *sink, void *arg,
		       struct sangraha_error *err);

/*
 * Read on. *ret_taken < length when the sink took less; feed the rest again later. No
 * byte of the input is needed after it was taken.
 */
int sgh_multipart_feed(struct sgh_multipart *multipart, const char *data, size_t length,
		       size_t *ret_taken, struct sangraha_error *err);

/* Whether the closing boundary was seen; SANGRAHA_E_INVALID without. */
int sgh_multipart_finish(const struct sgh_multipart *multipart,
			 struct sangraha_error *err);

#endif

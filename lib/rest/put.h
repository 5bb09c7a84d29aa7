/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_PUT_H
#define SGH_REST_PUT_H

#include <stdbool.h>

#include "rest/form.h"
#include "rest/request.h"
#include "wire/mediatype.h"
#include "wire/object.h"
#include "wire/sha256.h"

/* What a POST /v1/objects has gathered: from its header, its query, its form. */
struct sgh_put {
	struct sangraha_upload *upload; /* NULL: not begun, given up or submitted */
	struct sgh_form *form;          /* NULL: a raw body */
	char *filename;                 /* NULL: none */
	char content_type[SGH_MEDIATYPE_SIZE];
	const char *type;                  /* NULL: detected */
	const char *idempotency_key;       /* NULL: none; MHD's memory */
	char sha256[SANGRAHA_SHA256_SIZE]; /* of the request's content; "" */
	bool async;
	bool refused; /* by the client: the result says why, once it is there */
	char *meta_names[SGH_META_MAX];
	char *meta_values[SGH_META_MAX];
	size_t meta_count;
	size_t meta_bytes;
};

/* Begin the upload; `length` -1: not known. Negative: problem set. */
int sgh_put_open(struct sgh_web_request *request, int64_t length);
/* Give the upload's memory back. */
void sgh_put_close(struct sgh_web_request *request);
/* Bytes of the object. */
int sgh_put_write(struct sgh_web_request *request, const char *data, size_t length,
		  size_t *ret_taken);
/* Whether an upload that is paused has reason to be: something moves, if not of its own. */
bool sgh_put_moves(const struct sgh_web_request *request);
/* Add a pair of user metadata; `value` is UTF-8. */
int sgh_put_add_meta(struct sgh_web_request *request, const char *name,
		     const char *value);
/* Keep a file name, when there is none yet. */
int sgh_put_name(struct sgh_web_request *request, const char *filename);
/* Look at a Content-Encoding, NULL: none. */
int sgh_put_encoding(struct sgh_web_request *request, const char *list);
/* Keep a Content-Type. */
int sgh_put_content_type(struct sgh_web_request *request, const char *header);

#endif

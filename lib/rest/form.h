/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_FORM_H
#define SGH_REST_FORM_H

#include <stddef.h>

struct sgh_web_request;

/*
 * A multipart/form-data upload: exactly one part `file`, which becomes the object, and
 * text parts `meta.<name>`.
 */
struct sgh_form;

/* Make request->put->form. Negative: problem set. */
int sgh_form_new(struct sgh_web_request *request, const char *content_type);
void sgh_form_free(struct sgh_form *form);

int sgh_form_feed(struct sgh_web_request *request, const char *data, size_t length,
		  size_t *ret_taken);
/* The body is whole: negative, with a problem, when the form is not. */
int sgh_form_finish(struct sgh_web_request *request);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_ANSWER_H
#define SGH_REST_ANSWER_H

#include "base/buf.h"
#include "rest/request.h"

/*
 * Make request->answer. Without memory, or with a header that cannot be sent, the
 * request has a problem instead; callers need not look.
 */

/* JSON in memory from malloc(), or from the library, which is taken; NULL: no memory. */
void sgh_answer_json(struct sgh_web_request *request, unsigned http, char *text);
/* The same from a buf, which is emptied. */
void sgh_answer_buf(struct sgh_web_request *request, unsigned http, struct sgh_buf *buf);
/* Any text that is taken. */
void sgh_answer_text(struct sgh_web_request *request, unsigned http,
		     const char *content_type, char *text);
/* No content. */
void sgh_answer_empty(struct sgh_web_request *request, unsigned http);
/* A response made by the caller, which is taken; NULL: no memory. */
void sgh_answer_response(struct sgh_web_request *request, unsigned http,
			 struct MHD_Response *response);

void sgh_answer_header(struct sgh_web_request *request, const char *name,
		       const char *value);

/* Hand the answer, or the problem, to MHD. */
enum MHD_Result sgh_answer_send(struct sgh_web_request *request);

#endif

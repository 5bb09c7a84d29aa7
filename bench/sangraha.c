/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int put(struct target *target, const struct body *body, struct stored *object,
	       struct sgh_buf *request)
{
	sgh_buf_printf(request,
		       "POST /v1/objects HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n"
		       "Content-Length: %" PRIu64 "\r\n\r\n",
		       target->endpoint.host, body->content_type, body->size);
	return !request->failed;
}

/* 201, with the place of the object, and the description of one of this size. */
static int check_put(const struct body *body, const struct answer *answer,
		     const char *text, struct stored *object)
{
	char expected[64];
	size_t length = (size_t)snprintf(expected, sizeof(expected), "/v1/objects/%s/",
					 body->type);

	if (answer->status != 201 || strncmp(answer->location, expected, length) != 0 ||
	    !sangraha_id_valid(answer->location + length))
		return 0;
	strcpy(object->id, answer->location + length);
	snprintf(expected, sizeof(expected), "\"size\":%" PRIu64 ",", body->size);
	return strstr(text, expected) != NULL && strstr(text, object->id) != NULL;
}

static int get(struct target *target, const struct body *body,
	       const struct stored *object, struct sgh_buf *request)
{
	sgh_buf_printf(request, "GET /v1/objects/%s/%s HTTP/1.1\r\nHost: %s\r\n\r\n",
		       body->type, object->id, target->endpoint.host);
	return !request->failed;
}

const struct target_kind target_sangraha = {
	.name = "sangraha",
	.put = put,
	.check_put = check_put,
	.get = get,
};

/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_CLIENT_H
#define SGH_REST_CLIENT_H

#include "rest/request.h"

/* What the routes share in front of the client's calls. */

/* Negative, with a problem, when the path parameters are no type or no id. */
int sgh_check_type(struct sgh_web_request *request, const char *type);
int sgh_check_id(struct sgh_web_request *request);

/* The options that all requests share. */
struct sangraha_request_options
sgh_web_request_options(const struct sgh_web_request *request);

/*
 * Whether the object is at hand: then the request is answered by it, and a route's start()
 * has to submit nothing and returns SGH_STEP_WAIT.
 */
bool sgh_cached(struct sgh_web_request *request);

/*
 * To be wrapped around a submit call: takes the reference that sgh_web_request_done() drops
 * before it, and after it looks at what it returned.
 */
enum sgh_step sgh_submitted(struct sgh_web_request *request, int status,
			    const struct sangraha_error *err);

/* Remember the object for the log. */
void sgh_web_request_note(struct sgh_web_request *request,
			  const struct sangraha_object *object);

/* False, with a problem, when the client answered with an error. */
bool sgh_result_ok(struct sgh_web_request *request, const struct sangraha_result *result);
/*
 * The description of an answer, borrowed. NULL with the problem set after a failure, and
 * when there is none: a peer of another make may have left it out.
 */
struct sangraha_object *sgh_result_object(struct sgh_web_request *request,
					  const struct sangraha_result *result);
/*
 * The same as the JSON that clients see, yours; `ret` may be NULL, or gets the description.
 * NULL with the problem set.
 */
char *sgh_result_json(struct sgh_web_request *request,
		      const struct sangraha_result *result, struct sangraha_object **ret);

#endif

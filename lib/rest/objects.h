/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_OBJECTS_H
#define SGH_REST_OBJECTS_H

#include <stdbool.h>

#include "rest/conditions.h"
#include "rest/router.h"

/* POST /v1/objects, see sgh_object_routes. */
int sgh_put_begin(struct sgh_web_request *request);
int sgh_put_body(struct sgh_web_request *request, const char *data, size_t length,
		 size_t *ret_taken);
enum sgh_step sgh_put_start(struct sgh_web_request *request);
void sgh_put_finish(struct sgh_web_request *request, struct sangraha_result *result);
void sgh_put_end(struct sgh_web_request *request);

/* GET /v1/objects. */
int sgh_list_begin(struct sgh_web_request *request);
enum sgh_step sgh_list_start(struct sgh_web_request *request);
void sgh_list_finish(struct sgh_web_request *request, struct sangraha_result *result);

/* GET and HEAD of one object. */
enum sgh_step sgh_get_start(struct sgh_web_request *request);
void sgh_get_finish(struct sgh_web_request *request, struct sangraha_result *result);

/*
 * How its conditions want a request answered, see sgh_conditions_check(); 0: there is a
 * problem. What a read alone has is not looked at without `read`.
 */
unsigned sgh_check_conditions(struct sgh_web_request *request,
			      const struct sangraha_object *object, bool read,
			      struct sgh_part *part);
/* They name another object than this. */
void sgh_refuse_condition(struct sgh_web_request *request);

#endif

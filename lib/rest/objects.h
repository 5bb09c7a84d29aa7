/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_OBJECTS_H
#define SGH_REST_OBJECTS_H

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

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_ROUTER_H
#define SGH_REST_ROUTER_H

#include "rest/request.h"

enum {
	SGH_ROUTE_OPEN = 1,   /* needs no token */
	SGH_ROUTE_QUIET = 2,  /* logged at DEBUG: somebody asks every few seconds */
	SGH_ROUTE_HEALTH = 4, /* served without a client, too */
	SGH_ROUTE_LATER = 8,  /* designed, not there yet: 501 */
};

/* What a route does, step by step; a step that is NULL is nothing. */
struct sgh_route {
	const char *method;
	const char *template; /* "/v1/objects/{type}/{id}" */
	const char *event;    /* both, for the log */
	unsigned flags;

	/* After the header. Negative: request->problem is set, the body is discarded. */
	int (*begin)(struct sgh_web_request *request);

	/*
	 * Bytes of the body; *ret_taken < length pauses until sgh_web_request_wake().
	 * Negative as above. NULL: a body is discarded.
	 */
	int (*body)(struct sgh_web_request *request, const char *data, size_t length,
		    size_t *ret_taken);

	/* After the body. */
	enum sgh_step (*start)(struct sgh_web_request *request);

	/*
	 * After sgh_web_request_done(), on MHD's thread: set answer or problem, or submit
	 * once more (sgh_web_request_again()). The result is request->async.result; who
	 * keeps it takes it from there.
	 */
	void (*finish)(struct sgh_web_request *request, struct sangraha_result *result);

	/*
	 * Release what begin() took; called for each request that was begun, and before that
	 * for one whose body waited for memory in vain.
	 */
	void (*end)(struct sgh_web_request *request);
};

/*
 * Find request->route and the path parameters from request->uri. Negative: problem set
 * (404, 405 with Allow, 501).
 */
int sgh_route_find(struct sgh_web_request *request, const char *method);

/* The tables of routes, by the files that have them; each ends with a NULL method. */
extern const struct sgh_route sgh_object_routes[];
extern const struct sgh_route sgh_operation_routes[];
extern const struct sgh_route sgh_health_routes[];

#endif

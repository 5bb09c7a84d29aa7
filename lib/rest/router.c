/* SPDX-License-Identifier: MIT */
#include "rest/router.h"

#include <string.h>

#include "base/util.h"

/* Designed and not there yet; the routes are taken. */
static const struct sgh_route later_routes[] = {
	{ .method = "PUT",
	  .template = "/v1/objects/{type}/{id}",
	  .event = "PUT /v1/objects/{type}/{id}",
	  .flags = SGH_ROUTE_LATER },
	{ .method = "GET",
	  .template = "/v1/objects/{type}/{id}/versions",
	  .event = "GET /v1/objects/{type}/{id}/versions",
	  .flags = SGH_ROUTE_LATER },
	{ .method = "POST",
	  .template = "/v1/uploads",
	  .event = "POST /v1/uploads",
	  .flags = SGH_ROUTE_LATER },
	{ .method = "GET",
	  .template = "/openapi.json",
	  .event = "GET /openapi.json",
	  .flags = SGH_ROUTE_LATER },
	{ .method = "GET", .template = "/", .event = "GET /", .flags = SGH_ROUTE_LATER },
	{ .method = NULL },
};

static const struct sgh_route *const tables[] = {
	sgh_object_routes,
	sgh_operation_routes,
	sgh_health_routes,
	later_routes,
};

/* Compare segment by segment; "{type}" and "{id}" stand for any. */
static bool matches(const struct sgh_route *route, struct sgh_web_request *request)
{
	const char *template = route->template + 1;
	const char *type = NULL;
	const char *id = NULL;

	for (size_t i = 0; i < request->uri.segment_count; i++) {
		const char *segment = request->uri.segments[i];
		size_t length = strcspn(template, "/");

		if (length == 6 && strncmp(template, "{type}", 6) == 0)
			type = segment;
		else if (length == 4 && strncmp(template, "{id}", 4) == 0)
			id = segment;
		else if (strlen(segment) != length ||
			 strncmp(template, segment, length) != 0)
			return false;
		template += length;
		if (i + 1 == request->uri.segment_count)
			break;
		if (*template ++ != '/')
			return false;
	}
	if (*template)
		return false;
	request->type = type;
	request->id = id;
	return true;
}

static bool serves(const struct sgh_route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	       (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Methods are few; the combinations that our templates have are written out. */
static const char *allow(bool get, bool post, bool delete)
{
	if (get)
		return post     ? "GET, HEAD, POST"
		       : delete ? "GET, HEAD, DELETE"
				: "GET, HEAD";
	return post ? "POST" : "";
}

int sgh_route_find(struct sgh_web_request *request, const char *method)
{
	bool known = false;
	bool get = false;
	bool post = false;
	bool delete = false;

	for (size_t i = 0; i < SGH_COUNT(tables); i++) {
		for (const struct sgh_route *route = tables[i]; route->method; route++) {
			if (!request->rest->client && !(route->flags & SGH_ROUTE_HEALTH))
				continue;
			if (!matches(route, request))
				continue;
			if (serves(route, method)) {
				request->route = route;
				if (!(route->flags & SGH_ROUTE_LATER))
					return 0;
				return sgh_problem_set_http(&request->problem, 501,
							    SANGRAHA_E_UNSUPPORTED,
							    "This is not there yet");
			}
			if (route->flags & SGH_ROUTE_LATER)
				continue;
			known = true;
			get |= strcmp(route->method, "GET") == 0;
			post |= strcmp(route->method, "POST") == 0;
			delete |= strcmp(route->method, "DELETE") == 0;
		}
	}
	if (!known)
		return sgh_problem_set(&request->problem, SANGRAHA_E_NOT_FOUND,
				       "No such resource");
	request->problem.allow = allow(get, post, delete);
	return sgh_problem_set_http(&request->problem, 405, SANGRAHA_E_UNSUPPORTED,
				    "This resource does not have the method");
}

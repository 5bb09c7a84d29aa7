/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/util.h"
#include "rest/answer.h"
#include "rest/router.h"

/* Asks nobody: a server that answers is alive, whatever it depends on. */
static enum sgh_step live(struct sgh_web_request *request)
{
	sgh_answer_json(request, 200, strdup("{\"status\":\"ok\"}"));
	sgh_answer_header(request, "Cache-Control", "no-store");
	return SGH_STEP_ANSWER;
}

/* Whether something can be done; null where this role has nothing to do with it. */
static const char *can(int state)
{
	return state == SANGRAHA_HEALTH_OK     ? "true"
	       : state == SANGRAHA_HEALTH_DOWN ? "false"
					       : "null";
}

static void dependency(struct sgh_buf *buf, const char **separator, const char *name,
		       int state)
{
	if (state == SANGRAHA_HEALTH_NONE)
		return;
	sgh_buf_printf(buf, "%s\"%s\":\"%s\"", *separator, name,
		       state == SANGRAHA_HEALTH_OK ? "ok" : "down");
	*separator = ",";
}

static enum sgh_step ready(struct sgh_web_request *request)
{
	struct sangraha_rest *rest = request->rest;
	bool draining = sgh_drain_polled(rest);
	struct sangraha_health health = { .size = sizeof(health) };
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(1 << 10);
	const char *separator = "";
	bool able;

	if (rest->client)
		sangraha_client_health(rest->client, &health);
	if (rest->health)
		rest->health(rest->health_arg, &health);
	able = !draining && health.reads != SANGRAHA_HEALTH_DOWN &&
	       health.writes != SANGRAHA_HEALTH_DOWN;
	sgh_buf_printf(&buf,
		       "{\"reads\":%s,\"writes\":%s,\"draining\":%s,"
		       "\"dependencies\":{",
		       can(health.reads), can(health.writes),
		       draining ? "true" : "false");
	dependency(&buf, &separator, "broker", health.broker);
	dependency(&buf, &separator, "store", health.store);
	dependency(&buf, &separator, "receivers", health.receivers);
	dependency(&buf, &separator, "getters", health.getters);
	sgh_buf_puts(&buf, "}}");
	sgh_answer_buf(request, able ? 200 : 503, &buf);
	sgh_answer_header(request, "Cache-Control", "no-store");
	if (!able)
		sgh_answer_header(request, "Retry-After", "1");
	return SGH_STEP_ANSWER;
}

static enum sgh_step metrics(struct sgh_web_request *request)
{
	struct sangraha_error err = { 0 };
	char *text = NULL;
	int status = sangraha_context_metrics(request->rest->context, &text, &err);

	if (status) {
		sgh_problem_set_error(&request->problem, status, &err);
		return SGH_STEP_ANSWER;
	}
	sgh_answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", text);
	return SGH_STEP_ANSWER;
}

const struct sgh_route sgh_health_routes[] = {
	{ .method = "GET",
	  .template = "/health/live",
	  .event = "GET /health/live",
	  .flags = SGH_ROUTE_OPEN | SGH_ROUTE_QUIET | SGH_ROUTE_HEALTH,
	  .start = live },
	{ .method = "GET",
	  .template = "/health/ready",
	  .event = "GET /health/ready",
	  .flags = SGH_ROUTE_OPEN | SGH_ROUTE_QUIET | SGH_ROUTE_HEALTH,
	  .start = ready },
	{ .method = "GET",
	  .template = "/metrics",
	  .event = "GET /metrics",
	  .flags = SGH_ROUTE_QUIET | SGH_ROUTE_HEALTH,
	  .start = metrics },
	{ .method = NULL },
};

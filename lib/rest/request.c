/* SPDX-License-Identifier: MIT */
#include "rest/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/util.h"
#include "rest/answer.h"
#include "rest/auth.h"
#include "rest/fields.h"
#include "rest/put.h"
#include "rest/router.h"

/* A client that does not keep its time limits must not keep the user waiting. */
#define GRACE_MS 2000
/* The client takes five seconds at most to remove what it has stored of a body. */
#define END_MS (5000 + 500)
/* So much of a body that its client has sent may be on its way: what kernels hold. */
#define ON_ITS_WAY ((uint64_t)4 << 20)
/* Bytes: MHD's buffer for a body has more, whatever the header took of its memory. */
#define FULL_LEAST ((size_t)8 << 10)

void *sgh_web_request_new(void *cls, const char *target,
			  struct MHD_Connection *connection)
{
	struct sangraha_rest *rest = cls;
	struct sgh_web_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	if (!sgh_strdup(target, &request->target)) {
		free(request);
		return NULL;
	}
	request->refs = 1;
	request->rest = rest;
	request->http = connection;
	request->connection = sgh_connection_of(connection);
	if (request->connection)
		request->connection->request = request;
	pthread_mutex_init(&request->async.lock, NULL);
	sgh_list_init(&request->link);
	sgh_connection_header(request->connection);
	pthread_mutex_lock(&rest->state.lock);
	sgh_list_append(&rest->state.requests, &request->link);
	pthread_mutex_unlock(&rest->state.lock);
	return request;
}

void sgh_web_request_ref(struct sgh_web_request *request)
{
	__atomic_add_fetch(&request->refs, 1, __ATOMIC_RELAXED);
}

void sgh_web_request_unref(struct sgh_web_request *request)
{
	if (__atomic_sub_fetch(&request->refs, 1, __ATOMIC_ACQ_REL))
		return;
	if (request->answer.response)
		MHD_destroy_response(request->answer.response);
	sangraha_download_free(request->download);
	sangraha_result_free(request->async.result);
	pthread_mutex_destroy(&request->async.lock);
	sgh_uri_fini(&request->uri);
	free(request->target);
	free(request);
}

const char *sgh_web_request_header(const struct sgh_web_request *request,
				   const char *name)
{
	return MHD_lookup_connection_value(request->http, MHD_HEADER_KIND, name);
}

/* The connection is suspended exactly while `waiting` is true. */
static void resume_locked(struct sgh_web_request *request)
{
	if (request->async.waiting) {
		request->async.waiting = false;
		MHD_resume_connection(request->http);
	} else {
		request->async.woken = true;
	}
}

void sgh_web_request_done(void *arg, struct sangraha_result *result)
{
	struct sgh_web_request *request = arg;

	pthread_mutex_lock(&request->async.lock);
	request->async.result = result;
	request->async.completed = true;
	resume_locked(request);
	pthread_mutex_unlock(&request->async.lock);
	sgh_web_request_unref(request);
}

void sgh_web_request_answered(struct sgh_web_request *request,
			      struct sangraha_result *result)
{
	request->cached = true;
	pthread_mutex_lock(&request->async.lock);
	request->async.result = result;
	request->async.completed = true;
	pthread_mutex_unlock(&request->async.lock);
}

unsigned sgh_web_request_again(struct sgh_web_request *request)
{
	int64_t left;

	pthread_mutex_lock(&request->async.lock);
	sangraha_result_free(sgh_take(request->async.result));
	request->async.completed = false;
	left = request->async.give_up_ms - GRACE_MS - sgh_now_ms();
	pthread_mutex_unlock(&request->async.lock);
	return left > 1 ? (unsigned)left : 1;
}

void sgh_web_request_wait(struct sgh_web_request *request)
{
	pthread_mutex_lock(&request->async.lock);
	request->async.completed = false;
	request->async.woken = false;
	pthread_mutex_unlock(&request->async.lock);
}

void sgh_web_request_ready(void *arg)
{
	struct sgh_web_request *request = arg;

	pthread_mutex_lock(&request->async.lock);
	request->async.completed = true;
	resume_locked(request);
	pthread_mutex_unlock(&request->async.lock);
}

void sgh_web_request_await_end(struct sgh_web_request *request)
{
	request->submitted = true;
	request->waits = true;
	pthread_mutex_lock(&request->async.lock);
	request->async.gave_up = false;
	request->async.missing = 0;
	request->async.endless = false;
	request->async.give_up_ms = sgh_now_ms() + END_MS;
	pthread_mutex_unlock(&request->async.lock);
}

void sgh_web_request_wake(void *arg)
{
	struct sgh_web_request *request = arg;

	pthread_mutex_lock(&request->async.lock);
	resume_locked(request);
	pthread_mutex_unlock(&request->async.lock);
}

static bool will_not_be_whole_locked(struct sgh_web_request *request)
{
	if (request->async.missing)
		return sgh_connection_lacks(request->connection, request->async.missing);
	/* It has ended its half by right; that it is gone altogether shows too. */
	if (request->async.streaming)
		return sgh_connection_lacks(request->connection, 0);
	return request->async.endless &&
	       sgh_connection_refuses(request->connection, &request->async.probed);
}

void sgh_web_request_watch(struct sangraha_rest *rest, int64_t now, bool all)
{
	pthread_mutex_lock(&rest->state.lock);
	sgh_list_for_each (link, &rest->state.requests) {
		struct sgh_web_request *request =
			sgh_list_entry(link, struct sgh_web_request, link);

		pthread_mutex_lock(&request->async.lock);
		if (request->async.waiting && request->async.give_up_ms &&
		    request->async.give_up_ms <= now)
			request->async.gave_up = true;
		/* While it is suspended nobody else reads from it. */
		if (request->async.waiting && will_not_be_whole_locked(request))
			request->async.gone = true;
		if (request->async.waiting &&
		    (all || request->async.gave_up || request->async.gone))
			resume_locked(request);
		pthread_mutex_unlock(&request->async.lock);
	}
	pthread_mutex_unlock(&rest->state.lock);
}

/*
 * A connection with a time-out of its own is looked at by MHD before it is read from; a
 * resumed one without is read from first, and closed when its client has ended its half.
 */
static void set_eager(struct sgh_web_request *request, bool eager)
{
	unsigned timeout = sgh_connection_timeout_s(request->rest);

	if (request->eager == eager)
		return;
	request->eager = eager;
	MHD_set_connection_option(request->http, MHD_CONNECTION_OPTION_TIMEOUT,
				  eager ? timeout + 1 : timeout);
}

/*
 * Suspend the connection, unless a wake-up came already: true when it is suspended. MHD
 * acts on a resume only after this thread has returned to it.
 */
static bool suspend_unless_woken(struct sgh_web_request *request)
{
	bool suspended = false;

	pthread_mutex_lock(&request->async.lock);
	if (!request->async.woken &&
	    !__atomic_load_n(&request->rest->stopping, __ATOMIC_SEQ_CST)) {
		request->async.waiting = true;
		set_eager(request, true);
		MHD_suspend_connection(request->http);
		suspended = true;
	}
	request->async.woken = false;
	pthread_mutex_unlock(&request->async.lock);
	return suspended;
}

static bool stopping(const struct sgh_web_request *request)
{
	return __atomic_load_n(&request->rest->stopping, __ATOMIC_SEQ_CST);
}

static void correlate(struct sgh_web_request *request)
{
	sgh_autofree char *given = NULL;

	/* Two of them make none: the comma between is not allowed in one. */
	sgh_fields_list(request, "X-Correlation-ID", &given);
	if (given && sgh_request_id_valid(given))
		snprintf(request->correlation_id, sizeof(request->correlation_id), "%s",
			 given);
	else
		sgh_id_random(request->correlation_id);
	sgh_connection_correlate(request->connection, request->correlation_id);
	request->traceparent = sgh_web_request_header(request, "traceparent");
}

static int authorize(struct sgh_web_request *request)
{
	const char *header = sgh_web_request_header(request, "Authorization");

	if (!request->rest->token ||
	    (request->route && request->route->flags & SGH_ROUTE_OPEN) ||
	    sgh_auth_bearer(header, request->rest->token))
		return 0;
	/* Who may not come in is not told what there is. */
	memset(&request->problem, 0, sizeof(request->problem));
	return sgh_problem_set(&request->problem, SANGRAHA_E_UNAUTHORIZED,
			       "This needs the header \"Authorization: Bearer\" with the "
			       "right token");
}

static int prepare(struct sgh_web_request *request, const char *method)
{
	struct sangraha_error err;
	int status = sgh_uri_parse(&request->uri, request->target, &err);

	request->head = strcmp(method, "HEAD") == 0;
	if (status)
		sgh_problem_set_error(&request->problem, status, &err);
	else
		status = sgh_route_find(request, method);
	if (status == 0)
		status = sgh_fields_check(request);
	if (authorize(request))
		return request->problem.status;
	if (status == 0 && request->route->begin)
		status = request->route->begin(request);
	return status;
}

static enum MHD_Result begin(struct sgh_web_request *request, const char *method,
			     const char *version)
{
	struct sangraha_rest *rest = request->rest;
	const char *expect;

	request->begun = true;
	request->interim = strcmp(version, "HTTP/1.0") != 0;
	request->started_us = sgh_now_us();
	pthread_mutex_lock(&rest->state.lock);
	request->counted = true;
	rest->state.in_flight++;
	pthread_mutex_unlock(&rest->state.lock);
	correlate(request);
	if (sgh_fields_check_framing(request, version)) {
		request->last = true;
		return sgh_answer_send(request);
	}
	if (request->announced)
		sgh_connection_nudge(request->connection);
	/* Who asks before sending is told now; the others after they have sent it. */
	if (prepare(request, method)) {
		expect = sgh_web_request_header(request, "Expect");
		if (expect && strcasecmp(expect, "100-continue") == 0) {
			request->last = true;
			return sgh_answer_send(request);
		}
	}
	/* The header is there: its time limit is not the first byte's. */
	if (request->announced &&
	    !sgh_connection_phase(request->connection, SGH_PHASE_BODY))
		return MHD_NO;
	return MHD_YES;
}

/* True when the answer is not there yet and the connection is suspended. */
static bool wait_for_result(struct sgh_web_request *request)
{
	bool there;

	do {
		pthread_mutex_lock(&request->async.lock);
		there = request->async.completed || request->async.gave_up;
		pthread_mutex_unlock(&request->async.lock);
		if (there || stopping(request))
			return false;
	} while (!suspend_unless_woken(request));
	return true;
}

static void finish(struct sgh_web_request *request)
{
	bool completed;

	pthread_mutex_lock(&request->async.lock);
	completed = request->async.completed;
	pthread_mutex_unlock(&request->async.lock);
	if (completed) {
		request->route->finish(request, request->async.result);
		return;
	}
	/* A refusal stays one, whatever is left of the body. */
	if (request->problem.http)
		return;
	/* It may be stored nevertheless: say where that will be known. */
	if (request->put)
		memcpy(request->problem.operation, request->operation_id,
		       sizeof(request->operation_id));
	if (__atomic_load_n(&request->rest->closing, __ATOMIC_RELAXED))
		sgh_problem_set(&request->problem, SANGRAHA_E_UNAVAILABLE,
				"The server stops before an answer came");
	else
		sgh_problem_set(&request->problem, SANGRAHA_E_TIMEOUT,
				"No answer came within the time limit");
}

static void answer_by_hand(struct sgh_web_request *request)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(1 << 10);

	sgh_problem_write(&request->problem, request->correlation_id, &buf);
	sgh_connection_answer_by_hand(request->connection, request->problem.http,
				      request->correlation_id, sgh_buf_text(&buf));
	request->answered_by_hand = true;
}

/*
 * A body that nobody wants is read to its end, so that the client is there to read the
 * answer - within limits, and past them it is told at once and listened to a while.
 */
static enum MHD_Result discard(struct sgh_web_request *request, size_t length)
{
	int64_t now = sgh_now_ms();

	if (!request->discarding_since_ms)
		request->discarding_since_ms = now;
	request->discarded += length;
	/* Who was told is given time only: some have to send all before they look. */
	if ((request->discarded <= SGH_REST_DISCARD_BYTES || request->answered_by_hand) &&
	    now - request->discarding_since_ms <= SGH_REST_DISCARD_MS)
		return MHD_YES;
	if (request->answered_by_hand)
		return MHD_NO;
	if (request->waits) {
		sgh_connection_phase(request->connection, SGH_PHASE_PAUSED);
		if (wait_for_result(request))
			return MHD_YES;
		if (stopping(request))
			return MHD_NO;
		request->waits = false;
		finish(request);
	}
	/* The request itself was in order, and has no use for a body. */
	if (request->discarded > SGH_REST_DISCARD_BYTES)
		sgh_problem_set(&request->problem, SANGRAHA_E_TOO_LARGE,
				"The request has a body, and no use for one");
	else
		sgh_problem_set_http(&request->problem, 408, SANGRAHA_E_TIMEOUT,
				     "The body, which there is no use for, arrived too "
				     "slowly");
	if (!sgh_connection_phase(request->connection, SGH_PHASE_LINGER))
		return MHD_NO;
	answer_by_hand(request);
	request->discarded = 0;
	request->discarding_since_ms = now;
	return MHD_YES;
}

static void set_due(struct sgh_web_request *request, int64_t due_ms)
{
	if (!request->due_ms != !due_ms)
		__atomic_add_fetch(&request->rest->due, due_ms ? 1 : -1u,
				   __ATOMIC_RELAXED);
	request->due_ms = due_ms;
}

/*
 * Whether the client may have sent all of it: it cannot know that we wait. Of a body of
 * unknown length that is so until it has its first buffer, and no part of it is stored.
 */
static bool may_be_sent(const struct sgh_web_request *request, uint64_t read)
{
	if (request->announced < 0)
		return request->taken <= ON_ITS_WAY;
	return (uint64_t)request->announced <= read + ON_ITS_WAY;
}

/*
 * The time of a request runs from the moment its client has sent the last byte. When that
 * was is not known here: the first wait for memory counts, unless we catch up with the
 * client later.
 */
static int64_t begin_wait(struct sgh_web_request *request, uint64_t read)
{
	int64_t give_up_ms = sgh_now_ms() + request->rest->request_timeout_ms;

	request->caught_up = false;
	if (!request->due_ms && may_be_sent(request, read))
		set_due(request, give_up_ms);
	return request->due_ms ? request->due_ms : give_up_ms;
}

/* Suspend until there is memory for `held` bytes of a body that MHD has read, and more. */
static bool suspend_for_memory(struct sgh_web_request *request, size_t held)
{
	uint64_t read = request->taken + held;
	int64_t give_up_ms = begin_wait(request, read);

	pthread_mutex_lock(&request->async.lock);
	request->async.give_up_ms = give_up_ms;
	request->async.missing =
		request->announced > 0 && read < (uint64_t)request->announced
			? (uint64_t)request->announced - read
			: 0;
	request->async.endless = request->announced < 0 && request->interim;
	pthread_mutex_unlock(&request->async.lock);
	return suspend_unless_woken(request);
}

/* Memory came after all, together with the end of the wait for it. */
static void keep_waiting(struct sgh_web_request *request)
{
	pthread_mutex_lock(&request->async.lock);
	if (!__atomic_load_n(&request->rest->closing, __ATOMIC_RELAXED))
		request->async.gave_up = false;
	pthread_mutex_unlock(&request->async.lock);
}

/* Whether the memory did not come in time: the upload leaves the line, with a problem. */
static bool waited_in_vain(struct sgh_web_request *request)
{
	bool gave_up;

	pthread_mutex_lock(&request->async.lock);
	gave_up = request->async.gave_up;
	pthread_mutex_unlock(&request->async.lock);
	if (!gave_up)
		return false;
	if (!request->due_ms && sgh_put_moves(request)) {
		keep_waiting(request);
		return false;
	}
	if (__atomic_load_n(&request->rest->closing, __ATOMIC_RELAXED))
		sgh_problem_set(&request->problem, SANGRAHA_E_UNAVAILABLE,
				"The server stops");
	else
		sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
				"There was no memory for the body within the time limit");
	if (request->route->end)
		request->route->end(request);
	return true;
}

static bool is_gone(struct sgh_web_request *request)
{
	bool gone;

	pthread_mutex_lock(&request->async.lock);
	gone = request->async.gone;
	pthread_mutex_unlock(&request->async.lock);
	return gone;
}

static enum MHD_Result receive(struct sgh_web_request *request, const char *data,
			       size_t *length)
{
	enum sgh_phase phase =
		request->answered_by_hand ? SGH_PHASE_LINGER : SGH_PHASE_BODY;
	size_t unwanted;

	if (stopping(request) || is_gone(request) ||
	    !sgh_connection_phase(request->connection, phase))
		return MHD_NO;
	/* A full buffer is as long as the one before, and MHD reads on by itself. */
	if (*length != request->piece || *length < FULL_LEAST)
		sgh_connection_nudge(request->connection);
	request->piece = *length;
	sgh_connection_bytes(request->connection, *length);
	/* These were not sent before all that had come was taken. */
	if (request->caught_up)
		set_due(request, 0);
	request->caught_up = false;
	while (*length && !request->problem.http && request->route->body) {
		size_t taken = 0;

		if (request->route->body(request, data, *length, &taken))
			break;
		data += taken;
		*length -= taken;
		request->taken += taken;
		if (taken)
			keep_waiting(request);
		if (*length == 0) {
			request->caught_up =
				request->due_ms &&
				sgh_connection_is_drained(request->connection);
			return MHD_YES;
		}
		if (waited_in_vain(request))
			break;
		sgh_connection_phase(request->connection, SGH_PHASE_PAUSED);
		if (suspend_for_memory(request, *length))
			return MHD_YES;
		if (stopping(request))
			return MHD_NO;
		sgh_connection_phase(request->connection, SGH_PHASE_BODY);
	}
	if (*length == 0)
		return MHD_YES;
	unwanted = *length;
	*length = 0;
	return discard(request, unwanted);
}

static enum MHD_Result respond(struct sgh_web_request *request)
{
	if (stopping(request) || request->answered_by_hand ||
	    !sgh_connection_phase(request->connection, SGH_PHASE_ANSWER))
		return MHD_NO;
	if (!request->problem.http && !request->submitted) {
		request->submitted = true;
		pthread_mutex_lock(&request->async.lock);
		request->async.woken = false;
		request->async.gave_up = false;
		request->async.missing = 0;
		request->async.endless = false;
		request->async.give_up_ms =
			request->due_ms
				? request->due_ms
				: sgh_now_ms() + request->rest->request_timeout_ms +
					  GRACE_MS;
		pthread_mutex_unlock(&request->async.lock);
		request->waits = request->route->start(request) == SGH_STEP_WAIT;
	}
	while (request->waits) {
		if (wait_for_result(request))
			return MHD_YES;
		if (stopping(request))
			return MHD_NO;
		request->waits = false;
		finish(request);
	}
	return sgh_answer_send(request);
}

enum MHD_Result sgh_web_request_handle(void *rest, struct MHD_Connection *connection,
				       const char *url, const char *method,
				       const char *version, const char *data,
				       size_t *length, void **context)
{
	struct sgh_web_request *request = *context;

	/* Without memory for its state a connection can only be closed. */
	if (!request || !request->connection)
		return MHD_NO;
	set_eager(request, false);
	if (!request->begun)
		return begin(request, method, version);
	if (*length)
		return receive(request, data, length);
	return respond(request);
}

bool sgh_web_request_sleep(struct sgh_web_request *request)
{
	pthread_mutex_lock(&request->async.lock);
	/* How long the store may take is the download's affair. */
	request->async.give_up_ms = 0;
	request->async.missing = 0;
	request->async.endless = false;
	request->async.streaming = true;
	pthread_mutex_unlock(&request->async.lock);
	return suspend_unless_woken(request);
}

bool sgh_web_request_is_over(struct sgh_web_request *request)
{
	return stopping(request) || is_gone(request);
}

/* A line for each would be a quarter of what it costs to answer from memory. */
static bool is_quiet(const struct sgh_web_request *request, bool whole)
{
	const struct sgh_route *route = request->route;

	return (route && route->flags & SGH_ROUTE_QUIET) ||
	       (request->cached && whole && !request->problem.http);
}

static void report(struct sgh_web_request *request, bool whole)
{
	const struct sgh_route *route = request->route;
	const struct sgh_problem *problem = &request->problem;
	struct sangraha_log_event event = {
		.size = sizeof(event),
		.level =
			is_quiet(request, whole) ? SANGRAHA_LOG_DEBUG : SANGRAHA_LOG_INFO,
		.duration_us = sgh_now_us() - request->started_us,
		.role = request->rest->client ? "orchestrator" : "health",
		.event = route ? route->event : "unknown route",
		.request_id = request->correlation_id,
		.operation_id = *request->operation_id ? request->operation_id : NULL,
		.object = *request->reference ? request->reference : NULL,
		.message = *problem->detail ? problem->detail : NULL,
		.outcome = sangraha_status_name(problem->http ? problem->status : 0),
	};

	if (!whole && !problem->http) {
		event.message = "The connection ended before the answer did";
		event.outcome = sangraha_status_name(SANGRAHA_E_UNAVAILABLE);
	}
	sangraha_context_log(request->rest->context, &event);
}

static void end(struct sgh_web_request *request, bool whole)
{
	struct sangraha_rest *rest = request->rest;

	set_due(request, 0);
	if (request->connection)
		request->connection->request = NULL;
	if (request->begun)
		report(request, whole);
	if (request->route && request->route->end)
		request->route->end(request);
	/* Its wake-ups come to the connection, which may be gone next. */
	sangraha_download_free(sgh_take(request->download));
	sgh_connection_phase(request->connection, SGH_PHASE_HEADER);
	pthread_mutex_lock(&rest->state.lock);
	sgh_list_remove(&request->link);
	if (request->counted)
		rest->state.in_flight--;
	pthread_cond_broadcast(&rest->state.idle);
	pthread_mutex_unlock(&rest->state.lock);
	sgh_web_request_unref(request);
}

void sgh_web_request_completed(void *cls, struct MHD_Connection *connection,
			       void **context, enum MHD_RequestTerminationCode code)
{
	if (*context)
		end(sgh_take(*context), code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

void sgh_web_request_lost(struct sgh_web_request *request)
{
	end(request, false);
}

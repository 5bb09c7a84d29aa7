/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_REMOTE_H
#define SGH_REST_REMOTE_H

#include <sangraha/rest.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/http.h"
#include "rest/remote_pipe.h"

/* The client of the HTTP interface: what its files share. */

struct sangraha_rest_client {
	struct sangraha_context *context;
	struct sgh_http *http;
	char *url;           /* without a slash at its end; no secret is in it */
	char *authorization; /* the header's line; NULL: none */
	unsigned timeout_ms;
	unsigned idle_timeout_ms;
};

struct sangraha_rest_result {
	struct sgh_arena arena; /* for its strings, but the text */
	int code;
	char *text; /* JSON; NULL: none */
	struct sangraha_object *object;
	struct sangraha_object **objects;
	size_t object_count;
	const char *next_cursor;
	bool replayed;
	const char *correlation_id;
	int retry_after;
	const char *declared;
	const char *detected;
	const char *rule;
	int64_t offset;
	const char *disposition;
	const char *filename;
	const char *content_type;
	const char *location;
	const char *etag;
	int64_t size;
	int64_t first; /* of Content-Range; -1: none */
	bool starved;  /* a header could not be kept: no memory */
};

/* ---- remote_result.c ---- */

/* An answer of which nothing is known yet; NULL without memory. */
struct sangraha_rest_result *sgh_remote_result_new(void);
/* A header of it. False without memory. */
bool sgh_remote_result_header(struct sangraha_rest_result *result, const char *name,
			      size_t name_length, const char *value, size_t value_length);
/* A copy fit for a terminal: UTF-8 without controls. NULL for NULL and without memory. */
const char *sgh_remote_result_keep(struct sangraha_rest_result *result, const char *text);

/* ---- remote_url.c ---- */

/* The base of all targets; see sangraha_rest_client_new(). *ret is yours. */
int sgh_remote_url_parse(const char *url, char **ret, struct sangraha_error *err);

/* ---- remote_call.c ---- */

/* One exchange, made and waited for on the caller's thread. */
struct sgh_remote_call {
	struct sangraha_rest_client *client;
	const char *peer; /* who is asked, for messages: a URL without secrets */
	struct sgh_http_request request;
	struct sgh_arena arena; /* for the lines */
	const char *lines[SGH_HTTP_HEADERS_MAX];
	struct sgh_buf url;
	struct sgh_pipe pipe;
	struct sangraha_rest_result *result;
	bool failed; /* something was lost for want of memory; checked at the end */
};

/*
 * Begin with the path behind the client's URL, and a pipe of so many bytes. The call is
 * zero; sgh_remote_call_end() in any case.
 */
int sgh_remote_call_init(struct sgh_remote_call *call,
			 struct sangraha_rest_client *client, const char *method,
			 const char *path, size_t pipe, struct sangraha_error *err);
/*
 * The same with an absolute URL that the server has named, and without the token, which is
 * for the server alone. SANGRAHA_E_INTERNAL for what is no such URL.
 */
int sgh_remote_call_init_at(struct sgh_remote_call *call,
			    struct sangraha_rest_client *client, const char *method,
			    const char *url, size_t pipe, struct sangraha_error *err);
/* "?name=value", percent-encoded; NULL adds nothing. */
void sgh_remote_call_query(struct sgh_remote_call *call, const char *name,
			   const char *value);
/* A header; the value was checked. */
void sgh_remote_call_header(struct sgh_remote_call *call, const char *name,
			    const char *value);
/* Send it; then it must be waited for. */
int sgh_remote_call_submit(struct sgh_remote_call *call, struct sangraha_error *err);
/*
 * Wait for the end and tell what became of it: 0 when the answer's code is `good`, or the
 * other one that means the same.
 */
int sgh_remote_call_wait(struct sgh_remote_call *call, int good, int or_good,
			 struct sangraha_error *err);
/* Ask the callbacks of the HTTP layer again. */
void sgh_remote_call_resume(struct sgh_remote_call *call);
/* Give it up, for a reason of ours, and wait for the end. */
void sgh_remote_call_cancel(struct sgh_remote_call *call, int status);
/* End: release the call, hand out the result when there was an answer, pass `status` on. */
int sgh_remote_call_end(struct sgh_remote_call *call, int status,
			struct sangraha_rest_result **ret);

/* ---- remote_answer.c ---- */

/* What a complete answer means: 0 for the codes that are expected. Takes its text. */
int sgh_remote_judge(struct sgh_remote_call *call, int good, int or_good,
		     struct sangraha_error *err);
/* Whether its header says that a Sangraha server made it. */
bool sgh_remote_is_ours(const struct sangraha_rest_result *result);
/* There was no complete answer: say it so that it helps. */
int sgh_remote_no_answer(struct sgh_remote_call *call, struct sangraha_error *err);
/* The answer does not look like one of ours. */
int sgh_remote_not_ours(struct sgh_remote_call *call, struct sangraha_error *err);
/* The store, where the server sent us, did not send the bytes. */
int sgh_remote_store_failed(struct sgh_remote_call *call, struct sangraha_error *err);
/* Read the text as a description, or as a page of them. */
int sgh_remote_read_object(struct sgh_remote_call *call, struct sangraha_error *err);
int sgh_remote_read_page(struct sgh_remote_call *call, struct sangraha_error *err);

/* ---- remote_check.c: arguments, before anything is sent ---- */

int sgh_remote_check_reference(const char *type, const char *id,
			       struct sangraha_error *err);
int sgh_remote_check_type(const char *type, struct sangraha_error *err);
/* 1 to `max` bytes of printable ASCII without spaces at the ends; NULL passes. */
int sgh_remote_check_text(const char *what, const char *text, size_t max,
			  struct sangraha_error *err);
/* Where a page ends; NULL passes. */
int sgh_remote_check_cursor(const char *cursor, struct sangraha_error *err);
int sgh_remote_check_put(const struct sangraha_rest_put *options,
			 struct sangraha_error *err);

#endif

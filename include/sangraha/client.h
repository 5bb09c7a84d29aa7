/* SPDX-License-Identifier: MIT */
#ifndef SANGRAHA_CLIENT_H
#define SANGRAHA_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/context.h>
#include <sangraha/error.h>
#include <sangraha/object.h>
#include <sangraha/queue.h>
#include <sangraha/validate.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The orchestrator role as a library: a client of both queues, without storage
 * credentials. One client has one response queue and serves any number of threads.
 *
 * Each request has a blocking call, sangraha_client_x(), and an asynchronous one,
 * sangraha_client_submit_x(), whose `done` is called exactly once when it returned 0 and
 * never when it failed. A request is sent again when no answer comes, at half its time
 * and after a reconnect; it ends by its timeout at the latest.
 */
struct sangraha_client;

struct sangraha_client_options {
	size_t size;
	struct sangraha_types *types; /* NULL: json, image, pdf */
	unsigned timeout_ms;          /* of a request that names none; 0: 30000 */
	unsigned max_in_flight;       /* requests without an answer, at most; 0: 4096 */
	size_t inline_limit;          /* bytes; 0: an eighth of the memory limit */
	/*
	 * 0: completions wait until sangraha_client_dispatch() is called. 1: `done` runs
	 * at once on a thread of the library, and must not block.
	 */
	int direct;
	int persistent_reads; /* 1: read requests and replies survive a broker restart */
};

/*
 * Make a client over `queue`, which it keeps a reference to. `options` may be NULL and is
 * copied. Since: 0.1
 */
int sangraha_client_new(struct sangraha_context *context, struct sangraha_queue *queue,
			const struct sangraha_client_options *options,
			struct sangraha_client **ret, struct sangraha_error *err);

/*
 * Release. Requests without an answer end with SANGRAHA_E_UNAVAILABLE, their `done` is
 * called before this returns. Not from inside a `done`. NULL is accepted. Since: 0.1
 */
void sangraha_client_free(struct sangraha_client *client);

/*
 * A descriptor for poll(2): readable while completions wait. Owned by the client.
 * Since: 0.1
 */
int sangraha_client_fd(const struct sangraha_client *client);

/*
 * Call `done` for what has completed, on this thread; at most 256 in a call. Returns how
 * many. Never blocks. Since: 0.1
 */
int sangraha_client_dispatch(struct sangraha_client *client);

/* What it can do right now, by the broker's word at most 1 s old. Since: 0.1 */
void sangraha_client_health(struct sangraha_client *client,
			    struct sangraha_health *health);

/*
 * The answer to a request; strings and bytes are borrowed from it. Yours to free. Of no
 * answer (NULL) the functions below tell nothing: NULL, 0, or SANGRAHA_E_INVALID.
 */
struct sangraha_result;

void sangraha_result_free(struct sangraha_result *result);
/* 0 or a negative enum sangraha_status; the detail, or NULL after success. */
int sangraha_result_status(const struct sangraha_result *result);
const struct sangraha_error *sangraha_result_error(const struct sangraha_result *result);
/* The description, after success of put (not an asynchronous one), get and stat; else NULL. */
struct sangraha_object *sangraha_result_object(const struct sangraha_result *result);
/* The bytes, of get; NULL otherwise. */
const void *sangraha_result_data(const struct sangraha_result *result,
				 size_t *ret_length);
/* The i-th description of a list; NULL past the end. */
struct sangraha_object *sangraha_result_at(const struct sangraha_result *result,
					   size_t i);
/* The cursor of a list's next page; NULL on the last. */
const char *sangraha_result_next_cursor(const struct sangraha_result *result);
/* 1 when a put found its own earlier success. */
int sangraha_result_replayed(const struct sangraha_result *result);
/* 1 when the error of an operation's answer is the recorded end of the operation. */
int sangraha_result_recorded(const struct sangraha_result *result);
/* Of a refusal: what was declared, what was found, which rule, where (-1: nowhere). */
const char *sangraha_result_declared(const struct sangraha_result *result);
const char *sangraha_result_detected(const struct sangraha_result *result);
const char *sangraha_result_rule(const struct sangraha_result *result);
int64_t sangraha_result_offset(const struct sangraha_result *result);
/* The object id that was asked for, minted ones included; "" for a list. */
const char *sangraha_result_id(const struct sangraha_result *result);

/* What all requests share. */
struct sangraha_request_options {
	size_t size;
	const char *request_id;  /* 1-128 bytes of [A-Za-z0-9._:-]; NULL: minted */
	const char *traceparent; /* W3C Trace Context, passed on unread; NULL: none */
	unsigned timeout_ms;     /* 0: the client's */
};

struct sangraha_put_options {
	size_t size;
	const char *request_id;
	const char *traceparent;
	unsigned timeout_ms;
	const char *id; /* UUID; NULL: derived from the key, or minted */
	const char
		*idempotency_key; /* 1-255 bytes, repeats are one write; not with `id` */
	const char *filename;     /* UTF-8, at most 255 bytes, no path; NULL: none */
	const char *content_type; /* as declared by the user; NULL: not declared */
	const char *type;         /* the type that is insisted on; NULL: detected */
	const char *sha256;       /* expected, lower-case hex; NULL: not checked */
	const char *const *meta_names;  /* [a-z0-9-]{1,64} */
	const char *const *meta_values; /* UTF-8; 512 bytes percent-encoded in all */
	size_t meta_count;
	/*
	 * 1: done when the broker has confirmed, without an answer from a receiver; the
	 * object is then on its way and sangraha_client_operation() tells what became of
	 * it.
	 */
	int async;
};

/*
 * Store `length` bytes as one object; they are copied. On success *ret is the answer,
 * with the description; on failure it is set too when an answer came (a refusal's rule),
 * otherwise NULL; free it either way. `ret` may be NULL.
 *
 * Answers rather than accidents: SANGRAHA_E_UNSUPPORTED, _REJECTED, _CONFLICT, _GONE,
 * _TOO_LARGE. After _TIMEOUT and _UNAVAILABLE the object may be stored nevertheless;
 * repeat with the same id or key.
 *
 * Since: 0.1
 */
int sangraha_client_put(struct sangraha_client *client, const void *data, size_t length,
			const struct sangraha_put_options *options,
			struct sangraha_result **ret, struct sangraha_error *err);

/* Fetch an object with its bytes. SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1 */
int sangraha_client_get(struct sangraha_client *client, const char *type, const char *id,
			const struct sangraha_request_options *options,
			struct sangraha_result **ret, struct sangraha_error *err);

/* Fetch its description. SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1 */
int sangraha_client_stat(struct sangraha_client *client, const char *type, const char *id,
			 const struct sangraha_request_options *options,
			 struct sangraha_result **ret, struct sangraha_error *err);

/* Delete for good. SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1 */
int sangraha_client_delete(struct sangraha_client *client, const char *type,
			   const char *id, const struct sangraha_request_options *options,
			   struct sangraha_result **ret, struct sangraha_error *err);

/*
 * A page of descriptions in order of ids; `type` NULL lists the types one after another.
 * `limit` 1 to 1000, 0: 100. `cursor` is what an earlier page gave, NULL begins.
 * A page may be shorter than `limit`; only the absence of a cursor says it is the last.
 * Since: 0.1
 */
int sangraha_client_list(struct sangraha_client *client, const char *type, unsigned limit,
			 const char *cursor,
			 const struct sangraha_request_options *options,
			 struct sangraha_result **ret, struct sangraha_error *err);

/*
 * What became of a write: its description, or the error it ended with, or
 * SANGRAHA_E_NOT_FOUND while nothing is known. Since: 0.1
 */
int sangraha_client_operation(struct sangraha_client *client, const char *id,
			      const struct sangraha_request_options *options,
			      struct sangraha_result **ret, struct sangraha_error *err);

/*
 * The same, asynchronously. `done` owns the result. A put whose bytes do not fit the
 * context's memory now fails with SANGRAHA_E_OVERLOADED; an upload waits instead.
 */
typedef void sangraha_done_fn(void *arg, struct sangraha_result *result);

int sangraha_client_submit_put(struct sangraha_client *client, const void *data,
			       size_t length, const struct sangraha_put_options *options,
			       sangraha_done_fn *done, void *arg,
			       struct sangraha_error *err);
int sangraha_client_submit_get(struct sangraha_client *client, const char *type,
			       const char *id,
			       const struct sangraha_request_options *options,
			       sangraha_done_fn *done, void *arg,
			       struct sangraha_error *err);
int sangraha_client_submit_stat(struct sangraha_client *client, const char *type,
				const char *id,
				const struct sangraha_request_options *options,
				sangraha_done_fn *done, void *arg,
				struct sangraha_error *err);
int sangraha_client_submit_delete(struct sangraha_client *client, const char *type,
				  const char *id,
				  const struct sangraha_request_options *options,
				  sangraha_done_fn *done, void *arg,
				  struct sangraha_error *err);
int sangraha_client_submit_list(struct sangraha_client *client, const char *type,
				unsigned limit, const char *cursor,
				const struct sangraha_request_options *options,
				sangraha_done_fn *done, void *arg,
				struct sangraha_error *err);
int sangraha_client_submit_operation(struct sangraha_client *client, const char *id,
				     const struct sangraha_request_options *options,
				     sangraha_done_fn *done, void *arg,
				     struct sangraha_error *err);

/*
 * A body that arrives in pieces. Memory for it is reserved from the context's budget
 * before the bytes are taken; while there is none, the upload is paused.
 */
struct sangraha_upload;

/*
 * Begin. `length` is the body's size when it is known, -1 otherwise;
 * SANGRAHA_E_TOO_LARGE when it cannot fit. `resume`, which may be NULL, is called - from
 * any thread, with no lock held, briefly - when a paused upload can go on. Submitting and
 * freeing the upload wait for a call of it under way on another thread, and none follows.
 *
 * Since: 0.1
 */
int sangraha_upload_new(struct sangraha_client *client, int64_t length,
			void (*resume)(void *arg), void *resume_arg,
			struct sangraha_upload **ret, struct sangraha_error *err);

/*
 * Take bytes. *ret_taken may be less than `length`, also 0: the upload is paused; offer
 * the rest again after `resume`. SANGRAHA_E_TOO_LARGE past the inline limit,
 * SANGRAHA_E_INVALID past the length that was announced.
 * Since: 0.1
 */
int sangraha_upload_write(struct sangraha_upload *upload, const void *data, size_t length,
			  size_t *ret_taken, struct sangraha_error *err);

/* The body is whole: send it. Takes the upload, also when it fails. Since: 0.1 */
int sangraha_upload_submit(struct sangraha_upload *upload,
			   const struct sangraha_put_options *options,
			   sangraha_done_fn *done, void *arg, struct sangraha_error *err);

/* Give up; NULL is accepted. Since: 0.1 */
void sangraha_upload_free(struct sangraha_upload *upload);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/* Requesters: the orchestrator role as a library. */
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

/* Of sangraha_client_new(). Zero means default. */
struct sangraha_client_options {
	size_t size;                  /* sizeof(struct sangraha_client_options) */
	struct sangraha_types *types; /* the receivers'; NULL: json, image, pdf */
	unsigned timeout_ms;          /* of a request that names none; 0: 30000 */
	unsigned max_in_flight;       /* requests without an answer, at most; 0: 4096 */
	size_t inline_limit; /* bytes; 0: 512 KiB, at most an eighth of the memory limit */
	/*
	 * 0: completions wait until sangraha_client_dispatch() is called. 1: `done` runs
	 * at once on a thread of the library, perhaps before the call that submitted has
	 * returned, several at once, and must not block.
	 */
	int direct;
	int persistent_reads; /* 1: read requests and replies survive a broker restart */
	/*
	 * Objects over the inline limit travel straight to the store and from it. Up to
	 * the spool limit they are held whole, in memory, and sent by one request.
	 */
	uint64_t spool_limit;     /* bytes; 0: 4 MiB */
	uint64_t max_object_size; /* bytes; 0: 5 TiB */
	int no_large_writes; /* 1: objects over the inline limit are SANGRAHA_E_TOO_LARGE */
	unsigned idle_timeout_ms;  /* a transfer without a byte fails after; 0: 30000 */
	const char *store_ca_file; /* PEM, of https stores; NULL: the system's */
	unsigned async_timeout_ms; /* a put with `async` is done by then; 0: a day */
	/*
	 * Objects within the inline limit are kept for a while after they were fetched, and
	 * gets and stats of them answered at once. One that somebody has deleted is served
	 * no longer than until the event of that arrives, and not when this client has been
	 * told so; without the queue of events nothing is. What is kept counts as memory of
	 * the context, and gives way to whoever needs it.
	 */
	size_t cache_size; /* bytes, at most; 0: 8 MiB, or a quarter of the memory limit */
	unsigned cache_ttl_ms; /* after it was asked for at the store; 0: 10000 */
	int no_cache;          /* 1: each read asks a getter */
};

/*
 * Make a client over `queue`, which it keeps a reference to. `options` may be NULL and is
 * copied. Returns at once, whether the broker is there or not: requests wait for it until
 * their timeout. On success *ret is yours: sangraha_client_free(). SANGRAHA_E_INVALID for
 * an inline limit over an eighth of the context's memory limit. Since: 0.1
 */
int sangraha_client_new(struct sangraha_context *context, struct sangraha_queue *queue,
			const struct sangraha_client_options *options,
			struct sangraha_client **ret, struct sangraha_error *err);

/*
 * Release. Requests without an answer end with SANGRAHA_E_UNAVAILABLE, their `done` is
 * called before this returns. Not from inside a `done`, nor while another thread is in a
 * call of this client; uploads are submitted or freed before, downloads freed. NULL is
 * accepted. Since: 0.1
 */
void sangraha_client_free(struct sangraha_client *client);

/*
 * A descriptor for poll(2): readable while completions wait. Owned by the client, and
 * only to be polled. Since: 0.1
 */
int sangraha_client_fd(const struct sangraha_client *client);

/*
 * Call `done` for what has completed, on this thread; at most 256 in a call. Returns how
 * many; the descriptor stays readable when there may be more. Does not block. Since: 0.1
 */
int sangraha_client_dispatch(struct sangraha_client *client);

/*
 * What the file name of `object` ends in when it has none of its own: "png", "pdf", or the
 * extension of a type that the program added. Borrowed from the client, of its types; NULL
 * for an object of another one. Since: 0.1
 */
const char *sangraha_client_extension(const struct sangraha_client *client,
				      const struct sangraha_object *object);

/*
 * What it can do right now, by the broker's word at most 1 s old; answers at once, from
 * any thread. NULL is a client that is down. Since: 0.1
 */
void sangraha_client_health(struct sangraha_client *client,
			    struct sangraha_health *health);

/*
 * The answer to a request; objects, strings and bytes are borrowed from it. Yours to
 * free, immutable. Of no answer (NULL) the functions below tell nothing: NULL, 0, -1 as
 * offset, or SANGRAHA_E_INVALID as status.
 */
struct sangraha_result;

/* Release; NULL is accepted. Since: 0.1 */
void sangraha_result_free(struct sangraha_result *result);
/* 0 or a negative enum sangraha_status. Since: 0.1 */
int sangraha_result_status(const struct sangraha_result *result);
/* The detail of a failure; NULL after success. Since: 0.1 */
const struct sangraha_error *sangraha_result_error(const struct sangraha_result *result);
/*
 * The description, after success of put (not with `async`), get, stat and operation; else
 * NULL. Since: 0.1
 */
struct sangraha_object *sangraha_result_object(const struct sangraha_result *result);
/*
 * The bytes, of get; NULL otherwise, of an empty object, and of one over the inline limit,
 * whose description has its size: sangraha_download_new() fetches it. *ret_length, which
 * may be NULL, is how many. They count against the context's memory limit. Since: 0.1
 */
const void *sangraha_result_data(const struct sangraha_result *result,
				 size_t *ret_length);
/*
 * Of a get of an object over the inline limit: its signed "http:" or "https:" address in
 * the store, which is good for a while and a secret. NULL otherwise, and when the store
 * has no such addresses. Since: 0.1
 */
const char *sangraha_result_url(const struct sangraha_result *result);
/* The i-th description of a list, from 0; NULL past the end. Since: 0.1 */
struct sangraha_object *sangraha_result_at(const struct sangraha_result *result,
					   size_t i);
/* The cursor of a list's next page; NULL on the last. Since: 0.1 */
const char *sangraha_result_next_cursor(const struct sangraha_result *result);
/* 1 when a put found its own earlier success. Since: 0.1 */
int sangraha_result_replayed(const struct sangraha_result *result);
/*
 * 1 when the error of sangraha_client_operation() is what the operation itself ended
 * with; 0 when the question failed. Since: 0.1
 */
int sangraha_result_recorded(const struct sangraha_result *result);
/* Of a refusal: the media type that was declared; NULL when none was. Since: 0.1 */
const char *sangraha_result_declared(const struct sangraha_result *result);
/* Of a refusal: the media type that the content has; NULL when unknown. Since: 0.1 */
const char *sangraha_result_detected(const struct sangraha_result *result);
/* Of a refusal: the rule that was broken, a stable word. Since: 0.1 */
const char *sangraha_result_rule(const struct sangraha_result *result);
/*
 * Of a refusal: the offset of the first byte that cannot be right, from 0; -1 when there
 * is none. Since: 0.1
 */
int64_t sangraha_result_offset(const struct sangraha_result *result);
/* The object id that was asked for, minted ones included; "" for a list. Since: 0.1 */
const char *sangraha_result_id(const struct sangraha_result *result);
/*
 * Of a put with `async`: when the write will not be begun any more, in Unix milliseconds;
 * 0 of anything else. Since: 0.1
 */
int64_t sangraha_result_until_ms(const struct sangraha_result *result);

/* What all requests share. */
struct sangraha_request_options {
	size_t size;             /* sizeof(struct sangraha_request_options) */
	const char *request_id;  /* 1-128 bytes of [A-Za-z0-9._:-]; NULL: minted */
	const char *traceparent; /* W3C Trace Context, passed on unread; NULL: none */
	unsigned timeout_ms;     /* 0: the client's */
	/*
	 * Of a get, of an object over the inline limit. 1: sangraha_result_url() is for a web
	 * browser, which the store then tells content type and file name.
	 */
	int redirect;
	int download; /* 1: ... and that it is to be saved, not shown */
};

/* Of a put. Zero means default. */
struct sangraha_put_options {
	size_t size;             /* sizeof(struct sangraha_put_options) */
	const char *request_id;  /* 1-128 bytes of [A-Za-z0-9._:-]; NULL: minted */
	const char *traceparent; /* W3C Trace Context, passed on unread; NULL: none */
	unsigned timeout_ms;     /* 0: the client's */
	const char *id;          /* UUID; NULL: derived from the key, or minted */
	/* 1 to 255 bytes; puts with the same key are one write. Not with `id`. */
	const char *idempotency_key;
	const char *filename;          /* UTF-8, at most 255 bytes, no path; NULL: none */
	const char *content_type;      /* as declared by the user; NULL: not declared */
	const char *type;              /* the type that is insisted on; NULL: detected */
	const char *sha256;            /* expected, lower-case hex; NULL: not checked */
	const char *const *meta_names; /* [a-z0-9-]{1,64}, each once */
	const char *const *meta_values; /* UTF-8; see `meta_count` */
	size_t meta_count; /* pairs, at most 32; 512 bytes of names and encoded values */
	/*
	 * 1: done when the broker has confirmed, without an answer from a receiver, which
	 * has the client's async_timeout_ms then; sangraha_client_operation() tells what
	 * became of it.
	 */
	int async;
};

/*
 * The blocking calls end by their timeout and may be made from any thread, whatever
 * `direct` is. What they return is the answer's status. On success *ret is the answer; on
 * failure it is set too when an answer came (a refusal's rule), otherwise NULL; free it
 * either way. `ret` and `options` may be NULL. All may fail with SANGRAHA_E_INVALID for
 * an argument that cannot be, _OVERLOADED with too many requests in flight, _UNAVAILABLE
 * when nobody can do it now, and _TIMEOUT.
 */

/*
 * Store `length` bytes as one object; they are copied, all at once or in parts, and wait
 * for room in the context's memory limit.
 *
 * Answers rather than accidents: SANGRAHA_E_UNSUPPORTED, _REJECTED, _CONFLICT, _GONE,
 * _TOO_LARGE. After _TIMEOUT and _UNAVAILABLE the object may be stored nevertheless;
 * repeat with the same id or key. Who lets the id be minted and gets no answer never
 * learns it: better choose it, by sangraha_id_new() or a key.
 *
 * Since: 0.1
 */
int sangraha_client_put(struct sangraha_client *client, const void *data, size_t length,
			const struct sangraha_put_options *options,
			struct sangraha_result **ret, struct sangraha_error *err);

/*
 * Where a body comes from: put up to `size` bytes into `data` and say how many; 0 is the
 * end, a negative enum sangraha_status gives up. Called on the thread that makes the
 * request, and may block.
 */
typedef int64_t sangraha_read_fn(void *arg, void *data, size_t size);

/*
 * Store what read() gives, as sangraha_client_put() does. `length` is the body's size in
 * bytes, -1 when it is not known; SANGRAHA_E_INVALID when read() gives another number. Of
 * a body over the inline limit a few parts are held at a time; its timeout counts from
 * its last byte, and while it gets no memory. SANGRAHA_E_OVERLOADED then. What a fast
 * source has left is not held, as sangraha_upload_new() tells: when the store's connection
 * breaks, that is _UNAVAILABLE, and has to be put again.
 *
 * Since: 0.1
 */
int sangraha_client_put_stream(struct sangraha_client *client, int64_t length,
			       sangraha_read_fn *read, void *arg,
			       const struct sangraha_put_options *options,
			       struct sangraha_result **ret, struct sangraha_error *err);

/*
 * The same from a descriptor, which stays yours: a regular file from where it stands, and
 * with the length that it has now; anything else to its end. Since: 0.1
 */
int sangraha_client_put_fd(struct sangraha_client *client, int fd,
			   const struct sangraha_put_options *options,
			   struct sangraha_result **ret, struct sangraha_error *err);

/*
 * Fetch an object with its bytes. SANGRAHA_E_NOT_FOUND is an answer; so is
 * SANGRAHA_E_TOO_LARGE, with the description: the object is over the inline limit, and
 * sangraha_client_get_stream() is there for it. Since: 0.1
 */
int sangraha_client_get(struct sangraha_client *client, const char *type, const char *id,
			const struct sangraha_request_options *options,
			struct sangraha_result **ret, struct sangraha_error *err);

/*
 * The answer to a get if the cache has it with its bytes, without asking anybody; it counts
 * as a get. Yours: sangraha_result_free(). NULL when it has not: a get would ask a getter,
 * or be told how to fetch an object over the inline limit. Does not block; from any thread.
 * Since: 0.1
 */
struct sangraha_result *sangraha_client_cached(struct sangraha_client *client,
					       const char *type, const char *id);

/*
 * Where a body goes to: take `length` bytes and return 0, or a negative enum
 * sangraha_status to give up. Called on the thread that makes the request, and may block.
 */
typedef int sangraha_write_fn(void *arg, const void *data, size_t length);

/* Of a get of any size. Zero means default. */
struct sangraha_get_options {
	size_t size;             /* sizeof(struct sangraha_get_options) */
	const char *request_id;  /* 1-128 bytes of [A-Za-z0-9._:-]; NULL: minted */
	const char *traceparent; /* W3C Trace Context, passed on unread; NULL: none */
	unsigned timeout_ms;     /* until the first answer; 0: the client's */
	uint64_t offset;         /* bytes to leave out; SANGRAHA_E_INVALID past the end */
	uint64_t length;         /* bytes at most; 0: all there are */
	/* Called once, before the first write(), with the description; or NULL. */
	void (*begin)(void *arg, const struct sangraha_result *result);
};

/*
 * Fetch an object of any size and hand its bytes to write(), in order. There is no limit
 * on the time of it all: it ends when no byte has come for the client's idle_timeout_ms;
 * a connection that breaks is taken up where it stood. What is read whole is compared
 * with its digest, before the last piece is handed on: SANGRAHA_E_INTERNAL when it
 * differs, and then not all of it was. SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1
 */
int sangraha_client_get_stream(struct sangraha_client *client, const char *type,
			       const char *id, const struct sangraha_get_options *options,
			       sangraha_write_fn *write, void *arg,
			       struct sangraha_result **ret, struct sangraha_error *err);

/*
 * The same into a descriptor, by write(2) from where it stands; one that does not block is
 * waited for. begin() gets NULL for `arg`. When it cannot be written to, errno is the
 * error's `native`. Since: 0.1
 */
int sangraha_client_get_fd(struct sangraha_client *client, const char *type,
			   const char *id, const struct sangraha_get_options *options,
			   int fd, struct sangraha_result **ret,
			   struct sangraha_error *err);

/* Fetch its description. SANGRAHA_E_NOT_FOUND is an answer. Since: 0.1 */
int sangraha_client_stat(struct sangraha_client *client, const char *type, const char *id,
			 const struct sangraha_request_options *options,
			 struct sangraha_result **ret, struct sangraha_error *err);

/*
 * Delete for good: the id cannot be written again. SANGRAHA_E_NOT_FOUND is an answer,
 * also to a call that repeats one which was given up. Since: 0.1
 */
int sangraha_client_delete(struct sangraha_client *client, const char *type,
			   const char *id, const struct sangraha_request_options *options,
			   struct sangraha_result **ret, struct sangraha_error *err);

/*
 * A page of descriptions in order of ids; `type` NULL lists the types one after another.
 * `limit` 1 to 1000, 0: 100. `cursor` is what an earlier page of the same type gave, NULL
 * begins.
 * A page may be shorter than `limit`; only the absence of a cursor says it is the last.
 * Since: 0.1
 */
int sangraha_client_list(struct sangraha_client *client, const char *type, unsigned limit,
			 const char *cursor,
			 const struct sangraha_request_options *options,
			 struct sangraha_result **ret, struct sangraha_error *err);

/*
 * What became of the write with the object id `id`: its description, or the error it
 * ended with (sangraha_result_recorded()), or SANGRAHA_E_NOT_FOUND while nothing is
 * known. Since: 0.1
 */
int sangraha_client_operation(struct sangraha_client *client, const char *id,
			      const struct sangraha_request_options *options,
			      struct sangraha_result **ret, struct sangraha_error *err);

/*
 * What is called with the answer to a request, or with its failure; never with NULL. It
 * owns the result: sangraha_result_free().
 */
typedef void sangraha_done_fn(void *arg, struct sangraha_result *result);

/*
 * sangraha_client_put(), asynchronously. A put whose bytes do not fit the context's
 * memory now, or are more than five eighths of all of it, fails with
 * SANGRAHA_E_OVERLOADED; an upload waits instead. Since: 0.1
 */
int sangraha_client_submit_put(struct sangraha_client *client, const void *data,
			       size_t length, const struct sangraha_put_options *options,
			       sangraha_done_fn *done, void *arg,
			       struct sangraha_error *err);
/* sangraha_client_get(), asynchronously. Since: 0.1 */
int sangraha_client_submit_get(struct sangraha_client *client, const char *type,
			       const char *id,
			       const struct sangraha_request_options *options,
			       sangraha_done_fn *done, void *arg,
			       struct sangraha_error *err);
/* sangraha_client_stat(), asynchronously. Since: 0.1 */
int sangraha_client_submit_stat(struct sangraha_client *client, const char *type,
				const char *id,
				const struct sangraha_request_options *options,
				sangraha_done_fn *done, void *arg,
				struct sangraha_error *err);
/* sangraha_client_delete(), asynchronously. Since: 0.1 */
int sangraha_client_submit_delete(struct sangraha_client *client, const char *type,
				  const char *id,
				  const struct sangraha_request_options *options,
				  sangraha_done_fn *done, void *arg,
				  struct sangraha_error *err);
/* sangraha_client_list(), asynchronously. Since: 0.1 */
int sangraha_client_submit_list(struct sangraha_client *client, const char *type,
				unsigned limit, const char *cursor,
				const struct sangraha_request_options *options,
				sangraha_done_fn *done, void *arg,
				struct sangraha_error *err);
/* sangraha_client_operation(), asynchronously. Since: 0.1 */
int sangraha_client_submit_operation(struct sangraha_client *client, const char *id,
				     const struct sangraha_request_options *options,
				     sangraha_done_fn *done, void *arg,
				     struct sangraha_error *err);

/*
 * A body that arrives in pieces. Memory for it is reserved from the context's budget
 * before the bytes are taken; while there is none, the upload is paused. For one thread
 * at a time.
 *
 * What is over the inline limit is validated and hashed as it is written. Up to the spool
 * limit it is held until it is whole; beyond, and of unknown length, it is on its way to
 * the store in parts meanwhile, several at once. Those are held until they are stored, and
 * sent again when they fail; but with its length, and an id that is minted for it, when
 * the first 5 MiB came within a second and at most 128 MiB are left, these go to the store as they come. If its
 * connection breaks then, the upload fails with SANGRAHA_E_UNAVAILABLE, and all of it is to
 * be written again. Nothing of a body can be seen before it was accepted as a whole.
 */
struct sangraha_upload;

/*
 * Begin. `length` is the body's size in bytes when it is known, -1 otherwise;
 * SANGRAHA_E_TOO_LARGE when it cannot be stored. `options`, which may be NULL, are checked
 * and copied; `async` counts within the inline limit only. `resume`, which may be NULL, is called once for each time that the upload was
 * paused - from any thread, with no lock held, and must be brief - when it can go on.
 * Submitting and freeing the upload wait for a call of it under way on another thread,
 * and none follows. On success *ret is yours: hand it to sangraha_upload_submit() or
 * sangraha_upload_free().
 *
 * Since: 0.1
 */
int sangraha_upload_new(struct sangraha_client *client, int64_t length,
			const struct sangraha_put_options *options,
			void (*resume)(void *arg), void *resume_arg,
			struct sangraha_upload **ret, struct sangraha_error *err);

/*
 * Take bytes; does not block. *ret_taken may be less than `length`, also 0: the upload is
 * paused; offer the rest again after `resume`. SANGRAHA_E_INVALID past the length that was
 * announced.
 *
 * Any other failure is the end of the upload: _REJECTED, _UNSUPPORTED, _TOO_LARGE refuse
 * the body, whatever follows, others say that it cannot be stored. It comes again with
 * each further call. Submit the upload to be told when nothing of it is left, or free it.
 *
 * Since: 0.1
 */
int sangraha_upload_write(struct sangraha_upload *upload, const void *data, size_t length,
			  size_t *ret_taken, struct sangraha_error *err);

/*
 * Add a pair of metadata that was not known when the upload began, as of
 * sangraha_put_options. SANGRAHA_E_INVALID for one that cannot be, and once the body is
 * over the inline limit. Since: 0.1
 */
int sangraha_upload_add_meta(struct sangraha_upload *upload, const char *name,
			     const char *value, struct sangraha_error *err);

/*
 * The id of the object that it is to become, minted ones included. Borrowed from the
 * upload. Since: 0.1
 */
const char *sangraha_upload_id(const struct sangraha_upload *upload);

/*
 * Why sangraha_upload_write() refused the body, with rule and offset; NULL as long as
 * nothing was refused. Borrowed, valid until the upload is submitted or freed. Since: 0.1
 */
const struct sangraha_verdict *
sangraha_upload_verdict(const struct sangraha_upload *upload);

/*
 * The body is whole: send it, as sangraha_client_submit_put() does; its timeout counts
 * from here. Takes the upload, also when it fails. SANGRAHA_E_INVALID with fewer bytes
 * than were announced. Of one that was refused `done` is called with the refusal, after
 * what was stored of it is gone again, or after 5 s. Since: 0.1
 */
int sangraha_upload_submit(struct sangraha_upload *upload, sangraha_done_fn *done,
			   void *arg, struct sangraha_error *err);

/*
 * Give up, and be told: `done` is called with SANGRAHA_E_INVALID, or with what the upload
 * had failed with, when nothing of it is left, or after 5 s. Takes the upload, also when
 * it fails. Since: 0.1
 */
int sangraha_upload_cancel(struct sangraha_upload *upload, sangraha_done_fn *done,
			   void *arg, struct sangraha_error *err);

/*
 * For how many milliseconds nothing has been on its way to the store, of this upload or of
 * those that it may wait for: a reason to give up one that is paused. Since: 0.1
 */
int64_t sangraha_upload_idle_ms(const struct sangraha_upload *upload);

/*
 * How many bytes of memory wait for more of the body, and hold up those of others
 * meanwhile. For the thread that writes. Since: 0.1
 */
size_t sangraha_upload_memory(const struct sangraha_upload *upload);

/*
 * Give up; what was stored of it is removed in the background. NULL is accepted.
 * Since: 0.1
 */
void sangraha_upload_free(struct sangraha_upload *upload);

/*
 * The bytes of an object on their way to a reader, whatever its size: out of the answer to
 * a get, or straight from the store. At most 256 KiB are read ahead, for which memory is
 * reserved from the context's budget; a download waits until it is there. For one thread
 * at a time.
 */
struct sangraha_download;

/*
 * Begin to read the object that `result`, the answer to a get, describes: `length` bytes
 * from `offset` on, 0 for all that are left. The result is borrowed for the call.
 * `ready`, which may be NULL, is called - from any thread, with no lock held, and must be
 * brief - once for each sangraha_download_read() or _poll() that had nothing, when there
 * is something: bytes or a failure. On success *ret is yours: sangraha_download_free().
 * SANGRAHA_E_INVALID when the answer has no object, or `offset` is past its end.
 *
 * Since: 0.1
 */
int sangraha_download_new(struct sangraha_client *client,
			  const struct sangraha_result *result, uint64_t offset,
			  uint64_t length, void (*ready)(void *arg), void *ready_arg,
			  struct sangraha_download **ret, struct sangraha_error *err);

/*
 * Take at most `size` bytes, which is not 0; does not block. *ret_got may be 0: wait for
 * `ready` then, unless sangraha_download_ended(). The last bytes of a whole object come
 * only after its digest was found right: SANGRAHA_E_INTERNAL when it differs, and what was
 * taken before is not the object. SANGRAHA_E_NOT_FOUND when it was deleted in the
 * meantime; _UNAVAILABLE and _TIMEOUT when the store has brought nothing for the client's
 * idle_timeout_ms. After a failure there are no more bytes.
 *
 * Since: 0.1
 */
int sangraha_download_read(struct sangraha_download *download, void *data, size_t size,
			   size_t *ret_got, struct sangraha_error *err);

/*
 * Whether a read would have something: 1, or a failure's status as of
 * sangraha_download_read(); 0: wait for `ready`. Takes nothing. Since: 0.1
 */
int sangraha_download_poll(struct sangraha_download *download,
			   struct sangraha_error *err);

/* 1 when all bytes were taken. Since: 0.1 */
int sangraha_download_ended(const struct sangraha_download *download);

/*
 * End, at any time and from any thread, also inside `ready`; a call of it under way on
 * another thread is waited for, and none follows. Before the client; NULL is accepted.
 * Since: 0.1
 */
void sangraha_download_free(struct sangraha_download *download);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
#ifndef FAKE_CLIENT_H
#define FAKE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sangraha/client.h>

/*
 * The functions of <sangraha/client.h> without a queue behind them: requests are answered
 * as a test says, on a thread of the fake's own, and what was asked can be looked at. A
 * program that links this must not link lib/role's client.
 */

/* How requests are answered; strings are borrowed. */
struct fake_answer {
	int status;
	const char *message;            /* NULL: the status's text */
	struct sangraha_object *object; /* borrowed */
	bool as_sent; /* of a put: with the size and digest of its body */
	size_t count; /* of a list: `object` so many times */
	const char *next_cursor;
	const char *data;
	size_t length;
	bool large;      /* the data comes by a download alone */
	const char *url; /* ... or from there */
	bool replayed;
	bool recorded;
	const char *declared;
	const char *detected;
	const char *rule;
	int64_t offset;
	bool has_offset;
	const char *id;   /* NULL: the object's */
	int64_t until_ms; /* of an asynchronous put */
	int submit;       /* the submit call itself fails with this status */
};

/* What was asked for last; "" for what was not given. */
struct fake_seen {
	char verb[16];
	char type[64];
	char id[64];
	char request_id[160];
	char traceparent[64];
	unsigned timeout_ms;
	unsigned limit;
	char cursor[600];
	char key[260];
	char filename[260];
	char content_type[160];
	char sha256[80];
	char meta[1024]; /* "name=value;…" */
	int async;
	int redirect;
	int download;
	int64_t announced; /* the length given to sangraha_upload_new() */
	char *body;
	size_t body_length;
};

/* What an upload is to become. */
#define FAKE_UPLOAD_ID "0199f2c4-0000-7000-8000-00000000feed"

struct sangraha_client *fake_new(void);
/* All requests from now on. */
void fake_answer(struct sangraha_client *fake, const struct fake_answer *answer);
/* From now on reads are answered by sangraha_client_cached(), or are not. */
void fake_cached(struct sangraha_client *fake, bool cached);
/* Keep requests until they are released, all at once, each from the fake's thread. */
void fake_hold(struct sangraha_client *fake);
void fake_release(struct sangraha_client *fake);
/* Take at most so many bytes of a body, then pause until the fake's thread wakes it. */
void fake_pause_after(struct sangraha_client *fake, size_t bytes);
/*
 * Refuse what is longer as it comes, with that status. The refusal's result is answered as
 * any other.
 */
void fake_refuse_after(struct sangraha_client *fake, size_t bytes, int status);
/* Refuse metadata that comes when the body has begun. */
void fake_meta_first(struct sangraha_client *fake, bool first);
/* What sangraha_upload_idle_ms() is to say: something moves, or nothing ever has. */
void fake_moves(struct sangraha_client *fake, bool moves);
/* How many uploads were cancelled. */
size_t fake_cancelled(struct sangraha_client *fake);
void fake_inline_limit(struct sangraha_client *fake, size_t bytes);
/*
 * Downloads get so many of their bytes, until more are brought; all by default. With a
 * status they fail after those.
 */
void fake_bring(struct sangraha_client *fake, size_t bytes, int status);
/* The part that was asked for last; how many are open, and wait for bytes. */
void fake_download_part(struct sangraha_client *fake, uint64_t *ret_offset,
			uint64_t *ret_length);
size_t fake_downloads_open(struct sangraha_client *fake);
size_t fake_downloads_waiting(struct sangraha_client *fake);
void fake_health(struct sangraha_client *fake, const struct sangraha_health *health);
/* A copy, but for `body`, which is valid until the next request. */
struct fake_seen fake_seen(struct sangraha_client *fake);
size_t fake_in_flight(struct sangraha_client *fake);
size_t fake_requests(struct sangraha_client *fake);
size_t fake_uploads_open(struct sangraha_client *fake);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef WEB_H
#define WEB_H

#include <stdbool.h>
#include <stddef.h>

#include <sangraha/rest.h>

#include "support/fake_client.h"

/* A REST server over a fake client, and raw HTTP to talk to it. */
struct web {
	struct sangraha_context *context;
	struct sangraha_client *fake;
	struct sangraha_rest *rest;
	struct sangraha_object *object; /* image/…feed, "Menü.png", 8 bytes */
};

#define WEB_ID     "0199f2c4-0000-7000-8000-00000000feed"
#define WEB_OBJECT "/v1/objects/image/" WEB_ID
#define WEB_SHA256 "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define WEB_BYTES  "01234567"

/* cmocka set-up and tear-down: *state is a struct web with the defaults, on port 0. */
int web_set_up(void **state);
int web_tear_down(void **state);
/* The same with options; `listen` may be left out. */
struct web *web_new(struct sangraha_rest_options *options);
void web_free(struct web *web);
/* What the fake answers from now on: the object, with its bytes. */
void web_answers_object(struct web *web);
void web_answers(struct web *web, int status);
struct sangraha_object *web_object(const char *type, const char *content_type,
				   const char *filename);

struct answer {
	int status;
	char head[16 << 10]; /* status line and header */
	char *body;          /* NUL-terminated */
	size_t length;
};

int web_connect(const struct web *web);
void web_send(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
void web_send_bytes(int fd, const void *data, size_t length);
/* Read one answer; `no_body` after HEAD. The status is 0 when the connection ended. */
void web_receive(int fd, bool no_body, struct answer *answer);
void answer_free(struct answer *answer);
/* A header's value, or NULL; valid until the next call with that answer. */
const char *answer_header(struct answer *answer, const char *name);
/* True when the peer closes within the time limit of a read. */
bool web_closed(int fd);

/* One request on a connection of its own. `headers` are lines that end with CR LF. */
struct answer web_do(const struct web *web, const char *method, const char *target,
		     const char *headers, const void *body, size_t length);
struct answer web_get(const struct web *web, const char *target);
struct answer web_post(const struct web *web, const char *target, const char *headers,
		       const char *body);

#define assert_has(answer, name, value) \
	assert_string_equal(answer_header((answer), (name)), (value))
#define assert_contains(text, part)                                      \
	do {                                                             \
		if (!strstr((text), (part)))                             \
			fail_msg("no \"%s\" in \"%s\"", (part), (text)); \
	} while (0)

#endif

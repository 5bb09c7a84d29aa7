/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_MESSAGE_H
#define SGH_WIRE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "base/arena.h"
#include "base/bytes.h"

/*
 * A queue message as every back end of the queue seam carries it: the basic properties
 * of AMQP 0-9-1 that Sangraha uses, a flat header table, a body. Strings live in the
 * message's arena or outlive it; NULL means absent. One thread at a time.
 */

#define SGH_SHORT_MAX        255        /* bytes of a property, and of a header's name */
#define SGH_HEADERS_MAX      64         /* headers of one message */
#define SGH_HEADER_BYTES_MAX (64 << 10) /* properties and headers, together */

enum sgh_header_kind {
	SGH_HEADER_TEXT,
	SGH_HEADER_NUMBER,
	SGH_HEADER_BOOL,  /* in `number`, 0 or 1 */
	SGH_HEADER_OTHER, /* of a kind, or with a NUL, that no field of ours has */
};

struct sgh_header {
	const char *name;
	enum sgh_header_kind kind;
	const char *text;
	int64_t number;
};

struct sgh_message {
	struct sgh_arena arena;
	const char *type;
	const char *content_type;
	const char *message_id;
	const char *correlation_id;
	const char *reply_to;
	const char *app_id;
	int64_t timestamp; /* Unix seconds; 0: absent */
	bool persistent;   /* delivery_mode 2 */
	struct sgh_header headers[SGH_HEADERS_MAX];
	size_t header_count;
	bool cut; /* properties or headers are missing: they were over the bounds */
	struct sgh_bytes *body; /* a reference; NULL: empty */
};

/* An empty message; NULL without memory. */
struct sgh_message *sgh_message_new(void);
void sgh_message_free(struct sgh_message *message);

/*
 * Add a header; name and text are copied into the arena. An absent text (NULL) adds
 * nothing and is no failure. False without memory or past the bounds.
 */
bool sgh_message_add_text(struct sgh_message *message, const char *name,
			  const char *text);
bool sgh_message_add_number(struct sgh_message *message, const char *name,
			    int64_t number);
bool sgh_message_add_bool(struct sgh_message *message, const char *name, bool value);

/* The header of that name; NULL when absent. */
const struct sgh_header *sgh_message_header(const struct sgh_message *message,
					    const char *name);
/* Its text, or NULL when absent or of another kind. */
const char *sgh_message_text(const struct sgh_message *message, const char *name);

#endif

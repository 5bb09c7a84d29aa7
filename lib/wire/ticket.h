/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_TICKET_H
#define SGH_WIRE_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "base/arena.h"
#include "base/buf.h"
#include "wire/object.h"

/*
 * Permission to move one large body straight to the store or from it, as it travels in a
 * reply: requests that somebody who has the store's keys has signed. They are sent exactly
 * as they stand here.
 */

#define SGH_TICKET_URLS_MAX    64
#define SGH_TICKET_URL_MAX     8192 /* bytes of one URL */
#define SGH_TICKET_HEADERS_MAX 56
#define SGH_TICKET_TEXT_MAX    (1 << 20) /* bytes of the document */

/* How a large body travels; the field "transfer". */
enum sgh_ticket_kind {
	SGH_TICKET_NONE,
	SGH_TICKET_PUT,   /* one PUT of the whole: "put" */
	SGH_TICKET_PARTS, /* a PUT for each part: "parts" */
	SGH_TICKET_GET,   /* a GET, with any Range: "get" */
};

/* "put", "parts", "get"; NULL for none. */
const char *sgh_ticket_kind_name(enum sgh_ticket_kind kind);
/* The reverse; SGH_TICKET_NONE for any other text. */
enum sgh_ticket_kind sgh_ticket_kind_from_name(const char *name);

/*
 * A ticket. Strings live in the arena of whoever made or parsed it. A URL is absolute:
 * "http:" and "https:" ones are requested, others name a store of this process
 * (store/mover.h).
 */
struct sgh_ticket {
	enum sgh_ticket_kind kind;
	int64_t expires_ms; /* Unix; no request is begun after that */
	/* put: headers that must be sent, with these values (ASCII) and in any order */
	struct sgh_pair headers[SGH_TICKET_HEADERS_MAX];
	size_t header_count;
	/* put, get: one; parts: those of first_part, first_part + 1, … */
	const char *urls[SGH_TICKET_URLS_MAX];
	size_t url_count;
	unsigned first_part; /* from 1 */
	const char *record;  /* parts: the record id that extend, commit and abort name */
};

#define SGH_TICKET_ARENA_MAX (1 << 20) /* bytes that a ticket may take in an arena */

/* The document: {"transfer":"parts","expires":…,"first_part":1,"urls":[…],…}. */
void sgh_ticket_write(const struct sgh_ticket *ticket, struct sgh_buf *buf);

/*
 * Read one; what is unknown in it is passed over. *ret lives in `arena`. SANGRAHA_E_INVALID
 * for what is no ticket or over a bound.
 */
int sgh_ticket_parse(const void *json, size_t length, struct sgh_arena *arena,
		     struct sgh_ticket **ret, struct sangraha_error *err);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_FILENAME_H
#define SGH_WIRE_FILENAME_H

#include <stdbool.h>
#include <stddef.h>

#include <sangraha/error.h>

#include "base/buf.h"

/* Valid UTF-8 (RFC 3629), at most `length` bytes: no surrogates, no overlong forms. */
bool sgh_utf8_valid(const void *text, size_t length);

/*
 * A file name as we keep it: 1 to 255 bytes of valid UTF-8, as sent. No control
 * characters (C0, DEL, C1), no bidirectional overrides or isolates, no "/" or "\", not
 * "." or "..". SANGRAHA_E_INVALID says what is wrong with it.
 */
int sgh_filename_check(const char *name, struct sangraha_error *err);

/*
 * The file name of a Content-Disposition header (RFC 6266): filename* (RFC 8187, UTF-8)
 * over filename (token or quoted string, UTF-8 or else ISO 8859-1). A path in it is cut
 * down to what follows the last "/" or "\". *ret is yours, or NULL when there is none.
 * SANGRAHA_E_INVALID for a header that cannot be read.
 */
int sgh_disposition_parse(const char *header, char **ret_name, char **ret_filename,
			  struct sangraha_error *err);

/*
 * Write a Content-Disposition: `kind` "inline" or "attachment", filename="…" with an
 * ASCII stand-in and, where that differs, filename*=UTF-8''… (RFC 8187, section 3.2).
 */
void sgh_disposition_write(struct sgh_buf *buf, const char *kind, const char *name);

/*
 * The Content-Disposition that an object is handed out with: "inline" for what a browser
 * may show by itself, "attachment" for everything else and with `download`. Without a
 * `filename` it is called by its id and the `extension` of its type, which may be NULL.
 */
void sgh_disposition_object(struct sgh_buf *buf, const char *content_type,
			    const char *filename, const char *id, const char *extension,
			    bool download);

/* Percent-encode all but unreserved characters (RFC 3986, section 2.3), upper-case hex. */
void sgh_percent_encode(struct sgh_buf *buf, const char *text);
/* Decode in place; false for a broken escape or an encoded NUL. */
bool sgh_percent_decode(char *text);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_BUF_H
#define SGH_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A growing text with a bound. Appending past the bound, or without memory, sets
 * `failed` and changes nothing more, so that a caller checks once, at the end; `full`
 * tells the former. `data` is NUL-terminated as soon as anything was appended.
 */
struct sgh_buf {
	char *data;
	size_t length;
	size_t capacity;
	size_t max; /* bytes, without the NUL; 0: 1 MiB */
	bool failed;
	bool full;
};

#define SGH_BUF_INIT(bound)    \
	{                      \
		.max = (bound) \
	}
#define sgh_autobuf __attribute__((cleanup(sgh_buf_fini)))

void sgh_buf_fini(struct sgh_buf *buf);
/* Forget the content and a failure, keep the memory. */
void sgh_buf_clear(struct sgh_buf *buf);
void sgh_buf_append(struct sgh_buf *buf, const void *data, size_t length);
void sgh_buf_puts(struct sgh_buf *buf, const char *text);
void sgh_buf_putc(struct sgh_buf *buf, char c);
void sgh_buf_printf(struct sgh_buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Append a JSON string with its quotes; invalid UTF-8 becomes U+FFFD (RFC 8259, section 7). */
void sgh_buf_json(struct sgh_buf *buf, const char *text);
/*
 * Append the name of an object's member, plain ASCII, and its colon; before that a comma,
 * unless it is the first.
 */
void sgh_buf_name(struct sgh_buf *buf, const char *name);
/* The text, "" when empty; yours after. NULL when it failed. The buf is empty then. */
char *sgh_buf_take(struct sgh_buf *buf);
/* "" when nothing was appended. */
const char *sgh_buf_text(const struct sgh_buf *buf);

#endif

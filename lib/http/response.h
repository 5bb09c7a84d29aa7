/* SPDX-License-Identifier: MIT */
#ifndef SGH_HTTP_RESPONSE_H
#define SGH_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where one response of HTTP/1.x ends, and what is in it (RFC 9112). No I/O. */

#define SGH_RESPONSE_HEADER_MAX (64 << 10)

/* What its first lines say about a response; interim ones (1xx) are each another. */
struct sgh_framing {
	int code;         /* 0: no status line was read */
	bool final;       /* not interim */
	bool ended;       /* its header */
	bool persists;    /* the connection may be used again after it (section 9.3) */
	bool chunked;     /* section 7.1 */
	bool bad;         /* it contradicts itself: nobody knows where it ends */
	bool two_lengths; /* ... by telling two of them */
	int64_t length;   /* Content-Length; -1: not said. sgh_framing_length() */
	size_t bytes;     /* of headers, those of interim responses too */
};

enum sgh_response_phase {
	SGH_RESPONSE_HEADER,
	SGH_RESPONSE_LENGTH, /* a body of `left` bytes */
	SGH_RESPONSE_CLOSE,  /* one that the connection's end ends */
	SGH_RESPONSE_CHUNK_SIZE,
	SGH_RESPONSE_CHUNK,
	SGH_RESPONSE_CHUNK_END,
	SGH_RESPONSE_TRAILER,
	SGH_RESPONSE_DONE,
};

struct sgh_response {
	struct sgh_framing framing;
	enum sgh_response_phase phase;
	bool head; /* it answers a HEAD: no body */
	uint64_t left;
};

/* What the reader hands out. A callback returns 0 to go on, anything else to stop. */
struct sgh_response_sink {
	/* A line of a header, "\r\n" and all; the status line and the empty one too. */
	int (*line)(void *arg, const char *line, size_t length);
	/* Bytes of the body. When it stops here, nothing of them is taken. */
	int (*body)(void *arg, const char *data, size_t length);
};

/* Forget a response; `bytes` of headers were read before, and count. */
void sgh_framing_begin(struct sgh_framing *framing, size_t bytes);
/*
 * Take note of one line; of a trailer nothing is to be noted. False when there are more
 * bytes of headers than SGH_RESPONSE_HEADER_MAX.
 */
bool sgh_framing_line(struct sgh_framing *framing, const char *line, size_t length);

/* The length of the body, as it is announced; -1: it is not. */
static inline int64_t sgh_framing_length(const struct sgh_framing *framing)
{
	return framing->chunked ? -1 : framing->length;
}

void sgh_response_begin(struct sgh_response *response, bool head);

#define SGH_RESPONSE_BAD INT32_MIN

/*
 * Read on. *ret_used says how many of the bytes are done with; the rest is to be given
 * again, with more behind it. 0: so far so good, and the phase says whether the response
 * is complete; SGH_RESPONSE_BAD: this is no HTTP, or `framing.bytes` are over the bound;
 * else what a callback returned.
 */
int sgh_response_read(struct sgh_response *response, const char *data, size_t length,
		      const struct sgh_response_sink *sink, void *arg, size_t *ret_used);

/* The connection has ended: whether the response was complete with that. */
bool sgh_response_ends(const struct sgh_response *response);

/*
 * Whether the connection may be used again when the response is complete, as far as its
 * header says (RFC 9112, sections 6.3 and 9.3).
 */
bool sgh_response_persists(const struct sgh_response *response);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_HEAD_MAX     16384
#define ANSWER_LOCATION_MAX 4096

/* An answer (RFC 9112) as it arrives: a head, and a body whose length the head tells. */
struct answer {
	char head[ANSWER_HEAD_MAX + 1];
	size_t head_length;
	bool has_head;
	int status;
	bool closes; /* the server ends the connection behind it */
	bool has_etag;
	uint64_t length;                    /* of the body */
	uint64_t taken;                     /* of it, so far */
	char location[ANSWER_LOCATION_MAX]; /* "" without one */
};

/* Begin with a new one. */
void answer_clear(struct answer *answer);

/*
 * Take bytes of the head out of `data` until it is whole; the result is how many, and what
 * is left is of the body. Negative when it is no answer that a measurement can take: not
 * HTTP/1.1, a head that is too long, a body without a length.
 */
long answer_take_head(struct answer *answer, const char *data, size_t length);

/* Head and body are complete. */
bool answer_is_whole(const struct answer *answer);

#endif

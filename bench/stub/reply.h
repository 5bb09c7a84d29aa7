/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STUB_REPLY_H
#define BENCH_STUB_REPLY_H

#include "base/buf.h"

#include "stub/keys.h"
#include "stub/request.h"

/* Append the answer to a whole request; *ret_zeros bytes follow it, an object's. */
void reply_to(const struct request *request, struct keys *keys, struct sgh_buf *out,
	      uint64_t *ret_zeros);
/* What cannot be taken; with a text that S3's clients understand, unless it was a HEAD. */
void reply_refused(int status, bool head, struct sgh_buf *out);

#endif

/* SPDX-License-Identifier: MIT */
#include "http/response.h"

#include "base/buf.h"
#include "fuzz/fuzz.h"

/*
 * Where a response ends, and what is in it. The first byte of an input says whether it
 * answers a HEAD; it is read whole and byte by byte, which must come to the same.
 */

struct reading {
	struct sgh_response response;
	struct sgh_buf lines;
	struct sgh_buf body;
	int status;
	size_t used;
};

static int on_line(void *arg, const char *line, size_t length)
{
	struct reading *reading = arg;

	fuzz_require(length && line[length - 1] == '\n');
	sgh_buf_append(&reading->lines, line, length);
	return 0;
}

static int on_body(void *arg, const char *data, size_t length)
{
	struct reading *reading = arg;

	fuzz_require(length);
	sgh_buf_append(&reading->body, data, length);
	return 0;
}

static void read_in(struct reading *reading, const char *bytes, size_t length,
		    size_t piece)
{
	static const struct sgh_response_sink sink = { on_line, on_body };
	size_t given = 0;

	while (!reading->status && given < length &&
	       reading->response.phase != SGH_RESPONSE_DONE) {
		size_t have = sgh_min(given + piece, length) - reading->used;
		char *copy = fuzz_copy(bytes + reading->used, have);
		size_t used = 0;

		reading->status = sgh_response_read(&reading->response, copy, have, &sink,
						    reading, &used);
		fuzz_require(used <= have);
		free(copy);
		given = reading->used + have;
		reading->used += used;
	}
}

static void fini(struct reading *reading)
{
	sgh_buf_fini(&reading->lines);
	sgh_buf_fini(&reading->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading whole = { 0 };
	struct reading slow = { 0 };
	bool head;

	if (!size)
		return 0;
	head = data[0] == 'H';
	sgh_response_begin(&whole.response, head);
	sgh_response_begin(&slow.response, head);
	read_in(&whole, (const char *)data + 1, size - 1, size);
	read_in(&slow, (const char *)data + 1, size - 1, 1);
	fuzz_require(whole.status == slow.status);
	fuzz_require(strcmp(sgh_buf_text(&whole.lines), sgh_buf_text(&slow.lines)) == 0);
	fuzz_require(whole.body.length == slow.body.length);
	if (whole.body.length)
		fuzz_require(!memcmp(whole.body.data, slow.body.data, whole.body.length));
	if (!whole.status) {
		fuzz_require(whole.used == slow.used);
		fuzz_require(whole.response.phase == slow.response.phase);
		fuzz_require(sgh_response_persists(&whole.response) ==
			     sgh_response_persists(&slow.response));
	}
	if (head && !whole.status)
		fuzz_require(!whole.body.length);
	fini(&whole);
	fini(&slow);
	return 0;
}

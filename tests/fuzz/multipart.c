/* SPDX-License-Identifier: MIT */
#include "rest/multipart.h"

#include "base/buf.h"
#include "fuzz/fuzz.h"

/*
 * multipart/form-data. The first line of an input is the Content-Type, the rest the body.
 * However it is split, and however little the sink takes, the same parts come out.
 */

struct seen {
	struct sgh_buf log; /* each part: its header, its content, a mark */
	size_t parts;
	size_t take; /* bytes that the sink takes, every other time; 0: all */
	bool full;
};

static void text(struct seen *seen, const char *name, const char *value)
{
	sgh_buf_puts(&seen->log, name);
	sgh_buf_puts(&seen->log, value ? value : "-");
	sgh_buf_putc(&seen->log, '\n');
}

static int begin(void *arg, const struct sgh_part_header *header,
		 struct sangraha_error *err)
{
	struct seen *seen = arg;

	seen->parts++;
	text(seen, "name ", header->name);
	text(seen, "filename ", header->filename);
	text(seen, "type ", header->content_type);
	text(seen, "encoding ", header->encoding);
	return 0;
}

static int data(void *arg, const char *bytes, size_t length, size_t *ret_taken,
		struct sangraha_error *err)
{
	struct seen *seen = arg;

	*ret_taken = length;
	if (seen->take)
		*ret_taken = seen->full ? 0 : sgh_min(length, seen->take);
	seen->full = !seen->full;
	sgh_buf_append(&seen->log, bytes, *ret_taken);
	return 0;
}

static int end(void *arg, struct sangraha_error *err)
{
	struct seen *seen = arg;

	sgh_buf_puts(&seen->log, "\nend\n");
	return 0;
}

static const struct sgh_multipart_sink sink = { begin, data, end };

struct form {
	const char *type;
	const uint8_t *body;
	size_t size;
};

static int feed(const struct form *form, struct seen *seen, struct fuzz_pieces pieces,
		struct sangraha_error *err)
{
	static struct sgh_multipart multipart;
	int status = sgh_multipart_init(&multipart, form->type, &sink, seen, err);

	for (size_t at = 0; status == 0 && at < form->size;) {
		size_t length = fuzz_piece(&pieces, form->size - at);
		char *piece = fuzz_copy(form->body + at, length);
		size_t taken = 0;

		status = sgh_multipart_feed(&multipart, piece, length, &taken, err);
		fuzz_require(taken <= length);
		free(piece);
		at += taken;
	}
	return status ? status : sgh_multipart_finish(&multipart, err);
}

static void same(const struct seen *one, const struct seen *other)
{
	fuzz_require(one->parts == other->parts);
	fuzz_require(one->log.length == other->log.length);
	if (one->log.length)
		fuzz_require(memcmp(one->log.data, other->log.data, one->log.length) ==
			     0);
}

static void check(const struct form *form)
{
	static const struct {
		size_t most;
		size_t take;
	} ways[] = { { 1, 0 }, { 9, 0 }, { 40, 3 }, { 200, 1 } };
	struct sangraha_error err = { 0 };
	struct seen whole = { 0 };
	int status = feed(form, &whole, fuzz_pieces_of(NULL, 0, SIZE_MAX), &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
	}
	for (size_t i = 0; i < SGH_COUNT(ways); i++) {
		struct seen other = { .take = ways[i].take };

		fuzz_require(feed(form, &other,
				  fuzz_pieces_of(form->body, form->size, ways[i].most),
				  &fuzz_err) == status);
		same(&whole, &other);
		sgh_buf_fini(&other.log);
	}
	sgh_buf_fini(&whole.log);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = { bytes, bytes + size };
	sgh_autofree char *type = fuzz_line(&input);

	if (type)
		check(&(struct form){ type, input.at, fuzz_left(&input) });
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "fuzz/format.h"
#include "fuzz/fuzz.h"

/*
 * The public interface of validation: what an object is, by what was said about it and by
 * its bytes. The first three bytes of an input say what was said, as digits:
 *
 *	what is declared, as in `declared` below
 *	what is asserted, as in `asserted` below
 *	1: the length is known; 2: it goes beyond what libmagic sees
 */

#define WINDOW ((size_t)64 * 1024) /* of a stream libmagic sees so much */

static const char *const declared[] = {
	NULL,
	"application/json",
	"image/png",
	"image/jpeg",
	"image/gif",
	"image/webp",
	"application/pdf",
	"text/plain",
	"application/geo+json; charset=utf-8",
	"application/octet-stream",
};
static const char *const asserted[] = { NULL, "json", "image", "pdf", "film" };

struct object {
	struct sangraha_validate_options options;
	uint8_t *data;
	size_t size;
};

/* A verdict that makes sense, with the status that came with it. */
static void sane(const struct sangraha_verdict *verdict, int status, size_t size)
{
	int accepted = sangraha_verdict_accepted(verdict);

	fuzz_require(status == 0 || status == SANGRAHA_E_REJECTED ||
		     status == SANGRAHA_E_UNSUPPORTED);
	fuzz_require(accepted == (status == 0));
	fuzz_require((sangraha_verdict_rule(verdict) == NULL) == accepted);
	fuzz_require(sangraha_verdict_offset(verdict) >= -1);
	fuzz_require(sangraha_verdict_offset(verdict) <= (int64_t)size);
	fuzz_require(*sangraha_verdict_rules(verdict));
	fuzz_facts(sangraha_verdict_facts(verdict));
	if (accepted) {
		fuzz_require(sangraha_verdict_type(verdict));
		fuzz_require(sangraha_verdict_detected(verdict));
		fuzz_require(sangraha_verdict_offset(verdict) == -1);
	}
}

static void same(const struct sangraha_verdict *one, const struct sangraha_verdict *other)
{
	fuzz_require(sangraha_verdict_accepted(one) == sangraha_verdict_accepted(other));
	fuzz_require(sgh_streq(sangraha_verdict_type(one), sangraha_verdict_type(other)));
	fuzz_require(sgh_streq(sangraha_verdict_declared(one),
			       sangraha_verdict_declared(other)));
	fuzz_require(sgh_streq(sangraha_verdict_detected(one),
			       sangraha_verdict_detected(other)));
	fuzz_require(sgh_streq(sangraha_verdict_rule(one), sangraha_verdict_rule(other)));
	fuzz_require(sangraha_verdict_offset(one) == sangraha_verdict_offset(other));
	fuzz_require(
		sgh_streq(sangraha_verdict_facts(one), sangraha_verdict_facts(other)));
}

/* The same object as a stream; the validator is the caller's, with the verdict in it. */
static struct sangraha_validator *stream(const struct object *object, size_t most)
{
	struct fuzz_pieces pieces = fuzz_pieces_of(object->data, object->size, most);
	struct sangraha_validator *validator;
	int status = 0;
	int again;

	fuzz_ok(sangraha_validator_new(fuzz_types(), &object->options, &validator,
				       &fuzz_err));
	for (size_t at = 0; at < object->size && !status;) {
		size_t length = fuzz_piece(&pieces, object->size - at);
		uint8_t *piece = fuzz_copy(object->data + at, length);

		status = sangraha_validator_feed(validator, piece, length, &fuzz_err);
		free(piece);
		at += length;
	}
	if (!status)
		status = sangraha_validator_finish(validator, &fuzz_err);
	/* The answer stays. */
	again = sangraha_validator_finish(validator, &fuzz_err);
	fuzz_require(again == status);
	sane(sangraha_validator_verdict(validator), status, object->size);
	return validator;
}

static void check(const struct object *object)
{
	struct sangraha_validator *one = stream(object, 4 * WINDOW);
	struct sangraha_validator *other = stream(object, object->size / 5 + 1);
	struct sangraha_verdict *whole = NULL;
	int status = sangraha_validate(fuzz_types(), &object->options, object->data,
				       object->size, &whole, &fuzz_err);

	fuzz_require(whole);
	sane(whole, status, object->size);
	same(sangraha_validator_verdict(one), sangraha_validator_verdict(other));
	/* Beyond that libmagic sees more of what is in memory. */
	if (object->size <= WINDOW)
		same(whole, sangraha_validator_verdict(one));
	sangraha_verdict_free(whole);
	sangraha_validator_free(one);
	sangraha_validator_free(other);
}

static void append(struct object *object, const void *data, size_t size)
{
	if (size)
		memcpy(object->data + object->size, data, size);
	object->size += size;
}

static void append_much(struct object *object)
{
	memset(object->data + object->size, 'x', WINDOW);
	object->size += WINDOW;
}

/*
 * The object of an input. When it is to be large, what may be JSON is put into an array
 * behind a long text, and bytes follow anything else. (No white space: libmagic takes
 * long for that.)
 */
static void fill(struct object *object, const uint8_t *data, size_t size, bool large)
{
	bool json = size && (*data == '{' || *data == '[');

	object->data = malloc(size + WINDOW + 8);
	fuzz_require(object->data);
	if (large && json) {
		append(object, "[\"", 2);
		append_much(object);
		append(object, "\",", 2);
	}
	append(object, data, size);
	if (large && json)
		append(object, "]", 1);
	else if (large)
		append_much(object);
}

static uint8_t digit(struct fuzz_input *input)
{
	return (uint8_t)(fuzz_byte(input) - '0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, data + size };
	struct object object = { .options.size = sizeof(object.options) };
	uint8_t said;

	object.options.declared = declared[digit(&input) % SGH_COUNT(declared)];
	object.options.asserted = asserted[digit(&input) % SGH_COUNT(asserted)];
	said = digit(&input);
	fill(&object, input.at, fuzz_left(&input), said & 2);
	object.options.length = said & 1 ? object.size : 0;
	check(&object);
	free(object.data);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "fuzz/format.h"

#include "fuzz/fuzz.h"
#include "validate/registry.h"
#include "wire/filename.h"
#include "wire/json.h"

#define IMAGE_MAX_PIXELS (UINT64_C(1) << 28)
#define IMAGE_MAX_ALL    (UINT64_C(1) << 32)
/* Longer ones are not fed byte by byte: it would take the time of many others. */
#define SINGLE_MAX 4096

/* Makes a registry once. */
static struct sangraha_types *types_of(struct sangraha_types **types,
				       const struct sangraha_policy *policy)
{
	if (!*types)
		fuzz_ok(sangraha_types_new(policy, types, &fuzz_err));
	return *types;
}

struct sangraha_types *fuzz_types(void)
{
	static struct sangraha_types *types;

	return types_of(&types, NULL);
}

/* What nothing gets past that the default refuses. */
static const struct sgh_limits *narrow(void)
{
	static struct sangraha_types *types;
	static const struct sangraha_policy policy = {
		.size = sizeof(policy),
		.json_max_depth = 4,
		.json_scalars = SANGRAHA_CHOICE_REFUSE,
		.image_max_pixels = 1000,
		.image_max_total = 1500,
		.image_trailing = SANGRAHA_CHOICE_REFUSE,
		.pdf_encryption = SANGRAHA_CHOICE_REFUSE,
		.pdf_javascript = SANGRAHA_CHOICE_REFUSE,
		.pdf_launch = SANGRAHA_CHOICE_REFUSE,
		.pdf_files = SANGRAHA_CHOICE_REFUSE,
		.pdf_max_trailing = 2,
	};

	return &types_of(&types, &policy)->limits;
}

/* What lets everything in that the default lets in. */
static const struct sgh_limits *wide(void)
{
	static struct sangraha_types *types;
	static const struct sangraha_policy policy = {
		.size = sizeof(policy),
		.json_max_depth = 4096,
		.json_bom = SANGRAHA_CHOICE_ACCEPT,
		.image_max_pixels = UINT64_C(1) << 40,
		.image_max_total = UINT64_C(1) << 50,
		.pdf_max_leading = 1024,
		.pdf_max_trailing = 8192,
	};

	return &types_of(&types, &policy)->limits;
}

/* Ends an object whose bytes were all fed. */
static void finish(const struct sgh_format *format, void *state, uint64_t size,
		   struct fuzz_outcome *outcome)
{
	outcome->status = format->finish(state, outcome->facts, &outcome->refusal);
	if (outcome->status)
		fuzz_require(outcome->refusal.offset <= (int64_t)size);
}

/* The next piece, in memory of its own that is gone afterwards. */
static int feed(const struct sgh_format *format, void *state, const uint8_t *data,
		size_t length, struct sgh_refusal *ret)
{
	uint8_t single = *data;
	sgh_autofree uint8_t *piece = length > 1 ? fuzz_copy(data, length) : NULL;

	/* The stack is watched as well, and single bytes are what there is most of. */
	return format->feed(state, piece ? piece : &single, length, ret);
}

static struct fuzz_outcome run_by(const struct sgh_limits *limits,
				  const struct sgh_format *format, const uint8_t *data,
				  size_t size, struct fuzz_pieces pieces)
{
	struct fuzz_outcome outcome = { .facts = "{}" };
	void *state = format->begin(limits);

	fuzz_require(state);
	for (size_t at = 0; at < size && !outcome.status;) {
		size_t length = fuzz_piece(&pieces, size - at);

		outcome.status = feed(format, state, data + at, length, &outcome.refusal);
		at += length;
		/* A refusal speaks of bytes that were there, or should have been. */
		if (outcome.status)
			fuzz_require(outcome.refusal.offset <= (int64_t)at);
	}
	if (!outcome.status)
		finish(format, state, size, &outcome);
	format->end(state);
	return outcome;
}

static struct fuzz_outcome run(const struct sgh_format *format, const uint8_t *data,
			       size_t size, struct fuzz_pieces pieces)
{
	return run_by(&fuzz_types()->limits, format, data, size, pieces);
}

static void same(const struct fuzz_outcome *one, const struct fuzz_outcome *other)
{
	fuzz_require(one->status == other->status);
	if (one->status) {
		fuzz_require(strcmp(one->refusal.rule, other->refusal.rule) == 0);
		fuzz_require(one->refusal.offset == other->refusal.offset);
		fuzz_require(strcmp(one->refusal.message, other->refusal.message) == 0);
	} else {
		fuzz_require(strcmp(one->facts, other->facts) == 0);
	}
}

/* Of an image: the limits that hold whatever its format is. */
static void sane_image(const cJSON *facts)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(facts, "width");
	int64_t width = 0;
	int64_t height = 0;
	int64_t frames = 0;

	if (!item)
		return;
	fuzz_require(sgh_json_integer(item, &width));
	item = cJSON_GetObjectItemCaseSensitive(facts, "height");
	fuzz_require(sgh_json_integer(item, &height));
	item = cJSON_GetObjectItemCaseSensitive(facts, "frames");
	fuzz_require(sgh_json_integer(item, &frames));
	fuzz_require(width > 0 && height > 0 && frames > 0);
	fuzz_require((uint64_t)width * (uint64_t)height <= IMAGE_MAX_PIXELS);
	fuzz_require((uint64_t)width * (uint64_t)height * (uint64_t)frames <=
		     IMAGE_MAX_ALL);
}

void fuzz_facts(const char *facts)
{
	sgh_autojson cJSON *document = NULL;

	fuzz_require(strlen(facts) < SGH_FACTS_SIZE);
	fuzz_ok(sgh_json_open(facts, strlen(facts), NULL, 0, &document, &fuzz_err));
	sane_image(document);
}

static void sane(const struct fuzz_outcome *outcome)
{
	if (outcome->status == 0) {
		fuzz_facts(outcome->facts);
		return;
	}
	fuzz_require(outcome->status == SANGRAHA_E_REJECTED);
	fuzz_require(*outcome->refusal.rule);
	fuzz_require(outcome->refusal.offset >= -1);
	fuzz_require(*outcome->refusal.message);
	fuzz_require(sgh_utf8_valid(outcome->refusal.message,
				    strlen(outcome->refusal.message)));
}

/* A policy that accepts what another accepts finds the same in it, in every split. */
static void implies(const struct fuzz_outcome *one, const struct fuzz_outcome *other)
{
	if (one->status)
		return;
	fuzz_require(other->status == 0);
	fuzz_require(strcmp(one->facts, other->facts) == 0);
}

static struct fuzz_outcome by(const struct sgh_limits *limits,
			      const struct sgh_format *format, const uint8_t *data,
			      size_t size)
{
	struct fuzz_outcome whole =
		run_by(limits, format, data, size, fuzz_pieces_of(data, 0, SIZE_MAX));
	struct fuzz_outcome pieces =
		run_by(limits, format, data, size, fuzz_pieces_of(data, size, 16));

	fuzz_require(whole.status == 0 || whole.status == SANGRAHA_E_REJECTED);
	same(&whole, &pieces);
	return whole;
}

struct fuzz_outcome fuzz_format(const struct sgh_format *format, const uint8_t *data,
				size_t size)
{
	static const size_t most[] = { 1, 7, 64, 1000 };
	struct fuzz_outcome whole =
		run(format, data, size, fuzz_pieces_of(data, 0, SIZE_MAX));
	struct fuzz_outcome narrowly;
	struct fuzz_outcome widely;

	sane(&whole);
	for (size_t i = size > SINGLE_MAX; i < SGH_COUNT(most); i++) {
		struct fuzz_outcome other =
			run(format, data, size, fuzz_pieces_of(data, size, most[i]));

		same(&whole, &other);
	}
	narrowly = by(narrow(), format, data, size);
	widely = by(wide(), format, data, size);
	implies(&narrowly, &whole);
	implies(&whole, &widely);
	return whole;
}

void fuzz_refused(const struct sgh_format *format, const uint8_t *data, size_t size)
{
	struct fuzz_outcome outcome =
		run(format, data, size, fuzz_pieces_of(data, 0, SIZE_MAX));

	sane(&outcome);
	fuzz_require(outcome.status == SANGRAHA_E_REJECTED);
}

/* Where an image that was accepted ends. */
static size_t end_of(const char *facts, size_t size)
{
	sgh_autojson cJSON *document = NULL;
	const cJSON *item;
	int64_t trailing = 0;

	fuzz_ok(sgh_json_open(facts, strlen(facts), NULL, 0, &document, &fuzz_err));
	item = cJSON_GetObjectItemCaseSensitive(document, "trailing");
	fuzz_require(!item || sgh_json_integer(item, &trailing));
	fuzz_require(trailing >= 0 && trailing < (int64_t)size);
	return size - (size_t)trailing;
}

struct fuzz_outcome fuzz_image(const struct sgh_format *format, const uint8_t *data,
			       size_t size)
{
	struct fuzz_outcome outcome = fuzz_format(format, data, size);
	struct fuzz_pieces pieces = fuzz_pieces_of(data, size, SIZE_MAX);
	struct fuzz_outcome bare;
	size_t end;

	if (outcome.status)
		return outcome;
	end = end_of(outcome.facts, size);
	bare = run(format, data, end, fuzz_pieces_of(data, 0, SIZE_MAX));
	fuzz_require(bare.status == 0);
	fuzz_require(!strstr(bare.facts, "trailing"));
	fuzz_refused(format, data, end - 1);
	fuzz_refused(format, data, fuzz_piece(&pieces, end) - 1);
	return outcome;
}

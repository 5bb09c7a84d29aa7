/* SPDX-License-Identifier: MIT */
#include "wire/request_large.h"

#include "base/error.h"
#include "base/util.h"
#include "wire/crc32c.h"
#include "wire/json_scan.h"

#define RULES_MAX   32 /* bytes, as of an object */
#define FACTS_DEPTH 8  /* of what is around them in any document of ours */
/* What the strings of a put-commit take at most, besides its parts. */
#define STRINGS_MAX (256 << 10)

static bool is_step(enum sgh_verb verb)
{
	return verb >= SGH_PUT_BEGIN && verb <= SGH_PUT_ABORT;
}

/* ---- the fields ---- */

static int read_transfer(const struct sgh_fields *fields, struct sgh_request *request,
			 struct sangraha_error *err)
{
	const char *text = NULL;
	int status = sgh_fields_text(fields, "transfer", &text, err);

	if (status || !text)
		return status;
	request->transfer = sgh_ticket_kind_from_name(text);
	if (request->transfer != SGH_TICKET_PUT && request->transfer != SGH_TICKET_PARTS)
		return sgh_fields_invalid(fields, "transfer", "is neither put nor parts",
					  err);
	return 0;
}

static int read_crc32c(const struct sgh_fields *fields, struct sgh_request *request,
		       struct sangraha_error *err)
{
	const char *text = NULL;
	int status = sgh_fields_text(fields, "crc32c", &text, err);

	if (status || !text)
		return status;
	if (!sgh_crc32c_hex_valid(text))
		return sgh_fields_invalid(fields, "crc32c",
					  "is not 8 lower-case hexadecimal digits", err);
	return sgh_fields_keep(&request->arena, text, &request->crc32c, err);
}

static int read_record(const struct sgh_fields *fields, struct sgh_request *request,
		       struct sangraha_error *err)
{
	const char *text = NULL;
	int status = sgh_fields_text(fields, "record", &text, err);

	if (status || !text)
		return status;
	if (!sangraha_id_valid(text))
		return sgh_fields_invalid(fields, "record", "is not a UUID in lower case",
					  err);
	return sgh_fields_keep(&request->arena, text, &request->record, err);
}

static int read_first_part(const struct sgh_fields *fields, struct sgh_request *request,
			   struct sangraha_error *err)
{
	int64_t number = 0;
	int status =
		sgh_fields_number(fields, "first-part", 1, SGH_PARTS_MAX, &number, err);

	request->first_part = (unsigned)number;
	return status;
}

/* An object and nothing around it, which can be nested in lists and events. */
static bool facts_valid(const char *facts)
{
	size_t length = strlen(facts);

	return length < SGH_FACTS_SIZE && facts[0] == '{' &&
	       sgh_json_is(facts, length, '{') &&
	       sgh_json_skip_value(facts, facts + length, FACTS_DEPTH) == facts + length;
}

static int read_findings(const struct sgh_fields *fields, struct sgh_request *request,
			 struct sangraha_error *err)
{
	const char *rules = NULL;
	int status = sgh_fields_facts(fields, &request->arena, &request->facts, err);

	if (status == 0)
		status = sgh_fields_text(fields, "rules", &rules, err);
	if (status)
		return status;
	if (request->facts && !facts_valid(request->facts))
		return sgh_fields_invalid(fields, "facts",
					  "is no JSON object of at most 256 bytes", err);
	if (rules && !sgh_printable(rules, RULES_MAX))
		return sgh_fields_invalid(fields, "rules",
					  "is not 1 to 32 bytes of ASCII", err);
	return sgh_fields_keep(&request->arena, rules, &request->rules, err);
}

static int read_step(const struct sgh_fields *fields, struct sgh_request *request,
		     struct sangraha_error *err)
{
	int status = read_transfer(fields, request, err);

	if (status == 0 && request->verb == SGH_PUT_BEGIN)
		status = read_crc32c(fields, request, err);
	if (status == 0)
		status = read_record(fields, request, err);
	if (status == 0)
		status = read_first_part(fields, request, err);
	if (status == 0)
		status = read_findings(fields, request, err);
	return status;
}

int sgh_large_read(const struct sgh_fields *fields, struct sgh_request *request,
		   struct sangraha_error *err)
{
	int status;

	if (is_step(request->verb))
		return read_step(fields, request, err);
	if (request->verb != SGH_GET)
		return 0;
	status = sgh_fields_bool(fields, "redirect", &request->redirect, err);
	if (status == 0)
		status = sgh_fields_bool(fields, "download", &request->download, err);
	return status;
}

/* ---- what must be there ---- */

/* The fields that a verb may have to have, in the order in which they are missed. */
enum {
	OBJECT_TYPE = 1 << 0,
	TRANSFER = 1 << 1,
	SIZE = 1 << 2,
	DIGEST = 1 << 3,
	FINDINGS = 1 << 4,
	RECORD = 1 << 5,
	FIRST_PART = 1 << 6,
};

static unsigned wanted(const struct sgh_request *request)
{
	const bool put = request->transfer == SGH_TICKET_PUT;

	switch (request->verb) {
	case SGH_PUT_BEGIN:
		return TRANSFER | (put ? SIZE | DIGEST | FINDINGS : 0);
	case SGH_PUT_EXTEND:
		return OBJECT_TYPE | RECORD | FIRST_PART;
	case SGH_PUT_COMMIT:
		return OBJECT_TYPE | TRANSFER | SIZE | DIGEST | FINDINGS |
		       (put ? 0 : RECORD);
	case SGH_PUT_ABORT:
		return OBJECT_TYPE | RECORD;
	default:
		return 0;
	}
}

/* The first of them that is not there; NULL when all are. */
static const char *missed(const struct sgh_request *request, unsigned fields)
{
	const struct {
		unsigned field;
		bool there;
		const char *name;
	} all[] = {
		{ OBJECT_TYPE, request->object_type, "object-type" },
		{ TRANSFER, request->transfer, "transfer" },
		{ SIZE, request->size >= 0, "size" },
		{ DIGEST, request->sha256, "sha256" },
		{ FINDINGS, request->facts, "facts" },
		{ FINDINGS, request->rules, "rules" },
		{ RECORD, request->record, "record" },
		{ FIRST_PART, request->first_part, "first-part" },
	};

	for (size_t i = 0; i < SGH_COUNT(all); i++)
		if ((all[i].field & fields) && !all[i].there)
			return all[i].name;
	return NULL;
}

int sgh_large_complete(const struct sgh_fields *fields, const struct sgh_request *request,
		       struct sangraha_error *err)
{
	const char *name = missed(request, wanted(request));

	return name ? sgh_fields_invalid(fields, name, "is missing", err) : 0;
}

/* ---- the body ---- */

/* A shorter prefix would tell the validator less than it is to know. */
static int check_prefix(const struct sgh_fields *fields,
			const struct sgh_request *request, struct sangraha_error *err)
{
	size_t length = request->body ? request->body->length : 0;
	size_t want = SGH_PREFIX_SIZE;

	if (request->size >= 0 && request->size < SGH_PREFIX_SIZE)
		want = (size_t)request->size;
	if (length == want)
		return 0;
	return sgh_fields_invalid(fields, fields->document ? "data" : "body",
				  "is not the object's first 65536 bytes, or all of them",
				  err);
}

static int read_parts(const struct sgh_fields *fields, struct sgh_request *request,
		      struct sangraha_error *err)
{
	const struct sgh_bytes *body = fields->message->body;
	int64_t total = 0;
	int status;

	request->arena.max = STRINGS_MAX + SGH_PARTS_ARENA_MAX;
	if (!fields->document)
		status = sgh_parts_parse(body ? body->data : NULL,
					 body ? body->length : 0, &request->arena,
					 &request->parts, &request->part_count, err);
	else if (!fields->parts.text)
		return sgh_fields_invalid(fields, "parts", "is missing", err);
	else
		status = sgh_parts_parse_array(fields->parts.text, fields->parts.length,
					       &request->arena, &request->parts,
					       &request->part_count, err);
	if (status)
		return status;
	for (size_t i = 0; i < request->part_count; i++)
		total += (int64_t)request->parts[i].size;
	if (total != request->size)
		return sgh_fields_invalid(fields, "size", "is not the sum of the parts",
					  err);
	return 0;
}

int sgh_large_body(const struct sgh_fields *fields, struct sgh_request *request,
		   struct sangraha_error *err)
{
	if (request->verb == SGH_PUT_BEGIN)
		return check_prefix(fields, request, err);
	if (request->verb == SGH_PUT_COMMIT && request->transfer == SGH_TICKET_PARTS)
		return read_parts(fields, request, err);
	return 0;
}

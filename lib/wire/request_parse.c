/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/util.h"
#include "wire/fields.h"
#include "wire/filename.h"
#include "wire/protocol.h"
#include "wire/request_large.h"
#include "wire/sha256.h"

#define TIME_MAX     253402300799999 /* Unix milliseconds: the end of the year 9999 */
#define ATTEMPTS_MAX 1000

/* One message on its way into a request. */
struct parser {
	struct sgh_fields fields;
	struct sgh_request *request;
	struct sangraha_error *err;
};

bool sgh_printable(const char *text, size_t max)
{
	size_t length = 0;

	for (; text[length]; length++)
		if (text[length] < ' ' || text[length] > '~')
			return false;
	return length >= 1 && length <= max;
}

static bool id_valid(const char *text)
{
	return sangraha_id_valid(text);
}

static bool content_type_valid(const char *text)
{
	return sgh_printable(text, SGH_SHORT_MAX);
}

static bool cursor_valid(const char *text)
{
	return sgh_printable(text, SGH_CURSOR_MAX);
}

static bool trace_valid(const char *text)
{
	return sgh_printable(text, SGH_TRACEPARENT_MAX);
}

static int keep(struct parser *parser, const char *text, const char **place)
{
	return sgh_fields_keep(&parser->request->arena, text, place, parser->err);
}

/* ---- who asks ---- */

enum sgh_verb sgh_verb_of(const char *type)
{
	char known[64];

	for (int verb = SGH_PUT; verb <= SGH_LIST; verb++) {
		snprintf(known, sizeof(known), "sangraha.%s.v1",
			 sgh_verb_name((enum sgh_verb)verb));
		if (strcmp(type, known) == 0)
			return (enum sgh_verb)verb;
	}
	return SGH_VERB_UNKNOWN;
}

/* A property, or its member; one that no message could carry back is not valid. */
static int read_property(struct parser *parser, const char *property, const char *name,
			 const char **place)
{
	const char *text = sgh_fields_property(&parser->fields, property, name);

	if (text && strlen(text) > SGH_SHORT_MAX)
		return sgh_fields_invalid(&parser->fields, name,
					  "is longer than 255 bytes", parser->err);
	return keep(parser, text && *text ? text : NULL, place);
}

/* What an answer needs, first: so that most failures after this can be answered. */
static int read_requester(struct parser *parser)
{
	const struct sgh_message *message = parser->fields.message;
	struct sgh_request *request = parser->request;
	int status;

	status = read_property(parser, message->reply_to, "reply_to", &request->reply_to);
	if (status == 0)
		status = read_property(parser, message->correlation_id, "correlation_id",
				       &request->correlation_id);
	return status;
}

/* Fields that only serve people: a bad one is left out rather than held against all. */
static int read_courtesy(struct parser *parser, const char *name,
			 bool (*valid)(const char *text), const char **place)
{
	const char *text = NULL;

	if (sgh_fields_text(&parser->fields, name, &text, NULL) || !text || !valid(text))
		return 0;
	return keep(parser, text, place);
}

static int read_courtesies(struct parser *parser)
{
	struct sgh_request *request = parser->request;
	int status = read_courtesy(parser, "request-id", sgh_request_id_valid,
				   &request->request_id);

	if (status == 0)
		status = read_courtesy(parser, "traceparent", trace_valid,
				       &request->traceparent);
	return status;
}

/* ---- what is asked ---- */

static int read_text(struct parser *parser, const char *name,
		     bool (*valid)(const char *text), const char *what,
		     const char **place)
{
	const char *text = NULL;
	int status = sgh_fields_text(&parser->fields, name, &text, parser->err);

	if (status || !text)
		return status;
	if (!valid(text))
		return sgh_fields_invalid(&parser->fields, name, what, parser->err);
	return keep(parser, text, place);
}

/* Only writes are known by their operation id; a read may have any, or none. */
static int read_operation_id(struct parser *parser)
{
	struct sgh_request *request = parser->request;
	const char *text = sgh_fields_property(
		&parser->fields, parser->fields.message->message_id, "message_id");
	bool write = request->verb >= SGH_PUT && request->verb <= SGH_DELETE;

	if (!text || !*text || (!write && !sgh_printable(text, SGH_SHORT_MAX)))
		return 0;
	if (write && !sangraha_id_valid(text))
		return sgh_fields_invalid(&parser->fields, "message_id",
					  "is not a UUID in lower case", parser->err);
	return keep(parser, text, &request->operation_id);
}

static int read_ids(struct parser *parser)
{
	struct sgh_request *request = parser->request;
	int status = read_operation_id(parser);

	if (status == 0)
		status = read_text(parser, "object-id", id_valid,
				   "is not a UUID in lower case", &request->object_id);
	if (status == 0)
		status = read_text(parser, "object-type", sgh_type_name_valid,
				   "is not [a-z][a-z0-9-]{0,31}", &request->object_type);
	return status;
}

static int read_verb(struct parser *parser)
{
	const char *type = sgh_fields_property(&parser->fields,
					       parser->fields.message->type, "type");

	if (!type)
		return sgh_fields_invalid(&parser->fields, "type", "is missing",
					  parser->err);
	parser->request->verb = sgh_verb_of(type);
	if (parser->request->verb == SGH_VERB_UNKNOWN)
		return sgh_fail(parser->err, SANGRAHA_E_UNSUPPORTED, 0,
				"type: \"%.64s\" is no request of version 1",
				sgh_printable(type, SGH_SHORT_MAX) ? type : "?");
	return 0;
}

static int read_filename(struct parser *parser)
{
	struct sangraha_error why;
	const char *text = NULL;
	int status = sgh_fields_text(&parser->fields, "filename", &text, parser->err);

	if (status || !text)
		return status;
	if (sgh_filename_check(text, &why))
		return sgh_fields_invalid(&parser->fields, "filename", why.message,
					  parser->err);
	return keep(parser, text, &parser->request->filename);
}

static int read_content_type(struct parser *parser)
{
	const struct sgh_fields *fields = &parser->fields;
	const char *text = fields->document ? NULL : fields->message->content_type;
	int status = 0;

	/* Its body is a document of ours. */
	if (parser->request->verb == SGH_PUT_COMMIT)
		return 0;
	if (fields->document)
		status = sgh_fields_text(fields, "content-type", &text, parser->err);
	if (status || !text || !*text)
		return status;
	if (!content_type_valid(text))
		return sgh_fields_invalid(fields, "content-type", "is not a media type",
					  parser->err);
	return keep(parser, text, &parser->request->content_type);
}

static int read_texts(struct parser *parser)
{
	struct sgh_request *request = parser->request;
	int status = read_filename(parser);

	if (status == 0)
		status = read_content_type(parser);
	if (status == 0)
		status = read_text(parser, "sha256", sgh_sha256_hex_valid,
				   "is not 64 lower-case hexadecimal digits",
				   &request->sha256);
	if (status == 0)
		status = read_text(parser, "cursor", cursor_valid, "is not a cursor",
				   &request->cursor);
	return status;
}

static int read_created(struct parser *parser)
{
	const char *text = NULL;
	int64_t ms;
	int status = sgh_fields_text(&parser->fields, "created", &text, parser->err);

	if (status || !text)
		return status;
	if (!sgh_rfc3339_parse(text, &ms) || ms < 1 || ms > TIME_MAX)
		return sgh_fields_invalid(&parser->fields, "created",
					  "is not a time as in RFC 3339", parser->err);
	parser->request->created_ms = ms;
	return 0;
}

static int read_small(struct parser *parser, const char *name, int64_t min, int64_t max,
		      unsigned *place)
{
	int64_t number = *place;
	int status =
		sgh_fields_number(&parser->fields, name, min, max, &number, parser->err);

	if (status == 0)
		*place = (unsigned)number;
	return status;
}

static int read_numbers(struct parser *parser)
{
	const struct sgh_fields *fields = &parser->fields;
	struct sgh_request *request = parser->request;
	struct sangraha_error *err = parser->err;
	int status = read_created(parser);

	if (status == 0)
		status = sgh_fields_number(fields, "size", 0, INT64_MAX, &request->size,
					   err);
	if (status == 0)
		status = sgh_fields_number(fields, "deadline", 0, TIME_MAX,
					   &request->deadline, err);
	if (status == 0)
		status = sgh_fields_number(fields, "published", 0, TIME_MAX,
					   &request->published, err);
	if (status == 0)
		status = sgh_fields_bool(fields, "fresh", &request->fresh, err);
	if (status == 0)
		status = sgh_fields_bool(fields, "batches", &request->batches, err);
	if (status == 0)
		status =
			read_small(parser, "attempt", 0, ATTEMPTS_MAX, &request->attempt);
	if (status == 0)
		status = read_small(parser, "resend", 0, ATTEMPTS_MAX, &request->resend);
	if (status == 0)
		status = read_small(parser, "limit", 1, SGH_LIST_MAX, &request->limit);
	return status;
}

/* ---- what must be there ---- */

static int missing(struct parser *parser, const char *name)
{
	return sgh_fields_invalid(&parser->fields, name, "is missing", parser->err);
}

/* A put is known by the object's id in all its steps. */
static int complete_put(struct parser *parser)
{
	struct sgh_request *request = parser->request;

	if (!request->operation_id && !request->object_id)
		return missing(parser, "message_id");
	if (!request->operation_id)
		request->operation_id = request->object_id;
	if (!request->object_id)
		request->object_id = request->operation_id;
	if (strcmp(request->operation_id, request->object_id) != 0)
		return sgh_fields_invalid(&parser->fields, "object-id",
					  "is not the message_id of the put",
					  parser->err);
	return 0;
}

static int complete(struct parser *parser)
{
	const struct sgh_request *request = parser->request;
	int status;

	switch (request->verb) {
	case SGH_DELETE:
		if (!request->operation_id)
			return missing(parser, "message_id");
		/* fall through */
	case SGH_GET:
		if (!request->object_type)
			return missing(parser, "object-type");
		/* fall through */
	case SGH_STAT:
		return request->object_id ? 0 : missing(parser, "object-id");
	case SGH_LIST:
		return 0;
	default:
		status = complete_put(parser);
		return status ? status
			      : sgh_large_complete(&parser->fields, request, parser->err);
	}
}

static bool has_body(enum sgh_verb verb)
{
	return verb == SGH_PUT || verb == SGH_PUT_BEGIN;
}

static int read_all(struct parser *parser, struct sgh_budget *budget)
{
	struct sgh_request *request = parser->request;
	int status = read_requester(parser);
	int verb_status;

	if (status == 0)
		status = read_courtesies(parser);
	if (status)
		return status;
	/* The answer to an unknown verb names the ids too, where they can be told. */
	verb_status = read_verb(parser);
	if (verb_status)
		parser->err = NULL;
	status = read_ids(parser);
	if (verb_status || status)
		return verb_status ? verb_status : status;
	status = read_texts(parser);
	if (status == 0)
		status = read_numbers(parser);
	if (status == 0)
		status = sgh_fields_meta(&parser->fields, &request->arena, request->meta,
					 &request->meta_count, parser->err);
	if (status == 0)
		status = sgh_large_read(&parser->fields, request, parser->err);
	if (status == 0)
		status = complete(parser);
	if (status == 0 && has_body(request->verb))
		status = sgh_fields_body(&parser->fields, budget, &request->body,
					 parser->err);
	if (status == 0)
		status = sgh_large_body(&parser->fields, request, parser->err);
	return status;
}

/* What can be told without the document that could not be read. */
static void read_bare_properties(struct parser *parser)
{
	parser->fields.document = NULL;
	parser->err = NULL;
	read_requester(parser);
	read_operation_id(parser);
}

int sgh_request_parse(const struct sgh_message *message, struct sgh_budget *budget,
		      struct sgh_request **ret, struct sgh_request **ret_partial,
		      struct sangraha_error *err)
{
	struct parser parser = { .request = sgh_request_new(), .err = err };
	int status;

	if (!parser.request)
		return sgh_fail_memory(err);
	parser.fields.message = message;
	parser.request->json = sgh_fields_json_mode(message->content_type);
	parser.request->persistent = message->persistent;
	if (message->cut)
		status = sgh_fail(err, SANGRAHA_E_INVALID, 0,
				  "more than %d headers, or %d bytes of them",
				  SGH_HEADERS_MAX, SGH_HEADER_BYTES_MAX);
	else
		status = sgh_fields_open(&parser.fields, message, err);
	if (status == 0)
		status = read_all(&parser, budget);
	else
		read_bare_properties(&parser);
	sgh_fields_close(&parser.fields);
	if (status == 0)
		*ret = parser.request;
	else if (ret_partial)
		*ret_partial = parser.request;
	else
		sgh_request_free(parser.request);
	return status;
}

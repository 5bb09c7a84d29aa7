/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/fields.h"
#include "wire/protocol.h"

#define TIMESTAMP_MAX 253402300799 /* Unix seconds: the end of the year 9999 */

struct parser {
	struct sgh_fields fields;
	struct sgh_reply *reply;
	struct sangraha_error *err;
};

static int invalid(struct parser *parser, const char *name, const char *what)
{
	return sgh_fields_invalid(&parser->fields, name, what, parser->err);
}

static int read_text(struct parser *parser, const char *name, const char **place)
{
	const char *text = NULL;
	int status = sgh_fields_text(&parser->fields, name, &text, parser->err);

	if (status == 0)
		status = sgh_fields_keep(&parser->reply->arena, text, place, parser->err);
	return status;
}

/* ok or error; an error without a code that we know is an internal one. */
static int read_status(struct parser *parser)
{
	const char *word = NULL;
	const char *code = NULL;
	int status = sgh_fields_text(&parser->fields, "status", &word, parser->err);

	if (status == 0)
		status = sgh_fields_text(&parser->fields, "code", &code, parser->err);
	if (status)
		return status;
	if (sgh_streq(word, "ok"))
		return 0;
	if (!sgh_streq(word, "error"))
		return invalid(parser, "status", "is neither ok nor error");
	status = sangraha_status_from_name(code);
	parser->reply->status = status ? status : SANGRAHA_E_INTERNAL;
	return 0;
}

static int read_refusal(struct parser *parser)
{
	struct sgh_reply *reply = parser->reply;
	int status = read_text(parser, "message", &reply->message);

	if (status == 0)
		status = read_text(parser, "declared", &reply->declared);
	if (status == 0)
		status = read_text(parser, "detected", &reply->detected);
	if (status == 0)
		status = read_text(parser, "rule", &reply->rule);
	if (status == 0)
		status = sgh_fields_number(&parser->fields, "offset", 0, INT64_MAX,
					   &reply->offset, parser->err);
	if (status == 0)
		status = sgh_fields_bool(&parser->fields, "recorded", &reply->recorded,
					 parser->err);
	return status;
}

/* ---- one object ---- */

static int read_created(struct parser *parser, int64_t *ret)
{
	const char *text = NULL;
	int status = sgh_fields_text(&parser->fields, "created", &text, parser->err);

	if (status == 0 && text && !sgh_rfc3339_parse(text, ret))
		return invalid(parser, "created", "is not a time as in RFC 3339");
	return status;
}

static int read_media_type(struct parser *parser, const char **ret)
{
	const char *property = parser->fields.message->content_type;

	if (parser->fields.document)
		return sgh_fields_text(&parser->fields, "content-type", ret, parser->err);
	*ret = property && *property ? property : NULL;
	return 0;
}

static int read_parts(struct parser *parser, struct sgh_object_parts *parts,
		      struct sgh_pair meta[SGH_META_MAX])
{
	const struct sgh_fields *fields = &parser->fields;
	struct sangraha_error *err = parser->err;
	int status = sgh_fields_text(fields, "object-type", &parts->type, err);

	if (status == 0)
		status = sgh_fields_text(fields, "sha256", &parts->sha256, err);
	if (status == 0)
		status = sgh_fields_text(fields, "filename", &parts->filename, err);
	if (status == 0)
		status = sgh_fields_text(fields, "rules", &parts->rules, err);
	if (status == 0)
		status = read_media_type(parser, &parts->content_type);
	if (status == 0)
		status = read_created(parser, &parts->created_ms);
	if (status == 0)
		status = sgh_fields_facts(fields, &parser->reply->arena, &parts->facts,
					  err);
	if (status == 0)
		status = sgh_fields_meta(fields, &parser->reply->arena, meta,
					 &parts->meta_count, err);
	return status;
}

/* The reply's own time, in milliseconds, stands in for a time of creation. */
static int64_t time_of(const struct sgh_message *message)
{
	bool sane = message->timestamp > 0 && message->timestamp <= TIMESTAMP_MAX;

	return sane ? message->timestamp * 1000 : 0;
}

/*
 * The object of a reply. Receivers of other makes may say less than ours: without the
 * four fields that make a description there is a success and no description.
 */
static int read_object(struct parser *parser, const char *id)
{
	struct sgh_pair meta[SGH_META_MAX];
	struct sgh_object_parts parts = {
		.id = id,
		.meta = meta,
		.created_ms = time_of(parser->fields.message),
	};
	int64_t size = -1;
	int status = sgh_fields_number(&parser->fields, "size", 0, INT64_MAX, &size,
				       parser->err);

	if (status == 0)
		status = read_parts(parser, &parts, meta);
	if (status || !parts.type || !parts.sha256 || size < 0)
		return status;
	parts.size = (uint64_t)size;
	return sgh_object_new(&parts, &parser->reply->object, parser->err);
}

/* ---- a list ---- */

static int add_object(struct parser *parser, const struct sgh_json_raw *raw)
{
	struct sgh_reply *reply = parser->reply;
	int status;

	if (reply->object_count == SGH_LIST_MAX)
		return invalid(parser, "list", "has more than 1000 objects");
	status = sgh_object_parse_json(raw->text, raw->length,
				       &reply->objects[reply->object_count], parser->err);
	if (status == 0)
		reply->object_count++;
	return status;
}

static int read_objects(struct parser *parser, const struct sgh_json_raw *objects)
{
	const char *at = objects->text;
	const char *end = at + objects->length;
	struct sgh_json_raw raw;
	int status = 0;

	parser->reply->objects = calloc(SGH_LIST_MAX, sizeof(*parser->reply->objects));
	if (!parser->reply->objects)
		return sgh_fail_memory(parser->err);
	while (status == 0 && sgh_json_next(&at, end, &raw))
		status = add_object(parser, &raw);
	return status;
}

static int read_list(struct parser *parser, const void *text, size_t length)
{
	struct sgh_json_raw objects = { .name = "objects" };
	sgh_autojson cJSON *document = NULL;
	int status = sgh_json_open(text, length, &objects, 1, &document, parser->err);

	if (status)
		return status;
	parser->reply->list = true;
	if (!objects.text || objects.text[0] != '[')
		return invalid(parser, "list", "has no objects");
	status = read_objects(parser, &objects);
	if (status)
		return status;
	return sgh_fields_keep(&parser->reply->arena,
			       sgh_json_text(document, "next_cursor"),
			       &parser->reply->next_cursor, parser->err);
}

/* ---- a ticket ---- */

/* The document is the body in binary mode, told by the field "transfer". */
static int read_ticket(struct parser *parser)
{
	const struct sgh_fields *fields = &parser->fields;
	const struct sgh_bytes *body = fields->message->body;
	struct sgh_json_raw raw = fields->ticket;
	struct sgh_reply *reply = parser->reply;
	const char *transfer = NULL;
	int status = sgh_fields_text(fields, "transfer", &transfer, parser->err);

	if (status || (!transfer && !raw.text))
		return status;
	if (!fields->document && body) {
		raw.text = (const char *)body->data;
		raw.length = body->length;
	}
	if (!raw.text)
		return invalid(parser, "ticket", "is missing");
	status = sgh_ticket_parse(raw.text, raw.length, &reply->arena, &reply->ticket,
				  parser->err);
	if (status)
		return status;
	if (transfer && !sgh_streq(transfer, sgh_ticket_kind_name(reply->ticket->kind)))
		return invalid(parser, "transfer", "is not the ticket's");
	return 0;
}

/* In binary mode a list is told by its media type: no object goes with it. */
static bool body_is_list(const struct sgh_message *message)
{
	return message->body && message->body->length > 0 &&
	       sgh_streq(message->content_type, "application/json");
}

static int read_result(struct parser *parser, struct sgh_budget *budget)
{
	const struct sgh_fields *fields = &parser->fields;
	const struct sgh_bytes *body = fields->message->body;
	const char *id = NULL;
	int status = sgh_fields_text(fields, "object-id", &id, parser->err);

	if (status == 0)
		status = read_ticket(parser);
	if (status)
		return status;
	if (fields->list.text)
		return read_list(parser, fields->list.text, fields->list.length);
	if (!id && !parser->reply->ticket && !fields->document &&
	    body_is_list(fields->message))
		return read_list(parser, body->data, body->length);
	if (id)
		status = read_object(parser, id);
	if (status == 0)
		status = sgh_fields_bool(fields, "replayed", &parser->reply->replayed,
					 parser->err);
	if (status == 0 && !parser->reply->ticket)
		status = sgh_fields_body(fields, budget, &parser->reply->body,
					 parser->err);
	return status;
}

static int read_all(struct parser *parser, struct sgh_budget *budget)
{
	const struct sgh_message *message = parser->fields.message;
	struct sgh_reply *reply = parser->reply;
	const char *correlation = sgh_fields_property(
		&parser->fields, message->correlation_id, "correlation_id");
	int status = sgh_fields_keep(&reply->arena, correlation, &reply->correlation_id,
				     parser->err);

	if (status == 0)
		status = read_text(parser, "operation-id", &reply->operation_id);
	if (status == 0)
		status = sgh_fields_bool(&parser->fields, "batches", &reply->batches,
					 parser->err);
	if (status == 0)
		status = read_text(parser, "request-id", &reply->request_id);
	if (status == 0)
		status = read_status(parser);
	if (status)
		return status;
	return reply->status ? read_refusal(parser) : read_result(parser, budget);
}

static int check_type(const struct sgh_fields *fields, struct sangraha_error *err)
{
	const char *type = sgh_fields_property(fields, fields->message->type, "type");

	/* Receivers of other makes may leave it out: only replies come to reply queues. */
	if (!type || strcmp(type, "sangraha.result.v1") == 0)
		return 0;
	return sgh_fields_invalid(fields, "type", "is not sangraha.result.v1", err);
}

int sgh_reply_parse(const struct sgh_message *message, struct sgh_budget *budget,
		    struct sgh_reply **ret, struct sangraha_error *err)
{
	struct parser parser = { .reply = sgh_reply_new(), .err = err };
	int status;

	if (!parser.reply)
		return sgh_fail_memory(err);
	parser.reply->json = sgh_fields_json_mode(message->content_type);
	parser.reply->persistent = message->persistent;
	status = sgh_fields_open(&parser.fields, message, err);
	if (status == 0)
		status = check_type(&parser.fields, err);
	if (status == 0)
		status = read_all(&parser, budget);
	sgh_fields_close(&parser.fields);
	if (status) {
		sgh_reply_free(parser.reply);
		return status;
	}
	*ret = parser.reply;
	return 0;
}

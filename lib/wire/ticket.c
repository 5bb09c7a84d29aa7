/* SPDX-License-Identifier: MIT */
#include "wire/ticket.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/json.h"
#include "wire/parts.h"
#include "wire/protocol.h"

#define NAME_MAX_LENGTH 255             /* bytes of a header's name */
#define TIME_MAX        253402300799999 /* Unix milliseconds: the end of the year 9999 */

static const char *const kind_names[] = {
	[SGH_TICKET_PUT] = "put",
	[SGH_TICKET_PARTS] = "parts",
	[SGH_TICKET_GET] = "get",
};

const char *sgh_ticket_kind_name(enum sgh_ticket_kind kind)
{
	return (size_t)kind < SGH_COUNT(kind_names) ? kind_names[kind] : NULL;
}

enum sgh_ticket_kind sgh_ticket_kind_from_name(const char *name)
{
	for (size_t i = 0; name && i < SGH_COUNT(kind_names); i++)
		if (kind_names[i] && strcmp(kind_names[i], name) == 0)
			return (enum sgh_ticket_kind)i;
	return SGH_TICKET_NONE;
}

/* ---- writing ---- */

static void write_urls(const struct sgh_ticket *ticket, struct sgh_buf *buf)
{
	sgh_buf_puts(buf, ",\"urls\":[");
	for (size_t i = 0; i < ticket->url_count; i++) {
		sgh_buf_puts(buf, i ? "," : "");
		sgh_buf_json(buf, ticket->urls[i]);
	}
	sgh_buf_putc(buf, ']');
}

static void write_headers(const struct sgh_ticket *ticket, struct sgh_buf *buf)
{
	sgh_buf_puts(buf, ",\"headers\":{");
	for (size_t i = 0; i < ticket->header_count; i++) {
		sgh_buf_puts(buf, i ? "," : "");
		sgh_buf_json(buf, ticket->headers[i].name);
		sgh_buf_putc(buf, ':');
		sgh_buf_json(buf, ticket->headers[i].value);
	}
	sgh_buf_putc(buf, '}');
}

void sgh_ticket_write(const struct sgh_ticket *ticket, struct sgh_buf *buf)
{
	sgh_buf_printf(buf, "{\"transfer\":\"%s\",\"expires\":%" PRId64,
		       sgh_ticket_kind_name(ticket->kind), ticket->expires_ms);
	if (ticket->kind == SGH_TICKET_PARTS) {
		sgh_buf_puts(buf, ",\"record\":");
		sgh_buf_json(buf, ticket->record);
		sgh_buf_printf(buf, ",\"first_part\":%u", ticket->first_part);
	}
	write_urls(ticket, buf);
	if (ticket->header_count)
		write_headers(ticket, buf);
	sgh_buf_putc(buf, '}');
}

/* ---- reading ---- */

/* One document on its way into a ticket. */
struct parser {
	const cJSON *document;
	struct sgh_arena *arena;
	struct sgh_ticket *ticket;
	struct sangraha_error *err;
};

static int invalid(struct parser *parser, const char *what)
{
	return sgh_fail(parser->err, SANGRAHA_E_INVALID, 0, "the ticket's %s", what);
}

static int keep(struct parser *parser, const char *text, const char **place)
{
	*place = sgh_arena_strdup(parser->arena, text);
	return *place ? 0 : sgh_fail_memory(parser->err);
}

/* Absolute, and of characters that a URL may have: no space, which would end it. */
static bool url_valid(const char *url)
{
	size_t scheme = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	return url[0] >= 'a' && url[0] <= 'z' && url[scheme] == ':' &&
	       sgh_printable(url, SGH_TICKET_URL_MAX) && !strchr(url, ' ');
}

/* RFC 9110's token. */
static bool name_valid(const char *name)
{
	size_t length = strspn(name, "!#$%&'*+-.^_`|~0123456789"
				     "abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return length >= 1 && length <= NAME_MAX_LENGTH && name[length] == '\0';
}

static bool value_valid(const char *value)
{
	return !*value || sgh_printable(value, SGH_TICKET_URL_MAX);
}

/* The text of one element, which the scanner has found to be JSON. */
static int read_url(struct parser *parser, const struct sgh_json_raw *raw)
{
	struct sgh_ticket *ticket = parser->ticket;
	sgh_autojson cJSON *item = NULL;

	if (ticket->url_count == SGH_TICKET_URLS_MAX)
		return invalid(parser, "URLs are too many");
	if (raw->text[0] != '"')
		return invalid(parser, "URL is not a text");
	item = cJSON_ParseWithLength(raw->text, raw->length);
	if (!item)
		return sgh_fail_memory(parser->err);
	if (!url_valid(item->valuestring))
		return invalid(parser, "URL is not valid");
	return keep(parser, item->valuestring, &ticket->urls[ticket->url_count++]);
}

static int read_urls(struct parser *parser, const struct sgh_json_raw *raw)
{
	const char *at = raw->text;
	struct sgh_json_raw url;
	int status = 0;

	while (status == 0 && at && sgh_json_next(&at, raw->text + raw->length, &url))
		status = read_url(parser, &url);
	if (status == 0 && parser->ticket->url_count == 0)
		return invalid(parser, "URLs are missing");
	return status;
}

static int read_header(struct parser *parser, const cJSON *item)
{
	struct sgh_ticket *ticket = parser->ticket;
	struct sgh_pair *pair = &ticket->headers[ticket->header_count];
	int status;

	if (ticket->header_count == SGH_TICKET_HEADERS_MAX)
		return invalid(parser, "headers are too many");
	if (!cJSON_IsString(item) || !name_valid(item->string) ||
	    !value_valid(item->valuestring))
		return invalid(parser, "headers are not valid");
	status = keep(parser, item->string, &pair->name);
	if (status == 0)
		status = keep(parser, item->valuestring, &pair->value);
	if (status == 0)
		ticket->header_count++;
	return status;
}

static int read_headers(struct parser *parser, const struct sgh_json_raw *raw)
{
	sgh_autojson cJSON *headers = NULL;
	int status = 0;

	if (!raw->text)
		return 0;
	status = sgh_json_open(raw->text, raw->length, NULL, 0, &headers, parser->err);
	if (status)
		return status;
	for (const cJSON *item = headers->child; status == 0 && item; item = item->next)
		status = read_header(parser, item);
	return status;
}

static bool read_number(struct parser *parser, const char *name, int64_t *ret)
{
	return sgh_json_integer(cJSON_GetObjectItemCaseSensitive(parser->document, name),
				ret);
}

static int read_scalars(struct parser *parser)
{
	struct sgh_ticket *ticket = parser->ticket;

	ticket->kind =
		sgh_ticket_kind_from_name(sgh_json_text(parser->document, "transfer"));
	if (ticket->kind == SGH_TICKET_NONE)
		return invalid(parser, "transfer is none that we know");
	if (!read_number(parser, "expires", &ticket->expires_ms) ||
	    ticket->expires_ms < 1 || ticket->expires_ms > TIME_MAX)
		return invalid(parser, "expiry is no time");
	return 0;
}

/* What its kind wants, when all has been read. */
static int read_kind(struct parser *parser)
{
	struct sgh_ticket *ticket = parser->ticket;
	const char *record = sgh_json_text(parser->document, "record");
	int64_t first;

	if (ticket->kind != SGH_TICKET_PARTS)
		return ticket->url_count == 1 ? 0 : invalid(parser, "URLs are not one");
	if (!record || !sangraha_id_valid(record))
		return invalid(parser, "record is no id");
	if (!read_number(parser, "first_part", &first) || first < 1 ||
	    first > SGH_PARTS_MAX + 1 - (int64_t)ticket->url_count)
		return invalid(parser, "first part is out of range");
	ticket->first_part = (unsigned)first;
	return keep(parser, record, &ticket->record);
}

int sgh_ticket_parse(const void *json, size_t length, struct sgh_arena *arena,
		     struct sgh_ticket **ret, struct sangraha_error *err)
{
	struct sgh_json_raw raws[] = { { .name = "urls" }, { .name = "headers" } };
	struct parser parser = { .arena = arena, .err = err };
	sgh_autojson cJSON *document = NULL;
	int status;

	if (length > SGH_TICKET_TEXT_MAX)
		return invalid(&parser, "document is too long");
	status = sgh_json_open(json, length, raws, SGH_COUNT(raws), &document, err);
	if (status)
		return status;
	parser.document = document;
	parser.ticket = sgh_arena_alloc(arena, sizeof(*parser.ticket));
	if (!parser.ticket)
		return sgh_fail_memory(err);
	*parser.ticket = (struct sgh_ticket){ .kind = SGH_TICKET_NONE };
	status = read_scalars(&parser);
	if (status == 0)
		status = read_urls(&parser, &raws[0]);
	if (status == 0)
		status = read_headers(&parser, &raws[1]);
	if (status == 0)
		status = read_kind(&parser);
	if (status == 0)
		*ret = parser.ticket;
	return status;
}

/* SPDX-License-Identifier: MIT */
#include "http/response.h"

#include <string.h>

#include "base/util.h"

/* A chunk's size has 16 digits at most, but there may be extensions behind it. */
#define CHUNK_LINE_MAX 1024

void sgh_framing_begin(struct sgh_framing *framing, size_t bytes)
{
	*framing = (struct sgh_framing){ .length = -1, .bytes = bytes };
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK"; the reason is nobody's business. */
static void status_line(struct sgh_framing *framing, const char *line, size_t length)
{
	static const char prefix[] = "HTTP/1.";
	const size_t at = sizeof(prefix) - 1;
	const char *code = line + at + 2;

	sgh_framing_begin(framing, framing->bytes);
	if (length < at + 5 || memcmp(line, prefix, at) != 0 || !is_digit(line[at]) ||
	    line[at + 1] != ' ' || code[0] < '1' || code[0] > '9' || !is_digit(code[1]) ||
	    !is_digit(code[2]) || (length > at + 5 && is_digit(code[3]))) {
		framing->bad = true;
		return;
	}
	framing->code = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
	framing->final = framing->code >= 200;
	/* Nobody asked for another protocol. */
	framing->bad = framing->code == 101;
	framing->persists = line[at] != '0';
}

static void content_length(struct sgh_framing *framing, const char *value, size_t length)
{
	int64_t number = 0;

	framing->bad |= length == 0 || length > 18;
	for (size_t i = 0; i < length && i < 18; i++) {
		framing->bad |= !is_digit(value[i]);
		number = number * 10 + (value[i] - '0');
	}
	/* One that is said twice says the same (RFC 9112, section 6.3). */
	framing->two_lengths |= framing->length >= 0 && framing->length != number;
	framing->bad |= framing->two_lengths;
	framing->length = framing->bad ? -1 : number;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether a list of tokens has this one. */
static bool has_token(const char *list, size_t length, const char *token)
{
	const char *end = list + length;

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *next = comma ? comma + 1 : end;
		const char *last = comma ? comma : end;

		while (list < last && is_blank(*list))
			list++;
		while (last > list && is_blank(last[-1]))
			last--;
		if (sgh_named(list, (size_t)(last - list), token))
			return true;
		list = next;
	}
	return false;
}

static void field(struct sgh_framing *framing, const char *name, size_t name_length,
		  const char *value, size_t length)
{
	if (sgh_named(name, name_length, "content-length")) {
		content_length(framing, value, length);
	} else if (sgh_named(name, name_length, "transfer-encoding")) {
		/* We never say that we take another one (RFC 9110, section 10.1.4). */
		framing->bad |= framing->chunked || !sgh_named(value, length, "chunked");
		framing->chunked = true;
	} else if (sgh_named(name, name_length, "connection")) {
		framing->persists &= !has_token(value, length, "close");
	}
}

static bool is_empty(const char *line, size_t length)
{
	return length == 1 || (length == 2 && line[0] == '\r');
}

bool sgh_framing_line(struct sgh_framing *framing, const char *line, size_t length)
{
	const char *end = line + length;
	const char *colon;
	const char *value;

	framing->bytes += length;
	if (framing->bytes > SGH_RESPONSE_HEADER_MAX)
		return false;
	if (!framing->code || (framing->ended && !framing->final)) {
		status_line(framing, line, length);
		return true;
	}
	if (framing->ended)
		return true;
	if (is_empty(line, length)) {
		framing->ended = true;
		return true;
	}
	while (end > line && is_blank(end[-1]))
		end--;
	colon = memchr(line, ':', (size_t)(end - line));
	/* Lines that go on in the next one are obsolete, and must not be taken for others. */
	framing->bad |=
		!colon || colon == line || is_blank(line[0]) || is_blank(colon[-1]);
	if (framing->bad)
		return true;
	for (value = colon + 1; value < end && is_blank(*value);)
		value++;
	field(framing, line, (size_t)(colon - line), value, (size_t)(end - value));
	return true;
}

void sgh_response_begin(struct sgh_response *response, bool head)
{
	*response = (struct sgh_response){ .head = head };
	sgh_framing_begin(&response->framing, 0);
}

static bool has_no_body(const struct sgh_response *response)
{
	int code = response->framing.code;

	return response->head || code == 204 || code == 304;
}

bool sgh_response_persists(const struct sgh_response *response)
{
	const struct sgh_framing *framing = &response->framing;

	if (!framing->ended || !framing->final || framing->bad || !framing->persists)
		return false;
	/* Whoever gives a length to chunks may mean to smuggle. */
	return has_no_body(response) || framing->chunked != (framing->length >= 0);
}

/* What comes after a header (RFC 9112, section 6.3). */
static enum sgh_response_phase after_header(struct sgh_response *response)
{
	const struct sgh_framing *framing = &response->framing;

	if (!framing->final)
		return SGH_RESPONSE_HEADER;
	if (has_no_body(response) || (!framing->chunked && framing->length == 0))
		return SGH_RESPONSE_DONE;
	if (framing->chunked)
		return SGH_RESPONSE_CHUNK_SIZE;
	if (framing->length < 0)
		return SGH_RESPONSE_CLOSE;
	response->left = (uint64_t)framing->length;
	return SGH_RESPONSE_LENGTH;
}

static int header_line(struct sgh_response *response, const char *line, size_t length,
		       const struct sgh_response_sink *sink, void *arg)
{
	struct sgh_framing *framing = &response->framing;
	int status;

	if (!sgh_framing_line(framing, line, length) || framing->bad)
		return SGH_RESPONSE_BAD;
	status = sink->line(arg, line, length);
	if (!status && framing->ended)
		response->phase = after_header(response);
	return status;
}

static int chunk_size(struct sgh_response *response, const char *line, size_t length)
{
	uint64_t size = 0;
	size_t digits = 0;

	for (; digits < length && sgh_hex_value(line[digits]) >= 0; digits++) {
		if (size >> 59)
			return SGH_RESPONSE_BAD;
		size = size << 4 | (uint64_t)sgh_hex_value(line[digits]);
	}
	if (!digits || !(is_blank(line[digits]) || line[digits] == ';'))
		return SGH_RESPONSE_BAD;
	response->left = size;
	response->phase = size ? SGH_RESPONSE_CHUNK : SGH_RESPONSE_TRAILER;
	return 0;
}

static int trailer_line(struct sgh_response *response, const char *line, size_t length)
{
	response->framing.bytes += length;
	if (is_empty(line, length))
		response->phase = SGH_RESPONSE_DONE;
	return response->framing.bytes > SGH_RESPONSE_HEADER_MAX ? SGH_RESPONSE_BAD : 0;
}

/* A whole line, in a phase that consists of lines. */
static int take_line(struct sgh_response *response, const char *line, size_t length,
		     const struct sgh_response_sink *sink, void *arg)
{
	switch (response->phase) {
	case SGH_RESPONSE_HEADER:
		return header_line(response, line, length, sink, arg);
	case SGH_RESPONSE_CHUNK_SIZE:
		return chunk_size(response, line, length);
	case SGH_RESPONSE_CHUNK_END:
		response->phase = SGH_RESPONSE_CHUNK_SIZE;
		return is_empty(line, length) ? 0 : SGH_RESPONSE_BAD;
	default:
		return trailer_line(response, line, length);
	}
}

/* One line, if all of it is there. A line that never ends is not waited for. */
static int read_line(struct sgh_response *response, const char *data, size_t length,
		     const struct sgh_response_sink *sink, void *arg, size_t *ret_used)
{
	const bool in_body = response->phase == SGH_RESPONSE_CHUNK_SIZE ||
			     response->phase == SGH_RESPONSE_CHUNK_END;
	const size_t most = in_body ? CHUNK_LINE_MAX : SGH_RESPONSE_HEADER_MAX;
	const char *end = memchr(data, '\n', length);
	size_t line = end ? (size_t)(end - data) + 1 : length;

	*ret_used = 0;
	if (line > most) {
		response->framing.bytes += line;
		return SGH_RESPONSE_BAD;
	}
	if (!end)
		return 0;
	*ret_used = line;
	return take_line(response, data, line, sink, arg);
}

static int read_body(struct sgh_response *response, const char *data, size_t length,
		     const struct sgh_response_sink *sink, void *arg, size_t *ret_used)
{
	const bool bounded = response->phase != SGH_RESPONSE_CLOSE;
	size_t piece =
		bounded && response->left < length ? (size_t)response->left : length;
	int status = sink->body(arg, data, piece);

	*ret_used = status ? 0 : piece;
	if (status || !bounded)
		return status;
	response->left -= piece;
	if (!response->left)
		response->phase = response->phase == SGH_RESPONSE_CHUNK
					  ? SGH_RESPONSE_CHUNK_END
					  : SGH_RESPONSE_DONE;
	return 0;
}

int sgh_response_read(struct sgh_response *response, const char *data, size_t length,
		      const struct sgh_response_sink *sink, void *arg, size_t *ret_used)
{
	size_t at = 0;
	size_t used = 1;
	int status = 0;

	while (!status && used && at < length && response->phase != SGH_RESPONSE_DONE) {
		const bool body = response->phase == SGH_RESPONSE_LENGTH ||
				  response->phase == SGH_RESPONSE_CLOSE ||
				  response->phase == SGH_RESPONSE_CHUNK;

		status = (body ? read_body : read_line)(response, data + at, length - at,
							sink, arg, &used);
		at += used;
	}
	*ret_used = at;
	return status;
}

bool sgh_response_ends(const struct sgh_response *response)
{
	return response->phase == SGH_RESPONSE_DONE ||
	       response->phase == SGH_RESPONSE_CLOSE;
}

/* SPDX-License-Identifier: MIT */
#include "rest/multipart.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/filename.h"

enum state {
	PREAMBLE,  /* before the first delimiter */
	DELIMITER, /* right after one: "--", or white space and CR LF */
	CLOSING,   /* one "-" seen there */
	PADDING,   /* white space seen there */
	LINE_END,  /* CR seen there */
	HEADER,
	DATA,
	EPILOGUE, /* after the closing delimiter */
};

static int malformed(struct sangraha_error *err, const char *what)
{
	return sgh_fail(err, SANGRAHA_E_INVALID, 0, "The multipart body is malformed: %s",
			what);
}

static bool is_boundary(const char *text, size_t length)
{
	static const char allowed[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz'()+_,-./:=? ";

	if (length < 1 || length > SGH_BOUNDARY_MAX || text[length - 1] == ' ')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!text[i] || !strchr(allowed, text[i]))
			return false;
	return true;
}

/* The value of a parameter, quoted or not; NULL when it is not there. */
static const char *parameter(const char *header, const char *name, size_t *ret_length)
{
	size_t name_length = strlen(name);
	const char *text = header + strcspn(header, ";");

	while (*text == ';') {
		const char *value;
		size_t length;

		text += 1 + strspn(text + 1, " \t");
		value = text + strcspn(text, "=;");
		if (*value != '=')
			return NULL;
		value++;
		length = strcspn(value, "; \t");
		if (*value == '"') {
			value++;
			length = strcspn(value, "\"");
			if (value[length] != '"')
				return NULL;
		}
		if ((size_t)(strchr(text, '=') - text) == name_length &&
		    strncasecmp(text, name, name_length) == 0) {
			*ret_length = length;
			return value;
		}
		text = value + length;
		text += strcspn(text, ";");
	}
	return NULL;
}

int sgh_multipart_init(struct sgh_multipart *multipart, const char *content_type,
		       const struct sgh_multipart_sink *sink, void *arg,
		       struct sangraha_error *err)
{
	size_t length;
	const char *boundary = parameter(content_type, "boundary", &length);

	if (!boundary || !is_boundary(boundary, length))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"multipart/form-data needs a boundary of 1 to 70 of the "
				"characters that RFC 2046 allows");
	memset(multipart, 0, sizeof(*multipart));
	multipart->sink = sink;
	multipart->arg = arg;
	memcpy(multipart->delimiter, "\r\n--", 4);
	memcpy(multipart->delimiter + 4, boundary, length);
	multipart->delimiter_length = length + 4;
	multipart->state = PREAMBLE;
	/* The first delimiter may stand at the very beginning, without a line end. */
	multipart->matched = 2;
	return 0;
}

/* The lines of a part's header that mean something here; NULL: absent. */
struct lines {
	char *disposition;
	char *type;
	char *encoding;
	char *transfer_encoding;
};

/* Take one header line apart; what is not known is passed over. */
static int header_line(char *line, struct lines *lines, struct sangraha_error *err)
{
	const struct {
		const char *name;
		char **value;
	} known[] = {
		{ "Content-Disposition", &lines->disposition },
		{ "Content-Type", &lines->type },
		{ "Content-Encoding", &lines->encoding },
		{ "Content-Transfer-Encoding", &lines->transfer_encoding },
	};
	char *value = strchr(line, ':');

	if (!value || value == line || *line == ' ' || *line == '\t')
		return malformed(err, "a part has a header line that is none");
	*value++ = '\0';
	value += strspn(value, " \t");
	for (size_t end = strlen(value); end && strchr(" \t", value[end - 1]);)
		value[--end] = '\0';
	for (size_t i = 0; i < SGH_COUNT(known); i++) {
		if (strcasecmp(line, known[i].name) != 0)
			continue;
		if (*known[i].value)
			return malformed(err, "a part has a header line twice");
		*known[i].value = value;
	}
	return 0;
}

/* RFC 7578, section 4.7: deprecated; those that change no byte do no harm. */
static bool changes_bytes(const char *transfer_encoding)
{
	return transfer_encoding && strcasecmp(transfer_encoding, "binary") != 0 &&
	       strcasecmp(transfer_encoding, "8bit") != 0 &&
	       strcasecmp(transfer_encoding, "7bit") != 0;
}

static int header_lines(char *line, struct lines *lines, struct sangraha_error *err)
{
	while (*line) {
		char *end = strstr(line, "\r\n");
		int status;

		if (end == line)
			return 0;
		if (!end)
			return malformed(err, "a part's header has a bare line end");
		*end = '\0';
		if (line[strcspn(line, "\r\n")])
			return malformed(err, "a part's header has a bare line end");
		status = header_line(line, lines, err);
		if (status)
			return status;
		line = end + 2;
	}
	return 0;
}

/* The whole header of a part is there, each line with its CR LF. */
static int begin_part(struct sgh_multipart *multipart, struct sangraha_error *err)
{
	struct sgh_part_header header = { .name = "" };
	sgh_autofree char *name = NULL;
	sgh_autofree char *filename = NULL;
	struct lines lines = { NULL };
	int status;

	multipart->header[multipart->header_length] = '\0';
	if (strlen(multipart->header) != multipart->header_length)
		return malformed(err, "a part's header has a NUL");
	status = header_lines(multipart->header, &lines, err);
	if (status == 0 && changes_bytes(lines.transfer_encoding))
		status = malformed(err, "a part has a transfer encoding");
	if (status == 0 && lines.disposition)
		status = sgh_disposition_parse(lines.disposition, &name, &filename, err);
	if (status)
		return status;
	if (name)
		header.name = name;
	header.filename = filename;
	header.content_type = lines.type && *lines.type ? lines.type : NULL;
	header.encoding = lines.encoding;
	return multipart->sink->begin(multipart->arg, &header, err);
}

static int skip(struct sgh_multipart *multipart, size_t length,
		struct sangraha_error *err)
{
	multipart->skipped += length;
	if (multipart->skipped > SGH_MULTIPART_SKIP_MAX)
		return malformed(err, "too much outside of the parts");
	return 0;
}

/* Bytes that are no delimiter: content of a part, or of nothing. */
static int content(struct sgh_multipart *multipart, const char *data, size_t length,
		   size_t *ret_taken, struct sangraha_error *err)
{
	*ret_taken = length;
	if (multipart->state == PREAMBLE)
		return skip(multipart, length, err);
	return multipart->sink->data(multipart->arg, data, length, ret_taken, err);
}

/*
 * Look for the delimiter. It begins with CR and has none further on, so that what was
 * matched in vain cannot hold the beginning of another one.
 */
static int scan(struct sgh_multipart *multipart, const char *data, size_t length,
		size_t *ret_taken, struct sangraha_error *err)
{
	size_t plain;

	if (multipart->matched == 0) {
		const char *cr = memchr(data, '\r', length);

		plain = cr ? (size_t)(cr - data) : length;
		if (plain)
			return content(multipart, data, plain, ret_taken, err);
	}
	*ret_taken = 0;
	if (*data == multipart->delimiter[multipart->matched]) {
		*ret_taken = 1;
		multipart->matched++;
		if (multipart->matched < multipart->delimiter_length)
			return 0;
		multipart->matched = 0;
		if (multipart->state == DATA) {
			multipart->state = DELIMITER;
			return multipart->sink->end(multipart->arg, err);
		}
		multipart->state = DELIMITER;
		return 0;
	}
	/* At the very beginning the line end was never there. */
	multipart->replay_from = 0;
	multipart->replay_end = multipart->matched;
	multipart->matched = 0;
	return 0;
}

static int replay(struct sgh_multipart *multipart, struct sangraha_error *err)
{
	size_t taken = 0;
	int status = content(multipart, multipart->delimiter + multipart->replay_from,
			     multipart->replay_end - multipart->replay_from, &taken, err);

	multipart->replay_from += taken;
	return status;
}

/* One byte after a delimiter. */
static int after_delimiter(struct sgh_multipart *multipart, char c,
			   struct sangraha_error *err)
{
	if (multipart->state == LINE_END && c == '\n') {
		multipart->state = HEADER;
		multipart->header_length = 0;
	} else if (multipart->state == CLOSING && c == '-') {
		multipart->state = EPILOGUE;
	} else if (multipart->state == DELIMITER && c == '-') {
		multipart->state = CLOSING;
	} else if (multipart->state <= PADDING && multipart->state != CLOSING &&
		   c == '\r') {
		multipart->state = LINE_END;
	} else if (multipart->state <= PADDING && multipart->state != CLOSING &&
		   (c == ' ' || c == '\t')) {
		multipart->state = PADDING;
		return skip(multipart, 1, err);
	} else {
		return malformed(err, "the boundary goes on where it should end");
	}
	return 0;
}

static int header_byte(struct sgh_multipart *multipart, char c,
		       struct sangraha_error *err)
{
	size_t length;

	if (multipart->header_length == SGH_PART_HEADERS_MAX)
		return malformed(err, "a part's header is too long");
	multipart->header[multipart->header_length++] = c;
	length = multipart->header_length;
	if (c != '\n')
		return 0;
	if ((length == 2 && memcmp(multipart->header, "\r\n", 2) == 0) ||
	    (length >= 4 && memcmp(multipart->header + length - 4, "\r\n\r\n", 4) == 0)) {
		multipart->state = DATA;
		return begin_part(multipart, err);
	}
	return 0;
}

static int step(struct sgh_multipart *multipart, const char *data, size_t length,
		size_t *ret_taken, struct sangraha_error *err)
{
	*ret_taken = 1;
	switch (multipart->state) {
	case PREAMBLE:
	case DATA:
		return scan(multipart, data, length, ret_taken, err);
	case HEADER:
		return header_byte(multipart, *data, err);
	case EPILOGUE:
		*ret_taken = length;
		return skip(multipart, length, err);
	default:
		return after_delimiter(multipart, *data, err);
	}
}

int sgh_multipart_feed(struct sgh_multipart *multipart, const char *data, size_t length,
		       size_t *ret_taken, struct sangraha_error *err)
{
	size_t done = 0;
	int status = 0;

	for (;;) {
		size_t offered = multipart->replay_end - multipart->replay_from;
		size_t taken = 0;

		if (offered) {
			status = replay(multipart, err);
			if (status || multipart->replay_from < multipart->replay_end)
				break;
			continue;
		}
		if (done == length)
			break;
		status = step(multipart, data + done, length - done, &taken, err);
		done += taken;
		/* Neither bytes nor a replay: the sink is full. */
		if (status ||
		    (taken == 0 && multipart->replay_end == multipart->replay_from))
			break;
	}
	*ret_taken = done;
	return status;
}

int sgh_multipart_finish(const struct sgh_multipart *multipart,
			 struct sangraha_error *err)
{
	if (multipart->state != EPILOGUE)
		return malformed(err, "it ends before the closing boundary");
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "stub/request.h"

#include <strings.h>

#include "base/util.h"

#define META    "x-amz-meta-"
#define EXTRACT "x-amz-meta-snowball-auto-extract"

static bool comes_back(const char *name, size_t length)
{
	static const char type[] = "content-type";

	return (length == strlen(type) && strncasecmp(name, type, length) == 0) ||
	       (length > strlen(META) && strncasecmp(name, META, strlen(META)) == 0);
}

void request_keep_line(char lines[KEYS_LINES_MAX], size_t *length, const char *name,
		       size_t name_length, const char *value, size_t value_length)
{
	size_t needed = name_length + value_length + strlen(": \r\n");

	if (!comes_back(name, name_length))
		return;
	if (*length > KEYS_LINES_MAX || needed > KEYS_LINES_MAX - *length) {
		*length = KEYS_LINES_MAX + 1;
		return;
	}
	lines += *length;
	*length += needed;
	memcpy(lines, name, name_length);
	memcpy(lines + name_length, ": ", 2);
	memcpy(lines + name_length + 2, value, value_length);
	memcpy(lines + name_length + 2 + value_length, "\r\n", 2);
}

/* Digits and nothing else. */
static bool read_length(const char *text, uint64_t *ret)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 18 || text[digits])
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

static int take_length(struct request *request, const char *value)
{
	uint64_t length;

	if (!read_length(value, &length) ||
	    (request->has_length && length != request->length))
		return 400;
	request->has_length = true;
	request->length = length;
	return length > REQUEST_BODY_MAX ? 413 : 0;
}

static int take_field(struct request *request, const char *name, const char *value)
{
	if (strcasecmp(name, "Content-Length") == 0)
		return take_length(request, value);
	if (strcasecmp(name, "Transfer-Encoding") == 0)
		return 501;
	if (strcasecmp(name, "Connection") == 0)
		request->closes |= strcasecmp(value, "close") == 0;
	else if (strcasecmp(name, "Expect") == 0)
		request->waits = strcasecmp(value, "100-continue") == 0;
	else if (strcasecmp(name, "If-None-Match") == 0)
		request->absent = true;
	else if (strcasecmp(name, "If-Match") == 0)
		request->another = strcmp(value, REQUEST_ETAG) != 0;
	else if (strcasecmp(name, EXTRACT) == 0)
		request->archive = strcasecmp(value, "true") == 0;
	else
		request_keep_line(request->lines, &request->lines_length, name,
				  strlen(name), value, strlen(value));
	return 0;
}

/* "Name: value", with blanks around the value and a CR behind it. */
static int read_field(struct request *request, char *line)
{
	char *value = strchr(line, ':');
	size_t length = strlen(line);

	if (length && line[length - 1] == '\r')
		line[--length] = '\0';
	if (!value || value == line || strcspn(line, " \t") < (size_t)(value - line) ||
	    strchr(line, '\r'))
		return 400;
	*value++ = '\0';
	value += strspn(value, " \t");
	length = strlen(value);
	while (length && (value[length - 1] == ' ' || value[length - 1] == '\t'))
		value[--length] = '\0';
	return take_field(request, line, value);
}

static enum request_method method_of(const char *name)
{
	static const char *const names[] = {
		[REQUEST_GET] = "GET",
		[REQUEST_HEAD] = "HEAD",
		[REQUEST_PUT] = "PUT",
		[REQUEST_DELETE] = "DELETE",
	};

	for (size_t i = REQUEST_GET; i < SGH_COUNT(names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum request_method)i;
	return REQUEST_OTHER;
}

/* "PUT /bucket/key?query HTTP/1.1" */
static int read_first_line(struct request *request, char *line)
{
	char *rest = line;
	char *method = strsep(&rest, " ");
	char *target = strsep(&rest, " ");

	if (!target || !rest || target[0] != '/')
		return 400;
	rest[strcspn(rest, "\r")] = '\0';
	if (strcmp(rest, "HTTP/1.1") != 0)
		return 505;
	request->method = method_of(method);
	request->path = strsep(&target, "?");
	request->query = target ? target : "";
	return 0;
}

int request_read(struct request *request, char *head, size_t length)
{
	char *rest = head;
	int status;

	*request = (struct request){ .path = "/", .query = "" };
	if (memchr(head, '\0', length))
		return 400;
	status = read_first_line(request, strsep(&rest, "\n"));
	while (!status && rest)
		status = read_field(request, strsep(&rest, "\n"));
	if (!status && request->method == REQUEST_PUT && !request->has_length)
		return 411;
	return status;
}

/* SPDX-License-Identifier: MIT */
#include "answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_clear(struct answer *answer)
{
	answer->head_length = 0;
	answer->has_head = false;
	answer->status = 0;
	answer->closes = false;
	answer->has_etag = false;
	answer->length = 0;
	answer->taken = 0;
	answer->location[0] = '\0';
}

/* The value when `line` is the field of this name (with its colon). */
static const char *value_of(const char *line, const char *name)
{
	size_t length = strlen(name);

	if (strncasecmp(line, name, length) != 0)
		return NULL;
	return line + length + strspn(line + length, " \t");
}

/* 0 when the body would come in a form that is not measured. */
static int read_field(struct answer *answer, const char *line, bool *has_length)
{
	const char *value;

	if ((value = value_of(line, "Content-Length:"))) {
		answer->length = strtoull(value, NULL, 10);
		*has_length = true;
	} else if ((value = value_of(line, "Connection:"))) {
		answer->closes = strcasecmp(value, "close") == 0;
	} else if (value_of(line, "ETag:")) {
		answer->has_etag = true;
	} else if ((value = value_of(line, "Location:"))) {
		if (strlen(value) >= sizeof(answer->location))
			return 0;
		strcpy(answer->location, value);
	} else if (value_of(line, "Transfer-Encoding:")) {
		return 0;
	}
	return 1;
}

/* The head is there, NUL-terminated instead of its empty line. */
static int read_head(struct answer *answer)
{
	bool has_length = false;
	char *rest = answer->head;
	char *line = strsep(&rest, "\n");

	if (strncmp(line, "HTTP/1.1 ", 9) != 0)
		return 0;
	answer->status = atoi(line + 9);
	while ((line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		if (!read_field(answer, line, &has_length))
			return 0;
	}
	answer->has_head = true;
	return has_length || answer->status == 204 || answer->status == 304;
}

long answer_take_head(struct answer *answer, const char *data, size_t length)
{
	size_t before = answer->head_length;
	size_t room = ANSWER_HEAD_MAX - before;
	size_t taken = length < room ? length : room;
	/* The empty line may have begun in what came before. */
	size_t from = before < 3 ? 0 : before - 3;
	char *end;

	memcpy(answer->head + before, data, taken);
	answer->head_length += taken;
	end = memmem(answer->head + from, answer->head_length - from, "\r\n\r\n", 4);
	if (!end)
		return answer->head_length == ANSWER_HEAD_MAX ? -1 : (long)taken;
	*end = '\0';
	taken = (size_t)(end + 4 - answer->head) - before;
	return read_head(answer) ? (long)taken : -1;
}

bool answer_is_whole(const struct answer *answer)
{
	return answer->has_head && answer->taken == answer->length;
}

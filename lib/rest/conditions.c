/* SPDX-License-Identifier: MIT */
#include "rest/conditions.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

/* Whether a list of entity tags (section 8.8.3) has `etag`; "*" matches any. */
static bool list_has(const char *list, const char *etag, bool weak)
{
	size_t length = strlen(etag);

	while (*list) {
		bool is_weak = false;
		const char *end;

		list += strspn(list, " \t,");
		if (*list == '*')
			return true;
		if (strncmp(list, "W/", 2) == 0) {
			is_weak = true;
			list += 2;
		}
		if (*list != '"')
			return false;
		end = strchr(list + 1, '"');
		if (!end)
			return false;
		end++;
		if ((weak || !is_weak) && (size_t)(end - list) == length &&
		    memcmp(list, etag, length) == 0)
			return true;
		list = end;
	}
	return false;
}

/* Dates have a resolution of a second; the object's milliseconds are cut off. */
static bool modified_after(const char *date, int64_t modified_ms, bool otherwise)
{
	int64_t date_ms;

	if (!sgh_http_date_parse(date, &date_ms))
		return otherwise;
	return modified_ms / 1000 > date_ms / 1000;
}

/* Section 13.1.5: a tag must match strongly, a date exactly. */
static bool range_is_wanted(const char *if_range, const char *etag, int64_t modified_ms)
{
	int64_t date_ms;

	if (!if_range)
		return true;
	if (*if_range == '"' || strncmp(if_range, "W/", 2) == 0)
		return strcmp(if_range, etag) == 0;
	return sgh_http_date_parse(if_range, &date_ms) &&
	       date_ms / 1000 == modified_ms / 1000;
}

/* Digits as a number; too many of them are the largest. False without any. */
static bool number(const char **text, uint64_t *ret)
{
	uint64_t value = 0;

	if (!isdigit((unsigned char)**text))
		return false;
	for (; isdigit((unsigned char)**text); (*text)++) {
		unsigned digit = (unsigned)(**text - '0');

		if (value > (UINT64_MAX - digit) / 10)
			value = UINT64_MAX;
		else if (value != UINT64_MAX)
			value = value * 10 + digit;
	}
	*ret = value;
	return true;
}

static unsigned range(const char *text, uint64_t size, struct sgh_part *part)
{
	uint64_t first = 0;
	uint64_t last = UINT64_MAX;
	bool suffix;

	if (strncasecmp(text, "bytes=", 6) != 0)
		return 200;
	text += 6;
	text += strspn(text, " \t");
	suffix = *text == '-';
	if (!suffix && !number(&text, &first))
		return 200;
	if (*text++ != '-')
		return 200;
	if (!number(&text, &last) && suffix)
		return 200;
	text += strspn(text, " \t");
	if (*text)
		return 200;
	if (suffix) {
		first = last < size ? size - last : 0;
		if (last == 0)
			return 416;
		last = UINT64_MAX;
	}
	if (last < first)
		return 200;
	if (first >= size)
		return 416;
	part->first = first;
	part->length = (last < size - 1 ? last : size - 1) - first + 1;
	return 206;
}

/* In the order of section 13.2.2. */
unsigned sgh_conditions_check(const struct sgh_conditions *conditions, const char *etag,
			      int64_t modified_ms, uint64_t size, bool head,
			      struct sgh_part *part)
{
	const struct sgh_conditions *c = conditions;

	if (c->if_match) {
		if (!list_has(c->if_match, etag, false))
			return 412;
	} else if (c->if_unmodified_since &&
		   modified_after(c->if_unmodified_since, modified_ms, false)) {
		return 412;
	}
	if (c->if_none_match) {
		if (list_has(c->if_none_match, etag, true))
			return 304;
	} else if (c->if_modified_since &&
		   !modified_after(c->if_modified_since, modified_ms, true)) {
		return 304;
	}
	if (!head && c->range && range_is_wanted(c->if_range, etag, modified_ms))
		return range(c->range, size, part);
	return 200;
}

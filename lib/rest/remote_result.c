/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/util.h"
#include "rest/remote.h"
#include "wire/filename.h"
#include "wire/utf8.h"

#define CORRELATION_MAX 128
#define RETRY_MAX       86400 /* seconds; more is nonsense */

struct sangraha_rest_result *sgh_remote_result_new(void)
{
	struct sangraha_rest_result *result = calloc(1, sizeof(*result));

	if (!result)
		return NULL;
	result->retry_after = -1;
	result->offset = -1;
	result->size = -1;
	result->first = -1;
	return result;
}

void sangraha_rest_result_free(struct sangraha_rest_result *result)
{
	if (!result)
		return;
	sangraha_object_unref(result->object);
	for (size_t i = 0; i < result->object_count; i++)
		sangraha_object_unref(result->objects[i]);
	free(result->objects);
	free(result->text);
	sgh_arena_fini(&result->arena);
	free(result);
}

static bool control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

const char *sgh_remote_result_keep(struct sangraha_rest_result *result, const char *text)
{
	char *copy = text ? sgh_arena_strdup(&result->arena, text) : NULL;
	size_t length = copy ? strlen(copy) : 0;

	for (size_t i = 0; i < length;) {
		uint32_t point;
		size_t count = sgh_utf8_next(copy + i, length - i, &point);

		if (!count)
			copy[i++] = '?';
		else if (control(point))
			memset(copy + i, ' ', count);
		i += count;
	}
	return copy;
}

/* As both ends mint them; anything else is not worth telling. */
static void correlation_id(struct sangraha_rest_result *result, const char *value)
{
	size_t length =
		strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			      "0123456789._:-");

	if (length >= 1 && length <= CORRELATION_MAX && !value[length])
		result->correlation_id = value;
}

/* Seconds, or a date (RFC 9110, section 10.2.3). */
static void retry_after(struct sangraha_rest_result *result, const char *value)
{
	size_t digits = strspn(value, "0123456789");
	int64_t at_ms;
	int64_t seconds;

	if (digits && !value[digits])
		seconds = digits > 6 ? RETRY_MAX : strtol(value, NULL, 10);
	else if (sgh_http_date_parse(value, &at_ms))
		seconds =
			at_ms <= sgh_time_ms() ? 0 : (at_ms - sgh_time_ms() + 999) / 1000;
	else
		return;
	result->retry_after = seconds > RETRY_MAX ? RETRY_MAX : (int)seconds;
}

static bool number(const char **at, int64_t *ret)
{
	size_t digits = strspn(*at, "0123456789");

	if (digits < 1 || digits > 18)
		return false;
	*ret = strtoll(*at, NULL, 10);
	*at += digits;
	return true;
}

static void content_length(struct sangraha_rest_result *result, const char *value)
{
	if (result->code == 200 && number(&value, &result->size) && *value)
		result->size = -1;
}

/* "bytes 2-4/8" (RFC 9110, section 14.4); of an unknown whole "bytes 2-4/?". */
static void content_range(struct sangraha_rest_result *result, const char *value)
{
	int64_t first;
	int64_t last;

	if (strncasecmp(value, "bytes ", 6) != 0)
		return;
	value += 6;
	if (!number(&value, &first) || *value++ != '-' || !number(&value, &last) ||
	    *value++ != '/')
		return;
	result->first = first;
	if (result->code == 206 && number(&value, &result->size) && *value)
		result->size = -1;
}

/* A name that is no plain file name is none: to mend it would be to make one up. */
static void disposition(struct sangraha_rest_result *result, const char *value)
{
	sgh_autofree char *field = NULL;
	sgh_autofree char *filename = NULL;

	int status = sgh_disposition_parse(value, &field, &filename, NULL);

	result->starved |= status == SANGRAHA_E_OVERLOADED;
	if (status || !filename || sgh_filename_check(filename, NULL))
		return;
	result->filename = sgh_arena_strdup(&result->arena, filename);
	result->starved |= !result->filename;
}

static void content_type(struct sangraha_rest_result *result, const char *value)
{
	result->content_type = value;
}

static void location(struct sangraha_rest_result *result, const char *value)
{
	result->location = value;
}

static void etag(struct sangraha_rest_result *result, const char *value)
{
	result->etag = value;
}

static void replayed(struct sangraha_rest_result *result, const char *value)
{
	result->replayed = strcasecmp(value, "true") == 0;
}

bool sgh_remote_result_header(struct sangraha_rest_result *result, const char *name,
			      size_t name_length, const char *value, size_t value_length)
{
	static const struct {
		const char *name;
		void (*take)(struct sangraha_rest_result *result, const char *value);
	} headers[] = {
		{ "Content-Disposition", disposition },
		{ "Content-Length", content_length },
		{ "Content-Range", content_range },
		{ "Content-Type", content_type },
		{ "ETag", etag },
		{ "Idempotency-Replayed", replayed },
		{ "Location", location },
		{ "Retry-After", retry_after },
		{ "X-Correlation-ID", correlation_id },
	};

	for (size_t i = 0; i < SGH_COUNT(headers); i++) {
		sgh_autofree char *text = NULL;
		const char *kept;

		if (strlen(headers[i].name) != name_length ||
		    strncasecmp(headers[i].name, name, name_length) != 0)
			continue;
		text = strndup(value, value_length);
		kept = text ? sgh_remote_result_keep(result, text) : NULL;
		if (kept)
			headers[i].take(result, kept);
		return kept && !result->starved;
	}
	return true;
}

int sangraha_rest_result_code(const struct sangraha_rest_result *result)
{
	return result ? result->code : 0;
}

const char *sangraha_rest_result_text(const struct sangraha_rest_result *result)
{
	return result ? result->text : NULL;
}

const struct sangraha_object *
sangraha_rest_result_object(const struct sangraha_rest_result *result)
{
	return result ? result->object : NULL;
}

const struct sangraha_object *
sangraha_rest_result_at(const struct sangraha_rest_result *result, size_t i)
{
	return result && i < result->object_count ? result->objects[i] : NULL;
}

const char *sangraha_rest_result_next_cursor(const struct sangraha_rest_result *result)
{
	return result ? result->next_cursor : NULL;
}

int sangraha_rest_result_replayed(const struct sangraha_rest_result *result)
{
	return result && result->replayed;
}

const char *sangraha_rest_result_correlation_id(const struct sangraha_rest_result *result)
{
	return result ? result->correlation_id : NULL;
}

int sangraha_rest_result_retry_after(const struct sangraha_rest_result *result)
{
	return result ? result->retry_after : -1;
}

const char *sangraha_rest_result_declared(const struct sangraha_rest_result *result)
{
	return result ? result->declared : NULL;
}

const char *sangraha_rest_result_detected(const struct sangraha_rest_result *result)
{
	return result ? result->detected : NULL;
}

const char *sangraha_rest_result_rule(const struct sangraha_rest_result *result)
{
	return result ? result->rule : NULL;
}

int64_t sangraha_rest_result_offset(const struct sangraha_rest_result *result)
{
	return result ? result->offset : -1;
}

const char *sangraha_rest_result_filename(const struct sangraha_rest_result *result)
{
	return result ? result->filename : NULL;
}

const char *sangraha_rest_result_content_type(const struct sangraha_rest_result *result)
{
	return result ? result->content_type : NULL;
}

const char *sangraha_rest_result_etag(const struct sangraha_rest_result *result)
{
	return result ? result->etag : NULL;
}

int64_t sangraha_rest_result_size(const struct sangraha_rest_result *result)
{
	return result ? result->size : -1;
}

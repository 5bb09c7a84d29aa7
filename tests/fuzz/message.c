/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include <stdio.h>

#include "base/budget.h"
#include "wire/filename.h"
#include "wire/json.h"

static const char **property_of(struct sgh_message *message, const char *name)
{
	const struct {
		const char *name;
		const char **place;
	} properties[] = {
		{ "type", &message->type },
		{ "content_type", &message->content_type },
		{ "message_id", &message->message_id },
		{ "correlation_id", &message->correlation_id },
		{ "reply_to", &message->reply_to },
		{ "app_id", &message->app_id },
	};

	for (size_t i = 0; i < SGH_COUNT(properties); i++)
		if (strcmp(properties[i].name, name) == 0)
			return properties[i].place;
	return NULL;
}

/* Properties are short strings: AMQP has no way to send a longer one. */
static void add_property(struct sgh_message *message, const char *name, const char *value)
{
	const char **place = property_of(message, name);

	if (strcmp(name, "timestamp") == 0)
		message->timestamp = strtoll(value, NULL, 10);
	else if (strcmp(name, "persistent") == 0)
		message->persistent = true;
	else if (place && strlen(value) <= 255)
		*place = sgh_arena_strdup(&message->arena, value);
}

static bool add_header(struct sgh_message *message, const char *name, char kind,
		       const char *value)
{
	switch (kind) {
	case '=':
		return sgh_message_add_text(message, name, value);
	case '#':
		return sgh_message_add_number(message, name, strtoll(value, NULL, 10));
	case '?':
		return sgh_message_add_bool(message, name, *value == '1');
	default:
		if (!sgh_message_add_number(message, name, 0))
			return false;
		message->headers[message->header_count - 1].kind = SGH_HEADER_OTHER;
		return true;
	}
}

static void add_line(struct sgh_message *message, char *line)
{
	bool property = *line == '.';
	char *name = line + property;
	char *value = name + strcspn(name, property ? " " : "=#?!");
	sgh_autofree char *raw = NULL;
	char kind = *value;

	if (*value)
		*value++ = '\0';
	raw = fuzz_text(value, strlen(value));
	/* What is no escape stands for itself. */
	if (!sgh_percent_decode(value))
		value = raw;
	if (property)
		add_property(message, name, value);
	else if (strlen(name) > 255 || !add_header(message, name, kind, value))
		message->cut = true;
}

struct sgh_message *fuzz_message(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, data + size };
	struct sgh_message *message = sgh_message_new();
	char *line;

	fuzz_require(message);
	while ((line = fuzz_line(&input)) && *line) {
		add_line(message, line);
		free(line);
	}
	free(line);
	if (fuzz_left(&input)) {
		message->body = sgh_bytes_copy(input.at, fuzz_left(&input));
		fuzz_require(message->body);
	}
	return message;
}

void fuzz_message_check(const uint8_t *data, size_t size,
			void (*check)(const struct sgh_message *message,
				      struct sgh_budget *budget))
{
	struct sgh_message *message = fuzz_message(data, size);
	struct sgh_budget *budget = sgh_budget_new(1 << 20);

	fuzz_require(budget);
	check(message, budget);
	sgh_message_free(message);
	fuzz_require(sgh_budget_used(budget) == 0);
	sgh_budget_unref(budget);
}

static void same_header(const struct sgh_header *one, const struct sgh_header *other)
{
	fuzz_require(strcmp(one->name, other->name) == 0);
	fuzz_require(one->kind == other->kind);
	fuzz_require(one->number == other->number);
	fuzz_require(sgh_streq(one->text, other->text));
}

static void same_body(const struct sgh_bytes *one, const struct sgh_bytes *other)
{
	size_t length = one ? one->length : 0;

	fuzz_require(length == (other ? other->length : 0));
	if (length)
		fuzz_require(memcmp(one->data, other->data, length) == 0);
}

void fuzz_same_message(const struct sgh_message *one, const struct sgh_message *other)
{
	fuzz_require(sgh_streq(one->type, other->type));
	fuzz_require(sgh_streq(one->content_type, other->content_type));
	fuzz_require(sgh_streq(one->message_id, other->message_id));
	fuzz_require(sgh_streq(one->correlation_id, other->correlation_id));
	fuzz_require(sgh_streq(one->reply_to, other->reply_to));
	fuzz_require(sgh_streq(one->app_id, other->app_id));
	fuzz_require(one->timestamp == other->timestamp);
	fuzz_require(one->persistent == other->persistent);
	fuzz_require(one->cut == other->cut);
	fuzz_require(one->header_count == other->header_count);
	for (size_t i = 0; i < one->header_count; i++)
		same_header(&one->headers[i], &other->headers[i]);
	same_body(one->body, other->body);
}

static bool text_fits_json(const char *text)
{
	return !text || sgh_utf8_valid(text, strlen(text));
}

bool fuzz_message_fits_json(const struct sgh_message *message)
{
	bool fits = text_fits_json(message->content_type) &&
		    text_fits_json(message->message_id) &&
		    text_fits_json(message->correlation_id) &&
		    text_fits_json(message->reply_to);

	for (size_t i = 0; i < message->header_count; i++) {
		const struct sgh_header *header = &message->headers[i];

		fits = fits && text_fits_json(header->text) &&
		       header->number <= SGH_JSON_EXACT_MAX &&
		       header->number >= -SGH_JSON_EXACT_MAX;
	}
	return fits;
}

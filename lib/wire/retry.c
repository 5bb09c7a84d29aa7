/* SPDX-License-Identifier: MIT */
#include <strings.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/protocol.h"

/*
 * Headers of the broker's own. A message that goes back with x-death or x-first-death-*
 * is taken for a cycle and dropped without a word.
 */
static bool of_broker(const char *name)
{
	return strncasecmp(name, "x-", 2) == 0;
}

static bool add(struct sgh_message *copy, const struct sgh_header *header)
{
	switch (header->kind) {
	case SGH_HEADER_TEXT:
		return sgh_message_add_text(copy, header->name, header->text);
	case SGH_HEADER_BOOL:
		return sgh_message_add_bool(copy, header->name, header->number);
	default:
		return sgh_message_add_number(copy, header->name, header->number);
	}
}

static bool copy_headers(struct sgh_message *copy, const struct sgh_message *message,
			 unsigned attempt)
{
	/* First, so that it has a place also in a message that is full. */
	if (!sgh_message_add_number(copy, "attempt", attempt))
		return false;
	for (size_t i = 0; i < message->header_count; i++) {
		const struct sgh_header *header = &message->headers[i];

		if (of_broker(header->name) || strcmp(header->name, "attempt") == 0)
			continue;
		if (!add(copy, header))
			return false;
	}
	return true;
}

static bool copy_text(struct sgh_message *copy, const char **to, const char *text)
{
	*to = text ? sgh_arena_strdup(&copy->arena, text) : NULL;
	return *to || !text;
}

static bool copy_properties(struct sgh_message *copy, const struct sgh_message *message)
{
	copy->timestamp = message->timestamp;
	copy->persistent = message->persistent;
	copy->body = sgh_bytes_ref(message->body);
	return copy_text(copy, &copy->type, message->type) &&
	       copy_text(copy, &copy->content_type, message->content_type) &&
	       copy_text(copy, &copy->message_id, message->message_id) &&
	       copy_text(copy, &copy->correlation_id, message->correlation_id) &&
	       copy_text(copy, &copy->reply_to, message->reply_to) &&
	       copy_text(copy, &copy->app_id, message->app_id);
}

int sgh_message_retry(const struct sgh_message *message, unsigned attempt,
		      struct sgh_message **ret, struct sangraha_error *err)
{
	struct sgh_message *copy = sgh_message_new();

	if (!copy)
		return sgh_fail_memory(err);
	/* Room for what the original may have had without counting, as `attempt`. */
	copy->arena.max += 1024;
	if (!copy_properties(copy, message) || !copy_headers(copy, message, attempt)) {
		sgh_message_free(copy);
		return sgh_fail_memory(err);
	}
	*ret = copy;
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include <strings.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/fields.h"
#include "wire/protocol.h"

/*
 * What a copy leaves to the queue, and to the headers of a dead letter, out of the bounds
 * of a message. A copy that could not be published would come back for ever.
 */
#define COUNT_LEFT 8
#define BYTES_LEFT 4096

/* What goes before strange headers when there is no room for all. */
static bool of_contract(const char *name)
{
	static const char *const names[] = {
		"object-id",  "object-type", "filename",  "sha256",   "size",
		"created",    "deadline",    "published", "resend",   "limit",
		"request-id", "traceparent", "cursor",    "transfer", "record",
		"first-part", "facts",       "rules",     "redirect", "download",
		"doubt",      "batches",
	};

	for (size_t i = 0; i < SGH_COUNT(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "meta-", 5) == 0;
}

/* What a header is to who copies a message. */
enum origin {
	OF_CONTRACT,
	OF_US, /* what a receiver says of a message: its count, and why it is dead */
	OF_STRANGER,
	OF_BROKER,
};

/*
 * A message that goes back with the broker's x-death or x-first-death-* is taken for a
 * cycle and dropped without a word.
 */
static enum origin origin_of(const char *name)
{
	if (strncasecmp(name, "x-", 2) == 0)
		return OF_BROKER;
	if (strncmp(name, "dead-", 5) == 0 || strcmp(name, "attempt") == 0 ||
	    strcmp(name, "fresh") == 0)
		return OF_US;
	return of_contract(name) ? OF_CONTRACT : OF_STRANGER;
}

/* Bytes of a header in a message, with its marks. */
static size_t cost(const struct sgh_header *header)
{
	return strlen(header->name) + 10 +
	       (header->kind == SGH_HEADER_TEXT ? strlen(header->text) : 0);
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

static bool copy_some(struct sgh_message *copy, const struct sgh_message *message,
		      enum origin origin, size_t *bytes)
{
	for (size_t i = 0; i < message->header_count; i++) {
		const struct sgh_header *header = &message->headers[i];

		if (header->kind == SGH_HEADER_OTHER || origin_of(header->name) != origin)
			continue;
		if (copy->header_count >= SGH_HEADERS_MAX - COUNT_LEFT ||
		    cost(header) > *bytes)
			continue;
		*bytes -= cost(header);
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

/* Only reads may be lost on the way. */
static bool is_read(const char *type)
{
	return sgh_streq(type, "sangraha.get.v1") ||
	       sgh_streq(type, "sangraha.stat.v1") || sgh_streq(type, "sangraha.list.v1");
}

static bool copy_properties(struct sgh_message *copy, const struct sgh_message *message)
{
	copy->timestamp = message->timestamp;
	copy->persistent = message->persistent || !is_read(message->type);
	copy->body = sgh_bytes_ref(message->body);
	return copy_text(copy, &copy->type, message->type) &&
	       copy_text(copy, &copy->content_type, message->content_type) &&
	       copy_text(copy, &copy->message_id, message->message_id) &&
	       copy_text(copy, &copy->correlation_id, message->correlation_id) &&
	       copy_text(copy, &copy->reply_to, message->reply_to) &&
	       copy_text(copy, &copy->app_id, message->app_id);
}

static int copy_of(const struct sgh_message *message, struct sgh_message **ret,
		   struct sangraha_error *err)
{
	struct sgh_message *copy = sgh_message_new();

	if (!copy)
		return sgh_fail_memory(err);
	/* The arena rounds each text up; the bound on the bytes is kept with the headers. */
	copy->arena.max = 2 * SGH_HEADER_BYTES_MAX;
	if (!copy_properties(copy, message)) {
		sgh_message_free(copy);
		return sgh_fail_memory(err);
	}
	*ret = copy;
	return 0;
}

/*
 * The count is written anew, and that the id is fresh is over once somebody has tried to
 * use it. What a document says of both stays in it; the header goes before.
 */
static bool count_anew(struct sgh_message *copy, unsigned attempt)
{
	if (sgh_fields_json_mode(copy->content_type) &&
	    !sgh_message_add_bool(copy, "fresh", false))
		return false;
	return sgh_message_add_number(copy, "attempt", attempt);
}

int sgh_message_retry(const struct sgh_message *message, unsigned attempt,
		      struct sgh_message **ret, struct sangraha_error *err)
{
	size_t bytes = SGH_HEADER_BYTES_MAX - BYTES_LEFT;
	struct sgh_message *copy = NULL;
	int status = copy_of(message, &copy, err);

	if (status)
		return status;
	if (!count_anew(copy, attempt) ||
	    !copy_some(copy, message, OF_CONTRACT, &bytes) ||
	    !copy_some(copy, message, OF_STRANGER, &bytes)) {
		sgh_message_free(copy);
		return sgh_fail_memory(err);
	}
	*ret = copy;
	return 0;
}

int sgh_message_renew(const struct sgh_message *message, struct sgh_message **ret,
		      struct sangraha_error *err)
{
	size_t bytes = SGH_HEADER_BYTES_MAX - BYTES_LEFT;
	struct sgh_message *copy = NULL;
	int status = copy_of(message, &copy, err);

	if (status)
		return status;
	if (!copy_some(copy, message, OF_CONTRACT, &bytes) ||
	    !copy_some(copy, message, OF_US, &bytes) ||
	    !copy_some(copy, message, OF_STRANGER, &bytes)) {
		sgh_message_free(copy);
		return sgh_fail_memory(err);
	}
	*ret = copy;
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "wire/message.h"

#include "base/util.h"

struct sgh_message *sgh_message_new(void)
{
	struct sgh_message *message = calloc(1, sizeof(*message));

	if (message)
		message->arena.max = SGH_HEADER_BYTES_MAX;
	return message;
}

void sgh_message_free(struct sgh_message *message)
{
	if (!message)
		return;
	sgh_arena_fini(&message->arena);
	sgh_bytes_unref(message->body);
	free(message);
}

/* The next header, named; NULL without memory or past the bounds. */
static struct sgh_header *add(struct sgh_message *message, const char *name,
			      enum sgh_header_kind kind)
{
	struct sgh_header *header = &message->headers[message->header_count];

	if (message->header_count >= SGH_HEADERS_MAX)
		return NULL;
	*header = (struct sgh_header){
		.name = sgh_arena_strdup(&message->arena, name),
		.kind = kind,
	};
	return header->name ? header : NULL;
}

bool sgh_message_add_text(struct sgh_message *message, const char *name, const char *text)
{
	struct sgh_header *header;

	if (!text)
		return true;
	header = add(message, name, SGH_HEADER_TEXT);
	if (!header)
		return false;
	header->text = sgh_arena_strdup(&message->arena, text);
	if (!header->text)
		return false;
	message->header_count++;
	return true;
}

bool sgh_message_add_number(struct sgh_message *message, const char *name, int64_t number)
{
	struct sgh_header *header = add(message, name, SGH_HEADER_NUMBER);

	if (!header)
		return false;
	header->number = number;
	message->header_count++;
	return true;
}

bool sgh_message_add_bool(struct sgh_message *message, const char *name, bool value)
{
	struct sgh_header *header = add(message, name, SGH_HEADER_BOOL);

	if (!header)
		return false;
	header->number = value;
	message->header_count++;
	return true;
}

const struct sgh_header *sgh_message_header(const struct sgh_message *message,
					    const char *name)
{
	for (size_t i = 0; i < message->header_count; i++)
		if (strcmp(message->headers[i].name, name) == 0)
			return &message->headers[i];
	return NULL;
}

const char *sgh_message_text(const struct sgh_message *message, const char *name)
{
	const struct sgh_header *header = sgh_message_header(message, name);

	return header && header->kind == SGH_HEADER_TEXT ? header->text : NULL;
}

/* SPDX-License-Identifier: MIT */
#include "wire/batch.h"

#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/message_bytes.h"

#define LENGTH_SIZE 4

static void put_length(unsigned char *at, size_t length)
{
	for (int i = 0; i < LENGTH_SIZE; i++)
		at[i] = (unsigned char)(length >> (8 * i));
}

void sgh_batch_add(struct sgh_buf *buf, const struct sgh_message *message)
{
	unsigned char length[LENGTH_SIZE] = { 0 };
	size_t begin = buf->length;
	size_t body = message->body ? message->body->length : 0;

	sgh_buf_append(buf, length, LENGTH_SIZE);
	sgh_message_write(message, buf);
	if (buf->failed)
		return;
	put_length((unsigned char *)buf->data + begin, buf->length - begin - LENGTH_SIZE);
	put_length(length, body);
	sgh_buf_append(buf, length, LENGTH_SIZE);
	if (body)
		sgh_buf_append(buf, message->body->data, body);
}

struct sgh_message *sgh_batch_message(const struct sgh_buf *members, bool persistent)
{
	struct sgh_message *message = members->failed ? NULL : sgh_message_new();

	if (!message)
		return NULL;
	message->type = SGH_BATCH_TYPE;
	message->persistent = persistent;
	message->body = sgh_bytes_copy(members->data, members->length);
	if (message->body)
		return message;
	sgh_message_free(message);
	return NULL;
}

bool sgh_batch_is(const struct sgh_message *message)
{
	return sgh_streq(message->type, SGH_BATCH_TYPE) && message->body &&
	       message->body->length <= SGH_BATCH_BODY_MAX;
}

/* ---- reading ---- */

struct reader {
	const unsigned char *at;
	size_t left;
};

/* The next length and as many bytes; NULL when there are not so many. */
static const unsigned char *get(struct reader *reader, size_t *ret_length)
{
	const unsigned char *data = reader->at + LENGTH_SIZE;
	size_t length = 0;

	if (reader->left < LENGTH_SIZE)
		return NULL;
	for (int i = 0; i < LENGTH_SIZE; i++)
		length |= (size_t)reader->at[i] << (8 * i);
	if (length > reader->left - LENGTH_SIZE)
		return NULL;
	reader->at = data + length;
	reader->left -= LENGTH_SIZE + length;
	*ret_length = length;
	return data;
}

static int get_body(struct sgh_message *message, const unsigned char *data, size_t length,
		    struct sgh_budget *budget, struct sangraha_error *err)
{
	if (!length)
		return 0;
	if (budget)
		sgh_budget_force(budget, length);
	message->body = sgh_bytes_new(budget, length);
	if (!message->body && budget)
		sgh_budget_release(budget, length);
	if (!message->body)
		return sgh_fail_memory(err);
	sgh_bytes_append(message->body, data, length);
	return 0;
}

/* False, and it is absent and the message is marked as cut, when it has no place. */
static bool has_place(struct sgh_message *message, const char **text, size_t max,
		      size_t *left)
{
	size_t length = *text ? strlen(*text) : 0;

	if (!*text)
		return true;
	if (length <= max && length < *left) {
		*left -= length + 1;
		return true;
	}
	message->cut = true;
	*text = NULL;
	return false;
}

/*
 * The bounds of a message that comes alone, which the format of a batch does not have: of
 * what is over them no copy could be published, not even for the dead letters.
 */
static void bound(struct sgh_message *message)
{
	const char **texts[] = { &message->type,       &message->content_type,
				 &message->message_id, &message->correlation_id,
				 &message->reply_to,   &message->app_id };
	size_t left = SGH_HEADER_BYTES_MAX;
	size_t count = 0;

	for (size_t i = 0; i < SGH_COUNT(texts); i++)
		has_place(message, texts[i], SGH_SHORT_MAX, &left);
	for (size_t i = 0; i < message->header_count; i++) {
		struct sgh_header header = message->headers[i];

		if (has_place(message, &header.text, SGH_HEADER_BYTES_MAX, &left) &&
		    has_place(message, &header.name, SGH_SHORT_MAX, &left))
			message->headers[count++] = header;
	}
	message->header_count = count;
}

static int get_member(struct reader *reader, struct sgh_budget *budget,
		      struct sgh_message **ret, struct sangraha_error *err)
{
	size_t meta_length = 0;
	size_t length = 0;
	const unsigned char *meta = get(reader, &meta_length);
	const unsigned char *body = meta ? get(reader, &length) : NULL;
	struct sgh_message *message = NULL;
	int status;

	if (!body)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the batch is cut");
	status = sgh_message_read(meta, meta_length, &message, err);
	if (status == SANGRAHA_E_INTERNAL)
		status = sgh_fail(err, SANGRAHA_E_INVALID, 0,
				  "a member of the batch is damaged");
	if (status)
		return status;
	bound(message);
	status = get_body(message, body, length, budget, err);
	if (status)
		sgh_message_free(message);
	else
		*ret = message;
	return status;
}

int sgh_batch_members(const struct sgh_message *batch, struct sgh_budget *budget,
		      struct sgh_message *ret[SGH_BATCH_MEMBERS_MAX], size_t *ret_count,
		      struct sangraha_error *err)
{
	struct reader reader = { batch->body->data, batch->body->length };
	size_t count = 0;
	int status = 0;

	while (!status && reader.left && count < SGH_BATCH_MEMBERS_MAX) {
		status = get_member(&reader, budget, &ret[count], err);
		count += !status;
	}
	if (!status && (reader.left || !count))
		status = sgh_fail(err, SANGRAHA_E_INVALID, 0,
				  "a batch has 1 to %d members", SGH_BATCH_MEMBERS_MAX);
	*ret_count = status ? 0 : count;
	while (status && count)
		sgh_message_free(ret[--count]);
	return status;
}

/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include "base/budget.h"
#include "wire/fields.h"
#include "wire/json.h"
#include "wire/protocol.h"

/*
 * Replies, in binary mode and in JSON mode, as messages that fuzz_message() makes, and
 * the lists of descriptions in them.
 */

/* NULL for what is over the bounds of a message: texts of replies have none of their own. */
static struct sgh_message *written(const struct sgh_reply *reply)
{
	struct sgh_message *message = NULL;
	int status = sgh_reply_message(reply, &message, &fuzz_err);

	if (!status)
		return message;
	fuzz_require(status == SANGRAHA_E_INVALID || status == SANGRAHA_E_OVERLOADED);
	return NULL;
}

static struct sgh_reply *read_again(const struct sgh_message *message)
{
	struct sgh_reply *reply = NULL;

	fuzz_ok(sgh_reply_parse(message, NULL, &reply, &fuzz_err));
	return reply;
}

/* Two replies are the same when the same is written for them. */
static void same(const struct sgh_reply *one, const struct sgh_reply *other)
{
	struct sgh_message *message = written(one);
	struct sgh_message *again = written(other);

	fuzz_require(message && again);
	fuzz_same_message(message, again);
	sgh_message_free(message);
	sgh_message_free(again);
}

/* What was written can be read, and is the same. */
static void round_trip(struct sgh_reply *reply)
{
	struct sgh_message *message = written(reply);
	struct sgh_reply *again;

	/* JSON mode has a bound on the document, which escapes may pass. */
	if (message && (!reply->json || message->body->length <= SGH_JSON_FLAT_MAX)) {
		again = read_again(message);
		same(reply, again);
		sgh_reply_free(again);
	}
	sgh_message_free(message);
}

static void announce(const struct sgh_reply *reply)
{
	struct sgh_message *message = NULL;

	if (!reply->object)
		return;
	fuzz_ok(sgh_event_message("created", NULL, reply->object, NULL, &message,
				  &fuzz_err));
	fuzz_require(sgh_json_is(message->body->data, message->body->length, '{'));
	sgh_message_free(message);
}

static void sane(const struct sgh_reply *reply)
{
	fuzz_require(reply->status <= 0);
	fuzz_require(reply->offset >= -1);
	fuzz_require(reply->object_count <= SGH_LIST_MAX);
	fuzz_require(!reply->object_count || reply->list);
	fuzz_require(!reply->list || (!reply->object && !reply->body));
	for (size_t i = 0; i < reply->object_count; i++)
		fuzz_require(sangraha_id_valid(sangraha_object_id(reply->objects[i])));
}

static void check(const struct sgh_message *message, struct sgh_budget *budget)
{
	struct sangraha_error err = { 0 };
	struct sgh_reply *reply = NULL;
	int status = sgh_reply_parse(message, budget, &reply, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		return;
	}
	sane(reply);
	round_trip(reply);
	announce(reply);
	sgh_reply_free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_message_check(data, size, check);
	return 0;
}

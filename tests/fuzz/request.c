/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include "base/budget.h"
#include "wire/fields.h"
#include "wire/json.h"
#include "wire/protocol.h"

/*
 * Requests, in binary mode and in JSON mode, as messages that fuzz_message() makes. What
 * can be read can be written and read again, in the other mode too, and sent round.
 */

#define FEW_HEADERS 40
#define FEW_BYTES   (32 << 10)

static struct sgh_message *written(const struct sgh_request *request)
{
	struct sgh_message *message = NULL;

	fuzz_ok(sgh_request_message(request, &message, &fuzz_err));
	return message;
}

static struct sgh_request *read_again(const struct sgh_message *message)
{
	struct sgh_request *request = NULL;

	fuzz_ok(sgh_request_parse(message, NULL, &request, NULL, &fuzz_err));
	return request;
}

/* Two requests are the same when the same is written for them. */
static void same(struct sgh_request *one, struct sgh_request *other)
{
	struct sgh_message *message = written(one);
	struct sgh_message *again = written(other);

	fuzz_same_message(message, again);
	sgh_message_free(message);
	sgh_message_free(again);
}

static void round_trip(struct sgh_request *request)
{
	struct sgh_message *message = written(request);
	struct sgh_request *again = read_again(message);

	same(request, again);
	sgh_request_free(again);
	sgh_message_free(message);
}

/* To the other mode and back. A binary message has its media type in a property. */
static void change_mode(struct sgh_request *request)
{
	struct sgh_message *message = written(request);
	struct sgh_request *again;

	if (request->json || fuzz_message_fits_json(message)) {
		sgh_message_free(message);
		request->json = !request->json;
		message = written(request);
		again = read_again(message);
		request->json = !request->json;
		again->json = request->json;
		if (!sgh_fields_json_mode(request->content_type))
			same(request, again);
		sgh_request_free(again);
	}
	sgh_message_free(message);
}

/* Whether a copy leaves nothing behind that says something: too much, or of other kinds. */
static bool copied_whole(const struct sgh_message *message)
{
	for (size_t i = 0; i < message->header_count; i++)
		if (message->headers[i].kind == SGH_HEADER_OTHER)
			return false;
	return message->header_count <= FEW_HEADERS && message->arena.used <= FEW_BYTES;
}

static void send_round(const struct sgh_message *message, struct sgh_request *request)
{
	struct sgh_message *copy = NULL;
	struct sgh_request *again;

	fuzz_ok(sgh_message_retry(message, 7, &copy, &fuzz_err));
	if (copied_whole(message)) {
		again = read_again(copy);
		fuzz_require(again->attempt == 7);
		fuzz_require(!again->fresh);
		again->attempt = request->attempt;
		again->fresh = request->fresh;
		again->persistent = request->persistent;
		same(request, again);
		sgh_request_free(again);
	}
	sgh_message_free(copy);
}

/* What can be told of one that cannot be read goes into an answer and an event. */
static void refuse(const struct sgh_request *request, int status,
		   const struct sangraha_error *err)
{
	struct sgh_reply reply = {
		.json = request->json,
		.correlation_id = request->correlation_id,
		.operation_id = request->operation_id,
		.request_id = request->request_id,
		.status = status,
		.message = err->message,
		.offset = -1,
	};
	struct sgh_message *message = NULL;

	fuzz_ok(sgh_reply_message(&reply, &message, &fuzz_err));
	sgh_message_free(message);
	if (!request->object_id)
		return;
	fuzz_ok(sgh_event_message("rejected", request, NULL, &reply, &message,
				  &fuzz_err));
	fuzz_require(sgh_json_is(message->body->data, message->body->length, '{'));
	sgh_message_free(message);
}

static void check(const struct sgh_message *message, struct sgh_budget *budget)
{
	struct sangraha_error err = { 0 };
	struct sgh_request *request = NULL;
	struct sgh_request *partial = NULL;
	int status = sgh_request_parse(message, budget, &request, &partial, &err);

	if (status == 0) {
		fuzz_require(!partial);
		round_trip(request);
		change_mode(request);
		send_round(message, request);
		sgh_request_free(request);
		return;
	}
	fuzz_require(status == SANGRAHA_E_INVALID || status == SANGRAHA_E_UNSUPPORTED);
	fuzz_explained(status, &err);
	fuzz_require(!request);
	fuzz_require(partial);
	refuse(partial, status, &err);
	sgh_request_free(partial);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_message_check(data, size, check);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "support/fake_parts.h"

#include "wire/object.h"
#include "wire/sha256.h"

static struct sangraha_object *object_as_sent_locked(struct sangraha_client *fake)
{
	const struct fake_seen *seen = &fake->state.seen;
	char sha256[SANGRAHA_SHA256_SIZE];
	const struct sgh_object_parts parts = {
		.id = sangraha_object_id(fake->state.answer.object),
		.type = sangraha_object_type(fake->state.answer.object),
		.sha256 = sha256,
		.size = seen->body_length,
	};
	struct sangraha_object *object = NULL;

	if (strcmp(seen->verb, "put") != 0)
		return sangraha_object_ref(fake->state.answer.object);
	sgh_sha256_hex(seen->body, seen->body_length, sha256, NULL);
	sgh_object_new(&parts, &object, NULL);
	return object;
}

struct sangraha_result *fake_result_locked(struct sangraha_client *fake,
					   const struct fake_call *call)
{
	struct sangraha_result *result = calloc(1, sizeof(*result));
	const struct fake_answer *answer = &result->answer;

	result->answer = fake->state.answer;
	if (call->refused && !answer->status) {
		result->answer = (struct fake_answer){ 0 };
		result->answer.status = call->refused;
	}
	if (answer->status)
		sgh_fail(&result->error, answer->status, 0, "%s",
			 answer->message ? answer->message
					 : sangraha_status_text(answer->status));
	if (answer->object)
		result->object = answer->as_sent ? object_as_sent_locked(fake)
						 : sangraha_object_ref(answer->object);
	if (answer->data) {
		/* On the heap, so that a use after free shows. */
		result->data = malloc(answer->length + 1);
		memcpy(result->data, answer->data, answer->length);
	}
	snprintf(result->id, sizeof(result->id), "%s",
		 answer->id       ? answer->id
		 : answer->object ? sangraha_object_id(answer->object)
				  : call->id);
	return result;
}

const char *sangraha_result_url(const struct sangraha_result *result)
{
	return result->answer.large ? result->answer.url : NULL;
}

void sangraha_result_free(struct sangraha_result *result)
{
	if (!result)
		return;
	sangraha_object_unref(result->object);
	free(result->data);
	free(result);
}

int sangraha_result_status(const struct sangraha_result *result)
{
	return result->answer.status;
}

const struct sangraha_error *sangraha_result_error(const struct sangraha_result *result)
{
	return result->answer.status ? &result->error : NULL;
}

struct sangraha_object *sangraha_result_object(const struct sangraha_result *result)
{
	return result->object;
}

const void *sangraha_result_data(const struct sangraha_result *result, size_t *ret_length)
{
	const char *data = result->answer.large ? NULL : result->data;

	if (ret_length)
		*ret_length = data ? result->answer.length : 0;
	return data;
}

struct sangraha_object *sangraha_result_at(const struct sangraha_result *result, size_t i)
{
	return i < result->answer.count ? result->object : NULL;
}

const char *sangraha_result_next_cursor(const struct sangraha_result *result)
{
	return result->answer.next_cursor;
}

int sangraha_result_replayed(const struct sangraha_result *result)
{
	return result->answer.replayed;
}

int sangraha_result_recorded(const struct sangraha_result *result)
{
	return result->answer.recorded;
}

const char *sangraha_result_declared(const struct sangraha_result *result)
{
	return result->answer.declared;
}

const char *sangraha_result_detected(const struct sangraha_result *result)
{
	return result->answer.detected;
}

const char *sangraha_result_rule(const struct sangraha_result *result)
{
	return result->answer.rule;
}

int64_t sangraha_result_offset(const struct sangraha_result *result)
{
	return result->answer.has_offset ? result->answer.offset : -1;
}

const char *sangraha_result_id(const struct sangraha_result *result)
{
	return result->id;
}

int64_t sangraha_result_until_ms(const struct sangraha_result *result)
{
	return result->answer.until_ms;
}

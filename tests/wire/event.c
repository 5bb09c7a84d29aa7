/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "wire/json.h"
#include "wire/protocol.h"

#define ID     "0199f2c4-0000-7000-8000-0123456789ab"
#define OTHER  "0199f2c4-0000-7000-8000-0123456789ac"
#define SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static struct sangraha_object *object(void)
{
	struct sgh_object_parts parts = {
		.id = ID,
		.type = "json",
		.sha256 = SHA256,
		.created_ms = 1767323045678,
	};
	struct sangraha_object *made = NULL;

	t_ok(sgh_object_new(&parts, &made, &t_err));
	return made;
}

static const struct sgh_request request = {
	.verb = SGH_DELETE,
	.operation_id = OTHER,
	.object_id = ID,
	.object_type = "json",
	.request_id = "order:66",
	.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	.published = 1767323045000,
};

static struct sgh_message *event(const char *kind, const struct sgh_request *about,
				 const struct sangraha_object *stored,
				 const struct sgh_reply *reply)
{
	struct sgh_message *message = NULL;

	t_ok(sgh_event_message(kind, about, stored, reply, &message, &t_err));
	assert_true(sgh_json_is(message->body->data, message->body->length, '{'));
	return message;
}

static void created(void **state)
{
	struct sangraha_object *stored = object();
	struct sgh_message *m = event("created", &request, stored, NULL);

	assert_string_equal(m->type, "sangraha.object.created");
	assert_string_equal(m->content_type, "application/cloudevents+json");
	assert_string_equal(m->message_id, OTHER ":created");
	assert_true(m->persistent);
	assert_string_equal(sgh_message_text(m, "request-id"), "order:66");
	t_same_bytes(m->body,
		     "{\"specversion\":\"1.0\",\"id\":\"" OTHER ":created\","
		     "\"source\":\"/sangraha\",\"type\":\"sangraha.object.created\","
		     "\"subject\":\"json/" ID "\",\"time\":\"2026-01-02T03:04:05.678Z\","
		     "\"traceparent\":"
		     "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\","
		     "\"datacontenttype\":\"application/json\",\"data\":{\"id\":\"" ID
		     "\",\"type\":\"json\",\"reference\":\"json/" ID
		     "\",\"filename\":null,\"content_type\":\"application/octet-stream\","
		     "\"size\":0,\"sha256\":\"" SHA256 "\",\"etag\":\"\\\"" SHA256
		     "\\\"\",\"created\":\"2026-01-02T03:04:05.678Z\",\"metadata\":{},"
		     "\"facts\":{}}}");
	sgh_message_free(m);
	sangraha_object_unref(stored);
}

static bool says(const struct sgh_message *message, const char *text)
{
	return memmem(message->body->data, message->body->length, text, strlen(text));
}

static void deleted(void **state)
{
	struct sgh_message *m = event("deleted", &request, NULL, NULL);

	assert_string_equal(m->type, "sangraha.object.deleted");
	assert_true(says(m, "\"id\":\"" OTHER ":deleted\""));
	assert_true(says(m, "\"time\":\"2026-01-02T03:04:05.000Z\""));
	assert_true(says(m, "\"data\":{\"id\":\"" ID "\",\"type\":\"json\","
			    "\"reference\":\"json/" ID "\"}}"));
	sgh_message_free(m);
}

static void rejected(void **state)
{
	struct sgh_request put = { .operation_id = ID, .object_id = ID };
	struct sgh_reply reply = {
		.status = SANGRAHA_E_REJECTED,
		.message = "a \"comma\" is missing",
		.rule = "json.comma",
		.offset = 7,
	};
	struct sgh_message *m = event("rejected", &put, NULL, &reply);

	assert_true(says(m, "\"subject\":\"" ID "\""));
	assert_false(says(m, "\"time\""));
	assert_true(says(m, "\"data\":{\"id\":\"" ID "\",\"code\":\"rejected\","
			    "\"message\":\"a \\\"comma\\\" is missing\","
			    "\"rule\":\"json.comma\",\"offset\":7}}"));
	sgh_message_free(m);
}

/* A redelivery tells of the same event with other counts and times. */
static void the_same_event_has_the_same_id(void **state)
{
	struct sgh_request again = request;
	struct sgh_message *first = event("deleted", &request, NULL, NULL);
	struct sgh_message *second;

	again.attempt = 3;
	again.resend = 1;
	again.published += 5000;
	second = event("deleted", &again, NULL, NULL);
	assert_string_equal(first->message_id, second->message_id);
	sgh_message_free(first);
	sgh_message_free(second);
}

static void the_object_alone_is_enough(void **state)
{
	struct sangraha_object *stored = object();
	struct sgh_message *m = event("deleted", NULL, stored, NULL);

	assert_string_equal(m->message_id, ID ":deleted");
	assert_int_equal(m->header_count, 0);
	sgh_message_free(m);
	sangraha_object_unref(stored);
}

static void about_nothing_there_is_no_event(void **state)
{
	struct sgh_request list = { .verb = SGH_LIST };
	struct sgh_message *message = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sgh_event_message("created", &list, NULL, NULL, &message, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sgh_event_message("created", NULL, NULL, NULL, &message, &t_err));
	assert_null(message);
}

/* What a message with that body is about: 0 and "type id" in `text`, or why not. */
static int subject(const char *body, char text[100])
{
	struct sgh_message *m = sgh_message_new();
	char type[SANGRAHA_TYPE_SIZE];
	char id[SANGRAHA_ID_SIZE];
	int status;

	m->body = *body ? t_bytes(body) : NULL;
	status = sgh_event_subject(m, type, id, &t_err);
	if (!status)
		snprintf(text, 100, "%s %s", type, id);
	sgh_message_free(m);
	return status;
}

static void an_event_tells_what_it_is_about(void **state)
{
	struct sgh_message *m = event("deleted", &request, NULL, NULL);
	char type[SANGRAHA_TYPE_SIZE];
	char id[SANGRAHA_ID_SIZE];

	t_ok(sgh_event_subject(m, type, id, &t_err));
	assert_string_equal(type, request.object_type);
	assert_string_equal(id, ID);
	sgh_message_free(m);
}

static void what_is_about_no_object_is_invalid(void **state)
{
	char text[100] = "";

	t_ok(subject("{\"subject\":\"pdf/" ID "\",\"data\":{\"id\":7}}", text));
	assert_string_equal(text, "pdf " ID);
	t_fails(SANGRAHA_E_INVALID, subject("", text));
	t_fails(SANGRAHA_E_INVALID, subject("no json", text));
	t_fails(SANGRAHA_E_INVALID, subject("{}", text));
	t_fails(SANGRAHA_E_INVALID, subject("{\"subject\":7}", text));
	t_fails(SANGRAHA_E_INVALID, subject("{\"subject\":\"" ID "\"}", text));
	t_fails(SANGRAHA_E_INVALID, subject("{\"subject\":\"pdf/x\"}", text));
	t_fails(SANGRAHA_E_INVALID, subject("{\"subject\":\"/" ID "\"}", text));
	t_fails(SANGRAHA_E_INVALID, subject("{\"subject\":\"P/" ID "\"}", text));
	t_fails(SANGRAHA_E_INVALID,
		subject("{\"subject\":\"a-type-that-is-far-too-long-to-be-one/" ID "\"}",
			text));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(created),
	cmocka_unit_test(deleted),
	cmocka_unit_test(rejected),
	cmocka_unit_test(the_same_event_has_the_same_id),
	cmocka_unit_test(the_object_alone_is_enough),
	cmocka_unit_test(about_nothing_there_is_no_event),
	cmocka_unit_test(an_event_tells_what_it_is_about),
	cmocka_unit_test(what_is_about_no_object_is_invalid),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "wire/protocol.h"

/* Requests on their way out, and what comes back of our own. */

#define ID     "0199f2c4-0000-7000-8000-0123456789ab"
#define OTHER  "0199f2c4-0000-7000-8000-0123456789ac"
#define SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

/* ---- round trips ---- */

static struct sgh_request full_put(void)
{
	return (struct sgh_request){
		.verb = SGH_PUT,
		.operation_id = ID,
		.correlation_id = "correlation",
		.reply_to = "object_response_queue.x",
		.request_id = "order:66",
		.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		.object_id = ID,
		.object_type = "image",
		.filename = "संग्रह \"1\".png",
		.content_type = "image/png",
		.sha256 = SHA256,
		.size = 11,
		.created_ms = 1767323045678,
		.deadline = 1767323075678,
		.published = 1767323045999,
		.fresh = true,
		.batches = true,
		.attempt = 2,
		.resend = 3,
		.persistent = true,
		.meta = { { "invoice-no", "4711" }, { "author", "Zoë\n李" } },
		.meta_count = 2,
		.body = t_bytes("\x89PNG\r\n\x1a\n\xff\x80!"),
	};
}

static void same_texts(const struct sgh_request *a, const struct sgh_request *b)
{
	assert_true(sgh_streq(a->operation_id, b->operation_id));
	assert_true(sgh_streq(a->correlation_id, b->correlation_id));
	assert_true(sgh_streq(a->reply_to, b->reply_to));
	assert_true(sgh_streq(a->request_id, b->request_id));
	assert_true(sgh_streq(a->traceparent, b->traceparent));
	assert_true(sgh_streq(a->object_id, b->object_id));
	assert_true(sgh_streq(a->object_type, b->object_type));
	assert_true(sgh_streq(a->filename, b->filename));
	assert_true(sgh_streq(a->content_type, b->content_type));
	assert_true(sgh_streq(a->sha256, b->sha256));
	assert_true(sgh_streq(a->cursor, b->cursor));
}

static void same(const struct sgh_request *a, const struct sgh_request *b)
{
	assert_int_equal(a->verb, b->verb);
	assert_int_equal(a->json, b->json);
	same_texts(a, b);
	assert_true(a->size == b->size);
	assert_true(a->created_ms == b->created_ms);
	assert_true(a->deadline == b->deadline);
	assert_true(a->published == b->published);
	assert_int_equal(a->fresh, b->fresh);
	assert_int_equal(a->batches, b->batches);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->resend, b->resend);
	assert_int_equal(a->persistent, b->persistent);
	assert_int_equal(a->limit, b->limit);
	assert_int_equal(a->meta_count, b->meta_count);
	for (size_t i = 0; i < a->meta_count; i++) {
		assert_string_equal(a->meta[i].name, b->meta[i].name);
		assert_string_equal(a->meta[i].value, b->meta[i].value);
	}
	assert_int_equal(!a->body, !b->body);
	if (a->body) {
		assert_int_equal(a->body->length, b->body->length);
		assert_memory_equal(a->body->data, b->body->data, a->body->length);
	}
}

static void comes_back(struct sgh_request *request)
{
	for (int json = 0; json < 2; json++) {
		struct sgh_message *message = NULL;
		struct sgh_request *back = NULL;

		request->json = json;
		t_ok(sgh_request_message(request, &message, &t_err));
		t_ok(sgh_request_parse(message, NULL, &back, NULL, &t_err));
		sgh_message_free(message);
		same(request, back);
		sgh_request_free(back);
	}
}

static void a_full_put_comes_back(void **state)
{
	struct sgh_request put = full_put();

	comes_back(&put);
	sgh_bytes_unref(put.body);
}

static void a_bare_put_comes_back(void **state)
{
	struct sgh_request put = {
		.verb = SGH_PUT,
		.operation_id = ID,
		.object_id = ID,
		.size = -1,
	};

	comes_back(&put);
	put.size = 0;
	comes_back(&put);
}

static void other_verbs_come_back(void **state)
{
	struct sgh_request request = {
		.operation_id = OTHER,
		.object_id = ID,
		.object_type = "json",
		.size = -1,
	};

	for (int verb = SGH_DELETE; verb <= SGH_STAT; verb++) {
		request.verb = (enum sgh_verb)verb;
		comes_back(&request);
	}
	request = (struct sgh_request){
		.verb = SGH_LIST,
		.size = -1,
		.limit = 1000,
		.cursor = "json/" ID,
	};
	comes_back(&request);
}

static void the_most_metadata_comes_back(void **state)
{
	struct sgh_request put = full_put();
	char names[SGH_META_MAX][4];

	for (size_t i = 0; i < SGH_META_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu", i);
		put.meta[i] = (struct sgh_pair){ names[i], "x" };
	}
	put.meta_count = SGH_META_MAX;
	comes_back(&put);
	sgh_bytes_unref(put.body);
}

/* Bodies of every length modulo three, and large ones, in base64. */
static void bodies_of_all_lengths(void **state)
{
	struct sgh_request put = full_put();

	sgh_bytes_unref(sgh_take(put.body));
	for (size_t length = 1; length < 4000000; length = length * 7 + 1) {
		put.body = sgh_bytes_new(NULL, length);
		put.body->length = length;
		memset(put.body->data, 0xa5, length);
		comes_back(&put);
		sgh_bytes_unref(sgh_take(put.body));
	}
}

/* ---- what is on the wire ---- */

static void binary_mode_is_as_published(void **state)
{
	struct sgh_request put = full_put();
	struct sgh_message *m = NULL;

	t_ok(sgh_request_message(&put, &m, &t_err));
	assert_string_equal(m->type, "sangraha.put.v1");
	assert_string_equal(m->message_id, ID);
	assert_string_equal(m->correlation_id, "correlation");
	assert_string_equal(m->reply_to, "object_response_queue.x");
	assert_string_equal(m->content_type, "image/png");
	assert_string_equal(m->app_id, "sangraha");
	assert_int_equal(m->timestamp, 1767323045);
	assert_true(m->persistent);
	assert_string_equal(sgh_message_text(m, "created"), "2026-01-02T03:04:05.678Z");
	assert_string_equal(sgh_message_text(m, "meta-author"), "Zoë\n李");
	assert_int_equal(sgh_message_header(m, "size")->number, 11);
	assert_int_equal(sgh_message_header(m, "fresh")->kind, SGH_HEADER_BOOL);
	assert_ptr_equal(m->body, put.body);
	sgh_message_free(m);
	sgh_bytes_unref(put.body);
}

static void json_mode_is_as_published(void **state)
{
	struct sgh_request put = {
		.verb = SGH_PUT,
		.json = true,
		.operation_id = ID,
		.object_id = ID,
		.size = 7,
		.filename = "a.json",
		.content_type = "application/json",
		.meta = { { "x-source", "till 4" } },
		.meta_count = 1,
		.body = t_bytes("{\"a\":1}"),
	};
	struct sgh_message *m = NULL;

	t_ok(sgh_request_message(&put, &m, &t_err));
	assert_string_equal(m->content_type, "application/vnd.sangraha+json");
	assert_int_equal(m->header_count, 0);
	t_same_bytes(m->body, "{\"content_type\":\"application/json\",\"object_id\":\"" ID
			      "\",\"filename\":\"a.json\",\"size\":7,"
			      "\"meta_x-source\":\"till 4\",\"data\":\"eyJhIjoxfQ==\"}");
	sgh_message_free(m);
	sgh_bytes_unref(put.body);
}

/*
 * The content type of an upload is its user's. One that says JSON mode must not make the
 * receiver read the upload as a request.
 */
static void an_upload_cannot_pose_as_a_request(void **state)
{
	static const char *const types[] = {
		"application/vnd.sangraha+json",
		"Application/Vnd.Sangraha+JSON; v=1",
	};

	for (size_t i = 0; i < SGH_COUNT(types); i++) {
		struct sgh_request put = full_put();
		struct sgh_message *message = NULL;

		put.content_type = types[i];
		t_ok(sgh_request_message(&put, &message, &t_err));
		assert_string_equal(message->content_type, "application/json");
		sgh_message_free(message);
		sgh_bytes_unref(put.body);
	}
}

static void what_cannot_be_sent(void **state)
{
	struct sgh_request put = full_put();
	struct sgh_message *message = NULL;
	char text[257];

	memset(text, 'x', sizeof(text));
	text[256] = '\0';
	put.reply_to = text;
	t_fails(SANGRAHA_E_INVALID, sgh_request_message(&put, &message, &t_err));
	put.verb = SGH_VERB_UNKNOWN;
	t_fails(SANGRAHA_E_INVALID, sgh_request_message(&put, &message, &t_err));
	assert_null(message);
	sgh_bytes_unref(put.body);
}

/* ---- damage ---- */

/* Whatever the document, an answer is a request or a refusal, within bounds. */
static void any_outcome(struct sgh_message *message)
{
	struct sgh_request *request = NULL;
	struct sgh_request *partial = NULL;
	int status = sgh_request_parse(message, NULL, &request, &partial, &t_err);

	assert_true(status == 0 || status == SANGRAHA_E_INVALID ||
		    status == SANGRAHA_E_UNSUPPORTED);
	assert_int_equal(status == 0, request != NULL);
	assert_int_equal(status != 0, partial != NULL);
	sgh_request_free(request);
	sgh_request_free(partial);
	sgh_message_free(message);
}

static struct sgh_message *damaged(const struct sgh_message *whole, size_t length)
{
	struct sgh_message *message = sgh_message_new();

	message->content_type = whole->content_type;
	message->reply_to = whole->reply_to;
	message->correlation_id = whole->correlation_id;
	message->body = sgh_bytes_copy(whole->body->data, length);
	return message;
}

static void damaged_documents(void **state)
{
	struct sgh_request put = full_put();
	struct sgh_message *whole = NULL;
	unsigned seed = 1;

	put.json = true;
	t_ok(sgh_request_message(&put, &whole, &t_err));
	for (size_t length = 0; length < whole->body->length; length++)
		any_outcome(damaged(whole, length));
	for (int i = 0; i < 20000; i++) {
		struct sgh_message *message = damaged(whole, whole->body->length);

		for (int n = i % 3; n >= 0; n--) {
			seed = seed * 1103515245 + 12345;
			message->body->data[(seed >> 8) % message->body->length] =
				(unsigned char)(seed >> 24);
		}
		any_outcome(message);
	}
	sgh_message_free(whole);
	sgh_bytes_unref(put.body);
}

/* Each header in turn is lost, or becomes of another kind, or of another text. */
static void damaged_headers(void **state)
{
	struct sgh_request put = full_put();
	size_t count = 1;

	for (size_t i = 0; i < count * 4; i++) {
		struct sgh_message *message = NULL;
		struct sgh_header *header;

		t_ok(sgh_request_message(&put, &message, &t_err));
		count = message->header_count;
		header = &message->headers[i / 4];
		if (i % 4 == 0)
			*header = message->headers[--message->header_count];
		else if (i % 4 == 1)
			*header = (struct sgh_header){ header->name, SGH_HEADER_TEXT,
						       "\xff\x01", 0 };
		else
			*header = (struct sgh_header){ header->name,
						       i % 4 == 2 ? SGH_HEADER_NUMBER
								  : SGH_HEADER_BOOL,
						       NULL, INT64_MIN };
		any_outcome(message);
	}
	assert_true(count > 12);
	sgh_bytes_unref(put.body);
}

static void verbs_have_names(void **state)
{
	assert_string_equal(sgh_verb_name(SGH_PUT_BEGIN), "put-begin");
	assert_string_equal(sgh_verb_name(SGH_LIST), "list");
	assert_string_equal(sgh_verb_name(SGH_VERB_UNKNOWN), "unknown");
	assert_string_equal(sgh_verb_name((enum sgh_verb)99), "unknown");
	sgh_request_free(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_full_put_comes_back),
	cmocka_unit_test(a_bare_put_comes_back),
	cmocka_unit_test(other_verbs_come_back),
	cmocka_unit_test(the_most_metadata_comes_back),
	cmocka_unit_test(bodies_of_all_lengths),
	cmocka_unit_test(binary_mode_is_as_published),
	cmocka_unit_test(json_mode_is_as_published),
	cmocka_unit_test(an_upload_cannot_pose_as_a_request),
	cmocka_unit_test(what_cannot_be_sent),
	cmocka_unit_test(damaged_documents),
	cmocka_unit_test(damaged_headers),
	cmocka_unit_test(verbs_have_names),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "base/budget.h"
#include "support/t.h"
#include "wire/protocol.h"

/* Requests and replies about large objects, in both modes. */

#define ID     "0199f2c4-0000-7000-8000-0123456789ab"
#define RECORD "3f0e2b52-9c1d-4f0a-8a77-0c6a3b1d2e4f"
#define SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
#define FACTS  "{\"kind\":\"object\"}"

static struct sgh_bytes *prefix(size_t length)
{
	struct sgh_bytes *bytes = sgh_bytes_new(NULL, length);

	assert_non_null(bytes);
	bytes->length = length;
	memset(bytes->data, 0xa5, length);
	return bytes;
}

/* What each of the steps has. */
static struct sgh_request step(enum sgh_verb verb)
{
	return (struct sgh_request){
		.verb = verb,
		.operation_id = ID,
		.object_id = ID,
		.reply_to = "replies",
		.correlation_id = "c",
		.size = -1,
	};
}

static struct sgh_request begin_put(size_t size)
{
	struct sgh_request request = step(SGH_PUT_BEGIN);

	request.transfer = SGH_TICKET_PUT;
	request.size = (int64_t)size;
	request.sha256 = SHA256;
	request.facts = FACTS;
	request.rules = "1";
	request.body = size ? prefix(sgh_min(size, SGH_PREFIX_SIZE)) : NULL;
	return request;
}

static struct sgh_request begin_summed(const char *crc32c)
{
	struct sgh_request request = begin_put(7);

	request.crc32c = crc32c;
	return request;
}

static struct sgh_request begin_parts(void)
{
	struct sgh_request request = step(SGH_PUT_BEGIN);

	request.transfer = SGH_TICKET_PARTS;
	request.body = prefix(SGH_PREFIX_SIZE);
	return request;
}

static struct sgh_request extend(void)
{
	struct sgh_request request = step(SGH_PUT_EXTEND);

	request.object_type = "json";
	request.record = RECORD;
	request.first_part = 65;
	return request;
}

static struct sgh_part two_parts[] = {
	{ 1, SGH_PART_MIN, "\"a\"" },
	{ 2, 5, "\"b\"" },
};

static struct sgh_request commit(enum sgh_ticket_kind transfer)
{
	struct sgh_request request = step(SGH_PUT_COMMIT);

	request.transfer = transfer;
	request.object_type = "json";
	request.size = (int64_t)SGH_PART_MIN + 5;
	request.sha256 = SHA256;
	request.facts = FACTS;
	request.rules = "1";
	if (transfer == SGH_TICKET_PARTS) {
		request.record = RECORD;
		request.parts = two_parts;
		request.part_count = 2;
	}
	return request;
}

static struct sgh_request abort_parts(void)
{
	struct sgh_request request = step(SGH_PUT_ABORT);

	request.object_type = "json";
	request.record = RECORD;
	return request;
}

/* ---- requests: round trips ---- */

static void same_parts(const struct sgh_request *a, const struct sgh_request *b)
{
	assert_int_equal(a->part_count, b->part_count);
	for (size_t i = 0; i < a->part_count; i++) {
		assert_int_equal(a->parts[i].number, b->parts[i].number);
		assert_true(a->parts[i].size == b->parts[i].size);
		assert_string_equal(a->parts[i].etag, b->parts[i].etag);
	}
}

static void same(const struct sgh_request *a, const struct sgh_request *b)
{
	assert_int_equal(a->verb, b->verb);
	assert_int_equal(a->transfer, b->transfer);
	assert_true(a->size == b->size);
	assert_int_equal(a->first_part, b->first_part);
	assert_int_equal(a->redirect, b->redirect);
	assert_int_equal(a->download, b->download);
	assert_true(sgh_streq(a->object_type, b->object_type));
	assert_true(sgh_streq(a->content_type, b->content_type));
	assert_true(sgh_streq(a->sha256, b->sha256));
	assert_true(sgh_streq(a->crc32c, b->crc32c));
	assert_true(sgh_streq(a->facts, b->facts));
	assert_true(sgh_streq(a->rules, b->rules));
	assert_true(sgh_streq(a->record, b->record));
	same_parts(a, b);
	assert_int_equal(!a->body, !b->body);
	if (a->body) {
		assert_int_equal(a->body->length, b->body->length);
		assert_memory_equal(a->body->data, b->body->data, a->body->length);
	}
}

/* Through a message, its copy for a delay queue, and back; lets the body go. */
static void comes_back(struct sgh_request request)
{
	for (int json = 0; json < 2; json++) {
		struct sgh_message *message = NULL;
		struct sgh_message *copy = NULL;
		struct sgh_request *back = NULL;

		request.json = json;
		t_ok(sgh_request_message(&request, &message, &t_err));
		t_ok(sgh_message_retry(message, 1, &copy, &t_err));
		t_ok(sgh_request_parse(copy, NULL, &back, NULL, &t_err));
		same(&request, back);
		sgh_request_free(back);
		sgh_message_free(message);
		sgh_message_free(copy);
	}
	sgh_bytes_unref(request.body);
}

static void steps_come_back(void **state)
{
	comes_back(begin_put(0));
	comes_back(begin_put(1));
	comes_back(begin_put(SGH_PREFIX_SIZE - 1));
	comes_back(begin_put(SGH_PREFIX_SIZE));
	comes_back(begin_put(SGH_PREFIX_SIZE + 1));
	comes_back(begin_summed("e3069283"));
	comes_back(begin_parts());
	comes_back(extend());
	comes_back(commit(SGH_TICKET_PUT));
	comes_back(commit(SGH_TICKET_PARTS));
	comes_back(abort_parts());
}

static void a_begin_may_say_more(void **state)
{
	struct sgh_request request = begin_parts();

	request.size = (int64_t)SGH_OBJECT_MAX;
	request.sha256 = SHA256;
	request.object_type = "pdf";
	request.content_type = "application/pdf";
	comes_back(request);
}

static void a_get_comes_back(void **state)
{
	struct sgh_request get = step(SGH_GET);

	get.object_type = "json";
	comes_back(get);
	get.redirect = true;
	comes_back(get);
	get.download = true;
	comes_back(get);
}

static void ten_thousand_parts_come_back(void **state)
{
	struct sgh_request request = commit(SGH_TICKET_PARTS);
	sgh_autofree struct sgh_part *parts = calloc(SGH_PARTS_MAX, sizeof(*parts));

	assert_non_null(parts);
	for (unsigned i = 0; i < SGH_PARTS_MAX; i++)
		parts[i] = (struct sgh_part){ i + 1, SGH_PART_MIN,
					      "\"9bb58f26192e4ba00f01e2e7b136bbd8\"" };
	request.parts = parts;
	request.part_count = SGH_PARTS_MAX;
	request.size = (int64_t)SGH_PARTS_MAX * (int64_t)SGH_PART_MIN;
	comes_back(request);
}

/* ---- requests: what is on the wire ---- */

static void binary_mode_is_as_published(void **state)
{
	struct sgh_request request = commit(SGH_TICKET_PARTS);
	struct sgh_message *m = NULL;

	t_ok(sgh_request_message(&request, &m, &t_err));
	assert_string_equal(m->type, "sangraha.put-commit.v1");
	assert_string_equal(m->content_type, "application/json");
	assert_string_equal(sgh_message_text(m, "transfer"), "parts");
	assert_string_equal(sgh_message_text(m, "record"), RECORD);
	assert_string_equal(sgh_message_text(m, "facts"), FACTS);
	assert_string_equal(sgh_message_text(m, "rules"), "1");
	t_same_bytes(m->body, "{\"parts\":[{\"number\":1,\"size\":5242880,"
			      "\"etag\":\"\\\"a\\\"\"},"
			      "{\"number\":2,\"size\":5,\"etag\":\"\\\"b\\\"\"}]}");
	sgh_message_free(m);
	request = extend();
	t_ok(sgh_request_message(&request, &m, &t_err));
	assert_int_equal(sgh_message_header(m, "first-part")->number, 65);
	sgh_message_free(m);
}

static void a_checksum_is_as_published(void **state)
{
	struct sgh_request request = begin_summed("e3069283");
	struct sgh_message *m = NULL;

	t_ok(sgh_request_message(&request, &m, &t_err));
	assert_string_equal(sgh_message_text(m, "crc32c"), "e3069283");
	sgh_message_free(m);
	request.json = true;
	t_ok(sgh_request_message(&request, &m, &t_err));
	assert_non_null(strstr((const char *)m->body->data, ",\"crc32c\":\"e3069283\","));
	sgh_message_free(m);
	sgh_bytes_unref(request.body);
}

static void json_mode_is_as_published(void **state)
{
	struct sgh_request request = commit(SGH_TICKET_PARTS);
	struct sgh_message *m = NULL;

	request.json = true;
	t_ok(sgh_request_message(&request, &m, &t_err));
	assert_int_equal(m->header_count, 0);
	t_same_bytes(m->body,
		     "{\"object_id\":\"" ID "\",\"object_type\":\"json\","
		     "\"sha256\":\"" SHA256 "\",\"size\":5242885,"
		     "\"transfer\":\"parts\",\"record\":\"" RECORD "\","
		     "\"facts\":" FACTS ",\"rules\":\"1\","
		     "\"parts\":[{\"number\":1,\"size\":5242880,\"etag\":\"\\\"a\\\"\"},"
		     "{\"number\":2,\"size\":5,\"etag\":\"\\\"b\\\"\"}]}");
	sgh_message_free(m);
}

/* ---- requests: what is refused ---- */

static void refused_message(const struct sgh_message *message, const char *why)
{
	struct sgh_request *back = NULL;
	struct sgh_request *partial = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sgh_request_parse(message, NULL, &back, &partial, &t_err));
	t_says(why);
	assert_null(back);
	assert_string_equal(partial->reply_to, "replies");
	assert_string_equal(partial->object_id, ID);
	sgh_request_free(partial);
}

/* In both modes, of which one says `_` for `-`. */
static void refused(struct sgh_request request, const char *why)
{
	char spelt[64];

	for (int json = 0; json < 2; json++) {
		struct sgh_message *message = NULL;

		snprintf(spelt, sizeof(spelt), "%s", why);
		for (char *at = spelt; json && *at && *at != ':'; at++)
			*at = *at == '-' ? '_' : *at;
		request.json = json;
		t_ok(sgh_request_message(&request, &message, &t_err));
		refused_message(message, spelt);
		sgh_message_free(message);
	}
}

#define without(request_, member, nothing, why)       \
	do {                                          \
		struct sgh_request from = (request_); \
		from.member = nothing;                \
		refused(from, why);                   \
		sgh_bytes_unref(from.body);           \
	} while (0)

static void each_step_must_have_its_fields(void **state)
{
	without(begin_parts(), transfer, SGH_TICKET_NONE, "transfer: is missing");
	without(begin_put(7), size, -1, "size: is missing");
	without(begin_put(7), sha256, NULL, "sha256: is missing");
	without(begin_put(7), facts, NULL, "facts: is missing");
	without(begin_put(7), rules, NULL, "rules: is missing");
	without(extend(), object_type, NULL, "object-type: is missing");
	without(extend(), record, NULL, "record: is missing");
	without(extend(), first_part, 0, "first-part: is missing");
	without(commit(SGH_TICKET_PARTS), transfer, SGH_TICKET_NONE,
		"transfer: is missing");
	without(commit(SGH_TICKET_PARTS), record, NULL, "record: is missing");
	without(abort_parts(), object_type, NULL, "object-type: is missing");
	without(abort_parts(), record, NULL, "record: is missing");
	for (int kind = SGH_TICKET_PUT; kind <= SGH_TICKET_PARTS; kind++) {
		enum sgh_ticket_kind transfer = (enum sgh_ticket_kind)kind;

		without(commit(transfer), object_type, NULL, "object-type: is missing");
		without(commit(transfer), size, -1, "size: is missing");
		without(commit(transfer), sha256, NULL, "sha256: is missing");
		without(commit(transfer), facts, NULL, "facts: is missing");
		without(commit(transfer), rules, NULL, "rules: is missing");
	}
}

static void fields_must_be_what_they_should(void **state)
{
	char facts[SGH_FACTS_SIZE + 1];

	without(begin_parts(), transfer, SGH_TICKET_GET, "transfer: is neither");
	without(extend(), record, "../x", "record: is not a UUID");
	without(extend(), first_part, 10001, "first-part: is out of range");
	without(begin_put(7), facts, "[]", "facts: is no JSON object");
	without(begin_put(7), rules, "ü", "rules: is not");
	without(begin_put(7), crc32c, "", "crc32c: is not 8");
	without(begin_put(7), crc32c, "E3069283", "crc32c: is not 8");
	without(begin_put(7), crc32c, "e30692830", "crc32c: is not 8");
	without(begin_parts(), crc32c, "4waSgw==", "crc32c: is not 8");
	memset(facts, ' ', sizeof(facts));
	facts[0] = '{';
	facts[SGH_FACTS_SIZE - 1] = '}';
	facts[SGH_FACTS_SIZE] = '\0';
	without(begin_put(7), facts, facts, "facts: is ");
}

static void the_longest_facts_come_back(void **state)
{
	struct sgh_request request = begin_put(7);
	char facts[SGH_FACTS_SIZE];

	memset(facts, ' ', sizeof(facts));
	facts[0] = '{';
	facts[SGH_FACTS_SIZE - 2] = '}';
	facts[SGH_FACTS_SIZE - 1] = '\0';
	request.facts = facts;
	comes_back(request);
}

/* A begin whose body is of another length than it must be. */
static void refused_prefix(struct sgh_request request, size_t length)
{
	for (int json = 0; json < 2; json++) {
		struct sgh_message *message = NULL;

		sgh_bytes_unref(request.body);
		request.body = length ? prefix(length) : NULL;
		request.json = json;
		t_ok(sgh_request_message(&request, &message, &t_err));
		refused_message(message, json ? "data: is not the" : "body: is not the");
		sgh_message_free(message);
	}
	sgh_bytes_unref(request.body);
}

static void the_prefix_has_one_length(void **state)
{
	refused_prefix(begin_put(0), 1);
	refused_prefix(begin_put(7), 0);
	refused_prefix(begin_put(7), 6);
	refused_prefix(begin_put(7), 8);
	refused_prefix(begin_put(SGH_PREFIX_SIZE), SGH_PREFIX_SIZE - 1);
	refused_prefix(begin_put(SGH_PREFIX_SIZE + 1), SGH_PREFIX_SIZE + 1);
	refused_prefix(begin_parts(), 0);
	refused_prefix(begin_parts(), SGH_PREFIX_SIZE - 1);
	refused_prefix(begin_parts(), SGH_PREFIX_SIZE + 1);
}

static void parts_must_add_up(void **state)
{
	without(commit(SGH_TICKET_PARTS), size, (int64_t)SGH_PART_MIN + 4,
		"size: is not the sum");
	without(commit(SGH_TICKET_PARTS), part_count, 0, "");
	without(commit(SGH_TICKET_PARTS), part_count, 1, "size: is not the sum");
}

static void put_id_and_message_id_are_the_same(void **state)
{
	struct sgh_request request = abort_parts();

	request.operation_id = RECORD;
	refused(request, "object-id: is not the message_id");
}

/* Spaces would be lost from one mode to the other, and depth is too much in the other. */
static void facts_are_the_same_in_both_modes(void **state)
{
	struct sgh_request request = begin_put(7);
	struct sgh_message *message = NULL;
	char deep[SGH_FACTS_SIZE] = "{\"a\":";

	memset(deep + 5, '[', 60);
	memset(deep + 65, ']', 60);
	deep[125] = '}';
	for (int i = 0; i < 4; i++) {
		const char *const facts[] = { " {}", "{} ", "{\"a\":1", deep };

		request.facts = facts[i];
		t_ok(sgh_request_message(&request, &message, &t_err));
		refused_message(message, "facts: is no JSON object");
		sgh_message_free(message);
	}
	sgh_bytes_unref(request.body);
}

/* ---- requests: what is passed over ---- */

static void other_verbs_have_none_of_it(void **state)
{
	struct sgh_request request = step(SGH_STAT);
	struct sgh_message *message = NULL;
	struct sgh_request *back = NULL;

	t_ok(sgh_request_message(&request, &message, &t_err));
	assert_true(sgh_message_add_text(message, "transfer", "5"));
	assert_true(sgh_message_add_text(message, "record", "x"));
	assert_true(sgh_message_add_text(message, "facts", "x"));
	assert_true(sgh_message_add_text(message, "redirect", "x"));
	t_ok(sgh_request_parse(message, NULL, &back, NULL, &t_err));
	assert_int_equal(back->transfer, SGH_TICKET_NONE);
	assert_null(back->record);
	assert_null(back->facts);
	sgh_request_free(back);
	sgh_message_free(message);
}

/* The same as Python's json.dumps() would write it. */
static void others_may_write_it_otherwise(void **state)
{
	static const char json[] =
		"{\"type\": \"sangraha.put-commit.v1\", \"message_id\": \"" ID "\", "
		"\"object_type\": \"json\", \"transfer\": \"parts\", \"size\": 5, "
		"\"sha256\": \"" SHA256 "\", \"facts\": {\"depth\": 1}, \"rules\": \"1\","
		" \"record\": \"" RECORD "\", \"parts\": [ {\"size\": 5, \"new\": [], "
		"\"etag\": \"\\\"\\u0061\\\"\", \"number\": 1} ]}";
	struct sgh_message *message = sgh_message_new();
	struct sgh_request *back = NULL;

	message->content_type = SGH_JSON_MODE;
	message->body = t_bytes(json);
	t_ok(sgh_request_parse(message, NULL, &back, NULL, &t_err));
	assert_string_equal(back->facts, "{\"depth\": 1}");
	assert_int_equal(back->part_count, 1);
	assert_string_equal(back->parts[0].etag, "\"a\"");
	sgh_request_free(back);
	sgh_message_free(message);
}

/* ---- replies ---- */

static struct sgh_ticket *ticket_of(enum sgh_ticket_kind kind)
{
	static struct sgh_ticket ticket;

	ticket = (struct sgh_ticket){
		.kind = kind,
		.expires_ms = 1769860800000,
		.urls = { "https://store.example/?a=b&c=%2F" },
		.url_count = 1,
	};
	if (kind == SGH_TICKET_PARTS) {
		ticket.record = RECORD;
		ticket.first_part = 65;
	}
	if (kind == SGH_TICKET_PUT) {
		ticket.headers[0] = (struct sgh_pair){ "Content-Type", "image/png" };
		ticket.header_count = 1;
	}
	return &ticket;
}

static struct sangraha_object *object(void)
{
	struct sgh_object_parts parts = {
		.id = ID,
		.type = "json",
		.content_type = "application/json",
		.sha256 = SHA256,
		.size = 6000000,
		.record = RECORD,
	};
	struct sangraha_object *made = NULL;

	t_ok(sgh_object_new(&parts, &made, &t_err));
	return made;
}

static struct sgh_reply *reply_of(enum sgh_ticket_kind kind)
{
	struct sgh_reply *reply = sgh_reply_new();

	reply->correlation_id = "c";
	reply->ticket = ticket_of(kind);
	if (kind == SGH_TICKET_GET)
		reply->object = object();
	return reply;
}

static void same_ticket(const struct sgh_ticket *a, const struct sgh_ticket *b)
{
	assert_non_null(b);
	assert_int_equal(a->kind, b->kind);
	assert_true(a->expires_ms == b->expires_ms);
	assert_int_equal(a->url_count, b->url_count);
	assert_string_equal(a->urls[0], b->urls[0]);
	assert_int_equal(a->header_count, b->header_count);
	assert_int_equal(a->first_part, b->first_part);
	assert_true(sgh_streq(a->record, b->record));
}

static void tickets_come_back(void **state)
{
	for (int n = 0; n < 6; n++) {
		enum sgh_ticket_kind kind =
			(enum sgh_ticket_kind)(SGH_TICKET_PUT + n / 2);
		struct sgh_reply *reply = reply_of(kind);
		struct sgh_message *message = NULL;
		struct sgh_reply *back = NULL;

		reply->json = n & 1;
		t_ok(sgh_reply_message(reply, &message, &t_err));
		t_ok(sgh_reply_parse(message, NULL, &back, &t_err));
		same_ticket(reply->ticket, back->ticket);
		assert_int_equal(!back->object, !reply->object);
		assert_false(back->list);
		assert_null(back->body);
		if (back->object)
			assert_string_equal(back->object->sha256, SHA256);
		sgh_message_free(message);
		sgh_reply_free(back);
		sgh_reply_free(reply);
	}
}

static void replies_are_as_published(void **state)
{
	struct sgh_reply *reply = reply_of(SGH_TICKET_PARTS);
	struct sgh_message *m = NULL;

	t_ok(sgh_reply_message(reply, &m, &t_err));
	assert_string_equal(m->content_type, "application/json");
	assert_string_equal(sgh_message_text(m, "status"), "ok");
	assert_string_equal(sgh_message_text(m, "transfer"), "parts");
	t_same_bytes(m->body, "{\"transfer\":\"parts\",\"expires\":1769860800000,"
			      "\"record\":\"" RECORD "\",\"first_part\":65,"
			      "\"urls\":[\"https://store.example/?a=b&c=%2F\"]}");
	sgh_message_free(m);
	reply->json = true;
	t_ok(sgh_reply_message(reply, &m, &t_err));
	t_same_bytes(m->body, "{\"status\":\"ok\",\"code\":\"ok\",\"transfer\":\"parts\","
			      "\"ticket\":{\"transfer\":\"parts\","
			      "\"expires\":1769860800000,"
			      "\"record\":\"" RECORD "\",\"first_part\":65,"
			      "\"urls\":[\"https://store.example/?a=b&c=%2F\"]}}");
	sgh_message_free(m);
	sgh_reply_free(reply);
}

/* The media type of a get is the object's, and the body the ticket. */
static void a_get_keeps_its_media_type(void **state)
{
	struct sgh_reply *reply = reply_of(SGH_TICKET_GET);
	struct sgh_message *m = NULL;

	t_ok(sgh_reply_message(reply, &m, &t_err));
	assert_string_equal(m->content_type, "application/json");
	assert_string_equal(sgh_message_text(m, "transfer"), "get");
	assert_string_equal(sgh_message_text(m, "object-id"), ID);
	assert_int_equal(sgh_message_header(m, "size")->number, 6000000);
	sgh_message_free(m);
	sgh_reply_free(reply);
}

static void the_largest_ticket_comes_back(void **state)
{
	struct sgh_reply *reply = reply_of(SGH_TICKET_PARTS);
	struct sgh_message *message = NULL;
	struct sgh_reply *back = NULL;
	char url[SGH_TICKET_URL_MAX + 1];

	memset(url, 'x', SGH_TICKET_URL_MAX);
	memcpy(url, "http:", 5);
	url[SGH_TICKET_URL_MAX] = '\0';
	for (size_t i = 0; i < SGH_TICKET_URLS_MAX; i++)
		reply->ticket->urls[i] = url;
	reply->ticket->url_count = SGH_TICKET_URLS_MAX;
	t_ok(sgh_reply_message(reply, &message, &t_err));
	t_ok(sgh_reply_parse(message, NULL, &back, &t_err));
	same_ticket(reply->ticket, back->ticket);
	sgh_message_free(message);
	sgh_reply_free(back);
	sgh_reply_free(reply);
}

static void nothing_more_is_an_answer_too(void **state)
{
	struct sgh_reply *reply = sgh_reply_new();
	struct sgh_message *message = NULL;
	struct sgh_reply *back = NULL;

	t_ok(sgh_reply_message(reply, &message, &t_err));
	t_ok(sgh_reply_parse(message, NULL, &back, &t_err));
	assert_null(back->ticket);
	assert_null(back->object);
	sgh_message_free(message);
	sgh_reply_free(back);
	sgh_reply_free(reply);
}

/* A reply with this body and header `transfer`, as somebody else would write it. */
static void refused_reply(const char *content_type, const char *transfer,
			  const char *body, const char *why)
{
	struct sgh_message *message = sgh_message_new();
	struct sgh_reply *back = NULL;

	message->content_type = content_type;
	message->body = body ? t_bytes(body) : NULL;
	assert_true(sgh_message_add_text(message, "status", "ok"));
	assert_true(sgh_message_add_text(message, "transfer", transfer));
	t_fails(SANGRAHA_E_INVALID, sgh_reply_parse(message, NULL, &back, &t_err));
	t_says(why);
	assert_null(back);
	sgh_message_free(message);
}

static void refuses_replies_without_a_sound_ticket(void **state)
{
#define GET "{\"transfer\":\"get\",\"expires\":1,\"urls\":[\"a:\"]}"
	refused_reply("application/json", "get", NULL, "ticket: is missing");
	refused_reply("application/json", "get", "abc", "no JSON object");
	refused_reply("application/json", "put", GET, "transfer: is not the ticket's");
	refused_reply("application/json", "x", GET, "transfer: is not the ticket's");
	refused_reply(SGH_JSON_MODE, NULL, "{\"status\":\"ok\",\"transfer\":\"get\"}",
		      "ticket: is missing");
	refused_reply(SGH_JSON_MODE, NULL, "{\"status\":\"ok\",\"ticket\":5}",
		      "no JSON object");
	refused_reply(SGH_JSON_MODE, NULL,
		      "{\"status\":\"ok\",\"transfer\":\"put\",\"ticket\":" GET "}",
		      "transfer: is not the ticket's");
	refused_reply(SGH_JSON_MODE, NULL, "{\"status\":\"ok\",\"ticket\":{}}",
		      "transfer");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(steps_come_back),
	cmocka_unit_test(a_begin_may_say_more),
	cmocka_unit_test(a_get_comes_back),
	cmocka_unit_test(ten_thousand_parts_come_back),
	cmocka_unit_test(binary_mode_is_as_published),
	cmocka_unit_test(a_checksum_is_as_published),
	cmocka_unit_test(json_mode_is_as_published),
	cmocka_unit_test(each_step_must_have_its_fields),
	cmocka_unit_test(fields_must_be_what_they_should),
	cmocka_unit_test(facts_are_the_same_in_both_modes),
	cmocka_unit_test(the_longest_facts_come_back),
	cmocka_unit_test(the_prefix_has_one_length),
	cmocka_unit_test(parts_must_add_up),
	cmocka_unit_test(put_id_and_message_id_are_the_same),
	cmocka_unit_test(other_verbs_have_none_of_it),
	cmocka_unit_test(others_may_write_it_otherwise),
	cmocka_unit_test(tickets_come_back),
	cmocka_unit_test(replies_are_as_published),
	cmocka_unit_test(a_get_keeps_its_media_type),
	cmocka_unit_test(the_largest_ticket_comes_back),
	cmocka_unit_test(nothing_more_is_an_answer_too),
	cmocka_unit_test(refuses_replies_without_a_sound_ticket),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "base/budget.h"
#include "support/memory.h"
#include "support/t.h"
#include "wire/filename.h"
#include "wire/protocol.h"
#include "wire/record.h"
#include "wire/s3xml.h"
#include "wire/sha256.h"
#include "wire/sigv4.h"

/* Each allocation fails, and is told as such (support/memory.h). */

#define ID     "0199f2c4-0000-7000-8000-0123456789ab"
#define SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static struct sgh_pair meta[] = { { "b", "x" }, { "a", "ü" } };

static int make_object(struct sangraha_object **ret)
{
	struct sgh_object_parts parts = {
		.id = ID,
		.type = "json",
		.filename = "ä.json",
		.content_type = "application/json",
		.sha256 = SHA256,
		.facts = "{\"a\":1}",
		.rules = "1",
		.operation = ID,
		.meta = meta,
		.meta_count = 2,
	};

	return sgh_object_new(&parts, ret, &t_err);
}

/* ---- requests ---- */

static int send_request(void *arg)
{
	struct sgh_request request = *(struct sgh_request *)arg;
	struct sgh_budget *budget = sgh_budget_new(1 << 20);
	struct sgh_message *message = NULL;
	struct sgh_message *copy = NULL;
	struct sgh_request *back = NULL;
	struct sgh_request *partial = NULL;
	int status = budget ? 0 : SANGRAHA_E_OVERLOADED;

	if (status == 0)
		status = sgh_request_message(&request, &message, &t_err);
	if (status == 0)
		status = sgh_message_retry(message, 1, &copy, &t_err);
	if (status == 0)
		status = sgh_request_parse(copy, budget, &back, &partial, &t_err);
	sgh_message_free(message);
	sgh_message_free(copy);
	sgh_request_free(back);
	sgh_request_free(partial);
	if (budget)
		assert_int_equal(sgh_budget_used(budget), 0);
	sgh_budget_unref(budget);
	return status;
}

static void requests(void **state)
{
	struct sgh_request request = {
		.verb = SGH_PUT,
		.operation_id = ID,
		.object_id = ID,
		.reply_to = "r",
		.correlation_id = "c",
		.filename = "ä",
		.content_type = "a/b",
		.sha256 = SHA256,
		.size = 3,
		.meta = { { "a", "b" } },
		.meta_count = 1,
		.body = t_bytes("abc"),
	};

	t_memory_each(send_request, &request, 1);
	request.json = true;
	t_memory_each(send_request, &request, 1);
	sgh_bytes_unref(request.body);
}

static void commits(void **state)
{
	static struct sgh_part parts[] = { { 1, SGH_PART_MIN, "a" }, { 2, 1, "b" } };
	struct sgh_request request = {
		.verb = SGH_PUT_COMMIT,
		.operation_id = ID,
		.object_id = ID,
		.object_type = "json",
		.transfer = SGH_TICKET_PARTS,
		.record = ID,
		.sha256 = SHA256,
		.size = (int64_t)SGH_PART_MIN + 1,
		.facts = "{}",
		.rules = "1",
		.parts = parts,
		.part_count = 2,
	};

	t_memory_each(send_request, &request, 1);
	request.json = true;
	t_memory_each(send_request, &request, 1);
}

/* ---- replies ---- */

struct reply_case {
	bool json;
	bool list;
	struct sgh_ticket *ticket;
	struct sgh_bytes *body;
};

static int fill(struct sgh_reply *reply, const struct reply_case *c)
{
	int status = 0;

	reply->json = c->json;
	reply->ticket = c->ticket;
	if (!c->list) {
		reply->body = sgh_bytes_ref(c->body);
		return make_object(&reply->object);
	}
	reply->next_cursor = "json/" ID;
	reply->objects = calloc(2, sizeof(*reply->objects));
	if (!reply->objects)
		return SANGRAHA_E_OVERLOADED;
	while (status == 0 && reply->object_count < 2) {
		status = make_object(&reply->objects[reply->object_count]);
		reply->object_count += status == 0;
	}
	return status;
}

static int send_reply(void *arg)
{
	struct sgh_reply *reply = sgh_reply_new();
	struct sgh_reply *back = NULL;
	struct sgh_message *message = NULL;
	int status = reply ? fill(reply, arg) : SANGRAHA_E_OVERLOADED;

	if (status == 0)
		status = sgh_reply_message(reply, &message, &t_err);
	if (status == 0)
		status = sgh_reply_parse(message, NULL, &back, &t_err);
	sgh_reply_free(reply);
	sgh_reply_free(back);
	sgh_message_free(message);
	return status;
}

static void replies(void **state)
{
	sgh_autobytes struct sgh_bytes *body = t_bytes("abc");

	struct sgh_ticket ticket = {
		.kind = SGH_TICKET_GET,
		.expires_ms = 1,
		.urls = { "http://a/" },
		.url_count = 1,
	};

	for (int i = 0; i < 6; i++) {
		struct reply_case c = { i & 1, i & 2, i & 4 ? &ticket : NULL, body };

		t_memory_each(send_reply, &c, 1);
	}
}

/* ---- the rest ---- */

static int store_object(void *arg)
{
	struct sangraha_object *object = NULL;
	struct sangraha_object *back = NULL;
	struct sgh_pair pairs[SGH_STORE_META_MAX];
	struct sgh_arena arena = { 0 };
	struct sgh_message *message = NULL;
	size_t count;
	int status = make_object(&object);

	if (status == 0)
		status = sgh_object_to_meta(object, &arena, pairs, &count, &t_err);
	if (status == 0)
		status = sgh_object_from_meta("json", ID, "a/b", 1, pairs, count, &back,
					      &t_err);
	if (status == 0)
		status = sgh_event_message("created", NULL, back, NULL, &message, &t_err);
	sgh_message_free(message);
	sgh_arena_fini(&arena);
	sangraha_object_unref(object);
	sangraha_object_unref(back);
	return status;
}

static int write_record(void *arg)
{
	struct sgh_record record = { .type = "json", .message = "ü", .offset = -1 };
	struct sgh_record back;
	sgh_autobytes struct sgh_bytes *bytes = NULL;
	int status = sgh_record_write(&record, &bytes, &t_err);

	if (status == 0)
		status = sgh_record_parse(bytes->data, bytes->length, &back, &t_err);
	if (status == 0)
		sgh_record_fini(&back);
	return status;
}

static int describe(void *arg)
{
	struct sgh_object_parts parts = { .id = ID, .type = "json", .record = ID };
	struct sgh_record record = {
		.record = ID,
		.sha256 = SHA256,
		.facts = "{\"a\":1}",
		.rules = "1",
	};
	struct sangraha_object *object = NULL;
	int status = sgh_object_new(&parts, &object, &t_err);

	if (status == 0)
		status = sgh_record_describe(&record, object, &t_err);
	sangraha_object_unref(object);
	return status;
}

static int read_ticket(void *arg)
{
	struct sgh_ticket ticket = {
		.kind = SGH_TICKET_PARTS,
		.expires_ms = 1,
		.first_part = 1,
		.record = ID,
		.urls = { "http://a/", "http://b/" },
		.url_count = 2,
		.headers = { { "a", "b" } },
		.header_count = 1,
	};
	sgh_autobuf struct sgh_buf buf = { 0 };
	struct sgh_arena arena = { 0 };
	struct sgh_ticket *back = NULL;
	int status = 0;

	sgh_ticket_write(&ticket, &buf);
	if (buf.failed)
		status = SANGRAHA_E_OVERLOADED;
	if (status == 0)
		status = sgh_ticket_parse(buf.data, buf.length, &arena, &back, &t_err);
	sgh_arena_fini(&arena);
	return status;
}

static int read_parts(void *arg)
{
	static const struct sgh_part parts[] = { { 1, SGH_PART_MIN, "a" },
						 { 2, 1, "b" } };
	sgh_autobuf struct sgh_buf buf = { 0 };
	struct sgh_arena arena = { 0 };
	struct sgh_part *back = NULL;
	size_t count;
	int status = 0;

	sgh_parts_write(parts, 2, &buf);
	if (buf.failed)
		status = SANGRAHA_E_OVERLOADED;
	if (status == 0)
		status = sgh_parts_parse(buf.data, buf.length, &arena, &back, &count,
					 &t_err);
	sgh_arena_fini(&arena);
	return status;
}

static int read_disposition(void *arg)
{
	sgh_autofree char *name = NULL;
	sgh_autofree char *filename = NULL;

	return sgh_disposition_parse(
		"form-data; name=\"a\"; filename=\"b\"; filename*=utf-8''c", &name,
		&filename, &t_err);
}

/* ---- the store's ---- */

static int sign(void *arg)
{
	const struct sgh_sigv4_scope scope = { "access", "secret", "eu", "s3" };
	const struct sgh_pair headers[] = { { "Host", "a" }, { "X-Amz-Date", "b" } };
	const struct sgh_pair query[] = { { "uploads", "" } };
	const struct sgh_sigv4_request request = {
		.method = "GET",
		.path = "/a b",
		.query = query,
		.query_count = 1,
		.headers = headers,
		.header_count = 2,
		.payload = SGH_SIGV4_UNSIGNED,
	};
	struct sgh_sigv4_work work = { .canonical = { 0 } };
	sgh_autobuf struct sgh_buf text = { 0 };
	struct sgh_sigv4_key key;
	int status = sgh_sigv4_derive(&scope, "20150830T123600Z", &key, &t_err);

	if (status == 0)
		status = sgh_sigv4_sign(&request, &scope, &key, "20150830T123600Z", &work,
					&text, &t_err);
	if (status == 0)
		status = sgh_sigv4_presign(&request, &scope, &key, "20150830T123600Z", 60,
					   &work, &text, &t_err);
	sgh_sigv4_work_fini(&work);
	return status;
}

static int read_listing(void *arg)
{
	static const char text[] =
		"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>";
	struct sgh_arena arena = { 0 };
	struct sgh_s3_list list;
	int status = sgh_s3xml_list(text, sizeof(text) - 1, 3, &arena, &list, &t_err);

	if (status == 0)
		assert_int_equal(list.count, 1);
	sgh_arena_fini(&arena);
	return status;
}

/* What may be an error is not taken for a success. */
static int read_error(void *arg)
{
	static const char text[] = "<Error><Code>SlowDown</Code></Error>";
	struct sgh_s3_error error;

	assert_true(sgh_s3xml_error(text, sizeof(text) - 1, &error));
	if (strcmp(error.code, "SlowDown") == 0)
		return 0;
	assert_string_equal(error.code, "");
	return SANGRAHA_E_OVERLOADED;
}

static int hash(void *arg)
{
	struct sgh_sha256 *sum = NULL;
	unsigned char digest[32];
	int status = sgh_sha256_new(&sum, &t_err);

	if (status == 0)
		status = sgh_sha256_update(sum, "a", 1, &t_err);
	if (status == 0)
		status = sgh_sha256_final(sum, digest, &t_err);
	if (status == 0)
		status = sgh_sha256("a", 1, digest, &t_err);
	sgh_sha256_free(sum);
	return status;
}

static void the_stores(void **state)
{
	t_memory_each(sign, NULL, 1);
	t_memory_each(read_listing, NULL, 1);
	t_memory_each(read_error, NULL, 1);
	t_memory_each(hash, NULL, 1);
}

static void objects(void **state)
{
	t_memory_each(store_object, NULL, 1);
}

static void records(void **state)
{
	t_memory_each(write_record, NULL, 1);
	t_memory_each(describe, NULL, 1);
}

static void tickets(void **state)
{
	t_memory_each(read_ticket, NULL, 1);
	t_memory_each(read_parts, NULL, 1);
}

static void dispositions(void **state)
{
	t_memory_each(read_disposition, NULL, 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(requests),     cmocka_unit_test(commits),
	cmocka_unit_test(replies),      cmocka_unit_test(objects),
	cmocka_unit_test(records),      cmocka_unit_test(tickets),
	cmocka_unit_test(dispositions), cmocka_unit_test(the_stores),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include <cjson/cJSON.h>

#include "base/budget.h"
#include "support/t.h"
#include "wire/filename.h"
#include "wire/protocol.h"
#include "wire/record.h"
#include "wire/sha256.h"

/*
 * The n-th allocation fails, for each n until there are no more: each time the answer is
 * "overloaded", which is retried, and nothing leaks. The linker's --wrap puts these
 * functions between the library and the C library.
 */

#define ID     "0199f2c4-0000-7000-8000-0123456789ab"
#define SHA256 "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static long left = -1; /* allocations that still work; -1: all */

static bool fails(void)
{
	if (left > 0)
		left--;
	else if (left == 0)
		return true;
	return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
	return fails() ? NULL : __real_strndup(text, length);
}

static void each_allocation_fails(int (*run)(void *arg), void *arg)
{
	int status = SANGRAHA_E_OVERLOADED;
	long n;

	for (n = 0; status != 0; n++) {
		left = n;
		status = run(arg);
		left = -1;
		if (status)
			assert_int_equal(status, SANGRAHA_E_OVERLOADED);
	}
	assert_true(n > 2);
}

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

	each_allocation_fails(send_request, &request);
	request.json = true;
	each_allocation_fails(send_request, &request);
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

	each_allocation_fails(send_request, &request);
	request.json = true;
	each_allocation_fails(send_request, &request);
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

		each_allocation_fails(send_reply, &c);
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

static void objects(void **state)
{
	each_allocation_fails(store_object, NULL);
}

static void records(void **state)
{
	each_allocation_fails(write_record, NULL);
	each_allocation_fails(describe, NULL);
}

static void tickets(void **state)
{
	each_allocation_fails(read_ticket, NULL);
	each_allocation_fails(read_parts, NULL);
}

static void dispositions(void **state)
{
	each_allocation_fails(read_disposition, NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(requests),     cmocka_unit_test(commits),
	cmocka_unit_test(replies),      cmocka_unit_test(objects),
	cmocka_unit_test(records),      cmocka_unit_test(tickets),
	cmocka_unit_test(dispositions),
};

int main(void)
{
	cJSON_Hooks hooks = { __wrap_malloc, free };

	cJSON_InitHooks(&hooks);
	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "support/web.h"

#include "base/buf.h"
#include "base/thread.h"
#include "wire/object.h"
#include "wire/sha256.h"

/* The client of the HTTP interface against the server of this library. */

struct remote {
	struct web *web;
	struct sangraha_rest_client *client;
	struct sangraha_rest_result *result;
	char url[128];
};

/* A body in memory, read in pieces of at most `piece` bytes. */
struct body {
	const char *data;
	size_t length;
	size_t at;
	size_t piece; /* 0: as much as is asked for */
	int status;   /* at its end, instead of the end */
};

static int64_t body_read(void *arg, void *data, size_t size)
{
	struct body *body = arg;
	size_t n = sgh_min(size, body->length - body->at);

	if (body->piece)
		n = sgh_min(n, body->piece);
	if (n == 0 && body->status)
		return body->status;
	memcpy(data, body->data + body->at, n);
	body->at += n;
	return (int64_t)n;
}

/* As many as are asked for, always. */
static int64_t endless_read(void *arg, void *data, size_t size)
{
	struct body *body = arg;

	memset(data, 'x', size);
	body->at += size;
	return (int64_t)size;
}

static int buf_write(void *arg, const void *data, size_t length)
{
	sgh_buf_append(arg, data, length);
	return 0;
}

static struct sangraha_rest_client *
client_of(const char *url, const struct sangraha_rest_client_options *options)
{
	struct sangraha_context *context = t_context();
	struct sangraha_rest_client *client = NULL;

	t_ok(sangraha_rest_client_new(context, url, options, &client, &t_err));
	sangraha_context_unref(context);
	return client;
}

/* Its answers to a put describe what was put, as the client expects it. */
static struct web *honest_web(struct sangraha_rest_options *options)
{
	struct web *web = web_new(options);
	struct fake_answer answer = {
		.object = web->object,
		.as_sent = true,
		.data = WEB_BYTES,
		.length = strlen(WEB_BYTES),
	};

	fake_answer(web->fake, &answer);
	return web;
}

static int set_up(void **state)
{
	struct sangraha_rest_options options = { .threads = 2 };
	struct remote *remote = calloc(1, sizeof(*remote));

	remote->web = honest_web(&options);
	snprintf(remote->url, sizeof(remote->url), "http://127.0.0.1:%u",
		 sangraha_rest_port(remote->web->rest));
	remote->client = client_of(remote->url, NULL);
	*state = remote;
	return 0;
}

static int tear_down(void **state)
{
	struct remote *remote = *state;

	sangraha_rest_result_free(remote->result);
	sangraha_rest_client_free(remote->client);
	web_free(remote->web);
	free(remote);
	return 0;
}

static int put(struct remote *remote, const char *text,
	       const struct sangraha_rest_put *options)
{
	struct body body = { .data = text, .length = strlen(text) };

	return sangraha_rest_client_put(remote->client, (int64_t)body.length, body_read,
					&body, options, &remote->result, &t_err);
}

/* What a thread does with a client it shares; NULL when all went well. */
static void *put_some(void *arg)
{
	for (unsigned i = 0; i < 20; i++) {
		struct body body = { .data = "hello", .length = 5 };
		struct sangraha_rest_result *result = NULL;
		int status = sangraha_rest_client_put(arg, i % 2 ? -1 : 5, body_read,
						      &body, NULL, &result, NULL);

		sangraha_rest_result_free(result);
		if (status)
			return arg;
	}
	return NULL;
}

static void a_put_describes_what_it_stored(void **state)
{
	struct remote *remote = *state;

	t_ok(put(remote, "hello", NULL));
	assert_int_equal(sangraha_rest_result_code(remote->result), 201);
	assert_string_equal(
		sangraha_object_id(sangraha_rest_result_object(remote->result)), WEB_ID);
	assert_int_equal(fake_seen(remote->web->fake).body_length, 5);
	assert_memory_equal(fake_seen(remote->web->fake).body, "hello", 5);
	assert_non_null(sangraha_rest_result_correlation_id(remote->result));
}

static void a_get_hands_out_the_bytes(void **state)
{
	struct remote *remote = *state;
	sgh_autobuf struct sgh_buf bytes = SGH_BUF_INIT(100);

	/* The description's digest is not that of the bytes. */
	t_fails(SANGRAHA_E_INTERNAL,
		sangraha_rest_client_get(remote->client, "image", WEB_ID, NULL, buf_write,
					 &bytes, &remote->result, &t_err));
	assert_string_equal(sgh_buf_text(&bytes), WEB_BYTES);
	assert_string_equal(sangraha_rest_result_filename(remote->result), "Menü.png");
	assert_string_equal(sangraha_rest_result_content_type(remote->result),
			    "image/png");
	assert_int_equal(sangraha_rest_result_size(remote->result), 8);
}

static void a_stat_describes(void **state)
{
	struct remote *remote = *state;

	t_ok(sangraha_rest_client_stat(remote->client, "image", WEB_ID, &remote->result,
				       &t_err));
	assert_string_equal(
		sangraha_object_filename(sangraha_rest_result_object(remote->result)),
		"Menü.png");
	assert_non_null(strstr(sangraha_rest_result_text(remote->result), "\"width\":1"));
}

static void a_delete_deletes(void **state)
{
	struct remote *remote = *state;

	t_ok(sangraha_rest_client_delete(remote->client, "image", WEB_ID, &remote->result,
					 &t_err));
	assert_int_equal(sangraha_rest_result_code(remote->result), 204);
	assert_string_equal(fake_seen(remote->web->fake).verb, "delete");
}

static void a_page_of_a_thousand_fits(void **state)
{
	struct remote *remote = *state;
	struct fake_answer answer = { .object = remote->web->object,
				      .count = 1000,
				      .next_cursor = "next one" };

	fake_answer(remote->web->fake, &answer);
	t_ok(sangraha_rest_client_list(remote->client, "image", 1000, "a&b c",
				       &remote->result, &t_err));
	assert_string_equal(fake_seen(remote->web->fake).cursor, "a&b c");
	assert_int_equal(fake_seen(remote->web->fake).limit, 1000);
	assert_non_null(sangraha_rest_result_at(remote->result, 999));
	assert_null(sangraha_rest_result_at(remote->result, 1000));
	assert_string_equal(sangraha_rest_result_next_cursor(remote->result), "next one");
}

static void a_repeat_is_told(void **state)
{
	struct remote *remote = *state;
	struct fake_answer answer = { .object = remote->web->object,
				      .as_sent = true,
				      .replayed = true };
	const struct sangraha_rest_put options = { .size = sizeof(options),
						   .idempotency_key = "key 1" };

	fake_answer(remote->web->fake, &answer);
	t_ok(put(remote, "x", &options));
	assert_true(sangraha_rest_result_replayed(remote->result));
	assert_string_equal(fake_seen(remote->web->fake).key, "key 1");
}

static void options_arrive_as_they_are(void **state)
{
	static const char *const names[] = { "colour", "empty" };
	static const char *const values[] = { "blå & grün=100%", "" };
	const struct sangraha_rest_put options = {
		.size = sizeof(options),
		.filename = "Menü & Karte?.png",
		.content_type = "image/png",
		.type = "image",
		.sha256 = WEB_SHA256,
		.meta_names = names,
		.meta_values = values,
		.meta_count = 2,
	};
	struct remote *remote = *state;
	struct fake_seen seen;

	t_ok(put(remote, "x", &options));
	seen = fake_seen(remote->web->fake);
	assert_string_equal(seen.filename, "Menü & Karte?.png");
	assert_string_equal(seen.content_type, "image/png");
	assert_string_equal(seen.type, "image");
	assert_string_equal(seen.sha256, WEB_SHA256);
	assert_string_equal(seen.meta, "colour=blå & grün=100%;empty=;");
}

static void nothing_is_declared_by_itself(void **state)
{
	struct remote *remote = *state;

	t_ok(put(remote, "x", NULL));
	assert_string_equal(fake_seen(remote->web->fake).content_type, "");
	assert_string_equal(fake_seen(remote->web->fake).filename, "");
}

static void bodies_of_all_lengths_arrive(void **state)
{
	static const size_t lengths[] = { 0, 1, 262144, 524288, 524289, 3 << 20 };
	char *data = malloc(3 << 20);
	struct remote *remote = *state;

	for (size_t i = 0; i < 3 << 20; i++)
		data[i] = (char)(i % 251);
	for (size_t i = 0; i < 2 * SGH_COUNT(lengths); i++) {
		struct body body = { .data = data,
				     .length = lengths[i / 2],
				     .piece = i % 3 * 4099 };
		struct fake_seen seen;

		t_ok(sangraha_rest_client_put(
			remote->client, i % 2 ? -1 : (int64_t)body.length, body_read,
			&body, NULL, &remote->result, &t_err));
		sangraha_rest_result_free(sgh_take(remote->result));
		seen = fake_seen(remote->web->fake);
		assert_int_equal(seen.body_length, body.length);
		assert_memory_equal(seen.body, data, body.length);
	}
	free(data);
}

static void a_body_must_have_the_length_that_was_told(void **state)
{
	static const int64_t told[] = { 0, 3, 9 };
	struct remote *remote = *state;

	for (size_t i = 0; i < SGH_COUNT(told); i++) {
		struct body body = { .data = "four", .length = 4 };

		t_fails(SANGRAHA_E_INVALID,
			sangraha_rest_client_put(remote->client, told[i], body_read,
						 &body, NULL, &remote->result, &t_err));
		t_says("announced");
		assert_null(remote->result);
	}
	assert_int_equal(fake_requests(remote->web->fake), 0);
}

static void a_reader_that_fails_stores_nothing(void **state)
{
	struct remote *remote = *state;

	for (int64_t length = -1; length <= 9; length += 10) {
		struct body body = { .data = "four",
				     .length = 4,
				     .status = SANGRAHA_E_PRECONDITION };

		t_fails(SANGRAHA_E_PRECONDITION,
			sangraha_rest_client_put(remote->client, length, body_read, &body,
						 NULL, &remote->result, &t_err));
		t_says("could not be read");
		t_wait(fake_uploads_open(remote->web->fake) == 0);
	}
	assert_int_equal(fake_requests(remote->web->fake), 0);
}

/* The real digest, so that a whole get is a success. */
static struct sangraha_object *object_of(const char *bytes, const char *filename)
{
	char sha256[SANGRAHA_SHA256_SIZE];
	struct sgh_object_parts parts = {
		.id = WEB_ID,
		.type = "image",
		.filename = filename,
		.content_type = "image/png",
		.sha256 = sha256,
		.created_ms = 1767323045678,
		.size = strlen(bytes),
	};
	struct sangraha_object *object = NULL;

	t_ok(sgh_sha256_hex(bytes, strlen(bytes), sha256, &t_err));
	t_ok(sgh_object_new(&parts, &object, &t_err));
	return object;
}

/* Whatever it says of itself: the bytes are not there. A repeat is no exception. */
static void what_describes_other_bytes_is_no_success(void **state)
{
	struct remote *remote = *state;
	struct fake_answer answer = { 0 };

	for (int i = 0; i < 4; i++) {
		answer.object = object_of(i % 2 ? "hell" : "Hello", NULL);
		answer.replayed = i / 2;
		fake_answer(remote->web->fake, &answer);
		t_fails(SANGRAHA_E_INTERNAL, put(remote, "hello", NULL));
		t_says("something else than was sent");
		assert_non_null(sangraha_rest_result_object(remote->result));
		sangraha_rest_result_free(sgh_take(remote->result));
		web_answers_object(remote->web);
		sangraha_object_unref(answer.object);
	}
}

struct seen_begin {
	struct sgh_buf bytes;
	unsigned begun;
	size_t before; /* bytes that were there when it began */
	int64_t size;
};

static void on_begin(void *arg, const struct sangraha_rest_result *result)
{
	struct seen_begin *seen = arg;

	seen->begun++;
	seen->before = seen->bytes.length;
	seen->size = sangraha_rest_result_size(result);
}

static int seen_write(void *arg, const void *data, size_t length)
{
	struct seen_begin *seen = arg;

	sgh_buf_append(&seen->bytes, data, length);
	return 0;
}

static int get(struct remote *remote, uint64_t offset, uint64_t length,
	       struct seen_begin *seen)
{
	const struct sangraha_rest_get options = {
		.size = sizeof(options),
		.offset = offset,
		.length = length,
		.begin = on_begin,
	};

	return sangraha_rest_client_get(remote->client, "image", WEB_ID, &options,
					seen_write, seen, &remote->result, &t_err);
}

static void serve(struct remote *remote, const char *bytes)
{
	struct sangraha_object *object = object_of(bytes, "a.png");
	struct fake_answer answer = { .object = object,
				      .data = bytes,
				      .length = strlen(bytes) };

	sangraha_object_unref(remote->web->object);
	remote->web->object = object;
	fake_answer(remote->web->fake, &answer);
}

static void a_whole_object_is_checked(void **state)
{
	struct remote *remote = *state;
	struct seen_begin seen = { 0 };

	serve(remote, "0123456789");
	t_ok(get(remote, 0, 0, &seen));
	assert_string_equal(sgh_buf_text(&seen.bytes), "0123456789");
	assert_int_equal(seen.begun, 1);
	assert_int_equal(seen.before, 0);
	assert_int_equal(seen.size, 10);
	sgh_buf_fini(&seen.bytes);
}

static void a_part_of_an_object_is_fetched(void **state)
{
	static const struct {
		uint64_t offset;
		uint64_t length;
		const char *bytes;
	} parts[] = {
		{ 2, 3, "234" }, { 2, 0, "23456789" },           { 0, 1, "0" },
		{ 9, 100, "9" }, { 1, UINT64_MAX, "123456789" },
	};
	struct remote *remote = *state;

	serve(remote, "0123456789");
	for (size_t i = 0; i < SGH_COUNT(parts); i++) {
		struct seen_begin seen = { 0 };

		t_ok(get(remote, parts[i].offset, parts[i].length, &seen));
		assert_string_equal(sgh_buf_text(&seen.bytes), parts[i].bytes);
		assert_int_equal(seen.size, 10);
		assert_int_equal(sangraha_rest_result_code(remote->result), 206);
		sangraha_rest_result_free(sgh_take(remote->result));
		sgh_buf_fini(&seen.bytes);
	}
}

static void a_part_past_the_end_is_invalid(void **state)
{
	struct remote *remote = *state;
	struct seen_begin seen = { 0 };

	serve(remote, "0123456789");
	t_fails(SANGRAHA_E_INVALID, get(remote, 10, 0, &seen));
	assert_int_equal(sangraha_rest_result_code(remote->result), 416);
	assert_int_equal(seen.begun, 0);
}

static void an_empty_object_is_begun_too(void **state)
{
	struct remote *remote = *state;
	struct seen_begin seen = { 0 };

	serve(remote, "");
	t_ok(get(remote, 0, 0, &seen));
	assert_int_equal(seen.begun, 1);
	assert_int_equal(seen.bytes.length, 0);
}

static void errors_are_what_their_codes_say(void **state)
{
	static const struct {
		int status;
		int code;
	} errors[] = {
		{ SANGRAHA_E_INVALID, 400 },     { SANGRAHA_E_NOT_FOUND, 404 },
		{ SANGRAHA_E_CONFLICT, 409 },    { SANGRAHA_E_REJECTED, 422 },
		{ SANGRAHA_E_UNAVAILABLE, 503 }, { SANGRAHA_E_TIMEOUT, 504 },
		{ SANGRAHA_E_TOO_LARGE, 413 },   { SANGRAHA_E_GONE, 410 },
		{ SANGRAHA_E_OVERLOADED, 503 },  { SANGRAHA_E_UNSUPPORTED, 415 },
		{ SANGRAHA_E_INTERNAL, 500 },
	};
	struct remote *remote = *state;

	for (size_t i = 0; i < SGH_COUNT(errors); i++) {
		web_answers(remote->web, errors[i].status);
		t_fails(errors[i].status, put(remote, "x", NULL));
		assert_int_equal(sangraha_rest_result_code(remote->result),
				 errors[i].code);
		assert_int_equal(t_err.native, errors[i].code);
		assert_int_equal(sangraha_rest_result_retry_after(remote->result),
				 errors[i].code == 503 ? 1 : -1);
		sangraha_rest_result_free(sgh_take(remote->result));
	}
}

static void a_refusal_says_why(void **state)
{
	struct remote *remote = *state;
	struct fake_answer answer = { .status = SANGRAHA_E_REJECTED,
				      .message = "the PNG's IHDR is not the first chunk",
				      .declared = "image/png",
				      .detected = "image/gif",
				      .rule = "png.ihdr",
				      .offset = 8,
				      .has_offset = true };

	fake_answer(remote->web->fake, &answer);
	t_fails(SANGRAHA_E_REJECTED, put(remote, "x", NULL));
	t_says("IHDR is not the first chunk");
	assert_string_equal(sangraha_rest_result_declared(remote->result), "image/png");
	assert_string_equal(sangraha_rest_result_detected(remote->result), "image/gif");
	assert_string_equal(sangraha_rest_result_rule(remote->result), "png.ihdr");
	assert_int_equal(sangraha_rest_result_offset(remote->result), 8);
	assert_non_null(sangraha_rest_result_text(remote->result));
	assert_null(sangraha_rest_result_object(remote->result));
}

static void a_read_error_is_told_too(void **state)
{
	struct remote *remote = *state;
	struct seen_begin seen = { 0 };

	web_answers(remote->web, SANGRAHA_E_NOT_FOUND);
	t_fails(SANGRAHA_E_NOT_FOUND, get(remote, 0, 0, &seen));
	assert_int_equal(seen.begun, 0);
	sangraha_rest_result_free(sgh_take(remote->result));
	t_fails(SANGRAHA_E_NOT_FOUND,
		sangraha_rest_client_stat(remote->client, "image", WEB_ID,
					  &remote->result, &t_err));
	sangraha_rest_result_free(sgh_take(remote->result));
	t_fails(SANGRAHA_E_NOT_FOUND,
		sangraha_rest_client_delete(remote->client, "image", WEB_ID,
					    &remote->result, &t_err));
}

/* The server refuses the length by its header: nothing of the body is sent. */
static void a_body_over_the_limit_is_not_sent(void **state)
{
	struct remote *remote = *state;
	struct body body = { .data = "x", .length = 1 };

	fake_inline_limit(remote->web->fake, 2 << 20);
	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_rest_client_put(remote->client, (int64_t)1 << 40, endless_read,
					 &body, NULL, &remote->result, &t_err));
	assert_int_equal(sangraha_rest_result_code(remote->result), 413);
	assert_true(body.at <= 1 << 20);
}

static void tokens_are_sent_and_never_told(void **state)
{
	struct sangraha_rest_options options = { .api_token = "hush hush" };
	struct sangraha_rest_client_options good = { .size = sizeof(good),
						     .api_token = "hush hush" };
	struct sangraha_rest_client_options bad = { .size = sizeof(bad),
						    .api_token = "wrong-secret" };
	struct remote remote = { .web = honest_web(&options) };

	snprintf(remote.url, sizeof(remote.url), "http://127.0.0.1:%u/",
		 sangraha_rest_port(remote.web->rest));
	remote.client = client_of(remote.url, &good);
	t_ok(put(&remote, "x", NULL));
	sangraha_rest_result_free(sgh_take(remote.result));
	sangraha_rest_client_free(remote.client);
	remote.client = client_of(remote.url, &bad);
	t_fails(SANGRAHA_E_UNAUTHORIZED, put(&remote, "x", NULL));
	assert_null(strstr(t_err.message, "wrong-secret"));
	sangraha_rest_result_free(remote.result);
	sangraha_rest_client_free(remote.client);
	web_free(remote.web);
}

static void many_threads_share_a_client(void **state)
{
	struct remote *remote = *state;
	pthread_t threads[8];

	for (size_t i = 0; i < SGH_COUNT(threads); i++)
		t_ok(sgh_thread_start(&threads[i], "putter", put_some, remote->client,
				      &t_err));
	for (size_t i = 0; i < SGH_COUNT(threads); i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

/* ---- arguments ---- */

static void what_is_no_url_is_refused(void **state)
{
	static const char *const urls[] = {
		"",
		"localhost:8080",
		"ftp://host",
		"http://",
		"http://host:0",
		"http://host:65536",
		"http://host:port",
		"http://user:secret@host",
		"http://host?query",
		"http://host/#fragment",
		"http://host/a b",
		"http://host/a\r\nX: y",
		"http://host/%zz",
		"http://[::1",
		"http://[]",
		"http://ho st",
		"http://host:",
	};

	for (size_t i = 0; i < SGH_COUNT(urls); i++) {
		struct sangraha_context *context = t_context();
		struct sangraha_rest_client *client = NULL;

		t_fails(SANGRAHA_E_INVALID,
			sangraha_rest_client_new(context, urls[i], NULL, &client,
						 &t_err));
		assert_null(strstr(t_err.message, "secret"));
		sangraha_context_unref(context);
	}
}

static void what_is_a_url_is_taken(void **state)
{
	static const char *const urls[] = {
		"http://host",       "HTTPS://host:443/",     "http://[::1]:8080",
		"http://a_b.c-d:1/", "https://host/a/%20b//", "http://[fe80::1%25lo]",
	};

	for (size_t i = 0; i < SGH_COUNT(urls); i++)
		sangraha_rest_client_free(client_of(urls[i], NULL));
}

static void options_are_checked_first(void **state)
{
	static const char *const names[] = { "colour" };
	static const char *const bad[] = { "Col our" };
	static const struct sangraha_rest_put options[] = {
		{ .size = 1 },
		{ .size = sizeof(*options), .idempotency_key = "a\r\nX-Evil: 1" },
		{ .size = sizeof(*options), .idempotency_key = "" },
		{ .size = sizeof(*options), .idempotency_key = " " },
		{ .size = sizeof(*options), .content_type = "image/png\r\nX-Evil: 1" },
		{ .size = sizeof(*options), .content_type = "image/\x01" },
		{ .size = sizeof(*options), .filename = "a\r\nb" },
		{ .size = sizeof(*options), .filename = "../a" },
		{ .size = sizeof(*options), .filename = "" },
		{ .size = sizeof(*options), .type = "Image" },
		{ .size = sizeof(*options), .type = "a/b" },
		{ .size = sizeof(*options), .sha256 = "abc" },
		{ .size = sizeof(*options), .meta_count = 1 },
		{ .size = sizeof(*options), .meta_count = 1000000 },
		{ .size = sizeof(*options),
		  .meta_count = 1,
		  .meta_names = bad,
		  .meta_values = names },
	};
	struct remote *remote = *state;

	for (size_t i = 0; i < SGH_COUNT(options); i++) {
		t_fails(SANGRAHA_E_INVALID, put(remote, "x", &options[i]));
		assert_null(remote->result);
	}
	assert_int_equal(fake_requests(remote->web->fake), 0);
}

static void references_are_checked_first(void **state)
{
	static const char *const references[][2] = {
		{ NULL, WEB_ID },        { "image", NULL },
		{ "image", "" },         { "image", "../../metrics" },
		{ "im/age", WEB_ID },    { "image", WEB_ID "\r\n" },
		{ "image\r\n", WEB_ID }, { "", WEB_ID },
	};
	struct remote *remote = *state;
	sgh_autobuf struct sgh_buf bytes = { 0 };

	for (size_t i = 0; i < SGH_COUNT(references); i++) {
		const char *type = references[i][0];
		const char *id = references[i][1];

		t_fails(SANGRAHA_E_INVALID,
			sangraha_rest_client_stat(remote->client, type, id, NULL,
						  &t_err));
		t_fails(SANGRAHA_E_INVALID,
			sangraha_rest_client_delete(remote->client, type, id, NULL,
						    &t_err));
		t_fails(SANGRAHA_E_INVALID,
			sangraha_rest_client_get(remote->client, type, id, NULL,
						 buf_write, &bytes, NULL, &t_err));
	}
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_list(remote->client, "a b", 1, NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_rest_client_list(remote->client, NULL, 1001,
							      NULL, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_list(remote->client, NULL, 1, "a\nb", NULL, &t_err));
	assert_int_equal(fake_requests(remote->web->fake), 0);
}

static void nothing_at_all_is_invalid(void **state)
{
	struct remote *remote = *state;
	struct sangraha_rest_client *client = remote->client;
	struct sangraha_rest_result *result = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_new(NULL, "http://x", NULL, &client, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_rest_client_put(NULL, 0, body_read, NULL,
							     NULL, &result, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_put(client, 0, NULL, NULL, NULL, &result, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_rest_client_put(client, -2, body_read, NULL,
							     NULL, &result, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_get(client, "image", WEB_ID, NULL, NULL, NULL,
					 &result, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_stat(NULL, "image", WEB_ID, &result, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_delete(NULL, "image", WEB_ID, &result, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_client_list(NULL, NULL, 0, NULL, &result, &t_err));
	assert_null(result);
	sangraha_rest_client_free(NULL);
	sangraha_rest_result_free(NULL);
}

static void of_no_answer_nothing_is_told(void **state)
{
	assert_int_equal(sangraha_rest_result_code(NULL), 0);
	assert_null(sangraha_rest_result_text(NULL));
	assert_null(sangraha_rest_result_object(NULL));
	assert_null(sangraha_rest_result_at(NULL, 0));
	assert_null(sangraha_rest_result_next_cursor(NULL));
	assert_int_equal(sangraha_rest_result_replayed(NULL), 0);
	assert_null(sangraha_rest_result_correlation_id(NULL));
	assert_int_equal(sangraha_rest_result_retry_after(NULL), -1);
	assert_null(sangraha_rest_result_declared(NULL));
	assert_null(sangraha_rest_result_detected(NULL));
	assert_null(sangraha_rest_result_rule(NULL));
	assert_int_equal(sangraha_rest_result_offset(NULL), -1);
	assert_null(sangraha_rest_result_filename(NULL));
	assert_null(sangraha_rest_result_content_type(NULL));
	assert_null(sangraha_rest_result_etag(NULL));
	assert_int_equal(sangraha_rest_result_size(NULL), -1);
}

#define CASE(name)  cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define ALONE(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	CASE(a_put_describes_what_it_stored),
	CASE(a_get_hands_out_the_bytes),
	CASE(a_stat_describes),
	CASE(a_delete_deletes),
	CASE(a_page_of_a_thousand_fits),
	CASE(a_repeat_is_told),
	CASE(what_describes_other_bytes_is_no_success),
	CASE(options_arrive_as_they_are),
	CASE(nothing_is_declared_by_itself),
	CASE(bodies_of_all_lengths_arrive),
	CASE(a_body_must_have_the_length_that_was_told),
	CASE(a_reader_that_fails_stores_nothing),
	CASE(a_whole_object_is_checked),
	CASE(a_part_of_an_object_is_fetched),
	CASE(a_part_past_the_end_is_invalid),
	CASE(an_empty_object_is_begun_too),
	CASE(errors_are_what_their_codes_say),
	CASE(a_refusal_says_why),
	CASE(a_read_error_is_told_too),
	CASE(a_body_over_the_limit_is_not_sent),
	ALONE(tokens_are_sent_and_never_told),
	CASE(many_threads_share_a_client),
	ALONE(what_is_no_url_is_refused),
	ALONE(what_is_a_url_is_taken),
	CASE(options_are_checked_first),
	CASE(references_are_checked_first),
	CASE(nothing_at_all_is_invalid),
	ALONE(of_no_answer_nothing_is_told),
};

t_main(tests)

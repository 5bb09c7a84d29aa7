/* SPDX-License-Identifier: MIT */
#include "support/peer.h"
#include "support/t.h"
#include "support/web.h"

#include "base/buf.h"

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

static int set_up(void **state)
{
	struct sangraha_rest_options options = { .threads = 2 };
	struct remote *remote = calloc(1, sizeof(*remote));

	remote->web = web_new(&options);
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

static void an_error_is_what_its_code_says(void **state)
{
	struct remote *remote = *state;

	web_answers(remote->web, SANGRAHA_E_GONE);
	t_fails(SANGRAHA_E_GONE, put(remote, "x", NULL));
	assert_int_equal(sangraha_rest_result_code(remote->result), 410);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(a_put_describes_what_it_stored),
	CASE(a_get_hands_out_the_bytes),
	CASE(a_stat_describes),
	CASE(a_delete_deletes),
	CASE(a_page_of_a_thousand_fits),
	CASE(an_error_is_what_its_code_says),
};

t_main(tests)

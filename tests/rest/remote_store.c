/* SPDX-License-Identifier: MIT */
#include "support/peer.h"
#include "support/t.h"

#include <sangraha/rest.h>

#include "base/buf.h"

/* The client of the HTTP interface where the server sends it to the store for the bytes. */

#define ID "0199f2c4-0000-7000-8000-00000000feed"
/* Of "hello". */
#define HELLO_SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define FROM_STORE(status, headers, body)                                              \
	{                                                                              \
		.bytes = "HTTP/1.1 " status "\r\nETag: \"of-the-store-2\"\r\n" headers \
			 "\r\n" body                                                   \
	}
#define HELLO FROM_STORE("200 OK", "Content-Length: 5\r\n", "hello")

struct fixture {
	struct t_peer *server;
	struct t_peer *store;
	char redirect[1024]; /* what the server answers */
	struct t_answer answers[2];
	struct sangraha_rest_client *client;
	struct sangraha_rest_result *result;
	struct sgh_buf bytes;
	char tag[100]; /* as begin() saw it */
};

/* A server that points to `location`, or to the store that answers so. */
static struct fixture *fixture_new(const struct t_answer *answer, const char *location)
{
	struct sangraha_rest_client_options options = {
		.size = sizeof(options),
		.api_token = "a-secret",
	};
	struct sangraha_context *context = t_context();
	struct fixture *f = calloc(1, sizeof(*f));

	if (answer) {
		f->answers[1] = *answer;
		f->store = t_peer_new(&f->answers[1], 1);
	}
	snprintf(f->redirect, sizeof(f->redirect),
		 "HTTP/1.1 307 Temporary Redirect\r\n"
		 "Location: %s%s\r\n"
		 "ETag: \"" HELLO_SHA256 "\"\r\n"
		 "Content-Disposition: inline; filename=\"a.png\"\r\n"
		 "X-Correlation-ID: abc\r\n"
		 "Content-Length: 0\r\n\r\n",
		 f->store ? t_peer_url(f->store) : "", location);
	f->answers[0].bytes = f->redirect;
	f->server = t_peer_new(&f->answers[0], 1);
	t_ok(sangraha_rest_client_new(context, t_peer_url(f->server), &options,
				      &f->client, &t_err));
	sangraha_context_unref(context);
	return f;
}

static void fixture_free(struct fixture *f)
{
	sangraha_rest_result_free(f->result);
	sangraha_rest_client_free(f->client);
	t_peer_free(f->server);
	t_peer_free(f->store);
	sgh_buf_fini(&f->bytes);
	free(f);
}

static int on_write(void *arg, const void *data, size_t length)
{
	struct fixture *f = arg;

	sgh_buf_append(&f->bytes, data, length);
	return 0;
}

static void on_begin(void *arg, const struct sangraha_rest_result *result)
{
	struct fixture *f = arg;

	snprintf(f->tag, sizeof(f->tag), "%s", sangraha_rest_result_etag(result));
	assert_string_equal(sangraha_rest_result_filename(result), "a.png");
}

static int get_part(struct fixture *f, uint64_t offset, uint64_t length)
{
	const struct sangraha_rest_get options = {
		.size = sizeof(options),
		.offset = offset,
		.length = length,
		.begin = on_begin,
	};

	return sangraha_rest_client_get(f->client, "image", ID, &options, on_write, f,
					&f->result, &t_err);
}

static void the_bytes_come_from_the_store(void **state)
{
	const struct t_answer answer = HELLO;
	struct fixture *f = fixture_new(&answer, "/bucket/key?X-Amz-Signature=01");

	t_ok(get_part(f, 0, 0));
	assert_string_equal(sgh_buf_text(&f->bytes), "hello");
	/* What the server said of it counts. */
	assert_string_equal(f->tag, "\"" HELLO_SHA256 "\"");
	assert_string_equal(sangraha_rest_result_etag(f->result), f->tag);
	assert_string_equal(sangraha_rest_result_correlation_id(f->result), "abc");
	assert_int_equal(sangraha_rest_result_size(f->result), 5);
	assert_non_null(strstr(t_peer_request(f->store, 0),
			       "GET /bucket/key?X-Amz-Signature=01 HTTP/1.1\r\n"));
	fixture_free(f);
}

static void the_token_is_for_the_server_alone(void **state)
{
	const struct t_answer answer = HELLO;
	struct fixture *f = fixture_new(&answer, "/key");

	t_ok(get_part(f, 0, 0));
	assert_non_null(strstr(t_peer_request(f->server, 0), "Bearer a-secret"));
	assert_null(strstr(t_peer_request(f->store, 0), "a-secret"));
	assert_null(strcasestr(t_peer_request(f->store, 0), "authorization"));
	fixture_free(f);
}

static void a_part_is_asked_for_there_too(void **state)
{
	const struct t_answer answer =
		FROM_STORE("206 Partial Content",
			   "Content-Range: bytes 1-3/5\r\nContent-Length: 3\r\n", "ell");
	struct fixture *f = fixture_new(&answer, "/key");

	t_ok(get_part(f, 1, 3));
	assert_string_equal(sgh_buf_text(&f->bytes), "ell");
	assert_int_equal(sangraha_rest_result_size(f->result), 5);
	assert_non_null(strstr(t_peer_request(f->store, 0), "Range: bytes=1-3\r\n"));
	fixture_free(f);
}

static void other_bytes_are_found_out(void **state)
{
	const struct t_answer answer =
		FROM_STORE("200 OK", "Content-Length: 5\r\n", "hullo");
	struct fixture *f = fixture_new(&answer, "/key");

	t_fails(SANGRAHA_E_INTERNAL, get_part(f, 0, 0));
	t_says("another SHA-256");
	fixture_free(f);
}

static void what_the_store_refuses_may_be_tried_again(void **state)
{
	static const struct {
		struct t_answer answer;
		int status;
	} rows[] = {
		{ FROM_STORE("403 Forbidden", "Content-Length: 3\r\n", "<x>"),
		  SANGRAHA_E_UNAVAILABLE },
		{ FROM_STORE("503 Slow Down", "Content-Length: 0\r\n", ""),
		  SANGRAHA_E_UNAVAILABLE },
		{ FROM_STORE("404 Not Found", "Content-Length: 0\r\n", ""),
		  SANGRAHA_E_NOT_FOUND },
		/* It is followed once. */
		{ FROM_STORE("307 Temporary Redirect",
			     "Location: /there\r\nContent-Length: 0\r\n", ""),
		  SANGRAHA_E_INTERNAL },
	};

	for (size_t i = 0; i < SGH_COUNT(rows); i++) {
		struct fixture *f =
			fixture_new(&rows[i].answer, "/key?X-Amz-Signature=0123");

		t_fails(rows[i].status, get_part(f, 0, 0));
		t_says("the store at http://");
		/* Who has the address has the object. */
		assert_null(strstr(t_err.message, "Signature"));
		assert_string_equal(sangraha_rest_result_correlation_id(f->result),
				    "abc");
		fixture_free(f);
	}
}

static void a_store_that_is_not_there_is_named(void **state)
{
	char *url = t_refusing_url("http");
	char location[120];
	struct fixture *f;

	snprintf(location, sizeof(location), "%s/key?X-Amz-Signature=0123", url);
	f = fixture_new(NULL, location);
	t_fails(SANGRAHA_E_UNAVAILABLE, get_part(f, 0, 0));
	t_says("cannot connect to ");
	t_says(url);
	assert_null(strstr(t_err.message, "Signature"));
	assert_int_equal(sangraha_rest_result_code(f->result), 307);
	fixture_free(f);
	free(url);
}

static void what_is_no_address_is_not_followed(void **state)
{
	static const char *const locations[] = {
		"ftp://store/key",    "/key", "http://", "http://user:secret@store/key",
		"file:///etc/passwd",
	};

	for (size_t i = 0; i < SGH_COUNT(locations); i++) {
		struct fixture *f = fixture_new(NULL, locations[i]);

		t_fails(SANGRAHA_E_INTERNAL, get_part(f, 0, 0));
		t_says("no address");
		fixture_free(f);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_bytes_come_from_the_store),
	cmocka_unit_test(the_token_is_for_the_server_alone),
	cmocka_unit_test(a_part_is_asked_for_there_too),
	cmocka_unit_test(other_bytes_are_found_out),
	cmocka_unit_test(what_the_store_refuses_may_be_tried_again),
	cmocka_unit_test(a_store_that_is_not_there_is_named),
	cmocka_unit_test(what_is_no_address_is_not_followed),
};

t_main(tests)

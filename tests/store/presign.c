/* SPDX-License-Identifier: MIT */
#include "wire/sigv4.h"

#include "http/http.h"
#include "support/t.h"

#include <sangraha/store.h>

/* What live servers make of presigned requests: exactly what was signed passes, once. */

static const char *const servers[] = { "SANGRAHA_TEST_MINIO_URL",
				       "SANGRAHA_TEST_VERSITY_URL" };

#define BUCKET "presign-test"

struct fixture {
	struct sgh_http *http;
	const char *base; /* "http://host:port" */
	char path[128];
	char url[2048];
	bool done; /* atomic */
	struct sgh_http_request request;
};

static void on_done(struct sgh_http_request *request)
{
	struct fixture *f = sgh_container_of(request, struct fixture, request);

	__atomic_store_n(&f->done, true, __ATOMIC_RELEASE);
}

static int set_up(void **state)
{
	const char *url = getenv(*state);
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!url)
		return 0;
	f->base = url + strlen("s3+");
	snprintf(f->path, sizeof(f->path), "/" BUCKET "/a b=%lld",
		 (long long)sgh_now_us());
	t_ok(sgh_http_new(&(struct sgh_http_options){ .connections = 1 }, &f->http,
			  &t_err));

	struct sangraha_context *context = t_context();
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = t_need("SANGRAHA_TEST_S3_ACCESS_KEY"),
		.secret_key = t_need("SANGRAHA_TEST_S3_SECRET_KEY"),
		.bucket_prefix = "presign-",
	};
	struct sangraha_store *store;

	t_ok(sangraha_store_open(context, url, &options, &store, &t_err));
	t_ok(sangraha_store_make_bucket(store, "test", 0, &t_err));
	sangraha_store_unref(store);
	sangraha_context_unref(context);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sgh_http_free(f->http);
	sgh_http_request_fini(&f->request);
	free(f);
	return 0;
}

static struct fixture *needed(void **state)
{
	struct fixture *f = *state;

	if (!f->http)
		t_skip("this server is not there");
	return f;
}

/* Sign for five bytes of text/plain that are not there yet, `age_s` seconds ago. */
static void presign(struct fixture *f, const char *method, bool pinned, unsigned age_s)
{
	const struct sgh_sigv4_scope scope = { t_need("SANGRAHA_TEST_S3_ACCESS_KEY"),
					       t_need("SANGRAHA_TEST_S3_SECRET_KEY"),
					       "us-east-1", "s3" };
	const struct sgh_pair headers[] = {
		{ "Host", strstr(f->base, "://") + 3 }, { "Content-Length", "5" },
		{ "Content-Type", "text/plain" },       { "If-None-Match", "*" },
		{ "x-amz-meta-sangraha", "1" },
	};
	const struct sgh_sigv4_request request = {
		.method = method,
		.path = f->path,
		.headers = headers,
		.header_count = pinned ? SGH_COUNT(headers) : 1,
		.payload = SGH_SIGV4_UNSIGNED,
	};
	struct sgh_sigv4_work work = { { 0 } };
	sgh_autobuf struct sgh_buf url = SGH_BUF_INIT(sizeof(f->url));
	char date[SGH_SIGV4_DATE_SIZE];
	struct sgh_sigv4_key key;

	sgh_sigv4_date(sgh_time_ms() - age_s * 1000, date);
	t_ok(sgh_sigv4_derive(&scope, date, &key, &t_err));
	sgh_buf_puts(&url, f->base);
	t_ok(sgh_sigv4_presign(&request, &scope, &key, date, 60, &work, &url, &t_err));
	snprintf(f->url, sizeof(f->url), "%s", url.data);
	sgh_sigv4_work_fini(&work);
}

/* Send to the signed URL; returns the HTTP status. */
static long send_it(struct fixture *f, const char *method, const char *text,
		    const char *type, const char *condition)
{
	const char *headers[] = { "x-amz-meta-sangraha: 1", type, condition };
	struct sgh_bytes *body = text ? t_bytes(text) : NULL;

	sgh_http_request_fini(&f->request);
	f->request = (struct sgh_http_request){
		.method = method,
		.url = f->url,
		.headers = headers,
		.header_count = !text       ? 0
				: condition ? 3
					    : 2,
		.body = body,
		.deadline_ms = sgh_now_ms() + 10000,
		.done = on_done,
	};
	f->done = false;
	t_ok(sgh_http_submit(f->http, &f->request, &t_err));
	t_wait(__atomic_load_n(&f->done, __ATOMIC_ACQUIRE));
	t_err = f->request.err;
	t_ok(f->request.status);
	sgh_bytes_unref(body);
	return f->request.code;
}

#define TYPE "Content-Type: text/plain"
#define NEW  "If-None-Match: *"

static void what_was_signed_passes_once(void **state)
{
	struct fixture *f = needed(state);

	presign(f, "PUT", true, 0);
	assert_int_equal(send_it(f, "PUT", "hello", TYPE, NEW), 200);
	assert_int_equal(send_it(f, "PUT", "hello", TYPE, NEW), 412);
	presign(f, "GET", false, 0);
	assert_int_equal(send_it(f, "GET", NULL, NULL, NULL), 200);
	assert_string_equal(sgh_buf_text(&f->request.text), "hello");
}

static void anything_else_is_refused(void **state)
{
	struct fixture *f = needed(state);

	presign(f, "PUT", true, 0);
	assert_in_range(send_it(f, "PUT", "hello!", TYPE, NEW), 400, 403);
	assert_in_range(send_it(f, "PUT", "hello", "Content-Type: text/html", NEW), 400,
			403);
	assert_in_range(send_it(f, "PUT", "hello", TYPE, NULL), 400, 403);
	assert_in_range(send_it(f, "GET", NULL, NULL, NULL), 400, 403);
}

static void what_has_expired_is_refused(void **state)
{
	struct fixture *f = needed(state);

	presign(f, "PUT", true, 70);
	assert_in_range(send_it(f, "PUT", "hello", TYPE, NEW), 400, 403);
}

#define CASE(function, server)                                      \
	{                                                           \
#function "." #server, function, set_up, tear_down, \
			(void *)servers[server]                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_signed_passes_once, 0),
		CASE(what_was_signed_passes_once, 1),
		CASE(anything_else_is_refused, 0),
		CASE(anything_else_is_refused, 1),
		CASE(what_has_expired_is_refused, 0),
		CASE(what_has_expired_is_refused, 1),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}

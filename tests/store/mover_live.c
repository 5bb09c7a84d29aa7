/* SPDX-License-Identifier: MIT */
#include "store/mover.h"

#include "http/http.h"
#include "store/store.h"
#include "support/t.h"
#include "wire/sha256.h"

/* Tickets and uploads in parts, as live servers take them. */

static const char *const servers[] = { "SANGRAHA_TEST_MINIO_URL",
				       "SANGRAHA_TEST_VERSITY_URL" };

#define FIRST        (5 << 20) /* bytes of a first part */
#define HELLO_CRC32C "9a71bb4c"

struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct sgh_mover *mover;
	struct sgh_http *http;
	char key[64];
	struct sgh_arena arena;
	struct sgh_ticket *ticket;
	struct sgh_store_op op;
	struct sgh_bytes *body;
	struct sgh_move move;
	struct sgh_http_request request;
	char headers[2000]; /* of the last answer to `request` */
	char *upload;
	char etags[2][sizeof(((struct sgh_move *)NULL)->etag)];
	char got[64];
	bool done; /* atomic */
};

static int set_up(void **state)
{
	const char *url = getenv(*state);
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!url)
		return 0;

	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = t_need("SANGRAHA_TEST_S3_ACCESS_KEY"),
		.secret_key = t_need("SANGRAHA_TEST_S3_SECRET_KEY"),
		.bucket_prefix = "mover-",
	};

	snprintf(f->key, sizeof(f->key), "a b=%lld", (long long)sgh_now_us());
	f->context = t_context();
	t_ok(sangraha_store_open(f->context, url, &options, &f->store, &t_err));
	t_ok(sangraha_store_make_bucket(f->store, "meta", 0, &t_err));
	t_ok(sangraha_store_make_bucket(f->store, "image", 0, &t_err));
	t_ok(sgh_mover_new(f->context, NULL, &f->mover, &t_err));
	t_ok(sgh_http_new(&(struct sgh_http_options){ .connections = 1 }, &f->http,
			  &t_err));
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sgh_store_op_fini(&f->op);
	sgh_http_request_fini(&f->request);
	sgh_bytes_unref(f->body);
	sgh_arena_fini(&f->arena);
	sgh_http_free(f->http);
	sgh_mover_free(f->mover);
	sangraha_store_unref(f->store);
	sangraha_context_unref(f->context);
	free(f->upload);
	free(f);
	return 0;
}

static struct fixture *needed(void **state)
{
	struct fixture *f = *state;

	if (!f->store)
		t_skip("this server is not there");
	return f;
}

static void finished(struct fixture *f)
{
	__atomic_store_n(&f->done, true, __ATOMIC_RELEASE);
}

static void op_done(struct sgh_store_op *op)
{
	finished(sgh_container_of(op, struct fixture, op));
}

static void move_done(struct sgh_move *move)
{
	finished(sgh_container_of(move, struct fixture, move));
}

static void request_done(struct sgh_http_request *request)
{
	finished(sgh_container_of(request, struct fixture, request));
}

static void wait_done(struct fixture *f)
{
	t_wait(__atomic_load_n(&f->done, __ATOMIC_ACQUIRE));
	f->done = false;
}

static struct sgh_store_op *fresh(struct fixture *f, enum sgh_store_verb verb)
{
	sgh_store_op_fini(&f->op);
	f->op = (struct sgh_store_op){
		.verb = verb,
		.bucket = "image",
		.key = f->key,
		.upload = f->upload,
		.limit = 1000,
		.deadline_ms = sgh_now_ms() + 30000,
		.done = op_done,
	};
	return &f->op;
}

static int run(struct fixture *f)
{
	t_ok(sgh_store_submit(f->store, &f->op, &t_err));
	wait_done(f);
	t_err = f->op.err;
	return f->op.status;
}

static int run_verb(struct fixture *f, enum sgh_store_verb verb)
{
	fresh(f, verb);
	return run(f);
}

static struct sgh_store_grant grant_of(struct fixture *f, enum sgh_ticket_kind kind)
{
	return (struct sgh_store_grant){
		.kind = kind,
		.bucket = "image",
		.key = f->key,
		.expires_ms = sgh_time_ms() + 60000,
		.upload = f->upload,
		.record = "r",
		.first_part = 1,
		.part_count = 2,
	};
}

static void issue(struct fixture *f, const struct sgh_store_grant *grant)
{
	t_ok(sgh_store_ticket(f->store, grant, &f->arena, &f->ticket, &t_err));
}

static const char *sha256_of(const void *data, size_t length)
{
	static char hex[SANGRAHA_SHA256_SIZE];

	t_ok(sgh_sha256_hex(data, length, hex, &t_err));
	return hex;
}

/* A ticket for a PNG of five bytes, "hello". */
static void issue_put_with(struct fixture *f, const char *crc32c)
{
	static const struct sgh_pair meta[] = { { "sangraha", "1" },
						{ "sangraha-filename", "a%20b" } };
	struct sgh_store_grant grant = grant_of(f, SGH_TICKET_PUT);

	grant.size = 5;
	grant.content_type = "image/png";
	grant.meta = meta;
	grant.meta_count = SGH_COUNT(meta);
	grant.sha256 = sha256_of("hello", 5);
	grant.crc32c = crc32c;
	issue(f, &grant);
}

static void issue_put(struct fixture *f)
{
	issue_put_with(f, NULL);
}

static struct sgh_move *moving(struct fixture *f, unsigned n)
{
	f->move = (struct sgh_move){
		.kind = f->ticket->kind,
		.url = f->ticket->urls[n],
		.headers = f->ticket->headers,
		.header_count = f->ticket->header_count,
		.deadline_ms = sgh_now_ms() + 30000,
		.done = move_done,
	};
	return &f->move;
}

static int move_it(struct fixture *f)
{
	t_ok(sgh_mover_submit(f->mover, &f->move, &t_err));
	wait_done(f);
	t_err = f->move.err;
	return f->move.status;
}

static int put_text(struct fixture *f, const char *text)
{
	sgh_bytes_unref(f->body);
	f->body = t_bytes(text);
	moving(f, 0)->body = f->body;
	return move_it(f);
}

static int on_push(struct sgh_move *move, const void *data, size_t length)
{
	struct fixture *f = sgh_container_of(move, struct fixture, move);

	assert_true(move->moved + length < sizeof(f->got));
	memcpy(f->got + move->moved, data, length);
	return 0;
}

static int get_range(struct fixture *f, uint64_t offset, uint64_t length)
{
	struct sgh_move *move = moving(f, 0);

	memset(f->got, 0, sizeof(f->got));
	move->push = on_push;
	move->offset = offset;
	move->length = length;
	return move_it(f);
}

static void what_was_granted_is_put_once(void **state)
{
	struct fixture *f = needed(state);

	issue_put(f);
	t_ok(put_text(f, "hello"));
	assert_string_not_equal(f->move.etag, "");
	t_fails(SANGRAHA_E_PRECONDITION, put_text(f, "hello"));
	t_ok(run_verb(f, SGH_STORE_HEAD));
	assert_int_equal(f->op.head.size, 5);
	assert_string_equal(f->op.head.content_type, "image/png");
	assert_int_equal(f->op.head.meta_count, 2);
}

static void nothing_else_is_put(void **state)
{
	struct fixture *f = needed(state);

	issue_put(f);
	assert_int_not_equal(put_text(f, "hello!"), 0);
	t_fails(SANGRAHA_E_UNAVAILABLE, put_text(f, "hullo"));
	f->ticket->headers[0].value = "text/html";
	t_fails(SANGRAHA_E_UNAUTHORIZED, put_text(f, "hello"));
	t_fails(SANGRAHA_E_NOT_FOUND, run_verb(f, SGH_STORE_HEAD));
}

/* The last header of such a ticket. */
static struct sgh_pair *crc_of(struct fixture *f)
{
	struct sgh_pair *last = &f->ticket->headers[f->ticket->header_count - 1];

	assert_string_equal(last->name, "x-amz-checksum-crc32c");
	return last;
}

static void a_crc_finds_what_was_damaged(void **state)
{
	struct fixture *f = needed(state);
	const char *right;

	issue_put_with(f, HELLO_CRC32C);
	t_fails(SANGRAHA_E_UNAVAILABLE, put_text(f, "hullo"));
	right = crc_of(f)->value;
	crc_of(f)->value = "AAAAAA==";
	t_fails(SANGRAHA_E_UNAUTHORIZED, put_text(f, "hello"));
	crc_of(f)->value = right;
	f->ticket->header_count--;
	t_fails(SANGRAHA_E_UNAUTHORIZED, put_text(f, "hello"));
	f->ticket->header_count++;
	t_fails(SANGRAHA_E_NOT_FOUND, run_verb(f, SGH_STORE_HEAD));
	t_ok(put_text(f, "hello"));
	t_fails(SANGRAHA_E_PRECONDITION, put_text(f, "hello"));
	t_fails(SANGRAHA_E_PRECONDITION, put_text(f, "hullo"));
}

static int64_t on_pull(struct sgh_move *move, void *data, size_t size)
{
	size_t n = sgh_min(size, 5);

	memcpy(data, "hello", n);
	return (int64_t)n;
}

static void a_pulled_body_has_its_length_too(void **state)
{
	struct fixture *f = needed(state);
	struct sgh_move *move;

	issue_put(f);
	move = moving(f, 0);
	move->pull = on_pull;
	move->length = 5;
	t_ok(move_it(f));
}

static void a_range_is_got(void **state)
{
	struct fixture *f = needed(state);
	const struct sgh_store_grant grant = grant_of(f, SGH_TICKET_GET);

	issue_put(f);
	t_ok(put_text(f, "hello"));
	issue(f, &grant);
	t_ok(get_range(f, 1, 3));
	assert_string_equal(f->got, "ell");
	t_ok(get_range(f, 0, 5));
	assert_string_equal(f->got, "hello");
	t_ok(get_range(f, 4, 1));
	assert_string_equal(f->got, "o");
	assert_int_not_equal(get_range(f, 5, 1), 0);
}

static void nothing_is_not_found(void **state)
{
	struct fixture *f = needed(state);
	const struct sgh_store_grant grant = grant_of(f, SGH_TICKET_GET);

	issue(f, &grant);
	t_fails(SANGRAHA_E_NOT_FOUND, get_range(f, 0, 5));
}

static void on_header(struct sgh_http_request *request, const char *name,
		      size_t name_length, const char *value, size_t value_length)
{
	struct fixture *f = sgh_container_of(request, struct fixture, request);
	size_t used = strlen(f->headers);

	snprintf(f->headers + used, sizeof(f->headers) - used, "%.*s: %.*s\n",
		 (int)name_length, name, (int)value_length, value);
}

static void a_browser_is_told_what_the_grant_says(void **state)
{
	struct fixture *f = needed(state);
	struct sgh_store_grant grant = grant_of(f, SGH_TICKET_GET);

	issue_put(f);
	t_ok(put_text(f, "hello"));
	grant.response_type = "application/octet-stream";
	grant.response_disposition = "attachment; filename=\"a b.png\"; "
				     "filename*=UTF-8''Men%C3%BC.png";
	issue(f, &grant);
	f->request = (struct sgh_http_request){
		.method = "GET",
		.url = f->ticket->urls[0],
		.deadline_ms = sgh_now_ms() + 30000,
		.on_header = on_header,
		.done = request_done,
	};
	t_ok(sgh_http_submit(f->http, &f->request, &t_err));
	wait_done(f);
	assert_int_equal(f->request.code, 200);
	assert_non_null(
		strcasestr(f->headers, "Content-Type: application/octet-stream\n"));
	assert_non_null(strcasestr(f->headers, "Content-Disposition: attachment; "
					       "filename=\"a b.png\"; "
					       "filename*=UTF-8''Men%C3%BC.png\n"));
	assert_non_null(strcasestr(f->headers, "Cache-Control: private, no-cache\n"));
}

static void begin_upload(struct fixture *f)
{
	static const struct sgh_pair meta[] = { { "sangraha-record", "r" } };
	struct sgh_store_op *op = fresh(f, SGH_STORE_UPLOAD_BEGIN);

	op->content_type = "image/png";
	op->meta = meta;
	op->meta_count = 1;
	t_ok(run(f));
	free(f->upload);
	f->upload = strdup(f->op.begun_upload);
}

static int put_part(struct fixture *f, unsigned number, size_t length)
{
	int rc;

	sgh_bytes_unref(f->body);
	f->body = sgh_bytes_new(NULL, length);
	memset(f->body->data, 'a' + (int)number, length);
	f->body->length = length;
	moving(f, number - 1)->body = f->body;
	rc = move_it(f);
	snprintf(f->etags[number - 1], sizeof(f->etags[0]), "%s", f->move.etag);
	return rc;
}

static void put_both_parts(struct fixture *f)
{
	const struct sgh_store_grant grant = grant_of(f, SGH_TICKET_PARTS);

	issue(f, &grant);
	t_ok(put_part(f, 2, 5));
	t_ok(put_part(f, 1, FIRST));
}

static int complete(struct fixture *f, bool if_none_match)
{
	const struct sgh_part parts[] = { { 1, FIRST, f->etags[0] },
					  { 2, 5, f->etags[1] } };
	struct sgh_store_op *op = fresh(f, SGH_STORE_UPLOAD_COMPLETE);

	op->parts = parts;
	op->part_count = 2;
	op->if_none_match = if_none_match;
	return run(f);
}

static void parts_become_an_object(void **state)
{
	struct fixture *f = needed(state);
	const struct sgh_store_grant grant = grant_of(f, SGH_TICKET_GET);

	begin_upload(f);
	put_both_parts(f);
	t_ok(run_verb(f, SGH_STORE_UPLOAD_PARTS));
	assert_int_equal(f->op.found_part_count, 2);
	assert_int_equal(f->op.found_parts[0].size, FIRST);
	assert_string_equal(f->op.found_parts[0].etag, f->etags[0]);
	assert_string_equal(f->op.found_parts[1].etag, f->etags[1]);
	t_fails(SANGRAHA_E_NOT_FOUND, run_verb(f, SGH_STORE_HEAD));
	t_ok(complete(f, true));
	issue(f, &grant);
	t_ok(get_range(f, FIRST - 2, 4));
	assert_string_equal(f->got, "bbcc");
}

static void the_whole_of_a_large_object_is_its_description(void **state)
{
	struct fixture *f = needed(state);

	begin_upload(f);
	put_both_parts(f);
	t_ok(complete(f, true));
	for (unsigned i = 0; i < 3; i++) {
		fresh(f, SGH_STORE_GET)->max_length = 1 << 16;
		f->op.whole = true;
		t_ok(run(f));
		assert_null(f->op.data);
		assert_int_equal(f->op.head.size, FIRST + 5);
		assert_string_equal(f->op.head.content_type, "image/png");
		assert_string_equal(f->op.head.meta[0].name, "sangraha-record");
	}
}

static void a_second_completion_changes_nothing(void **state)
{
	struct fixture *f = needed(state);
	int rc;

	begin_upload(f);
	put_both_parts(f);
	t_ok(complete(f, false));
	rc = complete(f, false);
	assert_true(rc == 0 || rc == SANGRAHA_E_NOT_FOUND);
	t_ok(run_verb(f, SGH_STORE_HEAD));
	assert_int_equal(f->op.head.size, FIRST + 5);
	t_ok(run_verb(f, SGH_STORE_UPLOAD_FIND));
	assert_int_equal(f->op.upload_count, 0);
}

static void a_key_is_completed_once(void **state)
{
	struct fixture *f = needed(state);

	issue_put(f);
	t_ok(put_text(f, "hello"));
	begin_upload(f);
	put_both_parts(f);
	t_fails(SANGRAHA_E_PRECONDITION, complete(f, true));
	t_ok(run_verb(f, SGH_STORE_HEAD));
	assert_int_equal(f->op.head.size, 5);
	t_ok(run_verb(f, SGH_STORE_UPLOAD_ABORT));
}

static void other_parts_than_there_are_cannot_be_completed(void **state)
{
	struct fixture *f = needed(state);

	begin_upload(f);
	put_both_parts(f);
	snprintf(f->etags[1], sizeof(f->etags[1]), "\"%032d\"", 0);
	t_fails(SANGRAHA_E_INVALID, complete(f, true));
	t_ok(run_verb(f, SGH_STORE_UPLOAD_ABORT));
}

static void an_aborted_upload_takes_no_parts(void **state)
{
	struct fixture *f = needed(state);
	struct sgh_store_grant grant;

	begin_upload(f);
	grant = grant_of(f, SGH_TICKET_PARTS);
	issue(f, &grant);
	t_ok(put_part(f, 2, 5));
	t_ok(run_verb(f, SGH_STORE_UPLOAD_FIND));
	assert_int_equal(f->op.upload_count, 1);
	assert_string_equal(f->op.uploads[0], f->upload);
	t_ok(run_verb(f, SGH_STORE_UPLOAD_ABORT));
	t_ok(run_verb(f, SGH_STORE_UPLOAD_ABORT));
	t_fails(SANGRAHA_E_NOT_FOUND, put_part(f, 1, 5));
	t_fails(SANGRAHA_E_NOT_FOUND, run_verb(f, SGH_STORE_UPLOAD_PARTS));
	t_ok(run_verb(f, SGH_STORE_UPLOAD_FIND));
	assert_int_equal(f->op.upload_count, 0);
}

static void uploads_of_longer_keys_are_others(void **state)
{
	struct fixture *f = needed(state);
	size_t length = strlen(f->key);

	begin_upload(f);
	strcat(f->key, "0");
	begin_upload(f);
	begin_upload(f);
	t_ok(run_verb(f, SGH_STORE_UPLOAD_FIND));
	assert_int_equal(f->op.upload_count, 2);
	f->key[length] = '\0';
	t_ok(run_verb(f, SGH_STORE_UPLOAD_FIND));
	assert_int_equal(f->op.upload_count, 1);
}

#define CASE(function, server)                                      \
	{                                                           \
#function "." #server, function, set_up, tear_down, \
			(void *)servers[server]                     \
	}
#define BOTH(function) CASE(function, 0), CASE(function, 1)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(what_was_granted_is_put_once),
		BOTH(nothing_else_is_put),
		BOTH(a_crc_finds_what_was_damaged),
		BOTH(a_pulled_body_has_its_length_too),
		BOTH(a_range_is_got),
		BOTH(nothing_is_not_found),
		BOTH(a_browser_is_told_what_the_grant_says),
		BOTH(parts_become_an_object),
		BOTH(the_whole_of_a_large_object_is_its_description),
		BOTH(a_second_completion_changes_nothing),
		BOTH(a_key_is_completed_once),
		BOTH(other_parts_than_there_are_cannot_be_completed),
		BOTH(an_aborted_upload_takes_no_parts),
		BOTH(uploads_of_longer_keys_are_others),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}

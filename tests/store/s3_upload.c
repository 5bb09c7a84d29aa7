/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "support/peer.h"
#include "support/t.h"

/* Uploads in parts, and reads of whole objects only, against a server with a script. */

static struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct t_peer *peer;
	struct sgh_store_op op;
	struct sgh_bytes *body;
	bool done; /* atomic */
} f;

static void open_store(const char *url)
{
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = "access",
		.secret_key = "secret",
	};

	f.context = t_context();
	t_ok(sangraha_store_open(f.context, url, &options, &f.store, &t_err));
}

#define PEER(...) play(T_PEER(__VA_ARGS__))

static void play(struct t_peer *peer)
{
	f.peer = peer;
	open_store(t_peer_s3_url(f.peer));
}

static int tear_down(void **state)
{
	sgh_store_op_fini(&f.op);
	sgh_bytes_unref(f.body);
	sangraha_store_unref(f.store);
	sangraha_context_unref(f.context);
	t_peer_free(f.peer);
	f = (struct fixture){ 0 };
	return 0;
}

static void on_done(struct sgh_store_op *op)
{
	__atomic_store_n(&f.done, true, __ATOMIC_RELEASE);
}

static struct sgh_store_op *fresh(enum sgh_store_verb verb)
{
	sgh_store_op_fini(&f.op);
	f.op = (struct sgh_store_op){
		.verb = verb,
		.bucket = "image",
		.key = "a",
		.upload = "u-1",
		.limit = 2,
		.deadline_ms = sgh_now_ms() + 20000,
		.done = on_done,
	};
	return &f.op;
}

static int run(void)
{
	int rc;

	f.done = false;
	rc = sgh_store_submit(f.store, &f.op, &t_err);
	if (rc)
		return rc;
	t_wait(__atomic_load_n(&f.done, __ATOMIC_ACQUIRE));
	t_err = f.op.err;
	return f.op.status;
}

static int begin(void)
{
	static const struct sgh_pair meta[] = { { "one", "1" } };
	struct sgh_store_op *op = fresh(SGH_STORE_UPLOAD_BEGIN);

	op->content_type = "image/png";
	op->meta = meta;
	op->meta_count = 1;
	op->if_none_match = true;
	return run();
}

static int put_part(const char *text)
{
	struct sgh_store_op *op = fresh(SGH_STORE_UPLOAD_PART);

	sgh_bytes_unref(f.body);
	f.body = t_bytes(text);
	op->body = f.body;
	op->part = 7;
	return run();
}

static int parts(unsigned after)
{
	fresh(SGH_STORE_UPLOAD_PARTS)->part = after;
	return run();
}

static int complete(bool if_none_match)
{
	static const struct sgh_part list[] = { { 1, 5, "\"e1\"" }, { 2, 0, "e2" } };
	struct sgh_store_op *op = fresh(SGH_STORE_UPLOAD_COMPLETE);

	op->parts = list;
	op->part_count = 2;
	op->if_none_match = if_none_match;
	return run();
}

static int stop(void)
{
	fresh(SGH_STORE_UPLOAD_ABORT);
	return run();
}

static int find(void)
{
	fresh(SGH_STORE_UPLOAD_FIND);
	return run();
}

static int get_whole(void)
{
	struct sgh_store_op *op = fresh(SGH_STORE_GET);

	op->max_length = 10;
	op->whole = true;
	return run();
}

/* The n-th request began and went on like this. */
static void requested(unsigned n, const char *start, const char *holds)
{
	const char *text = t_peer_request(f.peer, n);

	if (strncmp(text, start, strlen(start)) != 0 || (holds && !strstr(text, holds)))
		fail_msg("the request was\n%s", text);
}

/* The one that begins like this, wherever the probe came in between. */
static const char *request_like(const char *start)
{
	for (unsigned i = 0; i < t_peer_requests(f.peer); i++)
		if (strncmp(t_peer_request(f.peer, i), start, strlen(start)) == 0)
			return t_peer_request(f.peer, i);
	return NULL;
}

#define XML(status, body)                                                         \
	{                                                                         \
		.bytes = "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body, \
		.close = true,                                                    \
	}
#define ERROR_XML(code) "<Error><Code>" code "</Code><Message>Please</Message></Error>"
#define YES                                          \
	{                                            \
		.bytes = T_HTTP("200 OK", "", 0, "") \
	}

#define BEGUN                                                     \
	"<InitiateMultipartUploadResult><UploadId>u-1</UploadId>" \
	"</InitiateMultipartUploadResult>"

static void an_upload_begins_with_all_that_it_will_have(void **state)
{
	PEER(XML("200 OK", BEGUN));
	t_ok(begin());
	assert_string_equal(f.op.begun_upload, "u-1");
	requested(0, "POST /sangraha-image/a?uploads= HTTP/1.1\r\n",
		  "\r\nContent-Type: image/png\r\nx-amz-meta-one: 1\r\n");
	assert_null(strstr(t_peer_request(f.peer, 0), "If-None-Match"));
}

static void a_beginning_is_not_repeated(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, ""), .cut = 20 });
	t_fails(SANGRAHA_E_UNAVAILABLE, begin());
	assert_int_equal(t_peer_requests(f.peer), 1);
}

static void a_beginning_without_an_id_is_none(void **state)
{
	PEER(XML("200 OK", "<html/>"), XML("200 OK", ERROR_XML("SlowDown")));
	t_fails(SANGRAHA_E_INTERNAL, begin());
	t_fails(SANGRAHA_E_UNAVAILABLE, begin());
	t_says("BEGIN UPLOAD sangraha-image/a: 200 SlowDown");
}

static void a_part_has_its_entity_tag(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "ETag: \"e7\"\r\n", 0, "") },
	     { .bytes = T_HTTP("200 OK", "ETag: e7\r\n", 0, "") }, YES,
	     { .bytes = T_HTTP("200 OK", "ETag: \"a b\"\r\n", 0, "") });
	t_ok(put_part("hello"));
	assert_string_equal(f.op.etag, "\"e7\"");
	requested(0, "PUT /sangraha-image/a?partNumber=7&uploadId=u-1 HTTP/1.1\r\n",
		  "\r\n\r\nhello");
	t_ok(put_part("hello"));
	assert_string_equal(f.op.etag, "\"e7\"");
	t_fails(SANGRAHA_E_INTERNAL, put_part("hello"));
	t_fails(SANGRAHA_E_INTERNAL, put_part("hello"));
}

static void a_part_of_an_upload_that_ended_is_not_found(void **state)
{
	PEER(XML("404 x", ERROR_XML("NoSuchUpload")));
	t_fails(SANGRAHA_E_NOT_FOUND, put_part("hello"));
	t_says("PUT PART sangraha-image/a: 404 NoSuchUpload");
	t_fails(SANGRAHA_E_NOT_FOUND, parts(0));
	t_fails(SANGRAHA_E_NOT_FOUND, complete(false));
}

#define LIST_PART(number, size)                                \
	"<Part><PartNumber>" number "</PartNumber><Size>" size \
	"</Size><ETag>&quot;e&quot;</ETag></Part>"
#define PARTS(inside) "<ListPartsResult>" inside "</ListPartsResult>"

static void parts_are_listed_by_pages(void **state)
{
	PEER(XML("200 OK", PARTS("<IsTruncated>true</IsTruncated>" LIST_PART("1", "5")
					 LIST_PART("2", "6"))),
	     XML("200 OK", PARTS(LIST_PART("3", "7"))));
	t_ok(parts(0));
	assert_int_equal(f.op.found_part_count, 2);
	assert_int_equal(f.op.found_parts[1].size, 6);
	assert_true(f.op.more);
	t_ok(parts(2));
	assert_int_equal(f.op.found_part_count, 1);
	assert_int_equal(f.op.found_parts[0].number, 3);
	assert_false(f.op.more);
	requested(1,
		  "GET /sangraha-image/a?max-parts=2&part-number-marker=2&uploadId=u-1 ",
		  NULL);
}

static void broken_parts_are_internal(void **state)
{
	PEER(XML("200 OK", ""), XML("200 OK", PARTS(LIST_PART("1", "5"))),
	     XML("200 OK",
		 PARTS(LIST_PART("3", "5") LIST_PART("4", "5") LIST_PART("5", "5"))),
	     { .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	       .endless = "10\r\n<ListPartsResult\r\n" });
	t_fails(SANGRAHA_E_INTERNAL, parts(0));
	t_fails(SANGRAHA_E_INTERNAL, parts(1));
	t_fails(SANGRAHA_E_INTERNAL, parts(1));
	t_fails(SANGRAHA_E_INTERNAL, parts(1));
	assert_true(t_peer_sent(f.peer) < 64 << 20);
}

#define COMPLETED \
	"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"

static void a_completion_names_its_parts(void **state)
{
	PEER(XML("200 OK", "  \n <?xml version=\"1.0\"?>\n" COMPLETED));
	t_ok(complete(false));
	requested(0, "POST /sangraha-image/a?uploadId=u-1 HTTP/1.1\r\n",
		  "<Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag></Part>"
		  "<Part><PartNumber>2</PartNumber><ETag>e2</ETag></Part>");
}

static void answers_to_a_completion_mean_what_they_say(void **state)
{
	static const struct {
		const char *bytes;
		int status;
	} cases[] = {
		{ "200 OK\r\n\r\n  " ERROR_XML("InternalError"), SANGRAHA_E_UNAVAILABLE },
		{ "200 OK\r\n\r\n \n <?xml version=\"1.0\"?>" ERROR_XML("InvalidPart"),
		  SANGRAHA_E_INVALID },
		{ "200 OK\r\n\r\n" ERROR_XML("PreconditionFailed"),
		  SANGRAHA_E_PRECONDITION },
		{ "200 OK\r\n\r\n", SANGRAHA_E_UNAVAILABLE },
		{ "200 OK\r\n\r\n     ", SANGRAHA_E_UNAVAILABLE },
		{ "200 OK\r\n\r\n<html/>", SANGRAHA_E_UNAVAILABLE },
		{ "200 OK\r\n\r\n<CompleteMultipartUploadResult>",
		  SANGRAHA_E_UNAVAILABLE },
		{ "200 OK\r\nContent-Length: 500\r\n\r\n" COMPLETED,
		  SANGRAHA_E_UNAVAILABLE },
		{ "400 x\r\n\r\n" ERROR_XML("InvalidPartOrder"), SANGRAHA_E_INVALID },
		{ "400 x\r\n\r\n" ERROR_XML("EntityTooSmall"), SANGRAHA_E_INVALID },
		{ "404 x\r\n\r\n" ERROR_XML("NoSuchUpload"), SANGRAHA_E_NOT_FOUND },
		{ "409 x\r\n\r\n" ERROR_XML("ConditionalRequestConflict"),
		  SANGRAHA_E_UNAVAILABLE },
		{ "412 x\r\n\r\n" ERROR_XML("PreconditionFailed"),
		  SANGRAHA_E_PRECONDITION },
		{ "503 x\r\n\r\n", SANGRAHA_E_UNAVAILABLE },
	};

	for (size_t i = 0; i < SGH_COUNT(cases); i++) {
		char bytes[500];

		snprintf(bytes, sizeof(bytes), "HTTP/1.1 %s", cases[i].bytes);
		PEER({ .bytes = bytes, .close = true });
		t_fails(cases[i].status, complete(false));
		assert_int_equal(t_peer_requests(f.peer), 1);
		tear_down(NULL);
	}
}

static void a_completion_whose_answer_is_lost_is_not_repeated(void **state)
{
	char *refusing = t_refusing_url("s3+http");
	char *urls = NULL;

	f.peer = T_PEER({ .bytes = T_HTTP("200 OK", "", 0, ""), .cut = 20 });
	assert_true(asprintf(&urls, "%s,%s", t_peer_s3_url(f.peer), refusing) > 0);
	open_store(urls);
	t_fails(SANGRAHA_E_UNAVAILABLE, complete(false));
	assert_int_equal(t_peer_requests(f.peer), 1);
	free(urls);
	free(refusing);
}

static void a_completion_that_takes_for_ever_is_a_timeout(void **state)
{
	PEER({ .stall = true });
	fresh(SGH_STORE_UPLOAD_COMPLETE);
	f.op.parts = &(const struct sgh_part){ 1, 5, "\"e\"" };
	f.op.part_count = 1;
	f.op.deadline_ms = sgh_now_ms() + 300;
	t_fails(SANGRAHA_E_TIMEOUT, run());
}

static void a_condition_is_sent_whether_it_is_honoured_or_not(void **state)
{
	PEER({ .match = "/probe/", .bytes = T_HTTP("200 OK", "", 0, "") },
	     { .bytes = T_HTTP("404 x", "", 0, "") }, XML("200 OK", COMPLETED));
	t_ok(complete(true));
	assert_non_null(request_like("HEAD /sangraha-image/a HTTP/1.1\r\n"));
	assert_non_null(strstr(request_like("POST /sangraha-image/a?uploadId=u-1 "),
			       "\r\nIf-None-Match: *\r\n"));
}

static void a_server_without_conditions_is_asked_first(void **state)
{
	PEER({ .match = "/probe/", .bytes = T_HTTP("200 OK", "", 0, "") }, YES);
	t_fails(SANGRAHA_E_PRECONDITION, complete(true));
	t_says("COMPLETE UPLOAD sangraha-image: the key exists");
	assert_null(request_like("POST "));
}

static void an_upload_that_is_gone_is_aborted(void **state)
{
	PEER({ .bytes = T_HTTP("204 x", "", 0, "") },
	     XML("404 x", ERROR_XML("NoSuchUpload")), XML("503 x", ""));
	t_ok(stop());
	requested(0, "DELETE /sangraha-image/a?uploadId=u-1 HTTP/1.1\r\n", NULL);
	t_ok(stop());
	t_fails(SANGRAHA_E_UNAVAILABLE, stop());
}

#define OPEN(key, id) "<Upload><Key>" key "</Key><UploadId>" id "</UploadId></Upload>"
#define UPLOADS(inside) \
	"<ListMultipartUploadsResult>" inside "</ListMultipartUploadsResult>"
#define CUT(key, id)                                                            \
	"<IsTruncated>true</IsTruncated><NextKeyMarker>" key "</NextKeyMarker>" \
	"<NextUploadIdMarker>" id "</NextUploadIdMarker>"

static void open_uploads_are_found_over_pages(void **state)
{
	PEER(XML("200 OK", UPLOADS(OPEN("a", "1") OPEN("a", "2") CUT("a", "2"))),
	     XML("200 OK", UPLOADS(OPEN("a", "3") OPEN("ab", "4") CUT("ab", "4"))));
	t_ok(find());
	assert_int_equal(f.op.upload_count, 3);
	assert_string_equal(f.op.uploads[0], "1");
	assert_string_equal(f.op.uploads[2], "3");
	requested(0,
		  "GET /sangraha-image?uploads=&encoding-type=url&max-uploads=100&"
		  "prefix=a HTTP/1.1\r\n",
		  NULL);
	requested(1,
		  "GET /sangraha-image?uploads=&encoding-type=url&max-uploads=100&"
		  "prefix=a&key-marker=a&upload-id-marker=2 HTTP/1.1\r\n",
		  NULL);
}

static void a_listing_that_does_not_go_on_ends(void **state)
{
	PEER(XML("200 OK", UPLOADS(OPEN("a", "1") CUT("a", "1"))));
	t_ok(find());
	assert_int_equal(f.op.upload_count, 2);
}

static void no_open_uploads_are_an_answer(void **state)
{
	PEER(XML("200 OK", UPLOADS("")), XML("200 OK", "<html/>"));
	t_ok(find());
	assert_int_equal(f.op.upload_count, 0);
	t_fails(SANGRAHA_E_INTERNAL, find());
}

#define RANGE(range) "HTTP/1.1 206 x\r\nContent-Range: " range "\r\n"

static void a_larger_object_comes_without_bytes(void **state)
{
	PEER({ .bytes = RANGE(
		       "bytes 0-9/5000000") "Content-Length: 10\r\n"
					    "Content-Type: image/png\r\n"
					    "x-amz-meta-one: 1\r\n\r\n0123456789" });
	for (unsigned i = 0; i < 8; i++) {
		t_ok(get_whole());
		assert_null(f.op.data);
		assert_int_equal(f.op.head.size, 5000000);
		assert_string_equal(f.op.head.content_type, "image/png");
		assert_int_equal(f.op.head.meta_count, 1);
	}
	assert_int_equal(sgh_store_down_ms(f.store), 0);
}

static void a_larger_object_needs_no_range(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n",
	       .endless = "0123456789" });
	t_ok(get_whole());
	assert_null(f.op.data);
	assert_int_equal(f.op.head.size, 5000000);
	assert_true(t_peer_sent(f.peer) < 16 << 20);
}

static void a_smaller_object_comes_whole(void **state)
{
	PEER({ .bytes = RANGE("bytes 0-9/10") "Content-Length: 10\r\n\r\n0123456789" },
	     { .bytes = T_HTTP("200 OK", "", 5, "hello") });
	t_ok(get_whole());
	t_same_bytes(f.op.data, "0123456789");
	t_ok(get_whole());
	t_same_bytes(f.op.data, "hello");
}

static void a_size_that_is_not_told_is_no_larger_object(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	       .endless = "10\r\n0123456789abcdef\r\n" });
	t_fails(SANGRAHA_E_INTERNAL, get_whole());
	assert_null(f.op.data);
}

static int submit_wrong(enum sgh_store_verb verb, const char *upload, unsigned part,
			unsigned limit, const struct sgh_part *list, size_t count)
{
	struct sgh_store_op *op = fresh(verb);

	op->upload = upload;
	op->part = part;
	op->limit = limit;
	op->parts = list;
	op->part_count = count;
	return run();
}

static void arguments_are_checked(void **state)
{
	static const struct sgh_part wrong[][2] = {
		{ { 2, 5, "\"e\"" }, { 1, 5, "\"e\"" } },
		{ { 1, 5, "\"e\"" }, { 1, 5, "\"e\"" } },
		{ { 0, 5, "\"e\"" }, { 1, 5, "\"e\"" } },
		{ { 1, 5, "\"e\"" }, { 10001, 5, "\"e\"" } },
		{ { 1, 5, "\"e\"" }, { 2, 5, NULL } },
		{ { 1, 5, "\"e\"" }, { 2, 5, "" } },
		{ { 1, 5, "\"e\"" }, { 2, 5, "\"e\r\n\"" } },
		{ { 1, 5, "\"e\"" }, { 2, SGH_PART_MAX + 1, "\"e\"" } },
	};
	static const struct sgh_part right = { 1, 5, "\"e\"" };
	static const char *const uploads[] = { NULL, "", "a b", "a\r\nb", "\xc3\xbc" };
	static char long_id[1100];

	memset(long_id, 'u', 1025);
	open_store("s3+http://127.0.0.1:1");
#define WRONG(...) t_fails(SANGRAHA_E_INVALID, submit_wrong(__VA_ARGS__))
	for (size_t i = 0; i < SGH_COUNT(uploads); i++)
		WRONG(SGH_STORE_UPLOAD_ABORT, uploads[i], 0, 0, NULL, 0);
	WRONG(SGH_STORE_UPLOAD_PART, long_id, 1, 0, NULL, 0);
	WRONG(SGH_STORE_UPLOAD_PART, "u", 0, 0, NULL, 0);
	WRONG(SGH_STORE_UPLOAD_PART, "u", 10001, 0, NULL, 0);
	WRONG(SGH_STORE_UPLOAD_PARTS, "u", 0, 0, NULL, 0);
	WRONG(SGH_STORE_UPLOAD_PARTS, "u", 0, 1001, NULL, 0);
	WRONG(SGH_STORE_UPLOAD_PARTS, "u", 10001, 1, NULL, 0);
	WRONG(SGH_STORE_UPLOAD_COMPLETE, "u", 0, 0, NULL, 0);
	WRONG(SGH_STORE_UPLOAD_COMPLETE, "u", 0, 0, &right, 0);
	WRONG(SGH_STORE_UPLOAD_COMPLETE, "u", 0, 0, &right, 10001);
	for (size_t i = 0; i < SGH_COUNT(wrong); i++)
		WRONG(SGH_STORE_UPLOAD_COMPLETE, "u", 0, 0, wrong[i], 2);
	fresh(SGH_STORE_GET)->max_length = 1;
	f.op.whole = true;
	f.op.offset = 1;
	t_fails(SANGRAHA_E_INVALID, run());
	fresh(SGH_STORE_UPLOAD_BEGIN)->content_type = "a\r\nb";
	t_fails(SANGRAHA_E_INVALID, run());
	fresh(SGH_STORE_UPLOAD_FIND)->key = "a//b";
	t_fails(SANGRAHA_E_INVALID, run());
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(an_upload_begins_with_all_that_it_will_have),
	CASE(a_beginning_is_not_repeated),
	CASE(a_beginning_without_an_id_is_none),
	CASE(a_part_has_its_entity_tag),
	CASE(a_part_of_an_upload_that_ended_is_not_found),
	CASE(parts_are_listed_by_pages),
	CASE(broken_parts_are_internal),
	CASE(a_completion_names_its_parts),
	CASE(answers_to_a_completion_mean_what_they_say),
	CASE(a_completion_whose_answer_is_lost_is_not_repeated),
	CASE(a_completion_that_takes_for_ever_is_a_timeout),
	CASE(a_condition_is_sent_whether_it_is_honoured_or_not),
	CASE(a_server_without_conditions_is_asked_first),
	CASE(an_upload_that_is_gone_is_aborted),
	CASE(open_uploads_are_found_over_pages),
	CASE(a_listing_that_does_not_go_on_ends),
	CASE(no_open_uploads_are_an_answer),
	CASE(a_larger_object_comes_without_bytes),
	CASE(a_larger_object_needs_no_range),
	CASE(a_smaller_object_comes_whole),
	CASE(a_size_that_is_not_told_is_no_larger_object),
	CASE(arguments_are_checked),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "wire/ticket.h"

#include "support/t.h"

#define RECORD "3f0e2b52-9c1d-4f0a-8a77-0c6a3b1d2e4f"
#define URL    "\"https://store.example/a?b=c&d=e\""
#define PUT    "{\"transfer\":\"put\",\"expires\":1,\"urls\":[" URL "]"

static int read_ticket(const char *json, struct sgh_arena *arena, struct sgh_ticket **ret)
{
	return sgh_ticket_parse(json, strlen(json), arena, ret, &t_err);
}

static void kinds_have_names(void **state)
{
	for (int kind = SGH_TICKET_PUT; kind <= SGH_TICKET_GET; kind++) {
		const char *name = sgh_ticket_kind_name((enum sgh_ticket_kind)kind);

		assert_int_equal(sgh_ticket_kind_from_name(name), kind);
	}
	assert_string_equal(sgh_ticket_kind_name(SGH_TICKET_PARTS), "parts");
	assert_null(sgh_ticket_kind_name(SGH_TICKET_NONE));
	assert_null(sgh_ticket_kind_name((enum sgh_ticket_kind)99));
	assert_int_equal(sgh_ticket_kind_from_name("patch"), SGH_TICKET_NONE);
	assert_int_equal(sgh_ticket_kind_from_name(NULL), SGH_TICKET_NONE);
}

static void same(const struct sgh_ticket *a, const struct sgh_ticket *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(a->expires_ms == b->expires_ms);
	assert_int_equal(a->first_part, b->first_part);
	assert_true(sgh_streq(a->record, b->record));
	assert_int_equal(a->url_count, b->url_count);
	for (size_t i = 0; i < a->url_count; i++)
		assert_string_equal(a->urls[i], b->urls[i]);
	assert_int_equal(a->header_count, b->header_count);
	for (size_t i = 0; i < a->header_count; i++) {
		assert_string_equal(a->headers[i].name, b->headers[i].name);
		assert_string_equal(a->headers[i].value, b->headers[i].value);
	}
}

/* Through its document, which is `json` when that is given, and back. */
static void comes_back(const struct sgh_ticket *ticket, const char *json)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(SGH_TICKET_TEXT_MAX);
	struct sgh_arena arena = { .max = SGH_TICKET_ARENA_MAX };
	struct sgh_ticket *back = NULL;

	sgh_ticket_write(ticket, &buf);
	assert_false(buf.failed);
	if (json)
		assert_string_equal(buf.data, json);
	t_ok(read_ticket(buf.data, &arena, &back));
	same(ticket, back);
	sgh_arena_fini(&arena);
}

static void documents_are_as_published(void **state)
{
	struct sgh_ticket ticket = {
		.kind = SGH_TICKET_PUT,
		.expires_ms = 1769860800000,
		.urls = { "http://h/\"?a=1&b=%20" },
		.url_count = 1,
		.headers = { { "Content-Type", "image/png" }, { "x-amz-meta-a", "" } },
		.header_count = 2,
	};

	comes_back(&ticket, "{\"transfer\":\"put\",\"expires\":1769860800000,"
			    "\"urls\":[\"http://h/\\\"?a=1&b=%20\"],"
			    "\"headers\":{\"Content-Type\":\"image/png\","
			    "\"x-amz-meta-a\":\"\"}}");
	ticket = (struct sgh_ticket){
		.kind = SGH_TICKET_PARTS,
		.expires_ms = 5,
		.urls = { "memory:1", "memory:2" },
		.url_count = 2,
		.first_part = 9999,
		.record = RECORD,
	};
	comes_back(&ticket, "{\"transfer\":\"parts\",\"expires\":5,"
			    "\"record\":\"" RECORD "\",\"first_part\":9999,"
			    "\"urls\":[\"memory:1\",\"memory:2\"]}");
	ticket = (struct sgh_ticket){
		.kind = SGH_TICKET_GET,
		.expires_ms = 5,
		.urls = { "file:x" },
		.url_count = 1,
	};
	comes_back(&ticket, "{\"transfer\":\"get\",\"expires\":5,\"urls\":[\"file:x\"]}");
}

/* URLs of the greatest length, as many as there may be; and the headers likewise. */
static void the_largest_comes_back(void **state)
{
	struct sgh_ticket ticket = {
		.kind = SGH_TICKET_PARTS,
		.expires_ms = 253402300799999,
		.url_count = SGH_TICKET_URLS_MAX,
		.first_part = 10000 - SGH_TICKET_URLS_MAX + 1,
		.record = RECORD,
		.header_count = SGH_TICKET_HEADERS_MAX,
	};
	char names[SGH_TICKET_HEADERS_MAX][8];
	char url[SGH_TICKET_URL_MAX + 1];

	memset(url, 'x', SGH_TICKET_URL_MAX);
	url[SGH_TICKET_URL_MAX] = '\0';
	memcpy(url, "https://", 8);
	for (size_t i = 0; i < SGH_TICKET_URLS_MAX; i++)
		ticket.urls[i] = url;
	for (size_t i = 0; i < SGH_TICKET_HEADERS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "x-%zu", i);
		ticket.headers[i] = (struct sgh_pair){ names[i], "~ value !" };
	}
	comes_back(&ticket, NULL);
}

static void others_may_write_it_otherwise(void **state)
{
	static const char json[] =
		" {\"urls\" : [ \"http:\\/\\/h\\u002fa?x=1\\u0026y=2\" ], \"new\": [{}],"
		"\"record\":null,\"headers\":null,\"transfer\":\"get\",\"expires\":7 } ";
	struct sgh_arena arena = { 0 };
	struct sgh_ticket *ticket = NULL;

	t_ok(read_ticket(json, &arena, &ticket));
	assert_string_equal(ticket->urls[0], "http://h/a?x=1&y=2");
	assert_int_equal(ticket->expires_ms, 7);
	assert_null(ticket->record);
	sgh_arena_fini(&arena);
}

static void refused(const char *json)
{
	struct sgh_arena arena = { .max = SGH_TICKET_ARENA_MAX };
	struct sgh_ticket *ticket = NULL;

	if (read_ticket(json, &arena, &ticket) != SANGRAHA_E_INVALID)
		fail_msg("not refused: %.200s", json);
	assert_null(ticket);
	sgh_arena_fini(&arena);
}

static void refuses_what_is_no_ticket(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		PUT,
		"{\"transfer\":\"patch\",\"expires\":1,\"urls\":[" URL "]}",
		"{\"transfer\":5,\"expires\":1,\"urls\":[" URL "]}",
		"{\"expires\":1,\"urls\":[" URL "]}",
		"{\"transfer\":\"put\",\"urls\":[" URL "]}",
		"{\"transfer\":\"put\",\"expires\":0,\"urls\":[" URL "]}",
		"{\"transfer\":\"put\",\"expires\":1.5,\"urls\":[" URL "]}",
		"{\"transfer\":\"put\",\"expires\":253402300800000,\"urls\":[" URL "]}",
		"{\"transfer\":\"put\",\"expires\":1}",
		"{\"transfer\":\"put\",\"expires\":1,\"urls\":" URL "}",
		"{\"transfer\":\"put\",\"expires\":1,\"urls\":[]}",
		"{\"transfer\":\"put\",\"expires\":1,\"urls\":[5]}",
		"{\"transfer\":\"put\",\"expires\":1,\"urls\":[" URL "," URL "]}",
		"{\"transfer\":\"get\",\"expires\":1,\"urls\":[" URL "," URL "]}",
		"{\"transfer\":\"put\",\"transfer\":\"get\",\"expires\":1,\"urls\":[" URL
		"]}",
	};

	for (size_t i = 0; i < SGH_COUNT(bad); i++)
		refused(bad[i]);
}

static void refuses_urls(void **state)
{
	static const char *const bad[] = {
		"",
		"/path",
		"//h/path",
		":x",
		"Http://h",
		"1http://h",
		"ht_tp://h",
		"http//h",
		"http://h/ x",
		" http://h",
		"http://h\\r\\nHost: x",
		"http://h\\u0000",
		"http://h/\xc3\xbc",
		"http://h/\\u007f",
	};
	char json[256];

	for (size_t i = 0; i < SGH_COUNT(bad); i++) {
		snprintf(json, sizeof(json),
			 "{\"transfer\":\"get\",\"expires\":1,\"urls\":[\"%s\"]}",
			 bad[i]);
		refused(json);
	}
}

static void refuses_headers(void **state)
{
	static const char *const bad[] = {
		"5",
		"[]",
		"{\"\":\"x\"}",
		"{\"a b\":\"x\"}",
		"{\"a:\":\"x\"}",
		"{\"a\\r\\nb\":\"x\"}",
		"{\"\xc3\xbc\":\"x\"}",
		"{\"a\":5}",
		"{\"a\":null}",
		"{\"a\":\"x\\r\\nb: y\"}",
		"{\"a\":\"x\\u0000\"}",
		"{\"a\":\"\xc3\xbc\"}",
		"{\"a\":\"x\",\"a\":\"y\"}",
	};
	char json[256];

	for (size_t i = 0; i < SGH_COUNT(bad); i++) {
		snprintf(json, sizeof(json), PUT ",\"headers\":%s}", bad[i]);
		refused(json);
	}
}

/* A document with this many URLs and headers, that begins with this part. */
static char *sized(size_t urls, size_t headers, int first)
{
	struct sgh_buf buf = { 0 };

	sgh_buf_printf(&buf,
		       "{\"transfer\":\"parts\",\"expires\":1,\"record\":\"" RECORD
		       "\",\"first_part\":%d,\"urls\":[",
		       first);
	for (size_t i = 0; i < urls; i++)
		sgh_buf_puts(&buf, i ? ",\"a:\"" : "\"a:\"");
	sgh_buf_puts(&buf, "],\"headers\":{");
	for (size_t i = 0; i < headers; i++)
		sgh_buf_printf(&buf, "%s\"h%zu\":\"\"", i ? "," : "", i);
	sgh_buf_puts(&buf, "}}");
	return sgh_buf_take(&buf);
}

static void refuses_too_much(void **state)
{
	static const struct {
		size_t urls;
		size_t headers;
		int first;
	} bad[] = {
		{ SGH_TICKET_URLS_MAX + 1, 0, 1 },
		{ 1, SGH_TICKET_HEADERS_MAX + 1, 1 },
		{ 1, 0, 0 },
		{ 1, 0, -1 },
		{ 1, 0, 10001 },
		{ 2, 0, 10000 },
		{ SGH_TICKET_URLS_MAX, 0, 10000 - SGH_TICKET_URLS_MAX + 2 },
	};

	for (size_t i = 0; i < SGH_COUNT(bad); i++) {
		char *json = sized(bad[i].urls, bad[i].headers, bad[i].first);

		refused(json);
		free(json);
	}
	refused("{\"transfer\":\"parts\",\"expires\":1,\"first_part\":1,\"urls\":[" URL
		"]}");
	refused("{\"transfer\":\"parts\",\"expires\":1,\"first_part\":1,\"urls\":[" URL
		"],\"record\":\"../x\"}");
}

/* Without memory it would never be so long. */
static void fill(struct sgh_buf *buf, size_t length, char c)
{
	while (!buf->failed && buf->length < length)
		sgh_buf_putc(buf, c);
	assert_false(buf->failed);
}

static void refuses_what_is_too_long(void **state)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(2 * SGH_TICKET_TEXT_MAX);

	sgh_buf_puts(&buf, "{\"transfer\":\"get\",\"expires\":1,\"urls\":[\"http:");
	fill(&buf, SGH_TICKET_URL_MAX + 50, 'x');
	sgh_buf_puts(&buf, "\"]}");
	refused(buf.data);
	sgh_buf_clear(&buf);
	sgh_buf_puts(&buf, PUT);
	fill(&buf, SGH_TICKET_TEXT_MAX, ' ');
	sgh_buf_putc(&buf, '}');
	refused(buf.data);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(kinds_have_names),
	cmocka_unit_test(documents_are_as_published),
	cmocka_unit_test(the_largest_comes_back),
	cmocka_unit_test(others_may_write_it_otherwise),
	cmocka_unit_test(refuses_what_is_no_ticket),
	cmocka_unit_test(refuses_urls),
	cmocka_unit_test(refuses_headers),
	cmocka_unit_test(refuses_too_much),
	cmocka_unit_test(refuses_what_is_too_long),
};

t_main(tests)

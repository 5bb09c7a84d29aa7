/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include "support/t.h"

/* What tickets of an S3 store say; live servers judge them in tests/store/mover.c. */

#define SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static struct fixture {
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct sgh_arena arena;
	struct sgh_ticket *ticket;
} f;

static int open_with(const char *public_url, const char *access_key)
{
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = access_key,
		.secret_key = access_key ? "the-secret" : NULL,
		.public_url = public_url,
	};

	if (!f.context)
		f.context = t_context();
	return sangraha_store_open(f.context, "s3+http://inside:9000", &options, &f.store,
				   &t_err);
}

/* A store with replicas, and what others call the two. */
static int try_replicas(const char *public_url, const char *public_read_url)
{
	const struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = "access",
		.secret_key = "the-secret",
		.public_url = public_url,
		.read_url = "s3+http://copy1:9000,s3+http://copy2:9000",
		.public_read_url = public_read_url,
	};

	if (!f.context)
		f.context = t_context();
	return sangraha_store_open(f.context, "s3+http://inside:9000", &options, &f.store,
				   &t_err);
}

static void open_with_replicas(const char *public_url, const char *public_read_url)
{
	t_ok(try_replicas(public_url, public_read_url));
}

static int tear_down(void **state)
{
	sgh_arena_fini(&f.arena);
	sangraha_store_unref(f.store);
	sangraha_context_unref(f.context);
	f = (struct fixture){ 0 };
	return 0;
}

static struct sgh_store_grant grant_of(enum sgh_ticket_kind kind)
{
	return (struct sgh_store_grant){
		.kind = kind,
		.bucket = "image",
		.key = "a b",
		.expires_ms = sgh_time_ms() + 60000,
		.size = 5,
		.upload = "u+1",
		.record = "r-1",
		.first_part = 9,
		.part_count = 2,
	};
}

static int issue(const struct sgh_store_grant *grant)
{
	return sgh_store_ticket(f.store, grant, &f.arena, &f.ticket, &t_err);
}

static int issue_kind(enum sgh_ticket_kind kind)
{
	const struct sgh_store_grant grant = grant_of(kind);

	return issue(&grant);
}

static void url_holds(unsigned n, const char *text)
{
	if (!strstr(f.ticket->urls[n], text))
		fail_msg("%s is not in %s", text, f.ticket->urls[n]);
}

static void url_begins(unsigned n, const char *text)
{
	if (strncmp(f.ticket->urls[n], text, strlen(text)) != 0)
		fail_msg("%s does not begin with %s", f.ticket->urls[n], text);
}

static void header_is(size_t n, const char *name, const char *value)
{
	assert_true(n < f.ticket->header_count);
	assert_string_equal(f.ticket->headers[n].name, name);
	assert_string_equal(f.ticket->headers[n].value, value);
}

static void a_put_signs_all_that_it_carries(void **state)
{
	static const struct sgh_pair meta[] = { { "sangraha", "1" } };
	struct sgh_store_grant grant = grant_of(SGH_TICKET_PUT);

	t_ok(open_with(NULL, "access"));
	grant.content_type = "image/png";
	grant.meta = meta;
	grant.meta_count = 1;
	grant.sha256 = SHA256;
	t_ok(issue(&grant));
	assert_int_equal(f.ticket->kind, SGH_TICKET_PUT);
	assert_int_equal(f.ticket->expires_ms, grant.expires_ms);
	assert_int_equal(f.ticket->url_count, 1);
	url_begins(0, "http://inside:9000/sangraha-image/a%20b?");
	url_holds(0, "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost%3B"
		     "if-none-match%3Bx-amz-checksum-sha256%3Bx-amz-meta-sangraha&");
	assert_null(strstr(f.ticket->urls[0], "the-secret"));
	assert_int_equal(f.ticket->header_count, 4);
	header_is(0, "Content-Type", "image/png");
	header_is(1, "If-None-Match", "*");
	header_is(2, "x-amz-meta-sangraha", "1");
	header_is(3, "x-amz-checksum-sha256",
		  "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
}

static void a_crc_is_enough(void **state)
{
	struct sgh_store_grant grant = grant_of(SGH_TICKET_PUT);

	t_ok(open_with(NULL, "access"));
	grant.sha256 = SHA256;
	grant.crc32c = "e3069283";
	t_ok(issue(&grant));
	url_holds(0, "%3Bif-none-match%3Bx-amz-checksum-crc32c&");
	assert_int_equal(f.ticket->header_count, 3);
	header_is(2, "x-amz-checksum-crc32c", "4waSgw==");
}

static void each_part_has_a_url(void **state)
{
	t_ok(open_with(NULL, "access"));
	t_ok(issue_kind(SGH_TICKET_PARTS));
	assert_int_equal(f.ticket->url_count, 2);
	assert_int_equal(f.ticket->first_part, 9);
	assert_int_equal(f.ticket->header_count, 0);
	assert_string_equal(f.ticket->record, "r-1");
	url_holds(0, "&partNumber=9&uploadId=u%2B1&");
	url_holds(1, "&partNumber=10&uploadId=u%2B1&");
	url_holds(0, "X-Amz-SignedHeaders=host&");
}

static void a_get_says_how_it_is_answered(void **state)
{
	struct sgh_store_grant grant = grant_of(SGH_TICKET_GET);

	t_ok(open_with(NULL, "access"));
	grant.response_type = "image/png";
	grant.response_disposition = "inline; filename=\"a b.png\"";
	t_ok(issue(&grant));
	url_holds(0,
		  "&response-cache-control=private%2C%20no-cache"
		  "&response-content-disposition=inline%3B%20filename%3D%22a%20b.png%22"
		  "&response-content-type=image%2Fpng&");
	t_ok(issue_kind(SGH_TICKET_GET));
	assert_null(strstr(f.ticket->urls[0], "response-content-"));
}

static void tickets_are_signed_for_the_public_address(void **state)
{
	t_ok(open_with("s3+https://store.example:443", "access"));
	t_ok(issue_kind(SGH_TICKET_GET));
	url_begins(0, "https://store.example/sangraha-image/a%20b?");
}

static void several_public_addresses_take_turns(void **state)
{
	t_ok(open_with("s3+http://one,two", "access"));
	t_ok(issue_kind(SGH_TICKET_GET));
	url_begins(0, "http://one/");
	t_ok(issue_kind(SGH_TICKET_GET));
	url_begins(0, "http://two/");
}

static void wrong_public_addresses_are_refused(void **state)
{
	static const char *const urls[] = {
		"http://host",         "host",
		"s3+http://",          "s3+http://user:word@host",
		"s3+http://host/path", "file:/x",
	};

	for (size_t i = 0; i < SGH_COUNT(urls); i++)
		t_fails(SANGRAHA_E_INVALID, open_with(urls[i], "access"));
	f.store = NULL;
}

static void without_keys_nothing_is_signed(void **state)
{
	t_ok(open_with(NULL, NULL));
	t_ok(issue_kind(SGH_TICKET_PUT));
	assert_string_equal(f.ticket->urls[0], "http://inside:9000/sangraha-image/a%20b");
	header_is(1, "If-None-Match", "*");
	t_ok(issue_kind(SGH_TICKET_PARTS));
	assert_string_equal(f.ticket->urls[1], "http://inside:9000/sangraha-image/"
					       "a%20b?partNumber=10&uploadId=u%2B1");
	t_ok(issue_kind(SGH_TICKET_GET));
	assert_string_equal(f.ticket->urls[0], "http://inside:9000/sangraha-image/a%20b");
}

static unsigned signed_for_s(int64_t left_ms)
{
	struct sgh_store_grant grant = grant_of(SGH_TICKET_GET);

	grant.expires_ms = sgh_time_ms() + left_ms;
	t_ok(issue(&grant));
	return (unsigned)strtoul(strstr(f.ticket->urls[0], "X-Amz-Expires=") +
					 strlen("X-Amz-Expires="),
				 NULL, 10);
}

static void a_signature_lasts_until_the_ticket_ends(void **state)
{
	t_ok(open_with(NULL, "access"));
	assert_in_range(signed_for_s(1), 1, 2);
	assert_in_range(signed_for_s(60000), 60, 61);
	assert_in_range(signed_for_s(7 * 24 * 3600 * INT64_C(1000)), 604799, 604800);
}

#define WRONG(kind, ...)                                       \
	do {                                                   \
		struct sgh_store_grant grant = grant_of(kind); \
		__VA_ARGS__;                                   \
		t_fails(SANGRAHA_E_INVALID, issue(&grant));    \
	} while (0)

static void arguments_are_checked(void **state)
{
	static const struct sgh_pair meta[] = { { "a b", "1" } };
	static const struct sgh_pair lines[] = { { "a", "1\r\nb: 2" } };

	t_ok(open_with(NULL, "access"));
	WRONG(SGH_TICKET_NONE, );
	WRONG(SGH_TICKET_GET, grant.bucket = "A");
	WRONG(SGH_TICKET_GET, grant.key = "a/../b");
	WRONG(SGH_TICKET_GET, grant.expires_ms = sgh_time_ms() - 1);
	WRONG(SGH_TICKET_GET, grant.expires_ms += 7 * 24 * 3600 * INT64_C(1000));
	WRONG(SGH_TICKET_GET, grant.response_type = "");
	WRONG(SGH_TICKET_GET, grant.response_disposition = "a\nb");
	WRONG(SGH_TICKET_PUT, grant.size = SGH_PART_MAX + 1);
	WRONG(SGH_TICKET_PUT, grant.sha256 = "abc");
	WRONG(SGH_TICKET_PUT, grant.crc32c = "E3069283");
	WRONG(SGH_TICKET_PUT, grant.content_type = "a\r\nb");
	WRONG(SGH_TICKET_PUT, grant.meta = meta; grant.meta_count = 1);
	WRONG(SGH_TICKET_PUT, grant.meta = lines; grant.meta_count = 1);
	WRONG(SGH_TICKET_PARTS, grant.upload = NULL);
	WRONG(SGH_TICKET_PARTS, grant.record = NULL);
	WRONG(SGH_TICKET_PARTS, grant.first_part = 0);
	WRONG(SGH_TICKET_PARTS, grant.part_count = 0);
	WRONG(SGH_TICKET_PARTS, grant.part_count = SGH_TICKET_URLS_MAX + 1);
	WRONG(SGH_TICKET_PARTS, grant.first_part = 10000);
}

static void the_last_parts_that_can_be_have_tickets(void **state)
{
	struct sgh_store_grant grant = grant_of(SGH_TICKET_PARTS);

	t_ok(open_with(NULL, "access"));
	grant.first_part = SGH_PARTS_MAX - SGH_TICKET_URLS_MAX + 1;
	grant.part_count = SGH_TICKET_URLS_MAX;
	t_ok(issue(&grant));
	url_holds(63, "&partNumber=10000&");
}

static void a_small_arena_is_overload(void **state)
{
	t_ok(open_with(NULL, "access"));
	f.arena.max = 2000;
	t_fails(SANGRAHA_E_OVERLOADED, issue_kind(SGH_TICKET_PARTS));
}

static void get_at(unsigned replica)
{
	struct sgh_store_grant grant = grant_of(SGH_TICKET_GET);

	grant.replica = replica;
	t_ok(issue(&grant));
}

static void who_found_the_object_gives_it(void **state)
{
	open_with_replicas(NULL, NULL);
	get_at(2);
	url_begins(0, "http://copy2:9000/sangraha-image/a%20b?");
	url_holds(0, "X-Amz-SignedHeaders=host&");
	get_at(0);
	url_begins(0, "http://inside:9000/");
	/* There is none of that number. */
	get_at(3);
	url_begins(0, "http://inside:9000/");
}

static void a_replica_has_a_public_address_or_none(void **state)
{
	open_with_replicas("s3+https://outside",
			   "s3+https://copy1.out,s3+https://copy2.out");
	get_at(2);
	url_begins(0, "https://copy2.out/");
	get_at(0);
	url_begins(0, "https://outside/");
	tear_down(NULL);
	open_with_replicas("s3+https://outside", NULL);
	get_at(2);
	url_begins(0, "https://outside/");
}

static void each_replica_has_one_public_address(void **state)
{
	t_fails(SANGRAHA_E_INVALID, try_replicas(NULL, "s3+http://copy1.out"));
	t_says("2 read URLs and 1 public ones");
	t_fails(SANGRAHA_E_INVALID, try_replicas(NULL, "copy1.out,copy2.out"));
	t_says("begins with s3+http:");
}

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(a_put_signs_all_that_it_carries),
	CASE(a_crc_is_enough),
	CASE(each_part_has_a_url),
	CASE(a_get_says_how_it_is_answered),
	CASE(tickets_are_signed_for_the_public_address),
	CASE(several_public_addresses_take_turns),
	CASE(wrong_public_addresses_are_refused),
	CASE(without_keys_nothing_is_signed),
	CASE(a_signature_lasts_until_the_ticket_ends),
	CASE(arguments_are_checked),
	CASE(the_last_parts_that_can_be_have_tickets),
	CASE(a_small_arena_is_overload),
	CASE(who_found_the_object_gives_it),
	CASE(a_replica_has_a_public_address_or_none),
	CASE(each_replica_has_one_public_address),
};

t_main(tests)

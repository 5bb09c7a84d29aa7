/* SPDX-License-Identifier: MIT */
#include "queue/amqp_url.h"

#include "support/t.h"

static struct sgh_amqp_url *urls;
static size_t count;

static int parse(const char *text)
{
	return sgh_amqp_urls_parse(text, &urls, &count, &t_err);
}

static void expect(const char *text, bool tls, const char *user, const char *password,
		   const char *host, unsigned port, const char *vhost)
{
	t_ok(parse(text));
	assert_int_equal(count, 1);
	assert_int_equal(urls->tls, tls);
	assert_string_equal(urls->user, user);
	assert_string_equal(urls->password, password);
	assert_string_equal(urls->host, host);
	assert_int_equal(urls->port, port);
	assert_string_equal(urls->vhost, vhost);
	sgh_amqp_urls_free(urls, count);
}

static void parts_have_defaults(void **state)
{
	expect("amqp://h", false, "guest", "guest", "h", 5672, "/");
	expect("amqps://h", true, "guest", "guest", "h", 5671, "/");
	expect("amqp://h/", false, "guest", "guest", "h", 5672, "/");
	expect("amqp://h/%2F", false, "guest", "guest", "h", 5672, "/");
	expect("amqp://u@h:1/v", false, "u", "", "h", 1, "v");
}

static void parts_are_decoded(void **state)
{
	expect("amqp://a%40b:p%2Fw%3a@h/v%2fw", false, "a@b", "p/w:", "h", 5672, "v/w");
	expect("amqp://u:p@ss@h", false, "u", "p@ss", "h", 5672, "/");
	expect("amqp://u:p:q@h", false, "u", "p:q", "h", 5672, "/");
}

static void ipv6_is_in_brackets(void **state)
{
	expect("amqp://[::1]", false, "guest", "guest", "::1", 5672, "/");
	expect("amqps://u:p@[fe80::1]:7/x", true, "u", "p", "fe80::1", 7, "x");
}

static void several_are_kept_in_order(void **state)
{
	t_ok(parse("amqp://a, amqps://b:7/x ,amqp://[::1]:9"));
	assert_int_equal(count, 3);
	assert_string_equal(urls[0].name, "a:5672");
	assert_string_equal(urls[1].name, "b:7");
	assert_string_equal(urls[2].name, "[::1]:9");
	sgh_amqp_urls_free(urls, count);
}

static void what_is_wrong_is_said(void **state)
{
	static const char *const wrong[][2] = {
		{ "", "amqp://" },
		{ "amqp://", "amqp://" },
		{ "amqps://", "amqp" },
		{ "http://h", "amqp://" },
		{ "amqp://h,", "amqp://" },
		{ ",amqp://h", "amqp://" },
		{ "amqp:///v", "no host" },
		{ "amqp://u:p@", "no host" },
		{ "amqp://h:", "1-65535" },
		{ "amqp://h:0", "1-65535" },
		{ "amqp://h:65536", "1-65535" },
		{ "amqp://h:99999999999999999999", "number" },
		{ "amqp://h:12x", "number" },
		{ "amqp://[::1", "']'" },
		{ "amqp://[::1]x", "':'" },
		{ "amqp://[]", "no host" },
		{ "amqp://h/v/w", "vhost" },
		{ "amqp://h/v?x=1", "vhost" },
		{ "amqp://h/%2", "escape" },
		{ "amqp://h/%zz", "escape" },
		{ "amqp://u%00:p@h", "escape" },
	};

	for (size_t i = 0; i < SGH_COUNT(wrong); i++) {
		t_fails(SANGRAHA_E_INVALID, parse(wrong[i][0]));
		t_says(wrong[i][1]);
	}
}

static void a_failure_keeps_the_password(void **state)
{
	t_fails(SANGRAHA_E_INVALID, parse("amqp://user:s3cr3t@host:bad"));
	assert_null(strstr(t_err.message, "s3cr3t"));
}

static void lengths_are_bounded(void **state)
{
	char text[600] = "amqp://";

	memset(text + 7, 'h', 300);
	t_fails(SANGRAHA_E_INVALID, parse(text));
	t_says("too long");
	memset(text, ',', sizeof(text) - 1);
	t_fails(SANGRAHA_E_INVALID, parse(text));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(parts_have_defaults),
	cmocka_unit_test(parts_are_decoded),
	cmocka_unit_test(ipv6_is_in_brackets),
	cmocka_unit_test(several_are_kept_in_order),
	cmocka_unit_test(what_is_wrong_is_said),
	cmocka_unit_test(a_failure_keeps_the_password),
	cmocka_unit_test(lengths_are_bounded),
};

t_main(tests)

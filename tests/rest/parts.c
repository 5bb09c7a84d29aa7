/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include "rest/auth.h"
#include "rest/listen.h"
#include "rest/uri.h"

#include <fcntl.h>
#include <unistd.h>

static void a_target_is_split_and_then_decoded(void **state)
{
	struct sgh_uri uri;

	t_ok(sgh_uri_parse(&uri, "/v1/a%2Fb/?x=1%262&&y&z=a+%2B", &t_err));
	assert_int_equal(uri.segment_count, 3);
	assert_string_equal(uri.segments[1], "a/b");
	assert_string_equal(uri.segments[2], "");
	assert_string_equal(sgh_uri_query(&uri, "x"), "1&2");
	assert_string_equal(sgh_uri_query(&uri, "y"), "");
	assert_string_equal(sgh_uri_query(&uri, "z"), "a +");
	assert_null(sgh_uri_query(&uri, "w"));
	sgh_uri_fini(&uri);
}

static void absolute_form_is_a_target(void **state)
{
	struct sgh_uri uri;

	t_ok(sgh_uri_parse(&uri, "http://host:8080/v1?x=/", &t_err));
	assert_int_equal(uri.segment_count, 1);
	assert_string_equal(uri.segments[0], "v1");
	sgh_uri_fini(&uri);
	t_ok(sgh_uri_parse(&uri, "https://host?x=y", &t_err));
	assert_string_equal(uri.segments[0], "");
	sgh_uri_fini(&uri);
}

static void bad_targets_are_refused(void **state)
{
	static const char *const targets[] = { "/%",       "/%4",       "/%g0",
					       "/%00",     "/x?%zz=1",  "/x?a=%",
					       "/x?a=%00", "/x?a=1&a=2" };

	for (size_t i = 0; i < SGH_COUNT(targets); i++) {
		struct sgh_uri uri;

		t_fails(SANGRAHA_E_INVALID, sgh_uri_parse(&uri, targets[i], &t_err));
		sgh_uri_fini(&uri);
	}
}

static void a_strange_parameter_is_not_repeated(void **state)
{
	static const char *const targets[] = { "/?%FF&%FF", "/?a%0D%0Ab&a%0D%0Ab" };

	for (size_t i = 0; i < SGH_COUNT(targets); i++) {
		struct sgh_uri uri;

		t_fails(SANGRAHA_E_INVALID, sgh_uri_parse(&uri, targets[i], &t_err));
		t_says("parameter \"?\" is given twice");
		sgh_uri_fini(&uri);
	}
}

static void too_many_parameters_are_refused(void **state)
{
	struct sgh_uri uri;

	t_fails(SANGRAHA_E_INVALID,
		sgh_uri_parse(&uri, "/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", &t_err));
	sgh_uri_fini(&uri);
}

static void only_the_token_lets_in(void **state)
{
	assert_true(sgh_auth_bearer("Bearer secret", "secret"));
	assert_true(sgh_auth_bearer("bearer  secret", "secret"));
	assert_false(sgh_auth_bearer(NULL, "secret"));
	assert_false(sgh_auth_bearer("", "secret"));
	assert_false(sgh_auth_bearer("Bearer", "secret"));
	assert_false(sgh_auth_bearer("Bearer ", "secret"));
	assert_false(sgh_auth_bearer("Bearer secre", "secret"));
	assert_false(sgh_auth_bearer("Bearer secrets", "secret"));
	assert_false(sgh_auth_bearer("Basic secret", "secret"));
}

static void loopback_needs_nothing(void **state)
{
	static const char *const addresses[] = { "127.0.0.1:0", "localhost:0",
						 "127.9.9.9:0" };

	for (size_t i = 0; i < SGH_COUNT(addresses); i++) {
		unsigned port = 0;
		int fd = -1;

		t_ok(sgh_listen(addresses[i], true, &fd, &port, &t_err));
		assert_true(port > 0);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
}

static void everywhere_needs_to_be_meant(void **state)
{
	unsigned port;
	int fd = -1;

	t_fails(SANGRAHA_E_INVALID, sgh_listen("0.0.0.0:0", true, &fd, &port, &t_err));
	t_says("api-token-file");
	t_fails(SANGRAHA_E_INVALID, sgh_listen(":0", true, &fd, &port, &t_err));
	t_ok(sgh_listen("0.0.0.0:0", false, &fd, &port, &t_err));
	close(fd);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const addresses[] = { "",         "8080",       "host:",
						 "host:x",   "host:70000", "host:-1",
						 "::1:8080", "host:123456" };

	for (size_t i = 0; i < SGH_COUNT(addresses); i++) {
		unsigned port;
		int fd;

		t_fails(SANGRAHA_E_INVALID,
			sgh_listen(addresses[i], true, &fd, &port, &t_err));
	}
}

static void an_address_in_use_is_named(void **state)
{
	char address[32];
	unsigned port;
	int fd;
	int other;

	t_ok(sgh_listen("127.0.0.1:0", true, &fd, &port, &t_err));
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	t_fails(SANGRAHA_E_UNAVAILABLE, sgh_listen(address, true, &other, &port, &t_err));
	t_says(address);
	t_says("Address already in use");
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_target_is_split_and_then_decoded),
	cmocka_unit_test(absolute_form_is_a_target),
	cmocka_unit_test(bad_targets_are_refused),
	cmocka_unit_test(a_strange_parameter_is_not_repeated),
	cmocka_unit_test(too_many_parameters_are_refused),
	cmocka_unit_test(only_the_token_lets_in),
	cmocka_unit_test(loopback_needs_nothing),
	cmocka_unit_test(everywhere_needs_to_be_meant),
	cmocka_unit_test(what_is_no_address_is_refused),
	cmocka_unit_test(an_address_in_use_is_named),
};

t_main(tests)

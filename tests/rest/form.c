/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "support/web.h"

#include <unistd.h>

#define POST        "/v1/objects"
#define TYPE        "Content-Type: multipart/form-data; boundary=xyz\r\n"
#define FIELD(name) "--xyz\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define FILE_PART                                                  \
	"--xyz\r\nContent-Disposition: form-data; name=\"file\"; " \
	"filename=\"C:\\dir\\Menü.png\"\r\nContent-Type: image/png\r\n\r\nbytes\r\n"

#define NAMED_FILE "--xyz\r\nContent-Disposition: form-data; name=file\r\n"

static void a_form_is_an_object(void **state)
{
	struct web *web = *state;
	struct answer answer = web_post(web, POST, TYPE,
					FIELD("meta.a") "bl\xc3\xa5\r\n" FILE_PART FIELD(
						"meta.b") "2\r\n--xyz--\r\n");
	struct fake_seen seen = fake_seen(web->fake);

	assert_int_equal(answer.status, 201);
	assert_string_equal(seen.filename, "Menü.png");
	assert_string_equal(seen.content_type, "image/png");
	assert_string_equal(seen.meta, "a=blå;b=2;");
	assert_int_equal(seen.body_length, 5);
	assert_memory_equal(seen.body, "bytes", 5);
	assert_int_equal(seen.announced, -1);
	answer_free(&answer);
}

static void the_query_names_the_file_first(void **state)
{
	struct web *web = *state;
	struct answer answer =
		web_post(web, POST "?filename=x.png", TYPE, FILE_PART "--xyz--\r\n");

	assert_string_equal(fake_seen(web->fake).filename, "x.png");
	answer_free(&answer);
}

static void a_form_of_single_bytes_arrives(void **state)
{
	static const char body[] = FIELD("meta.a") "1\r\n" FILE_PART "--xyz--\r\n";
	struct web *web = *state;
	struct answer answer;
	int fd = web_connect(web);

	web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\n" TYPE
		     "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t i = 0; i < sizeof(body) - 1; i++)
		web_send(fd, "1\r\n%c\r\n", body[i]);
	web_send(fd, "0\r\n\r\n");
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 201);
	assert_memory_equal(fake_seen(web->fake).body, "bytes", 5);
	answer_free(&answer);
	close(fd);
}

static void a_paused_form_goes_on(void **state)
{
	struct web *web = *state;
	struct answer answer;

	fake_pause_after(web->fake, 1);
	answer = web_post(web, POST, TYPE,
			  "--xyz\r\nContent-Disposition: form-data; name=file\r\n\r\n"
			  "a\r\n--xy\r\n--x\r\n--xyz--");
	assert_int_equal(answer.status, 201);
	assert_int_equal(fake_seen(web->fake).body_length, 12);
	assert_memory_equal(fake_seen(web->fake).body, "a\r\n--xy\r\n--x", 12);
	answer_free(&answer);
	fake_pause_after(web->fake, 0);
}

static void bad_forms_are_400(void **state)
{
	static const struct {
		const char *body;
		const char *detail;
	} table[] = {
		{ FILE_PART FILE_PART "--xyz--", "more than one part" },
		{ FIELD("meta.a") "1\r\n--xyz--", "no part \\\"file\\\"" },
		{ FIELD("other") "1\r\n" FILE_PART "--xyz--", "neither" },
		{ FILE_PART, "before the closing boundary" },
		{ FILE_PART "--xyz", "before the closing boundary" },
		{ "", "before the closing boundary" },
		{ FIELD("meta.A") "1\r\n" FILE_PART "--xyz--", "user metadata" },
		{ FIELD("meta.a") "\xff\r\n" FILE_PART "--xyz--", "not UTF-8" },
		{ FIELD("meta.a") "1\r\n" FIELD("meta.a") "1\r\n--xyz--", "twice" },
		{ "--xyz\r\nContent-Disposition: form-data; name=\"file\"\r\n"
		  "Content-Type: x\r\n\r\n\r\n--xyz--",
		  "" },
		{ "--xyz\r\nContent-Disposition: form-data; name=\"file\"; "
		  "filename*=UTF-8''%0A\r\n\r\nx\r\n--xyz--",
		  "" },
		{ NAMED_FILE "Content-Transfer-Encoding: base64\r\n\r\nx\r\n--xyz--",
		  "transfer encoding" },
		{ NAMED_FILE "Content-Disposition: form-data; name=x\r\n\r\nx\r\n--xyz--",
		  "twice" },
		{ NAMED_FILE "Content-Type: image/png\r\ncontent-type: image/png\r\n\r\n"
			     "x\r\n--xyz--",
		  "twice" },
	};
	struct web *web = *state;

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer = web_post(web, POST, TYPE, table[i].body);

		if (answer.status != 400)
			fail_msg("row %zu: %d", i, answer.status);
		assert_contains(answer.body, table[i].detail);
		answer_free(&answer);
	}
	t_wait(fake_uploads_open(web->fake) == 0);
}

static void metadata_that_is_late_is_400(void **state)
{
	struct web *web = *state;
	struct answer answer;

	fake_meta_first(web->fake, true);
	answer = web_post(
		web, POST, TYPE,
		FIELD("meta.a") "1\r\n" FILE_PART FIELD("meta.colour") "2\r\n--xyz--");
	assert_int_equal(answer.status, 400);
	assert_contains(answer.body, "\"The part \\\"meta.colour\\\" came after the part "
				     "\\\"file\\\"; the metadata comes first\"");
	answer_free(&answer);
	fake_meta_first(web->fake, false);
	t_wait(fake_uploads_open(web->fake) == 0);
}

static void an_encoded_part_is_415(void **state)
{
	static const struct {
		const char *body;
		int status;
	} table[] = {
		{ NAMED_FILE "Content-Encoding: gzip\r\n\r\nx\r\n--xyz--", 415 },
		{ NAMED_FILE "Content-Encoding: identity \r\n\r\nx\r\n--xyz--", 201 },
		{ NAMED_FILE "Content-Transfer-Encoding: Binary \r\n\r\nx\r\n--xyz--",
		  201 },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer = web_post(*state, POST, TYPE, table[i].body);

		assert_int_equal(answer.status, table[i].status);
		answer_free(&answer);
	}
}

static void a_long_value_is_400(void **state)
{
	char body[2000];
	struct answer answer;

	snprintf(body, sizeof(body), FIELD("meta.a") "%01000d\r\n" FILE_PART "--xyz--",
		 1);
	answer = web_post(*state, POST, TYPE, body);
	assert_int_equal(answer.status, 400);
	answer_free(&answer);
}

static void a_form_over_the_limit_is_413(void **state)
{
	struct web *web = *state;
	struct answer answer;

	fake_inline_limit(web->fake, 4);
	answer = web_post(web, POST, TYPE, FILE_PART "--xyz--");
	assert_int_equal(answer.status, 413);
	answer_free(&answer);
	fake_inline_limit(web->fake, 4 << 20);
}

static void the_digest_is_of_the_whole_form(void **state)
{
	static const char body[] =
		"--xyz\r\nContent-Disposition: form-data; name=file\r\n\r\n"
		"x\r\n--xyz--\r\n";
	struct answer answer =
		web_post(*state, POST,
			 TYPE "Content-Digest: "
			      "sha-256=:"
			      "EMkq9kUvnrPfKTrJHMc5cH3Kjp7VEJcOh9o7B1HY5DU=:\r\n",
			 body);

	assert_int_equal(answer.status, 400);
	assert_contains(answer.body, "Content-Digest");
	answer_free(&answer);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_form_is_an_object),
	cmocka_unit_test(the_query_names_the_file_first),
	cmocka_unit_test(a_form_of_single_bytes_arrives),
	cmocka_unit_test(a_paused_form_goes_on),
	cmocka_unit_test(bad_forms_are_400),
	cmocka_unit_test(metadata_that_is_late_is_400),
	cmocka_unit_test(an_encoded_part_is_415),
	cmocka_unit_test(a_long_value_is_400),
	cmocka_unit_test(a_form_over_the_limit_is_413),
	cmocka_unit_test(the_digest_is_of_the_whole_form),
};

int main(void)
{
	return cmocka_run_group_tests_name(__FILE__, tests, web_set_up, web_tear_down);
}

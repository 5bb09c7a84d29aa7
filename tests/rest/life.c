/* SPDX-License-Identifier: MIT */
#include "support/t.h"
#include "support/web.h"

#include <pthread.h>
#include <unistd.h>

#define POST "/v1/objects"
#define MANY 100

static struct web *one_thread(unsigned request_timeout_ms)
{
	struct sangraha_rest_options options = {
		.threads = 1,
		.request_timeout_ms = request_timeout_ms,
	};

	return web_new(&options);
}

static void a_hundred_wait_on_one_thread(void **state)
{
	struct web *web = one_thread(0);
	int fds[MANY];

	fake_hold(web->fake);
	for (int i = 0; i < MANY; i++) {
		fds[i] = web_connect(web);
		web_send(fds[i], "POST " POST " HTTP/1.1\r\nHost: x\r\n"
				 "Content-Length: 1\r\n\r\na");
	}
	t_wait(fake_in_flight(web->fake) == MANY);
	fake_release(web->fake);
	for (int i = 0; i < MANY; i++) {
		struct answer answer;

		web_receive(fds[i], false, &answer);
		assert_int_equal(answer.status, 201);
		answer_free(&answer);
		close(fds[i]);
	}
	web_free(web);
}

static void *ask_often(void *arg)
{
	struct web *web = arg;
	int fd = web_connect(web);

	for (int i = 0; i < 500; i++) {
		struct answer answer;

		web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\n"
			     "Content-Length: 4\r\n\r\nabcd"
			     "GET " WEB_OBJECT " HTTP/1.1\r\nHost: x\r\n\r\n");
		web_receive(fd, false, &answer);
		if (answer.status != 201)
			return strdup("no 201");
		answer_free(&answer);
		web_receive(fd, false, &answer);
		if (strcmp(answer.body, WEB_BYTES) != 0)
			return strdup("other bytes");
		answer_free(&answer);
	}
	close(fd);
	return NULL;
}

/* `done` and the wake-up come before, while and after the connection is suspended. */
static void no_wake_up_is_lost(void **state)
{
	struct sangraha_rest_options options = { .threads = 2 };
	struct web *web = web_new(&options);
	pthread_t threads[8];

	fake_pause_after(web->fake, 2);
	for (size_t i = 0; i < SGH_COUNT(threads); i++)
		pthread_create(&threads[i], NULL, ask_often, web);
	for (size_t i = 0; i < SGH_COUNT(threads); i++) {
		void *complaint = NULL;

		pthread_join(threads[i], &complaint);
		if (complaint)
			fail_msg("%s", (char *)complaint);
	}
	web_free(web);
}

static void a_client_without_an_answer_is_504(void **state)
{
	struct web *web = one_thread(100);
	struct answer answer;

	fake_hold(web->fake);
	answer = web_post(web, POST, "", "x");
	assert_int_equal(answer.status, 504);
	assert_string_equal(answer_header(&answer, "Location"),
			    "/v1/operations/" FAKE_UPLOAD_ID);
	assert_contains(answer.body,
			"\"operation\":\"/v1/operations/" FAKE_UPLOAD_ID "\"");
	answer_free(&answer);
	fake_release(web->fake);
	t_wait(fake_in_flight(web->fake) == 0);
	web_free(web);
}

static void stopping_ends_what_waits(void **state)
{
	struct web *web = one_thread(0);
	struct answer answer;
	int fd = web_connect(web);
	int other = web_connect(web);

	web_send(fd, "GET " WEB_OBJECT " HTTP/1.1\r\nHost: x\r\n");
	fake_hold(web->fake);
	web_send(fd, "\r\n");
	web_send(other,
		 "POST " POST " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na");
	t_wait(fake_in_flight(web->fake) == 1 && fake_uploads_open(web->fake) == 1);
	sangraha_rest_free(web->rest);
	web->rest = NULL;
	web_receive(fd, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_contains(answer.body, "stops");
	answer_free(&answer);
	assert_true(web_closed(fd));
	web_receive(other, false, &answer);
	assert_int_equal(answer.status, 503);
	assert_contains(answer.body, "stops");
	answer_free(&answer);
	assert_true(web_closed(other));
	close(fd);
	close(other);
	/* The client answers a request whose server is gone. */
	fake_release(web->fake);
	t_wait(fake_in_flight(web->fake) == 0);
	web_free(web);
}

static void stopping_ends_a_paused_upload(void **state)
{
	struct web *web = one_thread(0);
	int fd = web_connect(web);

	fake_hold(web->fake);
	fake_pause_after(web->fake, 1);
	web_send(fd, "POST " POST " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
	t_wait(fake_uploads_open(web->fake) == 1);
	sangraha_rest_free(web->rest);
	web->rest = NULL;
	assert_int_equal(fake_uploads_open(web->fake), 0);
	close(fd);
	web_free(web);
}

static void a_token_is_asked_for(void **state)
{
	struct sangraha_rest_options options = { .api_token = "s3cret" };
	struct web *web = web_new(&options);
	static const struct {
		const char *target;
		const char *header;
		int http;
	} table[] = {
		{ WEB_OBJECT, "", 401 },
		{ WEB_OBJECT, "Authorization: Bearer s3cret\r\n", 200 },
		{ WEB_OBJECT, "Authorization: Bearer s3cre\r\n", 401 },
		{ WEB_OBJECT, "Authorization: Basic s3cret\r\n", 401 },
		{ "/nowhere", "", 401 },
		{ "/%zz", "", 401 },
		{ "/metrics", "", 401 },
		{ "/metrics", "Authorization: Bearer s3cret\r\n", 200 },
		{ "/health/live", "", 200 },
		{ "/health/ready", "", 200 },
	};

	for (size_t i = 0; i < SGH_COUNT(table); i++) {
		struct answer answer =
			web_do(web, "GET", table[i].target, table[i].header, NULL, 0);

		assert_int_equal(answer.status, table[i].http);
		if (table[i].http == 401)
			assert_has(&answer, "WWW-Authenticate", "Bearer");
		assert_null(strstr(answer.body, "s3cret"));
		answer_free(&answer);
	}
	web_free(web);
}

static void the_public_needs_a_token(void **state)
{
	struct web *web = one_thread(0);
	struct sangraha_rest_options options = { .size = sizeof(options),
						 .listen = "0.0.0.0:0" };
	struct sangraha_rest *rest = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_start(web->context, web->fake, &options, &rest, &t_err));
	options.api_token = "";
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_start(web->context, web->fake, &options, &rest, &t_err));
	options.api_token = NULL;
	options.insecure = 1;
	t_ok(sangraha_rest_start(web->context, web->fake, &options, &rest, &t_err));
	sangraha_rest_free(rest);
	web_free(web);
}

static void readiness_names_what_is_down(void **state)
{
	struct web *web = one_thread(0);
	struct sangraha_health health = {
		.reads = SANGRAHA_HEALTH_OK,
		.writes = SANGRAHA_HEALTH_DOWN,
		.broker = SANGRAHA_HEALTH_OK,
		.receivers = SANGRAHA_HEALTH_DOWN,
		.getters = SANGRAHA_HEALTH_OK,
	};
	struct answer answer;

	fake_health(web->fake, &health);
	answer = web_get(web, "/health/ready");
	assert_int_equal(answer.status, 503);
	assert_string_equal(answer.body,
			    "{\"reads\":true,\"writes\":false,\"draining\":false,"
			    "\"dependencies\":{\"broker\":\"ok\","
			    "\"receivers\":\"down\",\"getters\":\"ok\"}}");
	answer_free(&answer);
	web_free(web);
}

static void only_reads(void *arg, struct sangraha_health *health)
{
	health->reads = SANGRAHA_HEALTH_OK;
	health->store = SANGRAHA_HEALTH_OK;
}

static void the_other_roles_have_health_only(void **state)
{
	struct sangraha_rest_options options = { .size = sizeof(options),
						 .listen = "127.0.0.1:0" };
	struct web web = { .context = t_context() };
	struct answer answer;

	t_ok(sangraha_rest_start_health(web.context, &options, only_reads, NULL,
					&web.rest, &t_err));
	answer = web_get(&web, "/health/ready");
	assert_int_equal(answer.status, 200);
	assert_contains(answer.body, "\"writes\":null");
	answer_free(&answer);
	answer = web_get(&web, "/metrics");
	assert_int_equal(answer.status, 200);
	assert_has(&answer, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
	answer_free(&answer);
	answer = web_get(&web, WEB_OBJECT);
	assert_int_equal(answer.status, 404);
	answer_free(&answer);
	answer = web_post(&web, "/health/live", "", "x");
	assert_int_equal(answer.status, 405);
	answer_free(&answer);
	sangraha_rest_free(web.rest);
	sangraha_context_unref(web.context);
}

/* The last event, as one text. */
struct heard {
	pthread_mutex_t lock;
	char text[512];
};

static void hear(void *arg, const struct sangraha_log_event *event)
{
	struct heard *heard = arg;

	if (strcmp(event->role, "orchestrator") != 0)
		return;
	pthread_mutex_lock(&heard->lock);
	snprintf(heard->text, sizeof(heard->text), "%d %s %s %s %s %s", event->level,
		 event->event, event->outcome, event->request_id,
		 event->object ? event->object : "-",
		 event->operation_id ? event->operation_id : "-");
	pthread_mutex_unlock(&heard->lock);
}

static bool was_heard(struct heard *heard, const char *text)
{
	bool same;

	pthread_mutex_lock(&heard->lock);
	same = strcmp(heard->text, text) == 0;
	pthread_mutex_unlock(&heard->lock);
	return same;
}

static void each_request_is_reported(void **state)
{
	struct heard heard = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct sangraha_context_options context = { .size = sizeof(context),
						    .log = hear,
						    .log_arg = &heard,
						    .log_level = SANGRAHA_LOG_DEBUG };
	struct sangraha_rest_options options = { .size = sizeof(options),
						 .listen = "127.0.0.1:0" };
	struct web web = { .fake = fake_new() };
	struct answer answer;

	t_ok(sangraha_context_new(&context, &web.context, &t_err));
	t_ok(sangraha_rest_start(web.context, web.fake, &options, &web.rest, &t_err));
	web_answers(&web, SANGRAHA_E_NOT_FOUND);
	answer = web_do(&web, "GET", WEB_OBJECT, "X-Correlation-ID: a\r\n", NULL, 0);
	answer_free(&answer);
	t_wait(was_heard(&heard,
			 "3 GET /v1/objects/{type}/{id} not_found a image/" WEB_ID " -"));
	web.object = web_object("image", "image/png", NULL);
	web_answers_object(&web);
	answer = web_post(&web, POST, "X-Correlation-ID: b\r\n", "x");
	answer_free(&answer);
	t_wait(was_heard(&heard, "3 POST /v1/objects ok b image/" WEB_ID " " WEB_ID));
	answer = web_do(&web, "GET", "/nowhere", "X-Correlation-ID: c\r\n", NULL, 0);
	answer_free(&answer);
	t_wait(was_heard(&heard, "3 unknown route not_found c - -"));
	fake_cached(web.fake, true);
	answer = web_do(&web, "GET", WEB_OBJECT, "X-Correlation-ID: d\r\n", NULL, 0);
	answer_free(&answer);
	t_wait(was_heard(&heard,
			 "4 GET /v1/objects/{type}/{id} ok d image/" WEB_ID " -"));
	answer = web_do(&web, "GET", WEB_OBJECT,
			"X-Correlation-ID: e\r\nIf-Match: \"x\"\r\n", NULL, 0);
	answer_free(&answer);
	t_wait(was_heard(&heard,
			 "3 GET /v1/objects/{type}/{id} precondition e image/" WEB_ID
			 " -"));
	sangraha_rest_free(web.rest);
	sangraha_client_free(web.fake);
	sangraha_object_unref(web.object);
	sangraha_context_unref(web.context);
}

static void missing_arguments_are_invalid(void **state)
{
	struct sangraha_rest *rest = NULL;

	t_fails(SANGRAHA_E_INVALID, sangraha_rest_start(NULL, NULL, NULL, &rest, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_start_health(NULL, NULL, NULL, NULL, &rest, &t_err));
	t_fails(SANGRAHA_E_INVALID, sangraha_rest_drain(NULL, 0, &t_err));
	assert_int_equal(sangraha_rest_port(NULL), 0);
	sangraha_rest_free(NULL);
}

static void options_without_a_size_are_invalid(void **state)
{
	struct sangraha_rest_options options = { .listen = "127.0.0.1:0" };
	struct sangraha_context *context = t_context();
	struct sangraha_client *fake = fake_new();
	struct sangraha_rest *rest = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_start(context, fake, &options, &rest, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_rest_start_health(context, &options, only_reads, NULL, &rest,
					   &t_err));
	assert_null(rest);
	sangraha_client_free(fake);
	sangraha_context_unref(context);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_hundred_wait_on_one_thread),
	cmocka_unit_test(no_wake_up_is_lost),
	cmocka_unit_test(a_client_without_an_answer_is_504),
	cmocka_unit_test(stopping_ends_what_waits),
	cmocka_unit_test(stopping_ends_a_paused_upload),
	cmocka_unit_test(a_token_is_asked_for),
	cmocka_unit_test(the_public_needs_a_token),
	cmocka_unit_test(readiness_names_what_is_down),
	cmocka_unit_test(the_other_roles_have_health_only),
	cmocka_unit_test(each_request_is_reported),
	cmocka_unit_test(missing_arguments_are_invalid),
	cmocka_unit_test(options_without_a_size_are_invalid),
};

t_main(tests)

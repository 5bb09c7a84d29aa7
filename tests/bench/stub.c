/* SPDX-License-Identifier: MIT */
#include "stub/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/context.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "load.h"
#include "store/store.h"
#include "stub/archive.h"
#include "stub/keys.h"
#include "support/t.h"
#include "wire/tar.h"

/* The store that only answers: what is measured on it is not held up by wrong answers. */

#define BURST 48

struct fixture {
	struct server *server;
	pthread_t thread;
	char url[64]; /* of the store */
	struct sangraha_context *context;
	struct sangraha_store *store;
	struct sgh_store_op op;
};

static void *serve(void *arg)
{
	server_run(arg);
	return NULL;
}

static void start(struct fixture *f, const struct server_options *options)
{
	f->server = server_new(options);
	assert_non_null(f->server);
	snprintf(f->url, sizeof(f->url), "s3+http://127.0.0.1:%u",
		 server_port(f->server));
	t_ok(sgh_thread_start(&f->thread, "stub", serve, f->server, &t_err));
}

static void stop(struct fixture *f)
{
	server_stop(f->server);
	pthread_join(f->thread, NULL);
	server_free(f->server);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	start(f, &(struct server_options){ 0 });
	f->context = t_context();
	t_ok(sangraha_store_open(f->context, f->url, NULL, &f->store, &t_err));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sgh_store_op_fini(&f->op);
	sangraha_store_unref(f->store);
	sangraha_context_unref(f->context);
	stop(f);
	free(f);
	return 0;
}

/* ---- the load generator ---- */

static struct target target_of(struct fixture *f)
{
	struct target target = { .kind = &target_s3,
				 .bucket = "b",
				 .scope = { .access_key = "a",
					    .secret_key = "s",
					    .region = "us-east-1",
					    .service = "s3" } };
	const char *path;

	assert_int_equal(endpoint_parse(&target.endpoint, f->url + strlen("s3+"), &path),
			 1);
	return target;
}

/* What is read back is not what was written, and nobody takes it for that. */
static void load_is_answered_and_not_kept(void **state)
{
	static struct load_result put, got;
	struct load_options options = { .operation = "put",
					.connections = 8,
					.count = 500,
					.timeout_ns = 60000000000 };
	struct target target = target_of(*state);
	struct stored_list stored = { 0 };
	struct body body;

	assert_int_equal(body_init(&body, "json", 4096), 0);
	assert_int_equal(target_s3_make_bucket(&target), 0);
	assert_int_equal(load_run(&options, &target, &body, &stored, &put), 0);
	assert_string_equal(put.first_error, "");
	assert_int_equal(put.operations, 500);
	options.operation = "get";
	options.reads = 100;
	assert_int_equal(load_run(&options, &target, &body, &stored, &got), 0);
	assert_int_equal(got.operations, 0);
	assert_true(got.errors > 0);
	body_fini(&body);
	stored_fini(&stored);
	target_fini(&target);
}

/* ---- our client ---- */

static unsigned left; /* atomic */

static void ended(struct sgh_store_op *op)
{
	__atomic_sub_fetch(&left, 1, __ATOMIC_RELEASE);
}

static int run(struct fixture *f)
{
	left = 1;
	f->op.bucket = "json";
	f->op.deadline_ms = sgh_now_ms() + 60000;
	f->op.done = ended;
	t_ok(sgh_store_submit(f->store, &f->op, &t_err));
	t_wait(!__atomic_load_n(&left, __ATOMIC_ACQUIRE));
	t_err = f->op.err;
	return f->op.status;
}

static int ask(struct fixture *f, enum sgh_store_verb verb, const char *key)
{
	sgh_store_op_fini(&f->op);
	f->op = (struct sgh_store_op){ .verb = verb, .key = key };
	return run(f);
}

static int put_new(struct fixture *f, const char *key)
{
	static const struct sgh_pair meta = { "sangraha-filename", "Men%C3%BC" };

	sgh_store_op_fini(&f->op);
	f->op = (struct sgh_store_op){
		.verb = SGH_STORE_PUT,
		.key = key,
		.content_type = "application/json",
		.meta = &meta,
		.meta_count = 1,
		.if_none_match = true,
	};
	return run(f);
}

static void an_object_is_there_until_it_is_removed(void **state)
{
	struct fixture *f = *state;

	t_ok(ask(f, SGH_STORE_MAKE_BUCKET, NULL));
	t_ok(ask(f, SGH_STORE_CHECK, NULL));
	t_fails(SANGRAHA_E_NOT_FOUND, ask(f, SGH_STORE_HEAD, "a"));
	t_ok(put_new(f, "a"));
	t_fails(SANGRAHA_E_PRECONDITION, put_new(f, "a"));
	t_ok(ask(f, SGH_STORE_HEAD, "a"));
	assert_int_equal(f->op.head.size, 0);
	assert_string_equal(f->op.head.content_type, "application/json");
	assert_int_equal(f->op.head.meta_count, 1);
	assert_string_equal(f->op.head.meta[0].value, "Men%C3%BC");
	t_ok(ask(f, SGH_STORE_DELETE, "a"));
	t_fails(SANGRAHA_E_NOT_FOUND, ask(f, SGH_STORE_HEAD, "a"));
}

static void an_empty_bucket_is_listed(void **state)
{
	struct fixture *f = *state;

	f->op = (struct sgh_store_op){ .verb = SGH_STORE_LIST, .limit = 10 };
	t_ok(run(f));
	assert_int_equal(f->op.key_count, 0);
	t_ok(ask(f, SGH_STORE_UPLOAD_FIND, "a"));
	assert_int_equal(f->op.upload_count, 0);
}

/* Many at once: from some time on the client packs them, as it does for MinIO. */
static void burst(struct fixture *f)
{
	static struct sgh_store_op ops[BURST];
	static char keys[BURST][8];
	struct sgh_bytes *body = t_bytes("{\"n\":1}");

	left = BURST;
	for (unsigned i = 0; i < BURST; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		ops[i] = (struct sgh_store_op){
			.verb = SGH_STORE_PUT,
			.bucket = "json",
			.key = keys[i],
			.body = body,
			.content_type = "application/json",
			.packable = true,
			.deadline_ms = sgh_now_ms() + 60000,
			.done = ended,
		};
		t_ok(sgh_store_submit(f->store, &ops[i], &t_err));
	}
	t_wait(!__atomic_load_n(&left, __ATOMIC_ACQUIRE));
	for (unsigned i = 0; i < BURST; i++) {
		t_err = ops[i].err;
		t_ok(ops[i].status);
		sgh_store_op_fini(&ops[i]);
	}
	sgh_bytes_unref(body);
}

static void archives_are_taken_apart(void **state)
{
	struct fixture *f = *state;
	struct sgh_metric *packs = sgh_metrics_counter(f->context->metrics,
						       "sangraha_store_packs_total", "");
	char key[8];

	t_wait((burst(f), sgh_metric_get(packs) > 0));
	for (unsigned i = 0; i < BURST; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		t_ok(ask(f, SGH_STORE_HEAD, key));
		assert_int_equal(f->op.head.size, 7);
		assert_string_equal(f->op.head.content_type, "application/json");
	}
	t_fails(SANGRAHA_E_NOT_FOUND, ask(f, SGH_STORE_HEAD, "archive"));
}

/* ---- anything else ---- */

static int connect_to(const struct fixture *f)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons(server_port(f->server)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 30 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Say that and nothing more, and hear what there is until the end; "" for nothing. */
static const char *talk(const struct fixture *f, const char *text, size_t length)
{
	static char heard[8192];
	size_t have = 0;
	int fd = connect_to(f);
	ssize_t got = 0;

	/* It may be cut off before it has said all. */
	if (send(fd, text, length, MSG_NOSIGNAL) == (ssize_t)length)
		shutdown(fd, SHUT_WR);
	while (have < sizeof(heard) - 1 &&
	       (got = recv(fd, heard + have, sizeof(heard) - 1 - have, 0)) > 0)
		have += (size_t)got;
	assert_false(got < 0 && errno == EAGAIN);
	heard[have] = '\0';
	close(fd);
	return heard;
}

#define talk_text(f, text) talk((f), (text), strlen(text))

static bool says(const char *answer, const char *status)
{
	return strncmp(answer, "HTTP/1.1 ", 9) == 0 &&
	       strncmp(answer + 9, status, strlen(status)) == 0;
}

static void is_refused(const struct fixture *f, const char *text, const char *status)
{
	const char *answer = talk_text(f, text);

	if (!says(answer, status))
		fail_msg("'%.60s' is answered '%.60s'", text, answer);
}

static void what_cannot_be_taken_is_refused(void **state)
{
	static const char *const refused[][2] = {
		{ "\r\n\r\n", "400" },
		{ "GET\r\n\r\n", "400" },
		{ "GET b HTTP/1.1\r\n\r\n", "400" },
		{ "GET / HTTP/1.0\r\n\r\n", "505" },
		{ "GET / HTTP/1.1\r\nno colon\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\n: no name\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\n folded: x\r\n\r\n", "400" },
		{ "PUT /b/k HTTP/1.1\r\n\r\n", "411" },
		{ "PUT /b/k HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400" },
		{ "PUT /b/k HTTP/1.1\r\nContent-Length: 1 1\r\n\r\n", "400" },
		{ "PUT /b/k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		  "400" },
		{ "PUT /b/k HTTP/1.1\r\nContent-Length: 5368709121\r\n\r\n", "413" },
		{ "PUT /b/k HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		  "400" },
		{ "PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "501" },
		{ "POST /b/k?uploads HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "501" },
		{ "POST /b?delete HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "501" },
		{ "PUT /b/k?partNumber=1&uploadId=x HTTP/1.1\r\nContent-Length: "
		  "0\r\n\r\n",
		  "501" },
		{ "PATCH /b/k HTTP/1.1\r\n\r\n", "405" },
		{ "GET /b/k HTTP/1.1\r\n\r\n", "404" },
	};
	static char endless[(64 << 10) + 1];

	for (size_t i = 0; i < SGH_COUNT(refused); i++)
		is_refused(*state, refused[i][0], refused[i][1]);
	memset(endless, 'x', sizeof(endless) - 1);
	/* What it did not read any more may take its answer along. */
	talk_text(*state, endless);
	endless[16 << 10] = '\0';
	is_refused(*state, endless, "431");
	assert_true(says(talk(*state, "GET /\0 HTTP/1.1\r\n\r\n", 20), "400"));
	assert_true(says(talk_text(*state, "GET / HTTP/1.1\r\n\r\n"), "200"));
}

/* A head may be cut wherever it likes, and a body come together with it. */
static void pieces_are_put_together(void **state)
{
	static const char text[] = "PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\n"
				   "x-amz-meta-a:  b \r\n\r\nabc";
	char heard[128];

	for (size_t cut = 1; cut < strlen(text); cut++) {
		int fd = connect_to(*state);

		assert_int_equal(send(fd, text, cut, 0), cut);
		assert_int_equal(send(fd, text + cut, strlen(text) - cut, 0),
				 strlen(text) - cut);
		assert_true(recv(fd, heard, sizeof(heard), 0) > 0);
		assert_true(says(heard, "200"));
		close(fd);
	}
	assert_string_equal(
		talk_text(*state, "GET /b/k HTTP/1.1\r\nConnection: close\r\n\r\n") +
			strlen("HTTP/1.1 200 OK\r\n"),
		"ETag: \"00000000000000000000000000000000\"\r\n"
		"Content-Length: 3\r\nx-amz-meta-a: b\r\n\r\n");
}

static void one_request_comes_after_the_other(void **state)
{
	static const char both[] = "PUT /b/k HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
				   "PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
	const char *heard = talk_text(*state, both);

	/* Who did not wait is answered in turn all the same, as long as there is room. */
	assert_true(says(heard, "200"));
	assert_non_null(strstr(heard + 9, "HTTP/1.1 200"));
}

static void a_long_body_is_asked_for(void **state)
{
	const char *heard =
		talk_text(*state, "PUT /b/k HTTP/1.1\r\nExpect: 100-continue\r\n"
				  "Content-Length: 3\r\n\r\nabc");

	assert_true(says(heard, "100"));
	assert_non_null(strstr(heard, "HTTP/1.1 200 OK"));
}

/* ---- archives that are none ---- */

static size_t make_archive(unsigned char *out)
{
	static const struct sgh_tar_record records[] = {
		{ "minio.metadata.", "Content-Type", "text/plain" },
		{ "minio.metadata.", "Content-Length", "7" },
		{ "minio.metadata.", "x-amz-meta-a", "1=2" },
		{ "", "path", "elsewhere" },
	};
	const struct sgh_tar_member member = {
		.name = "one",
		.data = "abc",
		.length = 3,
		.records = records,
		.record_count = SGH_COUNT(records),
	};
	unsigned char *end = sgh_tar_write(&member, out);

	end = sgh_tar_write(&(struct sgh_tar_member){ .name = "two" }, end);
	return (size_t)(end - out);
}

static bool is_archive(struct keys *keys, const unsigned char *data, size_t length,
		       size_t piece)
{
	static struct archive archive;

	archive_begin(&archive, keys, "/b/archive");
	for (size_t at = 0; at < length; at += piece)
		archive_feed(&archive, data + at, sgh_min(piece, length - at));
	return archive_end(&archive);
}

static void an_archive_is_read_in_any_pieces(void **state)
{
	static const char lines[] = "Content-Type: text/plain\r\nx-amz-meta-a: 1=2\r\n";
	unsigned char data[8192];
	size_t length = make_archive(data);
	struct keys *keys = keys_new();

	assert_non_null(keys);
	for (size_t piece = 1; piece <= length; piece++) {
		const struct keys_entry *entry;

		assert_true(is_archive(keys, data, length, piece));
		entry = keys_find(keys, "/b/one");
		assert_non_null(entry);
		assert_int_equal(entry->size, 3);
		assert_int_equal(entry->lines_length, strlen(lines));
		assert_memory_equal(entry->lines, lines, strlen(lines));
		entry = keys_find(keys, "/b/two");
		assert_non_null(entry);
		assert_int_equal(entry->size + entry->lines_length, 0);
		keys_remove(keys, "/b/one");
		keys_remove(keys, "/b/two");
	}
	keys_free(keys);
}

static void a_cut_archive_is_none(void **state)
{
	unsigned char data[8192];
	size_t length = make_archive(data);
	struct keys *keys = keys_new();

	for (size_t cut = 1; cut < length; cut++)
		/* Where the first member ends, nothing is missing. */
		if (cut != length - 512)
			assert_false(is_archive(keys, data, cut, cut));
	keys_free(keys);
}

static void a_changed_archive_does_no_harm(void **state)
{
	unsigned char data[8192];
	unsigned char changed[sizeof(data)];
	size_t length = make_archive(data);
	struct keys *keys = keys_new();
	unsigned seed = 1;

	for (unsigned i = 0; i < 20000; i++) {
		memcpy(changed, data, length);
		for (unsigned k = 0; k <= i % 4; k++)
			changed[(size_t)rand_r(&seed) % length] =
				(unsigned char)rand_r(&seed);
		is_archive(keys, changed, length, 1 + (size_t)rand_r(&seed) % length);
	}
	assert_true(is_archive(keys, data, length, length));
	keys_free(keys);
}

static void what_is_no_archive_is_refused(void **state)
{
	char text[1024];
	int head = snprintf(text, sizeof(text),
			    "PUT /b/k HTTP/1.1\r\nContent-Length: 600\r\n"
			    "X-Amz-Meta-Snowball-Auto-Extract: true\r\n\r\n");

	memset(text + head, 'x', 600);
	assert_true(says(talk(*state, text, (size_t)head + 600), "400"));
	assert_true(says(talk_text(*state, "HEAD /b/k HTTP/1.1\r\n\r\n"), "404"));
}

/* ---- bounds ---- */

static void old_keys_are_forgotten(void **state)
{
	struct keys *keys = keys_new();
	char path[KEYS_PATH_MAX + 2] = "/b/";
	char lines[KEYS_LINES_MAX + 1] = "";
	unsigned found = 0;

	for (unsigned i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/b/%u", i);
		keys_put(keys, path, i, "", 0);
		assert_int_equal(keys_find(keys, path)->size, i);
	}
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/b/%u", i);
		found += keys_find(keys, path) != NULL;
	}
	assert_in_range(found, 10000, 16384);
	keys_put(keys, path, 1, lines, sizeof(lines));
	assert_null(keys_find(keys, path));
	memset(path, 'x', sizeof(path) - 1);
	keys_put(keys, path, 1, "", 0);
	assert_null(keys_find(keys, path));
	keys_free(keys);
}

static void too_many_connections_are_closed(void **state)
{
	struct fixture f = { 0 };
	int first;
	int second;
	char byte;

	start(&f, &(struct server_options){ .connections = 1 });
	first = connect_to(&f);
	second = connect_to(&f);
	assert_int_equal(recv(second, &byte, 1, 0), 0);
	close(second);
	close(first);
	/* The place is free again, as soon as it was seen. */
	t_wait(says(talk_text(&f, "GET / HTTP/1.1\r\n\r\n"), "200"));
	stop(&f);
}

static void an_answer_waits_for_its_time(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
	struct fixture f = { 0 };
	char heard[32];
	int64_t began;
	int fd;

	start(&f, &(struct server_options){ .delay_ms = 30 });
	fd = connect_to(&f);
	began = sgh_now_ms();
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
	assert_true(recv(fd, heard, sizeof(heard), 0) > 0);
	assert_true(says(heard, "200"));
	assert_true(sgh_now_ms() - began >= 29);
	close(fd);
	/* Who leaves while it waits takes nothing along. */
	fd = connect_to(&f);
	assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
	close(fd);
	stop(&f);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(load_is_answered_and_not_kept, setup, teardown),
	cmocka_unit_test_setup_teardown(an_object_is_there_until_it_is_removed, setup,
					teardown),
	cmocka_unit_test_setup_teardown(an_empty_bucket_is_listed, setup, teardown),
	cmocka_unit_test_setup_teardown(archives_are_taken_apart, setup, teardown),
	cmocka_unit_test_setup_teardown(what_cannot_be_taken_is_refused, setup, teardown),
	cmocka_unit_test_setup_teardown(pieces_are_put_together, setup, teardown),
	cmocka_unit_test_setup_teardown(one_request_comes_after_the_other, setup,
					teardown),
	cmocka_unit_test_setup_teardown(a_long_body_is_asked_for, setup, teardown),
	cmocka_unit_test(an_archive_is_read_in_any_pieces),
	cmocka_unit_test(a_cut_archive_is_none),
	cmocka_unit_test(a_changed_archive_does_no_harm),
	cmocka_unit_test_setup_teardown(what_is_no_archive_is_refused, setup, teardown),
	cmocka_unit_test(old_keys_are_forgotten),
	cmocka_unit_test(too_many_connections_are_closed),
	cmocka_unit_test(an_answer_waits_for_its_time),
};

int main(void)
{
	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}

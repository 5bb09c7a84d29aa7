/* SPDX-License-Identifier: MIT */
#include "http/calls.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a resolver that hangs ---- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned waiting;
	bool go_on;
} resolver = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* In the place of the C library's, for libcurl too: "hangs.test" is never resolved. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
		    struct addrinfo **) =
		(int (*)(const char *, const char *, const struct addrinfo *,
			 struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");

	if (!node || strcmp(node, "hangs.test") != 0)
		return real(node, service, hints, ret);
	pthread_mutex_lock(&resolver.lock);
	resolver.waiting++;
	while (!resolver.go_on)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	resolver.waiting--;
	pthread_mutex_unlock(&resolver.lock);
	return EAI_AGAIN;
}

static unsigned resolving(void)
{
	unsigned waiting;

	pthread_mutex_lock(&resolver.lock);
	waiting = resolver.waiting;
	pthread_mutex_unlock(&resolver.lock);
	return waiting;
}

static void let_resolver_go_on(void)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.go_on = true;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
	t_wait(resolving() == 0);
}

static void a_handshake_that_hangs_ends(void **state)
{
	PEER({ .deaf = true });
	struct call call = make("GET", t_peer_url(f.peer));
	int64_t start = sgh_now_ms();

	snprintf(call.url, sizeof(call.url), "https%s/",
		 t_peer_url(f.peer) + strlen("http"));
	t_fails(SANGRAHA_E_UNAVAILABLE, run(&call));
	assert_true(call.request.unsent);
	assert_true(sgh_now_ms() - start < 10000);
	fini(&call);
}

static void a_resolver_that_hangs_holds_up_nobody(void **state)
{
	int64_t start = sgh_now_ms();

	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call lost = make("GET", "http://hangs.test");
	struct call slow = make("GET", "http://hangs.test");
	struct call other = make("GET", t_peer_url(f.peer));

	lost.request.deadline_ms = start + 100;
	begin(&lost);
	begin(&slow);
	t_wait(resolving() > 0);
	t_ok(run(&other));
	t_fails(SANGRAHA_E_TIMEOUT, end(&lost));
	assert_true(lost.request.unsent);
	/* That one has its time for connecting, and nothing waits for the threads. */
	t_fails(SANGRAHA_E_UNAVAILABLE, end(&slow));
	sgh_http_free(sgh_take(f.http));
	assert_true(resolving() > 0);
	assert_true(sgh_now_ms() - start < 10000);
	let_resolver_go_on();
	fini(&lost);
	fini(&slow);
	fini(&other);
}

/* A GET from the peer fails with this status, before `most_ms` have passed. */
static void get_fails(int status, int64_t deadline_ms, int64_t most_ms)
{
	struct call call = make("GET", t_peer_url(f.peer));
	int64_t start = sgh_now_ms();

	if (deadline_ms)
		call.request.deadline_ms = start + deadline_ms;
	t_fails(status, run(&call));
	assert_true(sgh_now_ms() - start < most_ms);
	fini(&call);
}

static void a_text_is_read(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "x-test:  a b \r\n", 5, "hello") });
	struct call call = make("GET", t_peer_url(f.peer));

	t_ok(run(&call));
	assert_int_equal(call.request.code, 200);
	assert_string_equal(sgh_buf_text(&call.request.text), "hello");
	assert_string_equal(call.header, "a b");
	fini(&call);
}

static void a_body_is_sent_at_once(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make("PUT", t_peer_url(f.peer));
	static const char *const headers[] = { "X-One: 1", "X-None;" };

	call.request.body = many_bytes(3 << 20);
	call.request.headers = headers;
	call.request.header_count = 2;
	t_ok(run(&call));

	const char *text = t_peer_request(f.peer, 0);

	assert_ptr_equal(strstr(text, "PUT /path HTTP/1.1\r\n"), text);
	assert_non_null(strstr(text, "\r\nContent-Length: 3145728\r\n"));
	assert_non_null(strstr(text, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(text, "\r\nX-None:\r\n"));
	assert_null(strstr(text, "Expect"));
	assert_int_equal(strspn(strstr(text, "\r\n\r\n") + 4, "b"), 3 << 20);
	sgh_bytes_unref(call.request.body);
}

static void a_head_has_no_body(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" },
	     { .bytes = T_HTTP("200 OK", "", 1, "a") });
	struct call call = make("HEAD", t_peer_url(f.peer));

	t_ok(run(&call));
	call = make("GET", t_peer_url(f.peer));
	t_ok(run(&call));
	assert_string_equal(sgh_buf_text(&call.request.text), "a");
	fini(&call);
}

/* Who takes the shorter one for the whole has a body that was cut. */
static void two_lengths_are_none(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
			"Content-Length: 5\r\n\r\nhello" });
	struct call call = make("GET", t_peer_url(f.peer));

	t_fails(SANGRAHA_E_INTERNAL, run(&call));
	fini(&call);
}

static void interim_answers_are_passed_over(void **state)
{
	PEER({ .bytes = "HTTP/1.1 102 Wait\r\nX-Test: interim\r\n\r\n"
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" });
	struct call call = make("GET", t_peer_url(f.peer));

	t_ok(run(&call));
	assert_string_equal(call.header, "");
	assert_int_equal(call.request.code, 200);
}

static void redirects_are_answers(void **state)
{
	PEER({ .bytes = T_HTTP("302 Found", "Location: /other\r\n", 0, "") });
	struct call call = make("GET", t_peer_url(f.peer));

	t_ok(run(&call));
	assert_int_equal(call.request.code, 302);
	assert_int_equal(t_peer_requests(f.peer), 1);
}

static void nobody_listens(void **state)
{
	char *url = t_refusing_url("http");
	struct call call = make("GET", url);

	open_http(NULL);
	t_fails(SANGRAHA_E_UNAVAILABLE, run(&call));
	assert_true(call.request.unsent);
	free(url);
}

/* A full backlog: the kernel drops what wants to connect. */
static void nobody_accepts(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fds[4];
	char url[64];

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fds[0], (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(fds[0], 0), 0);
	getsockname(fds[0], (struct sockaddr *)&address, &length);
	for (unsigned i = 1; i < SGH_COUNT(fds); i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&address, sizeof(address));
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	open_http(NULL);

	struct call call = make("GET", url);
	int64_t start = sgh_now_ms();

	t_fails(SANGRAHA_E_UNAVAILABLE, run(&call));
	assert_true(call.request.unsent);
	assert_in_range(sgh_now_ms() - start, 400, 5000);
	for (unsigned i = 0; i < SGH_COUNT(fds); i++)
		close(fds[i]);
}

static void a_broken_answer_is_unavailable(void **state)
{
	static const struct t_answer broken[] = {
		{ .reset = true },
		{ .close = true },
		{ .bytes = T_HTTP("200 OK", "", 5, "hello"), .cut = 9 },
		{ .bytes = T_HTTP("200 OK", "", 5, "hello"), .cut = 30 },
		{ .bytes = T_HTTP("200 OK", "", 9, "hello"), .close = true },
		{ .bytes = T_HTTP("200 OK", "", 9, "hello"), .reset = true },
		{ .bytes =
			  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
		  .close = true },
	};

	for (size_t i = 0; i < SGH_COUNT(broken); i++) {
		PEER(broken[i]);
		get_fails(SANGRAHA_E_UNAVAILABLE, 0, 5000);
		t_peer_free(sgh_take(f.peer));
	}
}

static void silence_ends_at_the_deadline(void **state)
{
	PEER({ .stall = true });
	get_fails(SANGRAHA_E_TIMEOUT, 300, 5000);
}

static void a_slow_answer_ends_at_the_deadline(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 9, "hello"), .stall = true });
	get_fails(SANGRAHA_E_TIMEOUT, 300, 5000);
}

static void a_deaf_peer_ends_at_the_deadline(void **state)
{
	PEER({ .deaf = true });
	struct call call = make("PUT", t_peer_url(f.peer));

	call.request.body = many_bytes(16 << 20);
	call.request.deadline_ms = sgh_now_ms() + 300;
	t_fails(SANGRAHA_E_TIMEOUT, run(&call));
	sgh_bytes_unref(call.request.body);
}

static void no_byte_for_the_idle_time_out(void **state)
{
	const struct sgh_http_options options = { .idle_timeout_ms = 200 };

	open_http(&options);
	PEER({ .bytes = T_HTTP("200 OK", "", 9, "hello"), .stall = true });
	get_fails(SANGRAHA_E_TIMEOUT, 0, 5000);
	t_says("no byte moved");
}

static void nonsense_is_internal(void **state)
{
	PEER({ .bytes = "220 smtp.example.com ready\r\n", .close = true });
	get_fails(SANGRAHA_E_INTERNAL, 0, 5000);
}

static void endless_headers_are_refused(void **state)
{
	PEER({ .bytes = "HTTP/1.1 200 OK\r\n",
	       .endless = "X-Header: and more and more\r\n" });
	get_fails(SANGRAHA_E_TOO_LARGE, 0, 5000);
}

static void an_endless_line_is_refused(void **state)
{
	struct call call;

	PEER({ .bytes = "HTTP/1.1 200 OK\r\nX-Header: ",
	       .endless = "and more and more" });
	call = make("GET", t_peer_url(f.peer));
	assert_int_not_equal(run(&call), 0);
	fini(&call);
}

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static void an_endless_text_is_refused(void **state)
{
	PEER({ .bytes = CHUNKED, .endless = "10\r\n0123456789abcdef\r\n" });
	get_fails(SANGRAHA_E_TOO_LARGE, 0, 5000);
}

static void a_text_of_announced_size_is_refused(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 999999999999, "x"), .stall = true });
	get_fails(SANGRAHA_E_TOO_LARGE, 0, 5000);
}

static struct call make_reader(size_t max)
{
	struct call call = make("GET", t_peer_url(f.peer));

	call.request.want_data = true;
	call.request.max_data = max;
	return call;
}

static void data_is_accounted_for(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	struct call call = make_reader(100);

	t_ok(run(&call));
	t_same_bytes(call.request.data, "hello");
	assert_int_equal(sgh_budget_used(f.budget), 5);
	fini(&call);
	assert_int_equal(sgh_budget_used(f.budget), 0);
}

static void no_data_is_empty_data(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make_reader(100);

	t_ok(run(&call));
	assert_non_null(call.request.data);
	assert_int_equal(call.request.data->length, 0);
	fini(&call);
}

static void an_error_is_text(void **state)
{
	PEER({ .bytes = T_HTTP("404 Not Found", "", 5, "sorry") });
	struct call call = make_reader(2);

	t_ok(run(&call));
	assert_null(call.request.data);
	assert_string_equal(sgh_buf_text(&call.request.text), "sorry");
	fini(&call);
}

static void too_much_data_is_refused(void **state)
{
	static const struct t_answer answers[] = {
		{ .bytes = T_HTTP("200 OK", "", 101, "x"), .stall = true },
		{ .bytes = CHUNKED, .endless = "10\r\n0123456789abcdef\r\n" },
	};

	for (size_t i = 0; i < SGH_COUNT(answers); i++) {
		PEER(answers[i]);
		struct call call = make_reader(100);

		t_fails(SANGRAHA_E_TOO_LARGE, run(&call));
		fini(&call);
		t_peer_free(sgh_take(f.peer));
		assert_int_equal(sgh_budget_used(f.budget), 0);
	}
}

static void data_of_unknown_length_is_read(void **state)
{
	PEER({ .bytes = CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" });
	struct call call = make_reader(100);

	t_ok(run(&call));
	t_same_bytes(call.request.data, "hello!");
	fini(&call);
}

/* So much has to wait for its memory. */
#define WAITS (SGH_BUDGET_LENT + 1)

static void data_waits_for_memory(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	struct call call = make_reader(WAITS);

	sgh_budget_force(f.budget, LIMIT);
	begin(&call);
	/* The header and the body are there at once: it waits as soon as it was asked. */
	t_wait(t_peer_sent(f.peer) > 5);
	assert_false(is_done(&call));
	sgh_budget_release(f.budget, LIMIT);
	t_ok(end(&call));
	t_same_bytes(call.request.data, "hello");
	fini(&call);
}

static void a_wait_for_memory_ends_at_the_deadline(void **state)
{
	const struct sgh_http_options options = { .connections = 1,
						  .idle_timeout_ms = 50 };

	open_http(&options);
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	struct call call = make_reader(WAITS);

	call.request.deadline_ms = sgh_now_ms() + 300;
	sgh_budget_force(f.budget, LIMIT);
	t_fails(SANGRAHA_E_TIMEOUT, run(&call));
	t_says("waited for memory");
	assert_true(call.request.ours);
	sgh_budget_release(f.budget, LIMIT);
	assert_int_equal(sgh_budget_used(f.budget), 0);
}

static void writers_pass_those_that_wait_for_memory(void **state)
{
	const struct sgh_http_options options = { .connections = 1 };

	open_http(&options);
	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	struct call reader = make_reader(WAITS);
	struct call writer = make("PUT", t_peer_url(f.peer));

	sgh_budget_force(f.budget, LIMIT);
	begin(&reader);
	t_wait(t_peer_requests(f.peer) == 1);
	t_ok(run(&writer));
	assert_false(is_done(&reader));
	sgh_budget_release(f.budget, LIMIT);
	t_ok(end(&reader));
	fini(&reader);
	fini(&writer);
}

/* Collect what is done; returns how many that were. */
static unsigned collect(struct call *calls, unsigned count)
{
	unsigned collected = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!is_done(&calls[i]))
			continue;
		t_ok(end(&calls[i]));
		t_same_bytes(calls[i].request.data, "hello");
		fini(&calls[i]);
		calls[i].done = false;
		collected++;
	}
	return collected;
}

static void many_readers_share_little_memory(void **state)
{
	enum { COUNT = 200 };
	struct call *calls = calloc(COUNT, sizeof(*calls));
	unsigned collected = 0;

	PEER({ .bytes = T_HTTP("200 OK", "", 5, "hello") });
	sgh_budget_force(f.budget, LIMIT - 12);
	for (unsigned i = 0; i < COUNT; i++) {
		calls[i] = make_reader(WAITS);
		begin(&calls[i]);
	}
	t_wait((collected += collect(calls, COUNT)) == COUNT);
	assert_int_equal(sgh_budget_used(f.budget), LIMIT - 12);
	free(calls);
}

static void waiting_for_a_connection_ends_at_the_deadline(void **state)
{
	const struct sgh_http_options options = { .connections = 1 };

	open_http(&options);
	PEER({ .bytes = T_HTTP("200 OK", "", 0, ""), .hold = true });
	struct call first = make("GET", t_peer_url(f.peer));
	struct call second = make("GET", t_peer_url(f.peer));

	second.request.deadline_ms = sgh_now_ms() + 200;
	begin(&first);
	t_fails(SANGRAHA_E_TIMEOUT, run(&second));
	assert_true(second.request.unsent && second.request.ours);
	assert_false(is_done(&first));
	t_peer_release(f.peer);
	t_ok(end(&first));
}

static void what_is_urgent_waits_for_nobody(void **state)
{
	const struct sgh_http_options options = { .connections = 1 };

	open_http(&options);
	PEER({ .match = "silent", .stall = true },
	     { .bytes = T_HTTP("200 OK", "", 0, "") });
	char url[80];
	struct call first;
	struct call second = make("GET", t_peer_url(f.peer));
	struct call urgent = make("GET", t_peer_url(f.peer));

	snprintf(url, sizeof(url), "%s/silent", t_peer_url(f.peer));
	first = make("GET", url);
	first.request.deadline_ms = sgh_now_ms() + 20000;
	urgent.request.urgent = true;
	begin(&first);
	begin(&second);
	t_ok(run(&urgent));
	assert_false(is_done(&first) || is_done(&second));
	sgh_http_cancel(f.http, &first.request, SANGRAHA_E_UNAVAILABLE);
	t_fails(SANGRAHA_E_UNAVAILABLE, end(&first));
	t_ok(end(&second));
	fini(&first);
	fini(&second);
	fini(&urgent);
}

static void requests_are_bounded(void **state)
{
	const struct sgh_http_options options = { .requests = 1 };

	open_http(&options);
	PEER({ .bytes = T_HTTP("200 OK", "", 0, ""), .hold = true });
	struct call first = make("GET", t_peer_url(f.peer));
	struct call second = make("GET", t_peer_url(f.peer));

	begin(&first);
	second.request.url = second.url;
	t_fails(SANGRAHA_E_OVERLOADED, sgh_http_submit(f.http, &second.request, &t_err));
	t_peer_release(f.peer);
	t_ok(end(&first));
	t_wait(!sgh_http_submit(f.http, &second.request, &t_err));
	t_peer_release(f.peer);
	t_ok(end(&second));
}

static void the_end_waits_for_what_is_in_flight(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, ""), .hold = true });
	struct call call = make("GET", t_peer_url(f.peer));

	begin(&call);
	t_peer_release(f.peer);
	sgh_http_free(sgh_take(f.http));
	assert_true(is_done(&call));
	assert_int_equal(call.request.status, 0);
}

static void too_many_headers_are_refused(void **state)
{
	struct call call = make("GET", "http://127.0.0.1:1");

	open_http(NULL);
	call.request.header_count = SGH_HTTP_HEADERS_MAX + 1;
	t_fails(SANGRAHA_E_INVALID, sgh_http_submit(f.http, &call.request, &t_err));
}

static void a_ca_file_must_be_there(void **state)
{
	const struct sgh_http_options options = { .ca_file = "/nothing/there.pem" };

	t_fails(SANGRAHA_E_INVALID, sgh_http_new(&options, &f.http, &t_err));
}

static void descriptors_are_not_inherited(void **state)
{
	PEER({ .bytes = T_HTTP("200 OK", "", 0, "") });
	struct call call = make("GET", t_peer_url(f.peer));
	unsigned sockets = 0;

	t_ok(run(&call));
	for (int fd = 3; fd < 64; fd++) {
		struct sockaddr_storage address;
		socklen_t length = sizeof(address);

		if (getpeername(fd, (struct sockaddr *)&address, &length) ||
		    address.ss_family != AF_INET)
			continue;
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		sockets++;
	}
	assert_int_equal(sockets, 2); /* the client's and the peer's end */
}

static const struct CMUnitTest tests[] = {
	BOTH(a_text_is_read),
	BOTH(a_body_is_sent_at_once),
	BOTH(a_head_has_no_body),
	BOTH(two_lengths_are_none),
	BOTH(interim_answers_are_passed_over),
	BOTH(redirects_are_answers),
	CASE(nobody_listens),
	CASE(nobody_accepts),
	BOTH(a_broken_answer_is_unavailable),
	BOTH(silence_ends_at_the_deadline),
	BOTH(a_slow_answer_ends_at_the_deadline),
	CASE(a_deaf_peer_ends_at_the_deadline),
	BOTH(no_byte_for_the_idle_time_out),
	BOTH(nonsense_is_internal),
	BOTH(endless_headers_are_refused),
	BOTH(an_endless_line_is_refused),
	BOTH(an_endless_text_is_refused),
	BOTH(a_text_of_announced_size_is_refused),
	BOTH(data_is_accounted_for),
	BOTH(no_data_is_empty_data),
	BOTH(an_error_is_text),
	BOTH(too_much_data_is_refused),
	BOTH(data_of_unknown_length_is_read),
	BOTH(data_waits_for_memory),
	BOTH(a_wait_for_memory_ends_at_the_deadline),
	BOTH(writers_pass_those_that_wait_for_memory),
	BOTH(many_readers_share_little_memory),
	BOTH(waiting_for_a_connection_ends_at_the_deadline),
	BOTH(what_is_urgent_waits_for_nobody),
	BOTH(requests_are_bounded),
	CASE(a_handshake_that_hangs_ends),
	CASE(a_resolver_that_hangs_holds_up_nobody),
	BOTH(the_end_waits_for_what_is_in_flight),
	CASE(too_many_headers_are_refused),
	CASE(a_ca_file_must_be_there),
	BOTH(descriptors_are_not_inherited),
};

t_main(tests)

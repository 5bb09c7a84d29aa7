/* SPDX-License-Identifier: MIT */
/* Several brokers, of which one is dead in this way or that. */
#include <dlfcn.h>
#include <netdb.h>

#include <sangraha/queue.h>

#include "base/metrics.h"
#include "queue/amqp_conn.h"
#include "support/broker.h"
#include "support/queues.h"
#include "support/t.h"

/* ---- a resolver that hangs ---- */

#define HANGING "hangs.invalid"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool open; /* the name is resolved, to 127.0.0.1 */
	unsigned waiting;
} resolver = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };

/* Stands in for the C library's, for the test and everything that it is linked with. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
		    struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");

	if (!sgh_streq(node, HANGING))
		return real(node, service, hints, ret);
	pthread_mutex_lock(&resolver.lock);
	resolver.waiting++;
	while (!resolver.open)
		pthread_cond_wait(&resolver.cond, &resolver.lock);
	resolver.waiting--;
	pthread_mutex_unlock(&resolver.lock);
	return real("127.0.0.1", service, hints, ret);
}

static void resolver_set(bool open)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.open = open;
	pthread_cond_broadcast(&resolver.cond);
	pthread_mutex_unlock(&resolver.lock);
}

static unsigned resolver_waiting(void)
{
	unsigned waiting;

	pthread_mutex_lock(&resolver.lock);
	waiting = resolver.waiting;
	pthread_mutex_unlock(&resolver.lock);
	return waiting;
}

/* ---- brokers ---- */

/* connection.start with PLAIN, as a broker begins, and connection.tune. */
#define START                                          \
	"\x01\0\0\0\0\0\x1c\0\x0a\0\x0a\0\x09\0\0\0\0" \
	"\0\0\0\x05PLAIN\0\0\0\x05"                    \
	"en_US\xce"
#define TUNE "\x01\0\0\0\0\0\x0c\0\x0a\0\x1e\0\xff\0\2\0\0\0\x3c\xce"

struct fixture {
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	const char *live; /* the URL of a broker that is well */
	unsigned port;    /* its */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sgh_amqp_url *url = NULL;
	size_t count;

	assert_non_null(f);
	*state = f;
	f->context = t_context();
	f->live = getenv("SANGRAHA_TEST_AMQP_URL");
	if (f->live) {
		t_ok(sgh_amqp_urls_parse(f->live, &url, &count, &t_err));
		f->port = url->port;
		sgh_amqp_urls_free(url, count);
	}
	resolver_set(false);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sangraha_queue_unref(f->queue);
	resolver_set(true);
	t_wait(resolver_waiting() == 0);
	sangraha_context_unref(f->context);
	free(f);
	return 0;
}

/* The first line of each case, so that nothing is begun that a skip would leave behind. */
static struct fixture *needed(void **state)
{
	t_need("SANGRAHA_TEST_AMQP_URL");
	return *state;
}

static void open_urls(struct fixture *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void open_urls(struct fixture *f, const char *format, ...)
{
	char urls[512];
	va_list args;

	va_start(args, format);
	vsnprintf(urls, sizeof(urls), format, args);
	va_end(args);
	sangraha_queue_unref(sgh_take(f->queue));
	t_ok(sangraha_queue_open(f->context, urls, NULL, &f->queue, &t_err));
}

/* The breaker of one broker as a program's metrics show it; "" is that over all. */
static int64_t breaker(struct fixture *f, const char *endpoint)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "dependency=\"broker\"%s%s%s",
		 *endpoint ? ",endpoint=\"" : "", endpoint, *endpoint ? "\"" : "");
	return sgh_metric_get(
		sgh_metrics_gauge(f->context->metrics, "sangraha_breaker_state", labels));
}

/* It works, and did so long before anybody has lost patience. */
static void works_soon(struct fixture *f, int64_t since_ms)
{
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	assert_true(sgh_now_ms() - since_ms < 3000);
	t_publish(f->queue, SANGRAHA_RESPONSE_QUEUE, "x");
	assert_int_equal(breaker(f, ""), 0);
}

/* ---- one dead broker before one that is well ---- */

static void passes_over(struct fixture *f, const char *dead)
{
	int64_t before = sgh_now_ms();

	open_urls(f, "%s,%s", dead, f->live);
	works_soon(f, before);
}

static void peers_that_do_not_answer(void **state)
{
	static const struct {
		const char *scheme;
		const char *says;
		size_t size;
	} peers[] = {
		{ "amqp", "", 0 },
		{ "amqps", "", 0 },
		{ "amqp", START, sizeof(START) - 1 },
		{ "amqp", START TUNE, sizeof(START TUNE) - 1 },
		{ "amqp", "\x01\0\0\0\0\0", 6 },
	};
	struct fixture *f = needed(state);

	for (size_t i = 0; i < SGH_COUNT(peers); i++) {
		struct t_proxy *peer = t_proxy_saying(peers[i].says, peers[i].size);
		char url[80], name[40];

		snprintf(name, sizeof(name), "127.0.0.1:%u", t_proxy_port(peer));
		snprintf(url, sizeof(url), "%s://%s", peers[i].scheme, name);
		passes_over(f, url);
		t_wait(t_proxy_accepted(peer) > 0);
		assert_int_equal(breaker(f, name), 2);
		t_proxy_free(peer);
	}
}

static void a_name_that_hangs(void **state)
{
	static const char *const schemes[] = { "amqp", "amqps" };
	struct fixture *f = needed(state);

	for (size_t i = 0; i < SGH_COUNT(schemes); i++) {
		char url[80];

		snprintf(url, sizeof(url), "%s://user:secret@" HANGING, schemes[i]);
		passes_over(f, url);
	}
	assert_true(resolver_waiting() > 0);
	assert_int_equal(breaker(f, HANGING ":5672"), 2);
}

static void a_login_that_is_refused(void **state)
{
	struct fixture *f = needed(state);
	char url[80];

	snprintf(url, sizeof(url), "amqp://guest:wrong@127.0.0.1:%u/", f->port);
	passes_over(f, url);
}

/* ---- back from where it was ---- */

static void a_broker_that_starts_to_answer_is_found(void **state)
{
	struct fixture *f = needed(state);
	struct t_proxy *proxy = t_proxy_new(f->port);
	int64_t before;

	t_proxy_stall(proxy, true);
	open_urls(f, "amqp://guest:guest@127.0.0.1:%u", t_proxy_port(proxy));
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 2000, &t_err));
	t_wait(breaker(f, "") == 2);
	before = sgh_now_ms();
	t_proxy_stall(proxy, false);
	works_soon(f, before);
	t_proxy_free(proxy);
}

/* However long it hangs, it has a few threads and no more. */
static void a_name_that_is_resolved_at_last(void **state)
{
	struct fixture *f = needed(state);
	int64_t before;

	open_urls(f, "amqp://guest:guest@" HANGING ":%u", f->port);
	t_wait(resolver_waiting() == SGH_AMQP_DIALS_MAX);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 1500, &t_err));
	assert_int_equal(resolver_waiting(), SGH_AMQP_DIALS_MAX);
	before = sgh_now_ms();
	resolver_set(true);
	works_soon(f, before);
}

static void closing_does_not_wait_for_a_name(void **state)
{
	struct fixture *f = needed(state);
	int64_t before;

	open_urls(f, "amqp://" HANGING ",amqps://" HANGING);
	t_wait(resolver_waiting() >= 2);
	before = sgh_now_ms();
	sangraha_queue_unref(sgh_take(f->queue));
	assert_true(sgh_now_ms() - before < 2000);
}

/* ---- the one in use ---- */

static void a_connection_that_is_cut_comes_back_past_a_silent_one(void **state)
{
	struct fixture *f = needed(state);
	struct t_proxy *mute = t_proxy_new(0), *proxy = t_proxy_new(f->port);
	char name[40];

	snprintf(name, sizeof(name), "127.0.0.1:%u", t_proxy_port(proxy));
	open_urls(f, "amqp://127.0.0.1:%u,amqp://guest:guest@%s", t_proxy_port(mute),
		  name);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	assert_int_equal(breaker(f, name), 0);
	for (int i = 0; i < 3; i++) {
		unsigned accepted = t_proxy_accepted(proxy);

		t_proxy_cut(proxy);
		t_wait(t_proxy_accepted(proxy) > accepted);
		works_soon(f, sgh_now_ms());
	}
	assert_int_equal(breaker(f, name), 0);
	t_proxy_free(mute);
	t_proxy_free(proxy);
}

/* Each time it is gone the name is dialled again, beside those that hang already. */
static void cuts_do_not_add_threads_to_a_name_that_hangs(void **state)
{
	struct fixture *f = needed(state);
	struct t_proxy *proxy = t_proxy_new(f->port);

	open_urls(f, "amqp://" HANGING ",amqp://guest:guest@127.0.0.1:%u",
		  t_proxy_port(proxy));
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	for (int i = 0; i < SGH_AMQP_DIALS_MAX + 2; i++) {
		unsigned accepted = t_proxy_accepted(proxy);

		t_proxy_cut(proxy);
		t_wait(t_proxy_accepted(proxy) > accepted);
		works_soon(f, sgh_now_ms());
	}
	assert_in_range(resolver_waiting(), 1, SGH_AMQP_DIALS_MAX);
	t_proxy_free(proxy);
}

/*
 * Stopped without a word, as by SIGSTOP: whoever waits is told long before heartbeats
 * would tell, and goes elsewhere.
 */
static void a_broker_that_falls_silent_is_left(void **state)
{
	struct fixture *f = needed(state);
	struct t_proxy *proxy = t_proxy_new(f->port);
	struct t_sent *sent = t_sent_new(SANGRAHA_RESPONSE_QUEUE, t_message("x"));
	struct sgh_consumer *consumer;
	struct t_inbox inbox;
	int64_t before;

	open_urls(f, "amqp://guest:guest@127.0.0.1:%u,%s", t_proxy_port(proxy), f->live);
	t_ok(sangraha_queue_wait_ready(f->queue, 10000, &t_err));
	t_inbox_init(&inbox);
	consumer = t_consume(f->queue, &inbox, NULL, 1, 1, 1);
	before = sgh_now_ms();
	t_proxy_stall(proxy, true);
	sent->publish.deadline_ms = before + 30000;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_fails(SANGRAHA_E_UNAVAILABLE, t_sent_wait(sent));
	assert_in_range(sgh_now_ms() - before, 5000, 15000);
	works_soon(f, sgh_now_ms());
	t_wait(t_inbox_changes(&inbox) == 3);
	t_sent_free(sent);
	sgh_consumer_free(consumer);
	t_inbox_fini(&inbox);
	t_proxy_free(proxy);
}

/* One that is well, and that nobody has anything to say to, is not. */
static void a_broker_with_nothing_to_say_is_kept(void **state)
{
	struct fixture *f = needed(state);
	struct t_proxy *proxy = t_proxy_new(f->port);
	struct sgh_consumer *consumer;
	struct t_inbox inbox;
	int64_t before = sgh_now_ms();

	open_urls(f, "amqp://guest:guest@127.0.0.1:%u", t_proxy_port(proxy));
	t_inbox_init(&inbox);
	consumer = t_consume(f->queue, &inbox, NULL, 1, 1, 1);
	t_wait(sgh_now_ms() - before > 16000);
	works_soon(f, sgh_now_ms());
	assert_int_equal(t_proxy_accepted(proxy), 2);
	sgh_consumer_free(consumer);
	t_inbox_fini(&inbox);
	t_proxy_free(proxy);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(peers_that_do_not_answer),
	CASE(a_name_that_hangs),
	CASE(a_login_that_is_refused),
	CASE(a_broker_that_starts_to_answer_is_found),
	CASE(a_name_that_is_resolved_at_last),
	CASE(closing_does_not_wait_for_a_name),
	CASE(a_connection_that_is_cut_comes_back_past_a_silent_one),
	CASE(cuts_do_not_add_threads_to_a_name_that_hangs),
	CASE(a_broker_that_falls_silent_is_left),
	CASE(a_broker_with_nothing_to_say_is_kept),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "support/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "queue/amqp_topology.h"
#include "queue/amqp_url.h"
#include "support/t.h"

char *t_ctl(const char *format, ...)
{
	char command[1024], arguments[768];
	struct sgh_buf out = SGH_BUF_INIT(1 << 20);
	va_list args;
	size_t n;
	FILE *pipe;

	va_start(args, format);
	vsnprintf(arguments, sizeof(arguments), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "'%s' %s", t_need("SANGRAHA_TEST_RABBITMQCTL"),
		 arguments);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	do {
		char part[4096];

		n = fread(part, 1, sizeof(part), pipe);
		sgh_buf_append(&out, part, n);
	} while (n > 0);
	if (pclose(pipe) != 0)
		fail_msg("%s: %s", command, sgh_buf_text(&out));
	return sgh_buf_take(&out);
}

char *t_broker_url(const char *url, const char *vhost)
{
	const char *path = strchr(strstr(url, "://") + 3, '/');
	char *text = NULL;

	if (asprintf(&text, "%.*s/%s", path ? (int)(path - url) : (int)strlen(url), url,
		     vhost) < 0)
		fail_msg("out of memory");
	return text;
}

void t_vhost_make(const char *vhost)
{
	struct sgh_amqp_url *url = NULL;
	size_t count;

	t_ok(sgh_amqp_urls_parse(t_need("SANGRAHA_TEST_AMQP_URL"), &url, &count, &t_err));
	free(t_ctl("-q add_vhost %s 2>&1", vhost));
	free(t_ctl("-q set_permissions -p %s %s '.*' '.*' '.*' 2>&1", vhost, url->user));
	sgh_amqp_urls_free(url, count);
}

void t_vhost_remove(const char *vhost)
{
	free(t_ctl("-q delete_vhost %s 2>&1", vhost));
}

amqp_connection_state_t t_amqp_open(const char *text)
{
	amqp_connection_state_t amqp = amqp_new_connection();
	struct sgh_amqp_url *url = NULL;
	size_t count;

	t_ok(sgh_amqp_urls_parse(text, &url, &count, &t_err));
	assert_int_equal(
		amqp_socket_open(amqp_tcp_socket_new(amqp), url->host, (int)url->port),
		AMQP_STATUS_OK);
	assert_int_equal(amqp_login(amqp, url->vhost, 0, 131072, 0,
				    AMQP_SASL_METHOD_PLAIN, url->user, url->password)
				 .reply_type,
			 AMQP_RESPONSE_NORMAL);
	sgh_amqp_urls_free(url, count);
	amqp_channel_open(amqp, 1);
	return amqp;
}

void t_amqp_close(amqp_connection_state_t amqp)
{
	amqp_connection_close(amqp, AMQP_REPLY_SUCCESS);
	amqp_destroy_connection(amqp);
}

void t_amqp_declare(const char *url, const char *queue, const char *type)
{
	amqp_connection_state_t amqp = t_amqp_open(url);
	amqp_table_entry_t entry = { .key = amqp_cstring_bytes("x-queue-type") };
	amqp_table_t arguments = { type ? 1 : 0, &entry };

	entry.value.kind = AMQP_FIELD_KIND_UTF8;
	entry.value.value.bytes = amqp_cstring_bytes(type ? type : "");
	amqp_queue_declare(amqp, 1, amqp_cstring_bytes(queue), 0, 1, 0, 0, arguments);
	assert_int_equal(amqp_get_rpc_reply(amqp).reply_type, AMQP_RESPONSE_NORMAL);
	t_amqp_close(amqp);
}

void t_amqp_delete(const char *url, const char *queue)
{
	amqp_connection_state_t amqp = t_amqp_open(url);

	amqp_queue_delete(amqp, 1, amqp_cstring_bytes(queue), 0, 0);
	assert_int_equal(amqp_get_rpc_reply(amqp).reply_type, AMQP_RESPONSE_NORMAL);
	t_amqp_close(amqp);
}

void t_amqp_purge_all(const char *url)
{
	amqp_connection_state_t amqp = t_amqp_open(url);

	for (size_t i = 0; i < sgh_amqp_queue_count; i++) {
		amqp_queue_purge(amqp, 1, amqp_cstring_bytes(sgh_amqp_queues[i].name));
		if (amqp_get_rpc_reply(amqp).reply_type != AMQP_RESPONSE_NORMAL) {
			amqp_channel_close_ok_t ok = { 0 };

			amqp_send_method(amqp, 1, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
			amqp_channel_open(amqp, 1);
		}
	}
	t_amqp_close(amqp);
}

void t_amqp_publish(const char *url, const char *queue, const char *body,
		    const amqp_basic_properties_t *properties)
{
	amqp_connection_state_t amqp = t_amqp_open(url);

	assert_int_equal(amqp_basic_publish(amqp, 1, amqp_cstring_bytes(""),
					    amqp_cstring_bytes(queue), 0, 0, properties,
					    amqp_cstring_bytes(body)),
			 AMQP_STATUS_OK);
	t_amqp_close(amqp);
}

/* ---- a peer in between ---- */

#define PAIRS_MAX 64

struct t_proxy {
	pthread_t thread;
	int listener;
	unsigned port;
	unsigned target;
	pthread_mutex_t lock;
	bool stop;
	bool stalled;
	bool cut;
	unsigned accepted;
	const void *greeting;
	size_t greeting_size;
	int pairs[PAIRS_MAX][2]; /* client, server; -1 */
};

static int dial(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void proxy_accept(struct t_proxy *proxy)
{
	int fd = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < PAIRS_MAX; i++) {
		if (proxy->pairs[i][0] >= 0)
			continue;
		proxy->pairs[i][0] = fd;
		proxy->pairs[i][1] = proxy->target ? dial(proxy->target) : -1;
		proxy->accepted++;
		if (proxy->greeting_size > 0)
			send(fd, proxy->greeting, proxy->greeting_size, MSG_NOSIGNAL);
		return;
	}
}

static void proxy_drop(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			close(pair[i]);
		pair[i] = -1;
	}
}

static bool proxy_pass(int from, int to)
{
	char data[65536];
	ssize_t n = recv(from, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0)
		return false;
	if (to < 0)
		return true;
	for (ssize_t at = 0; at < n;) {
		ssize_t sent = send(to, data + at, (size_t)(n - at), MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
	}
	return true;
}

static bool proxy_turn(struct t_proxy *proxy)
{
	struct pollfd listener = { .fd = proxy->listener, .events = POLLIN };

	if (proxy->stop)
		return false;
	if (poll(&listener, 1, 0) > 0)
		proxy_accept(proxy);
	for (size_t i = 0; i < PAIRS_MAX; i++) {
		int *pair = proxy->pairs[i];

		if (pair[0] < 0 || proxy->stalled)
			continue;
		if (proxy->cut || !proxy_pass(pair[0], pair[1]) ||
		    (pair[1] >= 0 && !proxy_pass(pair[1], pair[0])))
			proxy_drop(pair);
	}
	proxy->cut = false;
	return true;
}

static void *proxy_run(void *arg)
{
	struct t_proxy *proxy = arg;
	bool more = true;

	while (more) {
		pthread_mutex_lock(&proxy->lock);
		more = proxy_turn(proxy);
		pthread_mutex_unlock(&proxy->lock);
		usleep(500);
	}
	return NULL;
}

struct t_proxy *t_proxy_new(unsigned target_port)
{
	struct t_proxy *proxy = calloc(1, sizeof(*proxy));
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	assert_non_null(proxy);
	proxy->target = target_port;
	memset(proxy->pairs, -1, sizeof(proxy->pairs));
	pthread_mutex_init(&proxy->lock, NULL);
	proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(
		bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(proxy->listener, 16), 0);
	getsockname(proxy->listener, (struct sockaddr *)&address, &length);
	proxy->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&proxy->thread, NULL, proxy_run, proxy), 0);
	return proxy;
}

struct t_proxy *t_proxy_saying(const void *data, size_t size)
{
	struct t_proxy *proxy = t_proxy_new(0);

	pthread_mutex_lock(&proxy->lock);
	proxy->greeting = data;
	proxy->greeting_size = size;
	pthread_mutex_unlock(&proxy->lock);
	return proxy;
}

unsigned t_proxy_port(const struct t_proxy *proxy)
{
	return proxy->port;
}

static void proxy_set(struct t_proxy *proxy, bool *flag, bool value)
{
	pthread_mutex_lock(&proxy->lock);
	*flag = value;
	pthread_mutex_unlock(&proxy->lock);
}

void t_proxy_stall(struct t_proxy *proxy, bool stalled)
{
	proxy_set(proxy, &proxy->stalled, stalled);
}

void t_proxy_cut(struct t_proxy *proxy)
{
	proxy_set(proxy, &proxy->cut, true);
}

unsigned t_proxy_accepted(struct t_proxy *proxy)
{
	unsigned accepted;

	pthread_mutex_lock(&proxy->lock);
	accepted = proxy->accepted;
	pthread_mutex_unlock(&proxy->lock);
	return accepted;
}

void t_proxy_free(struct t_proxy *proxy)
{
	if (!proxy)
		return;
	proxy_set(proxy, &proxy->stop, true);
	pthread_join(proxy->thread, NULL);
	for (size_t i = 0; i < PAIRS_MAX; i++)
		proxy_drop(proxy->pairs[i]);
	close(proxy->listener);
	pthread_mutex_destroy(&proxy->lock);
	free(proxy);
}

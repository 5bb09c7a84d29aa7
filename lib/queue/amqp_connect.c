/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "queue/amqp_conn.h"
#include "queue/amqp_dial.h"

#define ADDRESS_MS  2000 /* for one of several */
#define SEND_BUFFER (256 << 10)

/* A host that is gone is noticed after 25 s, idle or not. */
#define DEAD_MS 25000

static int set_number(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static void tune_socket(struct sgh_amqp_line *line)
{
	int fd = line->fd;
	int size = 0;
	socklen_t length = sizeof(size);

	set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
	set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
	set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_MS);
	/* Without room for a frame of a usual size nothing large could ever be sent. */
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 &&
	    size < SEND_BUFFER)
		set_number(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	length = sizeof(size);
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) < 0 || size < 16384)
		size = 16384;
	line->send_buffer = (size_t)size;
}

/*
 * A broker that blocks publishers leaves what they have sent unread, and the kernel would
 * take that for a host that is gone.
 */
void sgh_amqp_expect_reading(struct sgh_amqp_conn *conn, bool expect)
{
	set_number(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, expect ? DEAD_MS : 0);
}

static int connect_failed(struct sangraha_error *err, int errnum)
{
	return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, errnum, "%s", strerror(errnum));
}

/* Wait until a socket is connected, or not; 0 or an errno. */
static int await_connected(int fd, int64_t until)
{
	struct pollfd writable = { .fd = fd, .events = POLLOUT };
	int error = 0, ready;
	socklen_t length = sizeof(error);

	do {
		int64_t rest = until - sgh_now_ms();

		ready = poll(&writable, 1, rest > 0 ? (int)rest : 0);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return ETIMEDOUT;
	if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return errno;
	return error;
}

/* Connect to one address: a descriptor, or a failure. */
static int connect_address(const struct addrinfo *address, int64_t until,
			   struct sangraha_error *err)
{
	int error = 0;
	int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return connect_failed(err, errno);
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
		error = errno == EINPROGRESS ? await_connected(fd, until) : errno;
	if (error) {
		close(fd);
		return connect_failed(err, error);
	}
	return fd;
}

static int resolve(const struct sgh_amqp_url *url, struct addrinfo **ret,
		   struct sangraha_error *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", url->port);
	rc = getaddrinfo(url->host, port, &hints, ret);
	if (rc)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, rc, "%s", gai_strerror(rc));
	return 0;
}

static int connect_plain(const struct sgh_amqp_url *url, struct sgh_amqp_line *line,
			 int64_t until, struct sangraha_error *err)
{
	struct addrinfo *addresses = NULL;
	amqp_socket_t *socket;
	int fd = SANGRAHA_E_UNAVAILABLE;
	int rc = resolve(url, &addresses, err);
	int64_t now = sgh_now_ms();

	if (rc)
		return rc;
	/* However long the name took, its first address gets its time. */
	if (until < now + ADDRESS_MS)
		until = now + ADDRESS_MS;
	for (struct addrinfo *a = addresses; a && fd < 0 && now < until; a = a->ai_next) {
		fd = connect_address(
			a, now + ADDRESS_MS < until ? now + ADDRESS_MS : until, err);
		now = sgh_now_ms();
	}
	freeaddrinfo(addresses);
	if (fd < 0)
		return SANGRAHA_E_UNAVAILABLE;
	socket = amqp_tcp_socket_new(line->state);
	if (!socket) {
		close(fd);
		return sgh_fail_memory(err);
	}
	amqp_tcp_socket_set_sockfd(socket, fd);
	return 0;
}

/*
 * rabbitmq-c 0.11 cannot ask OpenSSL for its default certificates, so the places where
 * distributions keep theirs are tried.
 */
static const char *system_ca(void)
{
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};
	const char *given = secure_getenv("SSL_CERT_FILE");

	if (given && *given)
		return given;
	for (size_t i = 0; i < SGH_COUNT(places); i++)
		if (access(places[i], R_OK) == 0)
			return places[i];
	return NULL;
}

/* The library resolves, connects and shakes hands in one call, within one time limit. */
static int connect_tls(const struct sgh_amqp_target *target, struct sgh_amqp_line *line,
		       int64_t until, struct sangraha_error *err)
{
	int64_t rest = until - sgh_now_ms();
	struct timeval limit = { .tv_sec = rest / 1000, .tv_usec = rest % 1000 * 1000 };
	const char *ca = target->ca_file ? target->ca_file : system_ca();
	amqp_socket_t *socket = amqp_ssl_socket_new(line->state);
	int rc;

	if (!socket)
		return sgh_fail_memory(err);
	if (!ca || amqp_ssl_socket_set_cacert(socket, ca) != AMQP_STATUS_OK)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"cannot read the certificates in \"%s\"",
				ca ? ca : "(none found)");
	amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
	rc = amqp_socket_open_noblock(socket, target->url->host, (int)target->url->port,
				      &limit);
	if (rc != AMQP_STATUS_OK)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, rc, "%s",
				amqp_error_string2(rc));
	return 0;
}

int sgh_amqp_connect(const struct sgh_amqp_target *target, struct sgh_amqp_line *line,
		     int64_t until, struct sangraha_error *err)
{
	int rc;

	line->state = amqp_new_connection();
	if (!line->state)
		return sgh_fail_memory(err);
	rc = target->url->tls ? connect_tls(target, line, until, err)
			      : connect_plain(target->url, line, until, err);
	if (rc)
		return rc;
	line->fd = amqp_get_sockfd(line->state);
	line->tls = target->url->tls;
	tune_socket(line);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "queue/amqp_conn.h"

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

#define CONNECT_MS  2000
#define SEND_BUFFER (256 << 10)

/* A host that is gone is noticed after 25 s, idle or not. */
#define DEAD_MS 25000

static int set_number(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static void tune_socket(struct sgh_amqp_conn *conn, int fd)
{
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
	conn->send_buffer = (size_t)size;
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

/* Connect to one address: a descriptor, or a failure. */
static int connect_address(struct sgh_amqp_conn *conn, const struct addrinfo *address,
			   struct sangraha_error *err)
{
	int64_t until = sgh_now_ms() + CONNECT_MS;
	int error = 0, ready = 1;
	socklen_t length = sizeof(error);
	int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return connect_failed(err, errno);
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
		error = errno;
		if (error == EINPROGRESS) {
			ready = sgh_amqp_wait(conn, fd, POLLOUT, until);
			error = ETIMEDOUT;
		}
		if (ready > 0 && error == ETIMEDOUT &&
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
			error = errno;
	}
	if (error || ready <= 0) {
		close(fd);
		return connect_failed(err, ready < 0 ? ECANCELED : error);
	}
	return fd;
}

static int resolve(struct sgh_amqp_conn *conn, const struct sgh_amqp_url *url,
		   struct addrinfo **ret, struct sangraha_error *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", url->port);
	sgh_amqp_away(conn, true);
	rc = getaddrinfo(url->host, port, &hints, ret);
	sgh_amqp_away(conn, false);
	if (rc)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, rc, "%s", gai_strerror(rc));
	return 0;
}

static int connect_plain(struct sgh_amqp_conn *conn, const struct sgh_amqp_url *url,
			 struct sangraha_error *err)
{
	struct addrinfo *addresses = NULL;
	amqp_socket_t *socket;
	int fd = SANGRAHA_E_UNAVAILABLE;
	int rc = resolve(conn, url, &addresses, err);

	if (rc)
		return rc;
	for (struct addrinfo *a = addresses; a && fd < 0; a = a->ai_next)
		if (!sgh_amqp_stopping(conn))
			fd = connect_address(conn, a, err);
	freeaddrinfo(addresses);
	if (fd < 0)
		return SANGRAHA_E_UNAVAILABLE;
	socket = amqp_tcp_socket_new(conn->state);
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

/* The library connects and shakes hands in one call; it is the one that blocks. */
static int connect_tls(struct sgh_amqp_conn *conn, const struct sgh_amqp_url *url,
		       struct sangraha_error *err)
{
	struct timeval limit = { .tv_sec = CONNECT_MS / 1000 };
	const char *ca = conn->settings->ca_file;
	amqp_socket_t *socket = amqp_ssl_socket_new(conn->state);
	int rc;

	if (!socket)
		return sgh_fail_memory(err);
	if (!ca)
		ca = system_ca();
	if (!ca || amqp_ssl_socket_set_cacert(socket, ca) != AMQP_STATUS_OK)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"cannot read the certificates in \"%s\"",
				ca ? ca : "(none found)");
	amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST);
	sgh_amqp_away(conn, true);
	rc = amqp_socket_open_noblock(socket, url->host, (int)url->port, &limit);
	sgh_amqp_away(conn, false);
	if (rc != AMQP_STATUS_OK)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, rc, "%s",
				amqp_error_string2(rc));
	return 0;
}

int sgh_amqp_connect(struct sgh_amqp_conn *conn, const struct sgh_amqp_url *url,
		     struct sangraha_error *err)
{
	int rc;

	conn->state = amqp_new_connection();
	if (!conn->state)
		return sgh_fail_memory(err);
	rc = url->tls ? connect_tls(conn, url, err) : connect_plain(conn, url, err);
	if (rc)
		return rc;
	conn->fd = amqp_get_sockfd(conn->state);
	tune_socket(conn, conn->fd);
	return 0;
}

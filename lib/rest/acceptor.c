/* SPDX-License-Identifier: MIT */
#include "rest/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/thread.h"
#include "base/util.h"
#include "rest/connection.h"
#include "rest/listen.h"
#include "rest/problem.h"
#include "rest/request.h"

/* Accepted in a row before the watch and the wake-up get a look in. */
#define BATCH 64
/* Without descriptors accept() fails at once, again and again. */
#define REST_MS 100
/*
 * Who has begun to connect when the door closes needs a round trip to be through; and at
 * most so long in all, where the system cannot keep others from beginning.
 */
#define QUIET_MS      200
#define QUIET_MOST_MS 1000
/* A client that is refused may take so long to send what it came for. */
#define LINGER_MS 500

static bool full(struct sangraha_rest *rest)
{
	bool is;

	pthread_mutex_lock(&rest->state.lock);
	is = rest->state.open >= rest->connections_max;
	pthread_mutex_unlock(&rest->state.lock);
	return is;
}

/* Bytes that were not read make close() reset the connection, and the answer is lost. */
static void close_refused(struct sgh_refused *refused)
{
	char bytes[4096];

	if (!refused->until_ms)
		return;
	for (int i = 0; i < 16; i++)
		if (recv(refused->fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			break;
	close(refused->fd);
	refused->until_ms = 0;
}

static void close_those_refused(struct sangraha_rest *rest, int64_t now)
{
	for (size_t i = 0; i < SGH_COUNT(rest->refused); i++)
		if (rest->refused[i].until_ms <= now)
			close_refused(&rest->refused[i]);
}

/* Its request may be still to come: it is kept a while, for want of room not as long. */
static void refuse(struct sangraha_rest *rest, int fd)
{
	struct sgh_refused *refused =
		&rest->refused[rest->refusals++ % SGH_COUNT(rest->refused)];
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(1 << 10);
	struct sgh_problem problem = { 0 };
	char correlation_id[SANGRAHA_ID_SIZE];

	sgh_id_random(correlation_id);
	sgh_problem_set(&problem, SANGRAHA_E_OVERLOADED,
			"There are too many connections");
	sgh_problem_write(&problem, correlation_id, &buf);
	sgh_connection_write(fd, problem.http, correlation_id, sgh_buf_text(&buf));
	close_refused(refused);
	refused->fd = fd;
	refused->until_ms = sgh_now_ms() + LINGER_MS;
}

/* False when there is none, or none can be had at the moment. */
static bool accept_one(struct sangraha_rest *rest)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int fd = accept4(rest->listen_fd, (struct sockaddr *)&address, &length,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED;
	if (full(rest))
		refuse(rest, fd);
	else
		/* Takes the descriptor, also when it fails. */
		MHD_add_connection(rest->daemon, fd, (struct sockaddr *)&address, length);
	return true;
}

static bool out_of_descriptors(void)
{
	return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
}

static void accept_some(struct sangraha_rest *rest, int most)
{
	for (int i = 0; i < most; i++) {
		if (accept_one(rest))
			continue;
		if (out_of_descriptors())
			poll(NULL, 0, REST_MS);
		return;
	}
}

/* Closing the socket resets whoever is in the kernel's queue, or about to get there. */
static void accept_the_last(struct sangraha_rest *rest)
{
	struct pollfd fd = { .fd = rest->listen_fd, .events = POLLIN };
	int64_t until = sgh_now_ms() + QUIET_MOST_MS;

	sgh_listen_hush(rest->listen_fd);
	do {
		accept_some(rest, SGH_BACKLOG);
	} while (poll(&fd, 1, QUIET_MS) == 1 && sgh_now_ms() < until);
	accept_some(rest, SGH_BACKLOG);
}

static void stop_listening(struct sangraha_rest *rest)
{
	accept_the_last(rest);
	pthread_mutex_lock(&rest->state.lock);
	close(rest->listen_fd);
	rest->listen_fd = -1;
	pthread_cond_broadcast(&rest->state.idle);
	pthread_mutex_unlock(&rest->state.lock);
}

static void *run(void *arg)
{
	struct sangraha_rest *rest = arg;
	int64_t watched = sgh_now_ms();

	while (!__atomic_load_n(&rest->stopping, __ATOMIC_SEQ_CST)) {
		int interval = sgh_connection_watch_interval(rest);
		struct pollfd fds[] = {
			{ .fd = rest->wake_fd, .events = POLLIN },
			{ .fd = rest->listen_fd, .events = POLLIN },
		};

		poll(fds, 2, interval);
		if (fds[0].revents)
			sgh_wake_clear(rest->wake_fd);
		if (rest->listen_fd >= 0 &&
		    __atomic_load_n(&rest->shut, __ATOMIC_SEQ_CST))
			stop_listening(rest);
		if (rest->listen_fd >= 0 && fds[1].revents)
			accept_some(rest, BATCH);
		if (sgh_now_ms() - watched < interval)
			continue;
		watched = sgh_now_ms();
		sgh_connection_watch(rest);
		sgh_web_request_watch(rest, watched, false);
		close_those_refused(rest, watched);
	}
	close_those_refused(rest, SGH_NEVER);
	return NULL;
}

int sgh_acceptor_start(struct sangraha_rest *rest, struct sangraha_error *err)
{
	int status = sgh_thread_start(&rest->acceptor, "sgh-rest", run, rest, err);

	rest->accepting = status == 0;
	return status;
}

void sgh_acceptor_stop_listening(struct sangraha_rest *rest)
{
	__atomic_store_n(&rest->draining, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&rest->shut, true, __ATOMIC_SEQ_CST);
	sgh_wake(rest->wake_fd);
	pthread_mutex_lock(&rest->state.lock);
	while (rest->listen_fd >= 0)
		pthread_cond_wait(&rest->state.idle, &rest->state.lock);
	pthread_mutex_unlock(&rest->state.lock);
}

void sgh_acceptor_stop(struct sangraha_rest *rest)
{
	__atomic_store_n(&rest->stopping, true, __ATOMIC_SEQ_CST);
	if (!rest->accepting)
		return;
	sgh_wake(rest->wake_fd);
	pthread_join(rest->acceptor, NULL);
	rest->accepting = false;
}

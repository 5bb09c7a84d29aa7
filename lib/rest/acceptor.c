/* SPDX-License-Identifier: MIT */
#include "rest/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "rest/connection.h"
#include "rest/listen.h"
#include "rest/request.h"

/* Accepted in a row before the watch and the wake-up get a look in. */
#define BATCH 64
/* Without descriptors accept() fails at once, again and again. */
#define REST_MS 100

static bool full(struct sangraha_rest *rest)
{
	bool is;

	pthread_mutex_lock(&rest->state.lock);
	is = rest->state.open >= rest->connections_max;
	pthread_mutex_unlock(&rest->state.lock);
	return is;
}

static void refuse(int fd)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\n"
				     "Retry-After: 1\r\n"
				     "Content-Length: 0\r\n"
				     "Connection: close\r\n\r\n";

	(void)!send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	close(fd);
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
		refuse(fd);
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

static void stop_listening(struct sangraha_rest *rest)
{
	/* Who was let into the kernel's queue would find the connection reset. */
	accept_some(rest, SGH_BACKLOG);
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
		    __atomic_load_n(&rest->draining, __ATOMIC_SEQ_CST))
			stop_listening(rest);
		if (rest->listen_fd >= 0 && fds[1].revents)
			accept_some(rest, BATCH);
		if (sgh_now_ms() - watched < interval)
			continue;
		watched = sgh_now_ms();
		sgh_connection_watch(rest);
		sgh_web_request_watch(rest, watched, false);
	}
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

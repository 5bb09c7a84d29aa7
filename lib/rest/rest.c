/* SPDX-License-Identifier: MIT */
#include <sangraha/rest.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/util.h"
#include "rest/acceptor.h"
#include "rest/connection.h"
#include "rest/listen.h"
#include "rest/request.h"
#include "rest/server.h"

#define DEFAULT_LISTEN      "127.0.0.1:8080"
#define DEFAULT_CONNECTIONS 4096
#define DEFAULT_TIMEOUT_MS  30000
#define HEALTH_CONNECTIONS  64
/* Descriptors for the broker, the store, logs; connections without regard to them. */
#define RESERVE 64
#define FEWEST  16
/* Of one connection: the header of a request, the header of its answer, read buffer. */
#define CONNECTION_MEMORY (32 << 10)
#define FAREWELL_MS       250

/* Each connection is a descriptor, and they are not all for connections. */
static unsigned affordable(unsigned connections)
{
	struct rlimit limit;
	rlim_t most;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return connections;
	most = limit.rlim_cur < RESERVE + FEWEST ? FEWEST : limit.rlim_cur - RESERVE;
	return connections < most ? connections : (unsigned)most;
}

static int copy_options(struct sangraha_rest *rest,
			const struct sangraha_rest_options *options,
			struct sangraha_error *err)
{
	const char *token = sgh_option(options, api_token, NULL);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (token && !*token)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "The API token is empty");
	if (!sgh_strdup(token, &rest->token))
		return sgh_fail_memory(err);
	rest->threads = sgh_option(options, threads, cores > 0 ? (unsigned)cores : 1);
	rest->connections_max =
		affordable(sgh_option(options, connections, DEFAULT_CONNECTIONS));
	rest->request_timeout_ms =
		sgh_option(options, request_timeout_ms, DEFAULT_TIMEOUT_MS);
	rest->idle_timeout_ms = sgh_option(options, idle_timeout_ms, DEFAULT_TIMEOUT_MS);
	rest->redirect_large = sgh_option(options, redirect_large, 0);
	return 0;
}

static int allocate(struct sangraha_context *context, struct sangraha_rest **ret,
		    struct sangraha_error *err)
{
	struct sangraha_rest *rest = calloc(1, sizeof(*rest));

	if (!rest)
		return sgh_fail_memory(err);
	rest->context = sangraha_context_ref(context);
	rest->listen_fd = -1;
	rest->wake_fd = -1;
	pthread_mutex_init(&rest->state.lock, NULL);
	sgh_cond_init(&rest->state.idle);
	sgh_list_init(&rest->state.connections);
	sgh_list_init(&rest->state.requests);
	*ret = rest;
	return 0;
}

/* What MHD has to say is about clients that go away in the middle: not worth a line. */
static void no_log(void *arg, const char *format, va_list arguments)
{
}

/* Targets are decoded by rest/uri.c, with errors; MHD is to leave them as they are. */
static size_t no_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
	return strlen(text);
}

/* MHD's threads inherit the mask, so that no signal of the program is delivered there. */
static int start_daemon(struct sangraha_rest *rest, struct sangraha_error *err)
{
	unsigned timeout = sgh_connection_timeout_s(rest);
	struct MHD_OptionItem pool[] = {
		{ MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)rest->threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	sigset_t all;
	sigset_t before;

	if (rest->threads < 2)
		pool[0].option = MHD_OPTION_END;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/*
	 * The bound is kept by the acceptor; MHD divides its own among the threads. It is
	 * not told to be strict: what that refuses rest/fields.c does, with a better answer.
	 */
	rest->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME |
			MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG,
		0, NULL, NULL, sgh_web_request_handle, rest, MHD_OPTION_EXTERNAL_LOGGER,
		no_log, NULL, MHD_OPTION_CONNECTION_LIMIT,
		rest->connections_max * 2 + rest->threads,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, timeout, MHD_OPTION_NOTIFY_CONNECTION,
		sgh_connection_notify, rest, MHD_OPTION_URI_LOG_CALLBACK,
		sgh_web_request_new, rest, MHD_OPTION_NOTIFY_COMPLETED,
		sgh_web_request_completed, rest, MHD_OPTION_UNESCAPE_CALLBACK,
		no_unescape, NULL, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!rest->daemon)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"The HTTP server cannot be started: threads or "
				"descriptors are short");
	return 0;
}

static int start(struct sangraha_rest *rest, const struct sangraha_rest_options *options,
		 struct sangraha_error *err)
{
	const char *address = sgh_option(options, listen, DEFAULT_LISTEN);
	/* Health tells nothing that needs a token: only the objects do. */
	bool loopback_only =
		rest->client && !rest->token && !sgh_option(options, insecure, 0);
	int status =
		sgh_listen(address, loopback_only, &rest->listen_fd, &rest->port, err);

	if (status)
		return status;
	rest->wake_fd = sgh_wake_new();
	if (rest->wake_fd < 0)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"There is no descriptor left");
	status = start_daemon(rest, err);
	if (status)
		return status;
	return sgh_acceptor_start(rest, err);
}

int sangraha_rest_start(struct sangraha_context *context, struct sangraha_client *client,
			const struct sangraha_rest_options *options,
			struct sangraha_rest **ret, struct sangraha_error *err)
{
	struct sangraha_rest *rest = NULL;
	int status;

	if (!context || !client || !ret)
		return sgh_fail(
			err, SANGRAHA_E_INVALID, 0,
			"A context, a client and a place for the server are needed");
	status = sgh_options_check(options, err);
	if (status)
		return status;
	status = allocate(context, &rest, err);
	if (status)
		return status;
	rest->client = client;
	rest->health = sgh_option(options, health, NULL);
	rest->health_arg = sgh_option(options, health_arg, NULL);
	status = copy_options(rest, options, err);
	if (status == 0)
		status = start(rest, options, err);
	if (status) {
		sangraha_rest_free(rest);
		return status;
	}
	*ret = rest;
	return 0;
}

int sangraha_rest_start_health(struct sangraha_context *context,
			       const struct sangraha_rest_options *options,
			       void (*health)(void *arg, struct sangraha_health *health),
			       void *arg, struct sangraha_rest **ret,
			       struct sangraha_error *err)
{
	struct sangraha_rest *rest = NULL;
	int status;

	if (!context || !health || !ret)
		return sgh_fail(
			err, SANGRAHA_E_INVALID, 0,
			"A context, a function and a place for the server are needed");
	status = sgh_options_check(options, err);
	if (status)
		return status;
	status = allocate(context, &rest, err);
	if (status)
		return status;
	rest->health = health;
	rest->health_arg = arg;
	rest->threads = 1;
	rest->connections_max = affordable(HEALTH_CONNECTIONS);
	rest->request_timeout_ms = DEFAULT_TIMEOUT_MS;
	rest->idle_timeout_ms = DEFAULT_TIMEOUT_MS;
	status = start(rest, options, err);
	if (status) {
		sangraha_rest_free(rest);
		return status;
	}
	*ret = rest;
	return 0;
}

unsigned sangraha_rest_port(const struct sangraha_rest *rest)
{
	return rest ? rest->port : 0;
}

/* Requests that have waited in vain get an answer, if it can be written quickly. */
static void tell_those_that_wait(struct sangraha_rest *rest)
{
	int64_t until = sgh_now_ms() + FAREWELL_MS;

	__atomic_store_n(&rest->closing, true, __ATOMIC_RELAXED);
	sgh_acceptor_stop_listening(rest);
	sgh_web_request_watch(rest, SGH_NEVER, false);
	sgh_connection_farewell(rest);
	pthread_mutex_lock(&rest->state.lock);
	while (rest->state.in_flight)
		if (!sgh_cond_wait_until(&rest->state.idle, &rest->state.lock, until))
			break;
	pthread_mutex_unlock(&rest->state.lock);
}

/*
 * MHD aborts when it is stopped with a connection suspended. After `stopping` is set none
 * is suspended any more, and sgh_web_request_watch() wakes those that are.
 */
void sangraha_rest_free(struct sangraha_rest *rest)
{
	if (!rest)
		return;
	if (rest->accepting)
		tell_those_that_wait(rest);
	sgh_acceptor_stop(rest);
	if (rest->daemon) {
		sgh_web_request_watch(rest, SGH_NEVER, true);
		MHD_stop_daemon(rest->daemon);
	}
	if (rest->listen_fd >= 0)
		close(rest->listen_fd);
	if (rest->wake_fd >= 0)
		close(rest->wake_fd);
	pthread_cond_destroy(&rest->state.idle);
	pthread_mutex_destroy(&rest->state.lock);
	free(rest->token);
	sangraha_context_unref(rest->context);
	free(rest);
}

/* SPDX-License-Identifier: MIT */
/*
 * Many requests in flight from one thread and the program's own poll() loop:
 *
 *	orchestrator [QUEUE-URL [COUNT]]
 *
 * stores COUNT small documents, 1000 at a time. No callback runs on another thread: all of
 * them come out of sangraha_client_dispatch().
 */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <sangraha/sangraha.h>

#define IN_FLIGHT 1000

struct run {
	long wanted;
	long sent;
	long stored;
	long failed;
	struct sangraha_error first; /* of those that failed */
};

/* The answer to one request; ours to free. */
static void answered(void *arg, struct sangraha_result *result)
{
	struct run *run = (struct run *)arg;

	if (sangraha_result_status(result) == 0)
		run->stored++;
	else if (run->failed++ == 0)
		run->first = *sangraha_result_error(result);
	sangraha_result_free(result);
}

static long in_flight(const struct run *run)
{
	return run->sent - run->stored - run->failed;
}

/* Send until enough are under way. */
static int send_more(struct run *run, struct sangraha_client *client,
		     struct sangraha_error *err)
{
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.content_type = "application/json",
	};

	while (run->sent < run->wanted && in_flight(run) < IN_FLIGHT) {
		char text[64];
		int length = snprintf(text, sizeof(text), "{\"number\":%ld}", run->sent);
		int status = sangraha_client_submit_put(client, text, (size_t)length,
							&options, answered, run, err);

		/* More than memory allows just now: answers will make room. */
		if (status == SANGRAHA_E_OVERLOADED && in_flight(run) > 0)
			return 0;
		if (status)
			return status;
		run->sent++;
	}
	return 0;
}

static int work(struct run *run, struct sangraha_client *client,
		struct sangraha_error *err)
{
	/* A program with sockets of its own has them here, too. */
	struct pollfd fds[1] = { { .fd = sangraha_client_fd(client), .events = POLLIN } };

	for (;;) {
		int status = send_more(run, client, err);

		if (status)
			return status;
		if (in_flight(run) == 0)
			return 0;
		/* Each request ends by its timeout, so this always goes on. */
		if (poll(fds, 1, -1) > 0)
			sangraha_client_dispatch(client);
	}
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	const char *queue_url =
		argc > 1 ? argv[1] : "amqp://guest:guest@127.0.0.1:5672/%2F";
	struct run run = { .wanted = argc > 2 ? atol(argv[2]) : 10000 };
	struct sangraha_context *context = NULL;
	struct sangraha_queue *queue = NULL;
	struct sangraha_client *client = NULL;
	struct sangraha_error err;
	double started;
	int failed;

	failed = sangraha_context_new(NULL, &context, &err) ||
		 sangraha_queue_open(context, queue_url, NULL, &queue, &err) ||
		 sangraha_queue_wait_ready(queue, 5000, &err) ||
		 sangraha_client_new(context, queue, NULL, &client, &err);
	started = now();
	if (!failed)
		failed = work(&run, client, &err);
	if (failed)
		fprintf(stderr, "orchestrator: %s\n", err.message);
	else
		printf("%ld of %ld stored, %.0f a second\n", run.stored, run.wanted,
		       (double)run.stored / (now() - started));
	if (run.failed)
		fprintf(stderr, "orchestrator: %ld failed, the first: %s\n", run.failed,
			run.first.message);

	/* What has no answer yet ends with an error: `answered` is called for it here. */
	sangraha_client_free(client);
	sangraha_queue_unref(queue);
	sangraha_context_unref(context);
	return failed || run.failed ? 1 : 0;
}

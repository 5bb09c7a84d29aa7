/* SPDX-License-Identifier: MIT */
/*
 * A getter: answers reads - get, stat, list - until it is told to end.
 *
 *	getter [QUEUE-URL [STORE-URL]]
 *
 * Any number of them may run. This one also shows how to listen to what the library has
 * to say: it prints nothing by itself.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <sangraha/sangraha.h>

/* Called from any thread. One write for each line keeps lines whole. */
static void log_line(void *arg, const struct sangraha_log_event *event)
{
	char line[2048];

	(void)arg;
	sangraha_log_json(event, line, sizeof(line));
	fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
	const char *queue_url =
		argc > 1 ? argv[1] : "amqp://guest:guest@127.0.0.1:5672/%2F";
	const char *store_url = argc > 2 ? argv[2] : "s3+http://127.0.0.1:9000";
	struct sangraha_context_options logging = { .size = sizeof(logging),
						    .log = log_line };
	struct sangraha_store_options keys = { .size = sizeof(keys) };
	struct sangraha_context *context = NULL;
	struct sangraha_queue *queue = NULL;
	struct sangraha_store *store = NULL;
	struct sangraha_getter *getter = NULL;
	struct sangraha_error err;
	sigset_t ending;
	int failed, number;

	/* Blocked before the library starts threads, so that it is sigwait() that sees them. */
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, NULL);

	/* Without keys requests are not signed. */
	keys.access_key = getenv("SANGRAHA_STORE_ACCESS_KEY");
	keys.secret_key = getenv("SANGRAHA_STORE_SECRET_KEY");

	/*
	 * Neither broker nor store need to be there now: the getter begins when they are,
	 * and goes on whenever they come back.
	 */
	failed = sangraha_context_new(&logging, &context, &err) ||
		 sangraha_queue_open(context, queue_url, NULL, &queue, &err) ||
		 sangraha_store_open(context, store_url, &keys, &store, &err) ||
		 sangraha_getter_start(context, queue, store, NULL, &getter, &err);
	if (!failed) {
		sigwait(&ending, &number);
		/* Finish what was begun; others get what was not. */
		failed = sangraha_getter_drain(getter, 8000, &err);
	}
	if (failed)
		fprintf(stderr, "getter: %s\n", err.message);
	sangraha_getter_free(getter);
	sangraha_store_unref(store);
	sangraha_queue_unref(queue);
	sangraha_context_unref(context);
	return failed ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
/* A receiver with rules of its own: receiver_with_veto [QUEUE-URL [STORE-URL]] */
#define _POSIX_C_SOURCE 200809L
#include <sangraha/sangraha.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Asked about each valid object before it is stored; by several threads at once. */
static int veto(void *arg, const struct sangraha_object *object, const void *data,
		size_t length, struct sangraha_error *err)
{
	const char *name = sangraha_object_filename(object); /* NULL: it has none */

	if (name && strncmp(name, "draft", 5) == 0)
		return sangraha_error_set(err, SANGRAHA_E_REJECTED, "%s: a draft", name);
	if (strstr(sangraha_object_facts(object), "\"encrypted\":true"))
		return sangraha_error_set(err, SANGRAHA_E_REJECTED, "it is encrypted");
	(void)arg, (void)data, (void)length; /* the bytes could be read, too */
	return 0;
}

int main(int argc, char **argv)
{
	const char *mq_url = argc > 1 ? argv[1] : "amqp://guest:guest@127.0.0.1:5672/%2F";
	const char *store_url = argc > 2 ? argv[2] : "s3+http://127.0.0.1:9000";
	struct sangraha_receiver_options rules = { .size = sizeof(rules), .veto = veto };
	struct sangraha_store_options keys = { .size = sizeof(keys) };
	struct sangraha_context *context = NULL;
	struct sangraha_queue *queue = NULL;
	struct sangraha_store *store = NULL;
	struct sangraha_receiver *receiver = NULL;
	struct sangraha_error err;
	sigset_t ending;
	int failed, number;

	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_BLOCK, &ending, NULL); /* in the library's threads, too */
	keys.access_key = getenv("SANGRAHA_STORE_ACCESS_KEY");
	keys.secret_key = getenv("SANGRAHA_STORE_SECRET_KEY");
	failed = sangraha_context_new(NULL, &context, &err) ||
		 sangraha_queue_open(context, mq_url, NULL, &queue, &err) ||
		 sangraha_store_open(context, store_url, &keys, &store, &err) ||
		 sangraha_receiver_start(context, queue, store, &rules, &receiver, &err);
	if (!failed) {
		sigwait(&ending, &number); /* the receiver works on threads of its own */
		failed = sangraha_receiver_drain(receiver, 8000, &err);
	}
	if (failed)
		fprintf(stderr, "receiver_with_veto: %s\n", err.message);
	sangraha_receiver_free(receiver); /* all of these accept NULL */
	sangraha_store_unref(store);
	sangraha_queue_unref(queue);
	sangraha_context_unref(context);
	return failed ? 1 : 0;
}

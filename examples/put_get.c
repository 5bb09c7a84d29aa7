/* SPDX-License-Identifier: MIT */
/*
 * Store a JSON document and read it back: needs a broker, and a receiver and a getter on it.
 *
 *	put_get [QUEUE-URL [FILE-NAME]]
 */
#include <stdio.h>
#include <string.h>

#include <sangraha/sangraha.h>

int main(int argc, char **argv)
{
	static const char text[] = "{\"hello\": \"world\"}";
	const char *queue_url =
		argc > 1 ? argv[1] : "amqp://guest:guest@127.0.0.1:5672/%2F";
	struct sangraha_put_options options = {
		.size = sizeof(options), /* says which members this program knows */
		.filename = "hello.json",
		.content_type = "application/json",
	};
	struct sangraha_context *context = NULL;
	struct sangraha_queue *queue = NULL;
	struct sangraha_client *client = NULL;
	struct sangraha_result *put = NULL;
	struct sangraha_result *got = NULL;
	struct sangraha_error err;
	int failed;

	if (argc > 2)
		options.filename = argv[2];

	/* Each of these returns 0, or a negative status with the reason in `err`. */
	failed = sangraha_context_new(NULL, &context, &err) ||
		 sangraha_queue_open(context, queue_url, NULL, &queue, &err) ||
		 sangraha_queue_wait_ready(queue, 5000, &err) ||
		 sangraha_client_new(context, queue, NULL, &client, &err) ||
		 sangraha_client_put(client, text, strlen(text), &options, &put, &err) ||
		 sangraha_client_get(client, "json", sangraha_result_id(put), NULL, &got,
				     &err);
	if (failed) {
		const char *rule = sangraha_result_rule(put); /* NULL: not refused */

		fprintf(stderr, "put_get: %s%s%s\n", rule ? rule : "", rule ? ": " : "",
			err.message);
	} else {
		size_t length = 0;
		const char *data = (const char *)sangraha_result_data(got, &length);

		printf("%s is %.*s\n",
		       sangraha_object_reference(sangraha_result_object(got)),
		       (int)length, data);
	}

	/* Everything may be released that was never made: NULL is accepted. */
	sangraha_result_free(got);
	sangraha_result_free(put);
	sangraha_client_free(client);
	sangraha_queue_unref(queue);
	sangraha_context_unref(context);
	return failed ? 1 : 0;
}

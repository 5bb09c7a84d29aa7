/* SPDX-License-Identifier: MIT */
/*
 * Store a JSON document and read it back, over a broker with a receiver and a getter:
 *
 *	cc put_get.c $(pkg-config --cflags --libs sangraha) -o put_get
 *	./put_get amqp://guest:guest@127.0.0.1:5672/%2F
 */
#include <stdio.h>
#include <string.h>

#include <sangraha/sangraha.h>

int main(int argc, char **argv)
{
	static const char text[] = "{\"hello\": \"world\"}";
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.filename = "hello.json",
		.content_type = "application/json",
	};
	struct sangraha_context *context = NULL;
	struct sangraha_queue *queue = NULL;
	struct sangraha_client *client = NULL;
	struct sangraha_result *put = NULL;
	struct sangraha_result *got = NULL;
	struct sangraha_error err;
	size_t length = 0;
	int failed;

	if (argc != 2) {
		fprintf(stderr, "usage: put_get QUEUE-URL\n");
		return 2;
	}
	failed = sangraha_context_new(NULL, &context, &err) ||
		 sangraha_queue_open(context, argv[1], NULL, &queue, &err) ||
		 sangraha_queue_wait_ready(queue, 5000, &err) ||
		 sangraha_client_new(context, queue, NULL, &client, &err) ||
		 sangraha_client_put(client, text, strlen(text), &options, &put, &err) ||
		 sangraha_client_get(client, "json", sangraha_result_id(put), NULL, &got,
				     &err);
	if (failed) {
		fprintf(stderr, "put_get: %s\n", err.message);
	} else {
		const void *data = sangraha_result_data(got, &length);

		printf("%s is %.*s\n",
		       sangraha_object_reference(sangraha_result_object(got)),
		       (int)length, (const char *)data);
	}
	sangraha_result_free(got);
	sangraha_result_free(put);
	sangraha_client_free(client);
	sangraha_queue_unref(queue);
	sangraha_context_unref(context);
	return failed ? 1 : 0;
}

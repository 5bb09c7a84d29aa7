/* SPDX-License-Identifier: MIT */
/* Peers that are no broker, or a bad one. */
#include <sangraha/queue.h>

#include "support/broker.h"
#include "support/queues.h"
#include "support/t.h"

/* connection.start with PLAIN, as a broker begins. */
#define START                                          \
	"\x01\0\0\0\0\0\x1c\0\x0a\0\x0a\0\x09\0\0\0\0" \
	"\0\0\0\x05PLAIN\0\0\0\x05"                    \
	"en_US\xce"
/* connection.tune: channels, largest frame, heartbeat. */
#define TUNE(frame_max) "\x01\0\0\0\0\0\x0c\0\x0a\0\x1e\0\xff" frame_max "\0\x3c\xce"

static void said(const void *data, size_t size, const char *message)
{
	struct sangraha_context *context = t_context();
	struct t_proxy *peer = t_proxy_saying(data, size);
	struct sangraha_queue *queue = NULL;
	char url[80];

	snprintf(url, sizeof(url), "amqp://127.0.0.1:%u", t_proxy_port(peer));
	t_ok(sangraha_queue_open(context, url, NULL, &queue, &t_err));
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(queue, 400, &t_err));
	t_says(message);
	sangraha_queue_unref(queue);
	t_proxy_free(peer);
	sangraha_context_unref(context);
}

#define SAID(text, message) said(text, sizeof(text) - 1, message)

static void another_version(void **state)
{
	SAID("AMQP\0\1\0\0", "does not speak AMQP 0-9-1");
}

static void another_protocol(void **state)
{
	SAID("HTTP/1.1 400 Bad Request\r\n\r\n", "invalid AMQP data");
}

static void a_frame_of_two_gigabytes(void **state)
{
	SAID("\x01\0\0\x7f\xff\xff\xff\xff", "invalid AMQP data");
}

static void a_frame_without_its_end(void **state)
{
	SAID("\x01\0\0\0\0\0\x04\0\x0a\0\x0a\0", "AMQP");
}

static void a_method_that_does_not_exist(void **state)
{
	SAID("\x01\0\0\0\0\0\x04\0\x63\0\x63\xce", "unknown AMQP method");
}

/* rabbitmq-c would take the size and write past a buffer of it. */
static void frames_too_small_for_anything(void **state)
{
	SAID(START TUNE("\0\0\0\x08"), "frames of 8 bytes only");
}

static void a_close_instead_of_an_answer(void **state)
{
	SAID(START TUNE("\0\2\0\0") "\x01\0\0\0\0\0\x0f\0\x0a\0\x32\x02\x12\x04"
				    "full\0\0\0\0\xce",
	     "full");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(another_version),
	cmocka_unit_test(another_protocol),
	cmocka_unit_test(a_frame_of_two_gigabytes),
	cmocka_unit_test(a_frame_without_its_end),
	cmocka_unit_test(a_method_that_does_not_exist),
	cmocka_unit_test(frames_too_small_for_anything),
	cmocka_unit_test(a_close_instead_of_an_answer),
};

t_main(tests)

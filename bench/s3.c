/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"
#include "base/util.h"

#include "exchange.h"

#define BUCKET_MS 10000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* The request line and the signed headers; more headers and the empty line may follow. */
static int begin(struct target *target, const char *method, const char *path,
		 struct sgh_buf *request)
{
	char date[SGH_SIGV4_DATE_SIZE];
	const struct sgh_pair headers[] = {
		{ "host", target->endpoint.host },
		{ "x-amz-content-sha256", SGH_SIGV4_UNSIGNED },
		{ "x-amz-date", date },
	};
	struct sgh_sigv4_request signed_request = {
		.method = method,
		.path = path,
		.headers = headers,
		.header_count = SGH_COUNT(headers),
		.payload = SGH_SIGV4_UNSIGNED,
	};

	sgh_sigv4_date(now_ms(), date);
	if (strncmp(date, target->key.day, 8) != 0 &&
	    sgh_sigv4_derive(&target->scope, date, &target->key, NULL))
		return 0;
	sgh_buf_printf(request,
		       "%s %s HTTP/1.1\r\nHost: %s\r\nx-amz-content-sha256: %s\r\n"
		       "x-amz-date: %s\r\nAuthorization: ",
		       method, path, target->endpoint.host, SGH_SIGV4_UNSIGNED, date);
	if (sgh_sigv4_sign(&signed_request, &target->scope, &target->key, date,
			   &target->work, request, NULL))
		return 0;
	sgh_buf_puts(request, "\r\n");
	return !request->failed;
}

static int begin_object(struct target *target, const char *method,
			const struct stored *object, struct sgh_buf *request)
{
	char path[128];

	snprintf(path, sizeof(path), "/%s/%s", target->bucket, object->id);
	return begin(target, method, path, request);
}

static int put(struct target *target, const struct body *body, struct stored *object,
	       struct sgh_buf *request)
{
	sgh_id_random(object->id);
	if (!begin_object(target, "PUT", object, request))
		return 0;
	sgh_buf_printf(request, "Content-Type: %s\r\nContent-Length: %" PRIu64 "\r\n\r\n",
		       body->content_type, body->size);
	return !request->failed;
}

static int check_put(const struct body *body, const struct answer *answer,
		     const char *text, struct stored *object)
{
	return answer->status == 200 && answer->has_etag;
}

static int get(struct target *target, const struct body *body,
	       const struct stored *object, struct sgh_buf *request)
{
	if (!begin_object(target, "GET", object, request))
		return 0;
	sgh_buf_puts(request, "\r\n");
	return !request->failed;
}

/* One exchange, waited for. */
static enum exchange_state talk(struct target *target, struct exchange *exchange)
{
	enum exchange_state state;
	struct epoll_event event;
	int ready = 1;

	exchange_prepare(exchange, EXCHANGE_BARE, NULL, NULL);
	state = exchange_begin(exchange, &target->endpoint);
	while (state == EXCHANGE_WAITS && ready > 0) {
		ready = epoll_wait(exchange->epoll, &event, 1, BUCKET_MS);
		if (ready > 0)
			state = exchange_go_on(exchange, event.events);
	}
	return state;
}

int target_s3_make_bucket(struct target *target)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct exchange exchange;
	char path[128];
	int made = 0;

	exchange_init(&exchange, epoll, NULL);
	snprintf(path, sizeof(path), "/%s", target->bucket);
	if (begin(target, "PUT", path, &exchange.request)) {
		sgh_buf_puts(&exchange.request, "Content-Length: 0\r\n\r\n");
		made = talk(target, &exchange) == EXCHANGE_DONE &&
		       (exchange.answer.status == 200 || exchange.answer.status == 409);
	}
	if (!made)
		fprintf(stderr, "no bucket could be made: %s %d %s\n",
			exchange.problem ? exchange.problem : "", exchange.answer.status,
			exchange.text);
	exchange_fini(&exchange);
	close(epoll);
	return made ? 0 : -1;
}

void target_fini(struct target *target)
{
	sgh_sigv4_work_fini(&target->work);
}

const struct target_kind target_s3 = {
	.name = "s3",
	.put = put,
	.check_put = check_put,
	.get = get,
};

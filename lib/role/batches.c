/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "role/client.h"
#include "wire/batch.h"

/* Who takes batches says so in each answer; who does not know of them says nothing. */

/* After an answer of who takes none, or none at all, requests go alone for so long. */
#define ALONE_MS 60000

/* Those that are small and many. */
static bool is_small(const struct sgh_request *request)
{
	return request->verb == SGH_PUT || request->verb == SGH_GET ||
	       request->verb == SGH_STAT;
}

bool sgh_batches_may(struct sangraha_client *client, const struct sgh_request *request)
{
	const struct sgh_batches *batches = &client->batches[request->verb >= SGH_GET];

	return is_small(request) && !request->resend && request->reply_to &&
	       __atomic_load_n(&batches->taken, __ATOMIC_RELAXED) &&
	       sgh_now_ms() >= __atomic_load_n(&batches->alone_ms, __ATOMIC_RELAXED);
}

void sgh_batches_learn(struct sangraha_client *client, const struct sgh_request *request,
		       const struct sgh_reply *reply)
{
	struct sgh_batches *batches = &client->batches[request->verb >= SGH_GET];
	bool taken = reply && reply->batches;

	if (!is_small(request))
		return;
	if (!taken)
		__atomic_store_n(&batches->alone_ms, sgh_now_ms() + ALONE_MS,
				 __ATOMIC_RELAXED);
	__atomic_store_n(&batches->taken, taken, __ATOMIC_RELAXED);
}

/* Who puts something large is answered together with others, too, but does not ask so. */
void sgh_batches_expect(struct sangraha_client *client, const struct sgh_request *request)
{
	size_t length = request->body ? request->body->length : 0;

	if (is_small(request) && length <= SGH_BATCH_SMALL)
		sgh_queue_expect(client->queue, request->verb >= SGH_GET
							? SANGRAHA_READ_QUEUE
							: SANGRAHA_WRITE_QUEUE);
}

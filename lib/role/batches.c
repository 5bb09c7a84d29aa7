/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "role/client.h"

/* Who takes batches says so in each answer; who does not know of them says nothing. */

/* After an answer of who takes none, or none at all, requests go alone for so long. */
#define ALONE_MS 60000

/* Those that are small and many. */
static bool is_small(const struct sgh_request *request)
{
	return request->verb == SGH_PUT || request->verb == SGH_GET ||
	       request->verb == SGH_STAT;
}

static struct sgh_batches *batches_of(struct sangraha_client *client,
				      const struct sgh_request *request)
{
	return &client->state.batches[request->verb >= SGH_GET];
}

bool sgh_batches_may(struct sangraha_client *client, const struct sgh_request *request)
{
	const struct sgh_batches *batches = batches_of(client, request);
	bool may;

	if (!is_small(request) || request->resend || !request->reply_to)
		return false;
	pthread_mutex_lock(&client->state.lock);
	may = batches->taken && sgh_now_ms() >= batches->alone_ms;
	pthread_mutex_unlock(&client->state.lock);
	return may;
}

void sgh_batches_learn(struct sangraha_client *client, const struct sgh_request *request,
		       const struct sgh_reply *reply)
{
	struct sgh_batches *batches = batches_of(client, request);

	if (!is_small(request))
		return;
	pthread_mutex_lock(&client->state.lock);
	batches->taken = reply && reply->batches;
	if (!batches->taken)
		batches->alone_ms = sgh_now_ms() + ALONE_MS;
	pthread_mutex_unlock(&client->state.lock);
}

/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "role/client.h"

/* Who takes batches says so in each answer; who does not know of them says nothing. */

/* After an answer of who takes none, or none at all, requests go alone for so long. */
#define ALONE_MS 60000

bool sgh_batches_may(struct sangraha_client *client, const struct sgh_request *request)
{
	bool may;

	if (request->verb != SGH_PUT || request->resend || !request->reply_to)
		return false;
	pthread_mutex_lock(&client->state.lock);
	may = client->state.batches && sgh_now_ms() >= client->state.alone_ms;
	pthread_mutex_unlock(&client->state.lock);
	return may;
}

void sgh_batches_learn(struct sangraha_client *client, const struct sgh_request *request,
		       const struct sgh_reply *reply)
{
	if (request->verb != SGH_PUT)
		return;
	pthread_mutex_lock(&client->state.lock);
	client->state.batches = reply && reply->batches;
	if (!client->state.batches)
		client->state.alone_ms = sgh_now_ms() + ALONE_MS;
	pthread_mutex_unlock(&client->state.lock);
}

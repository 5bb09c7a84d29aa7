/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "role/client.h"

void sangraha_result_free(struct sangraha_result *result)
{
	if (!result)
		return;
	sgh_reply_free(result->reply);
	free(result);
}

int sangraha_result_status(const struct sangraha_result *result)
{
	return result ? result->status : SANGRAHA_E_INVALID;
}

/* What came, or NULL. */
static const struct sgh_reply *reply_of(const struct sangraha_result *result)
{
	return result ? result->reply : NULL;
}

const struct sangraha_error *sangraha_result_error(const struct sangraha_result *result)
{
	return result && result->status ? &result->err : NULL;
}

struct sangraha_object *sangraha_result_object(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply ? reply->object : NULL;
}

const void *sangraha_result_data(const struct sangraha_result *result, size_t *ret_length)
{
	const struct sgh_reply *reply = reply_of(result);
	const struct sgh_bytes *body = reply ? reply->body : NULL;

	if (ret_length)
		*ret_length = body ? body->length : 0;
	return body ? body->data : NULL;
}

const char *sangraha_result_url(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);
	const struct sgh_ticket *ticket = reply ? reply->ticket : NULL;
	const char *url = ticket && ticket->kind == SGH_TICKET_GET && ticket->url_count
				  ? ticket->urls[0]
				  : NULL;

	/* The address of a store in this process is for the process alone. */
	return url && (strncmp(url, "http:", 5) == 0 || strncmp(url, "https:", 6) == 0)
		       ? url
		       : NULL;
}

struct sangraha_object *sangraha_result_at(const struct sangraha_result *result, size_t i)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply && i < reply->object_count ? reply->objects[i] : NULL;
}

const char *sangraha_result_next_cursor(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply ? reply->next_cursor : NULL;
}

int sangraha_result_replayed(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply && reply->replayed;
}

int sangraha_result_recorded(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply && reply->recorded;
}

const char *sangraha_result_declared(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply ? reply->declared : NULL;
}

const char *sangraha_result_detected(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply ? reply->detected : NULL;
}

const char *sangraha_result_rule(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply ? reply->rule : NULL;
}

int64_t sangraha_result_offset(const struct sangraha_result *result)
{
	const struct sgh_reply *reply = reply_of(result);

	return reply ? reply->offset : -1;
}

const char *sangraha_result_id(const struct sangraha_result *result)
{
	return result ? result->id : NULL;
}

int64_t sangraha_result_until_ms(const struct sangraha_result *result)
{
	return result ? result->until_ms : 0;
}

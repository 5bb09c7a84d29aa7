/* SPDX-License-Identifier: MIT */
#include "role/dead_letter.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/sha256.h"

#define DEAD_CUT    "dead-cut" /* of a copy: what it was made of had lost headers */
#define RAW         "raw-"
#define RAW_BYTES   16           /* of a digest */
#define SECONDS_MAX 253402300799 /* Unix: the end of the year 9999 */

/* ---- what it says ---- */

static int64_t number(const struct sgh_message *message, const char *name)
{
	const struct sgh_header *header = sgh_message_header(message, name);

	return header && header->kind == SGH_HEADER_NUMBER && header->number > 0
		       ? header->number
		       : 0;
}

/* What is NULL and what is empty must not be the same. */
static int hash_text(struct sgh_sha256 *hash, const char *text,
		     struct sangraha_error *err)
{
	int status = sgh_sha256_update(hash, text ? "+" : "-", 1, err);

	if (!status && text)
		status = sgh_sha256_update(hash, text, strlen(text) + 1, err);
	return status;
}

/* Only what a copy has too, so that the name stays. */
static int hash_letter(struct sgh_sha256 *hash, const struct sgh_delivery *delivery,
		       struct sangraha_error *err)
{
	const struct sgh_message *message = delivery->message;
	const char *const texts[] = { message->type, message->content_type,
				      message->message_id, message->correlation_id };
	uint64_t numbers[] = { (uint64_t)message->timestamp, delivery->announced };
	int status = sgh_sha256_update(hash, numbers, sizeof(numbers), err);

	for (size_t i = 0; i < SGH_COUNT(texts) && !status; i++)
		status = hash_text(hash, texts[i], err);
	if (!status && message->body)
		status = sgh_sha256_update(hash, message->body->data,
					   message->body->length, err);
	return status;
}

static int name_raw(struct sgh_dead_letter *letter, struct sangraha_error *err)
{
	struct sgh_sha256 *hash = NULL;
	unsigned char digest[32];
	int status = sgh_sha256_new(&hash, err);

	if (!status)
		status = hash_letter(hash, letter->delivery, err);
	if (!status)
		status = sgh_sha256_final(hash, digest, err);
	if (!status) {
		memcpy(letter->id, RAW, strlen(RAW));
		sgh_hex(digest, RAW_BYTES, letter->id + strlen(RAW));
	}
	sgh_sha256_free(hash);
	return status;
}

static int name(struct sgh_dead_letter *letter, struct sangraha_error *err)
{
	const char *id = letter->request ? letter->request->operation_id : NULL;

	letter->shown.id = letter->id;
	if (!id || !sangraha_id_valid(id))
		return name_raw(letter, err);
	memcpy(letter->id, id, sizeof(letter->id));
	return 0;
}

static void show_request(struct sangraha_dead_letter *shown,
			 const struct sgh_request *request)
{
	if (request->verb != SGH_VERB_UNKNOWN)
		shown->operation = sgh_verb_name(request->verb);
	shown->operation_id = request->operation_id;
	shown->object_type = request->object_type;
	shown->object_id = request->object_id;
	shown->filename = request->filename;
	shown->content_type = request->content_type;
	shown->sha256 = request->sha256;
	shown->request_id = request->request_id;
	shown->created_ms = request->created_ms;
	shown->published_ms = request->published;
	shown->object_size = request->size;
}

static void show_times(struct sangraha_dead_letter *shown,
		       const struct sgh_delivery *delivery)
{
	int64_t seconds = delivery->message->timestamp;

	if (!shown->published_ms && seconds > 0 && seconds <= SECONDS_MAX)
		shown->published_ms = seconds * 1000;
}

/* What the receiver said goes before what the broker did. */
static void show_death(struct sangraha_dead_letter *shown,
		       const struct sgh_delivery *delivery)
{
	const struct sgh_message *message = delivery->message;
	const char *time = sgh_message_text(message, "dead-time");

	shown->reason = sgh_message_text(message, "dead-reason");
	shown->error = sgh_message_text(message, "dead-error");
	shown->attempts =
		(unsigned)sgh_min((size_t)number(message, "dead-attempts"), UINT16_MAX);
	if (!shown->reason)
		shown->reason = delivery->died_of;
	if (!time || !sgh_rfc3339_parse(time, &shown->died_ms))
		shown->died_ms = delivery->died_ms;
}

static void show_body(struct sgh_dead_letter *letter, bool readable)
{
	const struct sgh_request *request = letter->request;
	const struct sgh_bytes *body = letter->delivery->message->body;

	if (readable && request->verb == SGH_PUT)
		body = request->body;
	if (body && body->length)
		letter->shown.data = body->data;
	letter->shown.length = letter->delivery->oversize ? letter->delivery->announced
			       : body                     ? body->length
							  : 0;
}

/* ---- whether it can be replayed ---- */

static bool is_cut(const struct sgh_message *message)
{
	return message->cut || sgh_message_header(message, DEAD_CUT);
}

static const char *useless(enum sgh_verb verb)
{
	switch (verb) {
	case SGH_PUT_BEGIN:
	case SGH_PUT_EXTEND:
		return "the ticket that it asks for would be of use to nobody; the file "
		       "has to be stored again";
	case SGH_GET:
	case SGH_STAT:
	case SGH_LIST:
		return "nobody waits for the answer to a read any more";
	default:
		return NULL;
	}
}

static void find_obstacle(struct sgh_dead_letter *letter, int status,
			  const struct sangraha_error *why)
{
	const struct sgh_delivery *delivery = letter->delivery;
	const char *no = status ? NULL : useless(letter->request->verb);

	if (delivery->oversize)
		snprintf(letter->obstacle, sizeof(letter->obstacle),
			 "its %llu bytes are more than may be held here",
			 (unsigned long long)delivery->announced);
	else if (status)
		snprintf(letter->obstacle, sizeof(letter->obstacle),
			 "it cannot be read: %s", why->message);
	else if (is_cut(delivery->message))
		snprintf(letter->obstacle, sizeof(letter->obstacle),
			 "it cannot be read: it has lost headers");
	else if (no)
		snprintf(letter->obstacle, sizeof(letter->obstacle), "%s", no);
	else
		return;
	letter->shown.obstacle = letter->obstacle;
}

int sgh_dead_letter_read(struct sgh_dead_letter *letter, const char *queue,
			 const struct sgh_delivery *delivery, struct sangraha_error *err)
{
	struct sgh_request *request = NULL, *partial = NULL;
	struct sangraha_error why = { 0 };
	int status;

	*letter = (struct sgh_dead_letter){
		.shown = { .size = sizeof(letter->shown),
			   .queue = queue,
			   .object_size = -1 },
		.delivery = delivery,
	};
	status = sgh_request_parse(delivery->message, NULL, &request, &partial, &why);
	letter->request = request ? request : partial;
	if (status == SANGRAHA_E_OVERLOADED)
		return sgh_fail_with(err, status, &why);
	if (letter->request)
		show_request(&letter->shown, letter->request);
	show_times(&letter->shown, delivery);
	show_death(&letter->shown, delivery);
	show_body(letter, !status);
	find_obstacle(letter, status, &why);
	return name(letter, err);
}

void sgh_dead_letter_fini(struct sgh_dead_letter *letter)
{
	sgh_request_free(sgh_take(letter->request));
}

/* ---- copies ---- */

int sgh_dead_letter_replay(const struct sgh_dead_letter *letter, unsigned replay_ms,
			   struct sgh_message **ret, struct sangraha_error *err)
{
	/* Only read from; what it owns stays the letter's. */
	struct sgh_request again = *letter->request;

	again.reply_to = NULL;
	again.published = sgh_time_ms();
	again.deadline = again.published + replay_ms;
	again.fresh = false;
	again.batches = false;
	again.attempt = 0;
	again.resend = 0;
	again.persistent = true;
	return sgh_request_message(&again, ret, err);
}

/* What only the broker told is gone with the message. */
static bool add_death(struct sgh_message *copy, const struct sgh_delivery *delivery)
{
	const char *reason = sgh_message_text(copy, "dead-reason");
	char time[SGH_RFC3339_SIZE];

	if (!reason && !sgh_message_add_text(copy, "dead-reason", delivery->died_of))
		return false;
	if (delivery->message->cut && !sgh_message_add_bool(copy, DEAD_CUT, true))
		return false;
	if (!delivery->died_ms || sgh_message_header(copy, "dead-time"))
		return true;
	sgh_rfc3339(delivery->died_ms, time);
	return sgh_message_add_text(copy, "dead-time", time);
}

int sgh_dead_letter_renew(const struct sgh_delivery *delivery, struct sgh_message **ret,
			  struct sangraha_error *err)
{
	struct sgh_message *copy = NULL;
	int status = sgh_message_renew(delivery->message, &copy, err);

	if (status)
		return status;
	copy->persistent = true;
	if (!add_death(copy, delivery)) {
		sgh_message_free(copy);
		return sgh_fail_memory(err);
	}
	*ret = copy;
	return 0;
}

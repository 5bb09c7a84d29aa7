/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include <uuid/uuid.h>

#include "base/clock.h"
#include "base/context.h"
#include "base/error.h"

/*
 * UUID version 5 of the URL namespace (RFC 9562, appendix A) and
 * "urn:sangraha:idempotency-key". Fixed for ever: every orchestrator derives the same.
 */
static const uuid_t key_namespace = { 0x9d, 0xd8, 0x2b, 0x50, 0x68, 0xc2, 0x53, 0x5a,
				      0xa0, 0x76, 0x2a, 0x25, 0x77, 0xaf, 0xff, 0xce };

void sgh_id_source_init(struct sgh_id_source *source)
{
	*source = (struct sgh_id_source){ 0 };
	pthread_mutex_init(&source->lock, NULL);
}

void sgh_id_source_fini(struct sgh_id_source *source)
{
	pthread_mutex_destroy(&source->lock);
}

#define COUNTER_BITS 26
#define COUNTER_MAX  ((1u << COUNTER_BITS) - 1)

/*
 * The time and counter of the next id. A new millisecond begins at a random count in the
 * lower half; a clock that went back, or a full counter, borrows from the future (RFC
 * 9562, section 6.2, method 1).
 */
static void next(struct sgh_id_source *source, uint32_t seed, uint64_t *ret_ms,
		 uint32_t *ret_counter)
{
	uint64_t now = (uint64_t)sgh_time_ms();

	pthread_mutex_lock(&source->lock);
	if (now > source->last_ms) {
		source->last_ms = now;
		source->counter = seed & (COUNTER_MAX >> 1);
	} else if (++source->counter > COUNTER_MAX) {
		source->last_ms++;
		source->counter = 0;
	}
	*ret_ms = source->last_ms;
	*ret_counter = source->counter;
	pthread_mutex_unlock(&source->lock);
}

/* uuid_generate_random() makes a dozen system calls of one; it is for who has no getrandom(). */
static void random_uuid(uuid_t uuid)
{
	if (getrandom(uuid, sizeof(uuid_t), 0) != (ssize_t)sizeof(uuid_t)) {
		uuid_generate_random(uuid);
		return;
	}
	uuid[6] = (unsigned char)(0x40 | (uuid[6] & 0x0f));
	uuid[8] = (unsigned char)(0x80 | (uuid[8] & 0x3f));
}

void sgh_id_v7(struct sgh_id_source *source, char id[SANGRAHA_ID_SIZE])
{
	uuid_t uuid;
	uint32_t seed;
	uint64_t ms;
	uint32_t counter;

	random_uuid(uuid);
	memcpy(&seed, uuid, sizeof(seed));
	next(source, seed, &ms, &counter);
	for (int i = 0; i < 6; i++)
		uuid[i] = (unsigned char)(ms >> (40 - 8 * i));
	uuid[6] = (unsigned char)(0x70 | counter >> 22);
	uuid[7] = (unsigned char)(counter >> 14);
	uuid[8] = (unsigned char)(0x80 | (counter >> 8 & 0x3f));
	uuid[9] = (unsigned char)counter;
	uuid_unparse_lower(uuid, id);
}

void sgh_id_random(char id[SANGRAHA_ID_SIZE])
{
	uuid_t uuid;

	random_uuid(uuid);
	uuid_unparse_lower(uuid, id);
}

int sgh_id_version(const char *id)
{
	return id[14] <= '9' ? id[14] - '0' : id[14] - 'a' + 10;
}

bool sgh_request_id_valid(const char *text)
{
	size_t length =
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			     "0123456789._:-");

	return length >= 1 && length <= 128 && text[length] == '\0';
}

int sangraha_id_new(struct sangraha_context *context, char id[SANGRAHA_ID_SIZE],
		    struct sangraha_error *err)
{
	if (!context || !id)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"no context or no id to fill");
	sgh_id_v7(&context->ids, id);
	return 0;
}

int sangraha_id_from_key(const char *key, char id[SANGRAHA_ID_SIZE],
			 struct sangraha_error *err)
{
	size_t length = key ? strlen(key) : 0;
	uuid_t uuid;

	if (length < 1 || length > 255 || !id)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an idempotency key has 1 to 255 bytes, this one %zu",
				length);
	uuid_generate_sha1(uuid, key_namespace, key, length);
	uuid_unparse_lower(uuid, id);
	return 0;
}

int sangraha_id_valid(const char *id)
{
	if (!id)
		return 0;
	for (int i = 0; i < 36; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		char c = id[i];

		if (hyphen ? c != '-'
			   : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return 0;
	}
	return id[36] == '\0';
}

int sangraha_reference_parse(const char *reference, char type[SANGRAHA_TYPE_SIZE],
			     char id[SANGRAHA_ID_SIZE], struct sangraha_error *err)
{
	const char *slash = reference ? strchr(reference, '/') : NULL;
	size_t length = slash ? (size_t)(slash - reference) : 0;

	if (length < 1 || length >= SANGRAHA_TYPE_SIZE || !sangraha_id_valid(slash + 1) ||
	    reference[0] < 'a' || reference[0] > 'z' ||
	    strspn(reference, "abcdefghijklmnopqrstuvwxyz0123456789-") != length)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an object reference looks like type/uuid");
	memcpy(type, reference, length);
	type[length] = '\0';
	memcpy(id, slash + 1, SANGRAHA_ID_SIZE);
	return 0;
}

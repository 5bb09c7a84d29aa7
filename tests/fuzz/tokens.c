/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include <sangraha/object.h>

#include "base/buf.h"
#include "base/id.h"
#include "queue/amqp_url.h"
#include "wire/filename.h"
#include "wire/object.h"
#include "wire/protocol.h"
#include "wire/sha256.h"

/*
 * Words that travel inside of other things: references, which cursors are too, ids, keys,
 * names, encodings, and the URL of a broker. An input is tried as each of them.
 */

static void reference(const char *text)
{
	char type[SANGRAHA_TYPE_SIZE];
	char id[SANGRAHA_ID_SIZE];
	sgh_autobuf struct sgh_buf again = { 0 };
	struct sangraha_error err = { 0 };
	int status = sangraha_reference_parse(text, type, id, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		return;
	}
	fuzz_require(sgh_type_name_valid(type));
	fuzz_require(sangraha_id_valid(id));
	sgh_buf_printf(&again, "%s/%s", type, id);
	fuzz_require(strcmp(again.data, text) == 0);
}

static void words(const char *text)
{
	size_t length = strlen(text);
	char id[SANGRAHA_ID_SIZE];

	if (sangraha_id_valid(text))
		fuzz_require(length == SANGRAHA_ID_SIZE - 1 &&
			     strspn(text, "0123456789abcdef-") == length);
	if (sgh_request_id_valid(text))
		fuzz_require(length >= 1 && length <= 128);
	if (sgh_type_name_valid(text))
		fuzz_require(length < SANGRAHA_TYPE_SIZE);
	if (sgh_printable(text, SGH_CURSOR_MAX))
		fuzz_require(length >= 1 && length <= SGH_CURSOR_MAX);
	if (sgh_sha256_hex_valid(text))
		fuzz_require(length == 64 && strspn(text, "0123456789abcdef") == 64);
	if (sangraha_id_from_key(text, id, &fuzz_err) == 0)
		fuzz_require(sangraha_id_valid(id) && sgh_id_version(id) == 5);
	else
		fuzz_require(length < 1 || length > 255);
}

/* Strict: what can be decoded is what would be written. */
static void base64(const char *data, size_t size)
{
	sgh_autobuf struct sgh_buf again = { 0 };
	size_t length = 0;
	sgh_autofree char *out = malloc(size / 4 * 3 + 1);

	fuzz_require(out);
	if (!sgh_base64_decode(data, size, out, &length))
		return;
	fuzz_require(length <= size / 4 * 3);
	sgh_base64_encode(&again, out, length);
	fuzz_require(again.length == size);
	fuzz_require(size == 0 || memcmp(again.data, data, size) == 0);
}

static void percent(const char *text)
{
	sgh_autobuf struct sgh_buf encoded = { 0 };
	sgh_autofree char *copy = fuzz_text(text, strlen(text));

	sgh_percent_encode(&encoded, text);
	if (encoded.data) {
		fuzz_require(sgh_percent_decode(encoded.data));
		fuzz_require(strcmp(encoded.data, text) == 0);
	}
	if (sgh_percent_decode(copy))
		fuzz_require(strlen(copy) <= strlen(text));
}

static void broker_urls(const char *text)
{
	struct sgh_amqp_url *urls = NULL;
	size_t count = 0;
	struct sangraha_error err = { 0 };
	int status = sgh_amqp_urls_parse(text, &urls, &count, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		return;
	}
	fuzz_require(count >= 1 && count <= SGH_AMQP_URLS_MAX);
	for (size_t i = 0; i < count; i++) {
		fuzz_require(*urls[i].host && urls[i].user && urls[i].password);
		fuzz_require(urls[i].vhost && urls[i].name);
		fuzz_require(urls[i].port >= 1 && urls[i].port <= 65535);
	}
	sgh_amqp_urls_free(urls, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree char *bytes = fuzz_copy(data, size);
	sgh_autofree char *text = fuzz_text(data, size);

	reference(text);
	words(text);
	base64(bytes, size);
	percent(text);
	broker_urls(text);
	return 0;
}

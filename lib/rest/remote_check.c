/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "rest/remote.h"
#include "wire/filename.h"
#include "wire/object.h"
#include "wire/sha256.h"

#define KEY_MAX          255
#define CONTENT_TYPE_MAX 255
#define CURSOR_MAX       512

int sgh_remote_check_text(const char *what, const char *text, size_t max,
			  struct sangraha_error *err)
{
	size_t length;

	if (!text)
		return 0;
	length = strlen(text);
	if (length < 1 || length > max)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "%s is 1 to %zu bytes", what,
				max);
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"%s is printable ASCII", what);
	/* They would be lost on the way. */
	if (text[0] == ' ' || text[length - 1] == ' ')
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"%s neither begins nor ends with a space", what);
	return 0;
}

int sgh_remote_check_cursor(const char *cursor, struct sangraha_error *err)
{
	return sgh_remote_check_text("a cursor", cursor, CURSOR_MAX, err);
}

int sgh_remote_check_type(const char *type, struct sangraha_error *err)
{
	size_t length = strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (length >= 1 && length < SANGRAHA_TYPE_SIZE && !type[length])
		return 0;
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"an object type is 1 to 32 of a-z, 0-9 and \"-\"");
}

int sgh_remote_check_reference(const char *type, const char *id,
			       struct sangraha_error *err)
{
	if (!type || !id)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an object is named by its type and its id");
	if (!sangraha_id_valid(id))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an id is a UUID in lower case");
	return sgh_remote_check_type(type, err);
}

static int check_meta(const struct sangraha_rest_put *options, struct sangraha_error *err)
{
	size_t count = sgh_option(options, meta_count, 0);
	struct sgh_pair pairs[SGH_META_MAX];

	if (count > SGH_META_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"an object has at most %d pairs of user metadata",
				SGH_META_MAX);
	if (count && (!options->meta_names || !options->meta_values))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"user metadata has names and values");
	for (size_t i = 0; i < count; i++) {
		pairs[i] = (struct sgh_pair){ options->meta_names[i],
					      options->meta_values[i] };
		if (!pairs[i].name || !pairs[i].value)
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"user metadata has names and values");
	}
	return sgh_meta_check(pairs, count, err);
}

int sgh_remote_check_put(const struct sangraha_rest_put *options,
			 struct sangraha_error *err)
{
	const char *filename = sgh_option(options, filename, NULL);
	const char *type = sgh_option(options, type, NULL);
	const char *sha256 = sgh_option(options, sha256, NULL);
	int status = sgh_options_check(options, err);

	if (status == 0)
		status = sgh_remote_check_text("an idempotency key",
					       sgh_option(options, idempotency_key, NULL),
					       KEY_MAX, err);
	if (status == 0)
		status = sgh_remote_check_text("a content type",
					       sgh_option(options, content_type, NULL),
					       CONTENT_TYPE_MAX, err);
	if (status == 0 && filename)
		status = sgh_filename_check(filename, err);
	if (status == 0 && type)
		status = sgh_remote_check_type(type, err);
	if (status == 0 && sha256 && !sgh_sha256_hex_valid(sha256))
		status = sgh_fail(err, SANGRAHA_E_INVALID, 0,
				  "a SHA-256 is 64 hexadecimal digits in lower case");
	return status ? status : check_meta(options, err);
}

/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static const struct {
	int status;
	const char *name;
	const char *text;
} statuses[] = {
	{ SANGRAHA_OK, "ok", "It worked" },
	{ SANGRAHA_E_INVALID, "invalid", "An argument or the configuration is wrong" },
	{ SANGRAHA_E_NOT_FOUND, "not_found", "There is no such thing" },
	{ SANGRAHA_E_CONFLICT, "conflict", "The id is taken by something else" },
	{ SANGRAHA_E_REJECTED, "rejected", "Validation refused the object" },
	{ SANGRAHA_E_UNAVAILABLE, "unavailable", "A part of the service is away" },
	{ SANGRAHA_E_TIMEOUT, "timeout",
	  "The deadline passed; the outcome is not known" },
	{ SANGRAHA_E_TOO_LARGE, "too_large", "The object is larger than the limit" },
	{ SANGRAHA_E_GONE, "gone", "The id was deleted and cannot be written again" },
	{ SANGRAHA_E_PRECONDITION, "precondition",
	  "A condition of the request did not hold" },
	{ SANGRAHA_E_OVERLOADED, "overloaded", "Too much is in hand; try again later" },
	{ SANGRAHA_E_UNSUPPORTED, "unsupported",
	  "The type or the feature is not supported" },
	{ SANGRAHA_E_UNAUTHORIZED, "unauthorized", "The credentials were refused" },
	{ SANGRAHA_E_INTERNAL, "internal", "Something is wrong inside the service" },
};

const char *sangraha_status_name(int status)
{
	for (size_t i = 0; i < SGH_COUNT(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].name;
	return "internal";
}

const char *sangraha_status_text(int status)
{
	for (size_t i = 0; i < SGH_COUNT(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].text;
	return sangraha_status_text(SANGRAHA_E_INTERNAL);
}

int sangraha_status_from_name(const char *name)
{
	for (size_t i = 0; name && i < SGH_COUNT(statuses); i++)
		if (strcmp(statuses[i].name, name) == 0)
			return statuses[i].status;
	return SANGRAHA_E_INTERNAL;
}

/* Drop the part of a UTF-8 character that vsnprintf() left at the end. */
static void trim_utf8(char *text)
{
	size_t length = strlen(text);
	size_t tail = 0; /* continuation bytes at the end */
	unsigned char first;
	size_t wanted;

	while (tail < length && tail < 3 &&
	       ((unsigned char)text[length - 1 - tail] & 0xc0) == 0x80)
		tail++;
	if (tail == length)
		return;
	first = (unsigned char)text[length - 1 - tail];
	wanted = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
	if (tail < wanted)
		text[length - 1 - tail] = '\0';
}

static void set(struct sangraha_error *err, int status, long native, const char *format,
		va_list args)
{
	int length;

	if (!err)
		return;
	err->status = status;
	err->native = native;
	length = vsnprintf(err->message, sizeof(err->message), format, args);
	if (length < 0)
		err->message[0] = '\0';
	else if ((size_t)length >= sizeof(err->message))
		trim_utf8(err->message);
}

int sgh_fail(struct sangraha_error *err, int status, long native, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(err, status, native, format, args);
	va_end(args);
	return status;
}

int sangraha_error_set(struct sangraha_error *err, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set(err, status, 0, format, args);
	va_end(args);
	return status;
}

int sgh_fail_memory(struct sangraha_error *err)
{
	return sgh_fail(err, SANGRAHA_E_OVERLOADED, ENOMEM, "out of memory");
}

static int status_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
		return SANGRAHA_E_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return SANGRAHA_E_UNAUTHORIZED;
	case ENOMEM:
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
		return SANGRAHA_E_OVERLOADED;
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRINUSE:
	case EADDRNOTAVAIL:
	case EAGAIN:
		return SANGRAHA_E_UNAVAILABLE;
	case ETIMEDOUT:
		return SANGRAHA_E_TIMEOUT;
	default:
		return SANGRAHA_E_INTERNAL;
	}
}

int sgh_fail_errno(struct sangraha_error *err, int errnum, const char *what)
{
	char text[128];

	return sgh_fail(err, status_of_errno(errnum), errnum, "%s: %s", what,
			strerror_r(errnum, text, sizeof(text)));
}

bool sgh_disk_full(const struct sangraha_error *err)
{
	return err->status == SANGRAHA_E_OVERLOADED &&
	       (err->native == ENOSPC || err->native == EDQUOT);
}

int sgh_fail_with(struct sangraha_error *err, int status,
		  const struct sangraha_error *from)
{
	if (!from || !from->status)
		return sgh_fail(err, status, 0, "%s", sangraha_status_text(status));
	if (err && err != from)
		*err = *from;
	return from->status;
}

int sgh_options_check(const void *options, struct sangraha_error *err)
{
	size_t size;

	if (!options)
		return 0;
	memcpy(&size, options, sizeof(size));
	if (size <= sizeof(size))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"options whose member `size` is %zu; it is their sizeof",
				size);
	return 0;
}

int sgh_status_passing(int status)
{
	return status == SANGRAHA_E_UNAVAILABLE || status == SANGRAHA_E_TIMEOUT ||
	       status == SANGRAHA_E_OVERLOADED;
}

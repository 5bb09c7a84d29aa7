/* SPDX-License-Identifier: MIT */
/* What went wrong, as a status and as a sentence. */
#ifndef SANGRAHA_ERROR_H
#define SANGRAHA_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What went wrong, named after what the caller can do about it. Values are never
 * reused; treat an unknown negative value as SANGRAHA_E_INTERNAL. The name in lower
 * case is the `code` of the HTTP interface and of queue replies.
 */
enum sangraha_status {
	SANGRAHA_OK = 0,              /* it worked */
	SANGRAHA_E_INVALID = -1,      /* fix the argument or the configuration */
	SANGRAHA_E_NOT_FOUND = -2,    /* there is no such object, queue or record */
	SANGRAHA_E_CONFLICT = -3,     /* the id is taken by something else */
	SANGRAHA_E_REJECTED = -4,     /* validation refused the object; do not retry */
	SANGRAHA_E_UNAVAILABLE = -5,  /* the peer may recover; retry later */
	SANGRAHA_E_TIMEOUT = -6,      /* the deadline passed; the outcome is not known */
	SANGRAHA_E_TOO_LARGE = -7,    /* larger than the configured limit */
	SANGRAHA_E_GONE = -8,         /* the id was deleted and cannot be written again */
	SANGRAHA_E_PRECONDITION = -9, /* a condition of the request did not hold */
	SANGRAHA_E_OVERLOADED = -10,  /* out of memory or over a bound; retry later */
	SANGRAHA_E_UNSUPPORTED = -11, /* there is no such type, or no such feature */
	SANGRAHA_E_UNAUTHORIZED = -12, /* the credentials were refused */
	SANGRAHA_E_INTERNAL = -13,     /* our own bug, or a peer that makes no sense */
};

/*
 * The detail of one failure. The caller provides it, usually on the stack, or passes
 * NULL; a function fills it only when it fails, so it needs no initial value. It owns
 * nothing and needs no release. Messages are UTF-8 sentences without a trailing full stop
 * and never carry a secret.
 */
struct sangraha_error {
	int status;        /* enum sangraha_status */
	long native;       /* errno, HTTP status, CURLcode or AMQP reply code; 0: none */
	char message[400]; /* NUL-terminated */
};

#if defined(__GNUC__)
/* Lets compilers that can hold the arguments of a format against it. */
#define SANGRAHA_PRINTF(format, first) \
	__attribute__((__format__(__printf__, format, first)))
#else
#define SANGRAHA_PRINTF(format, first)
#endif

/*
 * For a program's own checks and vetoes: fill `err`, which may be NULL, with `status` and
 * a sentence as printf(3) would write it, and return `status`. A sentence that does not
 * fit is cut between two characters of UTF-8.
 *
 *	return sangraha_error_set(err, SANGRAHA_E_REJECTED, "line %d is empty", line);
 *
 * Since: 0.1
 */
int sangraha_error_set(struct sangraha_error *err, int status, const char *format, ...)
	SANGRAHA_PRINTF(3, 4);

/*
 * The wire name of a status: "ok", "not_found", …; "internal" for what is no status.
 * Never NULL, static. Since: 0.1
 */
const char *sangraha_status_name(int status);

/* A sentence for people about a status. Never NULL, static. Since: 0.1 */
const char *sangraha_status_text(int status);

/* The status of a wire name; SANGRAHA_E_INTERNAL for one that is unknown. Since: 0.1 */
int sangraha_status_from_name(const char *name);

#ifdef __cplusplus
}
#endif

#endif

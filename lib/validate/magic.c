/* SPDX-License-Identifier: MIT */
#include "validate/magic.h"

#include <errno.h>
#include <magic.h>
#include <pthread.h>
#include <stdio.h>

#include "base/error.h"
#include "base/util.h"

/* Cookies kept when nobody uses them; more may be in use. */
#define MAX_IDLE 16

/* Nothing is unpacked, and no more is looked at than what we hand over. */
#define FLAGS (MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_ERROR)

/*
 * Which kind of text a text is, it finds out by regular expressions that begin anew at
 * each line: 8 KiB of line feeds took it 0.4 s. No type of ours hangs on that, so only what
 * is nothing else is asked for it, by its beginning.
 */
#define NOT_TEXT   (FLAGS | MAGIC_NO_CHECK_TEXT | MAGIC_NO_CHECK_ENCODING)
#define TEXT_MOST  ((size_t)2048)
#define REGEX_MOST ((size_t)512)
#define UNKNOWN    "application/octet-stream"

struct sgh_magic {
	pthread_mutex_t lock;
	struct {
		magic_t idle[MAX_IDLE];
		size_t count;
	} guarded; /* by lock */
};

/*
 * With errno 0 before: it may call what came of having no memory by another name, such as
 * a wrong regular expression.
 */
static int failed(magic_t cookie, const char *what, struct sangraha_error *err)
{
	if (errno == ENOMEM || magic_errno(cookie) == ENOMEM)
		return sgh_fail_memory(err);
	return sgh_fail(err, SANGRAHA_E_INTERNAL, magic_errno(cookie), "%s: %s", what,
			magic_error(cookie));
}

static int open_cookie(magic_t *ret, struct sangraha_error *err)
{
	magic_t cookie = magic_open(FLAGS);
	size_t most = REGEX_MOST;
	int status;

	if (!cookie)
		return sgh_fail_memory(err);
	errno = 0;
	if (magic_setparam(cookie, MAGIC_PARAM_REGEX_MAX, &most) == 0 &&
	    magic_load(cookie, NULL) == 0) {
		*ret = cookie;
		return 0;
	}
	status = failed(cookie, "cannot load libmagic's database", err);
	magic_close(cookie);
	return status;
}

static int take(struct sgh_magic *magic, magic_t *ret, struct sangraha_error *err)
{
	magic_t cookie = NULL;

	pthread_mutex_lock(&magic->lock);
	if (magic->guarded.count > 0)
		cookie = magic->guarded.idle[--magic->guarded.count];
	pthread_mutex_unlock(&magic->lock);
	if (!cookie)
		return open_cookie(ret, err);
	*ret = cookie;
	return 0;
}

static void give_back(struct sgh_magic *magic, magic_t cookie)
{
	pthread_mutex_lock(&magic->lock);
	if (magic->guarded.count < MAX_IDLE)
		magic->guarded.idle[magic->guarded.count++] = sgh_take(cookie);
	pthread_mutex_unlock(&magic->lock);
	if (cookie)
		magic_close(cookie);
}

int sgh_magic_new(struct sgh_magic **ret, struct sangraha_error *err)
{
	struct sgh_magic *magic = calloc(1, sizeof(*magic));
	magic_t cookie = NULL;
	int status;

	if (!magic)
		return sgh_fail_memory(err);
	pthread_mutex_init(&magic->lock, NULL);
	status = open_cookie(&cookie, err);
	if (status) {
		sgh_magic_free(magic);
		return status;
	}
	give_back(magic, cookie);
	*ret = magic;
	return 0;
}

void sgh_magic_free(struct sgh_magic *magic)
{
	if (!magic)
		return;
	while (magic->guarded.count > 0)
		magic_close(magic->guarded.idle[--magic->guarded.count]);
	pthread_mutex_destroy(&magic->lock);
	free(magic);
}

/* Names that libmagic, in one version or another, has for a type of ours. */
static const char *canonical(const char *answer)
{
	static const char *const names[][2] = {
		{ "image/apng", "image/png" },
		{ "image/vnd.mozilla.apng", "image/png" },
		{ "image/jpg", "image/jpeg" },
		{ "application/x-pdf", "application/pdf" },
	};

	for (size_t i = 0; i < SGH_COUNT(names); i++) {
		if (sgh_streq(answer, names[i][0]))
			return names[i][1];
	}
	return answer;
}

/* Its answer, which is in the cookie; NULL: it has none. */
static const char *ask(magic_t cookie, const void *data, size_t length)
{
	const char *answer;

	magic_setflags(cookie, NOT_TEXT);
	answer = magic_buffer(cookie, data, length);
	if (!sgh_streq(answer, UNKNOWN))
		return answer;
	magic_setflags(cookie, FLAGS);
	return magic_buffer(cookie, data, sgh_min(length, TEXT_MOST));
}

int sgh_magic_ask(struct sgh_magic *magic, const void *data, size_t length,
		  char type[SGH_MEDIATYPE_SIZE], struct sangraha_error *err)
{
	const char *answer;
	magic_t cookie = NULL;
	int status = take(magic, &cookie, err);

	if (status)
		return status;
	errno = 0;
	answer = ask(cookie, data, length);
	if (!answer && (errno == ENOMEM || magic_errno(cookie))) {
		/* It may be in pieces, and go on to free what it has freed. */
		status = failed(cookie, "libmagic failed", err);
		magic_close(cookie);
		return status;
	}
	/* What leads it in circles, so that it gives up, is of no type that it would know. */
	if (!answer)
		answer = UNKNOWN;
	snprintf(type, SGH_MEDIATYPE_SIZE, "%s", canonical(answer));
	give_back(magic, cookie);
	return 0;
}

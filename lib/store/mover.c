/* SPDX-License-Identifier: MIT */
#include "store/mover.h"

#include <ctype.h>
#include <pthread.h>
#include <strings.h>

#include "base/error.h"
#include "base/util.h"
#include "store/mover_kind.h"

static const struct sgh_mover_kind *const kinds[] = {
	&sgh_mover_http,
	&sgh_mover_local,
};

/* How a mover gets to addresses of one kind. */
struct sgh_mover_way {
	struct sgh_mover *mover;
	const struct sgh_mover_kind *kind;
	void *self; /* NULL: not open */
};

struct sgh_mover {
	struct sangraha_context *context;
	pthread_mutex_t lock; /* guards sgh_move.way of all its transfers */
	struct sgh_mover_way ways[SGH_COUNT(kinds)];
};

/* The way whose schemes ("http: https:") the URL's is among; NULL: none. */
static struct sgh_mover_way *way_of(struct sgh_mover *mover, const char *url)
{
	for (size_t i = 0; i < SGH_COUNT(kinds); i++) {
		const char *schemes = kinds[i]->schemes;

		while (*schemes) {
			size_t length = strcspn(schemes, " ");

			if (strncmp(url, schemes, length) == 0)
				return &mover->ways[i];
			schemes += length;
			schemes += strspn(schemes, " ");
		}
	}
	return NULL;
}

static bool printable(const char *text, char least)
{
	for (; *text; text++)
		if (*text < least || *text > '~')
			return false;
	return true;
}

static bool url_valid(const char *url)
{
	return url && strlen(url) <= SGH_TICKET_URL_MAX && printable(url, '!');
}

/* Not those by which HTTP says where a request goes and where it ends. */
static bool header_valid(const struct sgh_pair *header)
{
	static const char *const ours[] = { "host", "content-length", "transfer-encoding",
					    "connection", "range" };

	if (!header->name || !header->value || !*header->name)
		return false;
	for (const char *c = header->name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			return false;
	for (size_t i = 0; i < SGH_COUNT(ours); i++)
		if (strcasecmp(header->name, ours[i]) == 0)
			return false;
	return printable(header->value, ' ');
}

static bool bytes_valid(const struct sgh_move *move)
{
	if (move->kind == SGH_TICKET_GET)
		return move->push && move->length && move->length <= INT64_MAX &&
		       move->offset <= INT64_MAX - move->length;
	return !move->body != !move->pull && move->length <= INT64_MAX;
}

static int check(const struct sgh_move *move, struct sangraha_error *err)
{
	if (!url_valid(move->url))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the URL of a ticket is not one");
	if (move->kind == SGH_TICKET_NONE || !bytes_valid(move))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a transfer has no bytes, or no end of them");
	if (move->header_count > SGH_TICKET_HEADERS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a ticket has more than %d headers",
				SGH_TICKET_HEADERS_MAX);
	for (size_t i = 0; i < move->header_count; i++)
		if (!header_valid(&move->headers[i]))
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"a ticket has a header that cannot be sent");
	return 0;
}

static void set_way(struct sgh_mover *mover, struct sgh_move *move,
		    struct sgh_mover_way *way)
{
	pthread_mutex_lock(&mover->lock);
	move->way = way;
	pthread_mutex_unlock(&mover->lock);
}

int sgh_mover_submit(struct sgh_mover *mover, struct sgh_move *move,
		     struct sangraha_error *err)
{
	int rc = check(move, err);
	struct sgh_mover_way *way;

	if (rc)
		return rc;
	way = way_of(mover, move->url);
	if (!way)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the URL of a ticket has a scheme that this build does "
				"not know");
	move->status = 0;
	move->err = (struct sangraha_error){ 0 };
	move->etag[0] = '\0';
	move->moved = 0;
	move->backend = NULL;
	set_way(mover, move, way);
	rc = way->kind->submit(way->self, move, err);
	if (rc)
		set_way(mover, move, NULL);
	return rc;
}

void sgh_mover_end(struct sgh_move *move)
{
	set_way(move->way->mover, move, NULL);
}

void sgh_mover_resume(struct sgh_mover *mover, struct sgh_move *move)
{
	pthread_mutex_lock(&mover->lock);
	if (move->way)
		move->way->kind->resume(move->way->self, move);
	pthread_mutex_unlock(&mover->lock);
}

void sgh_mover_cancel(struct sgh_mover *mover, struct sgh_move *move, int status)
{
	pthread_mutex_lock(&mover->lock);
	if (move->way)
		move->way->kind->cancel(move->way->self, move,
					status < 0 ? status : SANGRAHA_E_INTERNAL);
	pthread_mutex_unlock(&mover->lock);
}

int sgh_mover_new(struct sangraha_context *context,
		  const struct sgh_mover_options *options, struct sgh_mover **ret,
		  struct sangraha_error *err)
{
	struct sgh_mover *mover = calloc(1, sizeof(*mover));

	if (!mover)
		return sgh_fail_memory(err);
	mover->context = sangraha_context_ref(context);
	pthread_mutex_init(&mover->lock, NULL);
	for (size_t i = 0; i < SGH_COUNT(kinds); i++) {
		struct sgh_mover_way *way = &mover->ways[i];
		int rc;

		way->mover = mover;
		way->kind = kinds[i];
		rc = way->kind->open(context, options, &way->self, err);
		if (rc) {
			sgh_mover_free(mover);
			return rc;
		}
	}
	*ret = mover;
	return 0;
}

void sgh_mover_free(struct sgh_mover *mover)
{
	if (!mover)
		return;
	for (size_t i = 0; i < SGH_COUNT(kinds); i++)
		if (mover->ways[i].self)
			mover->ways[i].kind->close(mover->ways[i].self);
	pthread_mutex_destroy(&mover->lock);
	sangraha_context_unref(mover->context);
	free(mover);
}

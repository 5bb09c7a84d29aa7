/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_DOWNLOAD_H
#define SGH_ROLE_DOWNLOAD_H

#include "base/backoff.h"
#include "role/client.h"
#include "wire/sha256.h"

/* What a download waits for; at most one thing at a time. */
enum sgh_download_phase {
	SGH_DOWNLOAD_IDLE,   /* for the reader, or for nothing: all is there */
	SGH_DOWNLOAD_MEMORY, /* for a place to read ahead into */
	SGH_DOWNLOAD_MOVING, /* for the store, whose transfer may be paused */
	SGH_DOWNLOAD_RESTS,  /* for the next try */
	SGH_DOWNLOAD_ASKS,   /* for a new ticket from a getter */
};

/*
 * A body on its way out. The store's side fills a ring, the reader empties it; between
 * them is `state`. Bytes [at, at + fill) of the ring are the reader's, the others belong
 * to the transfer. A body that came in the answer is a ring that is full from the start.
 */
struct sangraha_download {
	int refs; /* atomic: the user's, and one for what it waits for, and for `turn` */
	struct sangraha_client *client;
	struct sangraha_object *object;
	struct sgh_bytes *body; /* of the answer; NULL: it comes from the store */
	char *request_id;
	void (*ready)(void *arg);
	void *ready_arg;
	uint64_t offset; /* in the object */
	uint64_t length; /* bytes in all */
	struct sgh_budget_waiter waiter;
	struct sgh_move move;
	struct sgh_timer timer;
	struct sgh_timer turn; /* looks whether the transfer has been paused for long */

	/* the reader's */
	struct sgh_sha256 *hash; /* NULL: it is no whole object, or was compared */
	uint64_t given;          /* bytes that were taken */

	struct {
		pthread_mutex_t lock;
		struct sgh_mover *mover; /* the client's; NULL: there was no transfer */
		pthread_cond_t changed;  /* telling ended */
		pthread_t teller;
		bool telling;   /* ready() is being called, by that thread */
		bool wanted;    /* it is to be called */
		bool abandoned; /* the user is gone */
		enum sgh_download_phase phase;
		int status; /* it failed */
		struct sangraha_error err;
		unsigned char *ring; /* NULL: no memory yet */
		size_t size;
		size_t at;
		size_t fill;
		uint64_t received; /* bytes that came into the ring, in all */
		uint64_t piece;    /* where the piece begins that is offered next */
		uint64_t begun;    /* where the transfer under way began */
		bool paused;       /* the transfer waits for sgh_mover_resume() */
		int64_t paused_ms; /* since when */
		int64_t first_ms;  /* when its first byte came; 0: none has */
		bool watched;      /* `turn` is armed or looks */
		bool let_go;       /* it was ended, as the reader took nothing */
		bool for_reader;   /* it is the reader, or memory, that is waited for */
		int64_t byte_ms;   /* when the last byte came, or could first come */
		struct sgh_backoff backoff;
		char *url;
		int64_t expires_ms; /* Unix */
		bool fresh;         /* no transfer has been begun with this ticket */
		bool cached;        /* it was given in answer to an earlier question */
		bool renew;         /* the ticket is of no use any more */
		bool renewed;       /* it is not the first one, and has brought nothing */
	} state;
};

void sgh_download_ref(struct sangraha_download *download);
void sgh_download_unref(struct sangraha_download *download);

/* Use this ticket from now on; the URL is copied. False without memory. */
bool sgh_download_ticket_locked(struct sangraha_download *download,
				const struct sgh_ticket *ticket);

/*
 * Begin what is to be done next, when nothing is under way: after the start, and when
 * the reader has made room. With no lock held.
 */
void sgh_download_advance(struct sangraha_download *download);

/* There is something to tell the reader: bytes, or a failure. With no lock held. */
void sgh_download_tell(struct sangraha_download *download);

/* It has failed for good; the first reason stays. */
void sgh_download_fail_locked(struct sangraha_download *download,
			      const struct sangraha_error *err);

/* A sgh_budget_waiter's function. */
void sgh_download_granted(struct sgh_budget_waiter *waiter);

#endif

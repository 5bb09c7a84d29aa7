/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_CONNECTION_H
#define SGH_REST_CONNECTION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rest/pace.h"
#include "rest/server.h"

/* What a connection is doing, as the watch over slow clients sees it. */
enum sgh_phase {
	SGH_PHASE_HEADER, /* a header is awaited or arrives */
	SGH_PHASE_BODY,   /* a body arrives */
	SGH_PHASE_PAUSED, /* a body waits for memory: not the client's fault */
	SGH_PHASE_ANSWER, /* a request is worked on or answered */
	SGH_PHASE_LINGER, /* answered by hand; the rest of the body is discarded */
	SGH_PHASE_GIVEN_UP,
};

/*
 * One TCP connection, from MHD's first word about it to the last. The watch runs on the
 * acceptor's thread and holds the server's lock, which keeps the connection, and with it
 * the descriptor, alive meanwhile.
 */
struct sgh_connection {
	struct sangraha_rest *rest;
	struct sgh_list link; /* in rest->state.connections */
	int fd;
	struct sgh_web_request *request; /* that was not completed; MHD's thread only */
	struct {
		pthread_mutex_t lock;
		enum sgh_phase phase;
		bool begun;        /* of a header: its first line was read */
		bool reading;      /* of an answer: the client has it to read */
		int64_t since_ms;  /* of the phase */
		int64_t limit_ms;  /* of the phase, from since_ms */
		int64_t window_ms; /* the start of the window below */
		uint64_t window_bytes;
		int64_t byte_ms; /* when the last one arrived */
		uint64_t bytes;  /* of bodies, in all */
		size_t holds; /* bytes of memory that its client's pace decides about */
		struct sgh_pace pace;
		char correlation_id[129];
	} watch;
};

/* MHD_OPTION_NOTIFY_CONNECTION; `cls` is the server. */
void sgh_connection_notify(void *cls, struct MHD_Connection *connection, void **context,
			   enum MHD_ConnectionNotificationCode code);

/* The state that the above attached; NULL when there was no memory. */
struct sgh_connection *sgh_connection_of(struct MHD_Connection *connection);

/*
 * Enter a phase. False when the connection was given up in the meantime: nothing must be
 * answered then. All of these accept NULL.
 */
bool sgh_connection_phase(struct sgh_connection *connection, enum sgh_phase phase);
/* A header was begun; `correlation_id` is what an answer by hand would carry. */
void sgh_connection_header(struct sgh_connection *connection);
void sgh_connection_correlate(struct sgh_connection *connection,
			      const char *correlation_id);
/*
 * The peer may have ended its half together with bytes that MHD read: its edge-triggered
 * epoll does not tell of the end then. This makes it read on, and changes nothing else.
 */
void sgh_connection_nudge(const struct sgh_connection *connection);
/* Whether the peer is gone, or has ended its half with less than `missing` to be read. */
bool sgh_connection_lacks(const struct sgh_connection *connection, uint64_t missing);
/*
 * The same where nobody knows how much is missing. Who closed and who only ended its half
 * look alike until something is sent, so unless `probed` "100 Continue" is, which means
 * nothing to the latter and which the former's kernel refuses.
 */
bool sgh_connection_refuses(const struct sgh_connection *connection, bool *probed);
/* Whether everything that came was read. */
bool sgh_connection_is_drained(const struct sgh_connection *connection);
/*
 * So much memory waits for the client: for more of a body, or until an answer was read. It
 * ends with the phase.
 */
void sgh_connection_holds(struct sgh_connection *connection, size_t bytes);
/* Bytes of a body arrived. */
void sgh_connection_bytes(struct sgh_connection *connection, size_t length);

/*
 * Answer on the descriptor itself, past MHD, and end our half of the connection: between
 * the first byte of a body and its last MHD takes no answer.
 */
void sgh_connection_write(int fd, unsigned http, const char *correlation_id,
			  const char *body);
void sgh_connection_answer_by_hand(struct sgh_connection *connection, unsigned http,
				   const char *correlation_id, const char *body);

/* MHD's time-out of a connection that has no other, in seconds. */
unsigned sgh_connection_timeout_s(const struct sangraha_rest *rest);

/*
 * Give up those that are too slow, nudge the others. Called every
 * sgh_connection_watch_interval().
 */
void sgh_connection_watch(struct sangraha_rest *rest);

/*
 * End our half of those over which nothing comes: the client sees it before it sends
 * something. What it sends nevertheless is not done.
 */
void sgh_connection_end_idle(struct sangraha_rest *rest);

/* Tell those whose body has not come yet that the server stops. */
void sgh_connection_farewell(struct sangraha_rest *rest);
int sgh_connection_watch_interval(const struct sangraha_rest *rest);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_CONN_H
#define SGH_QUEUE_AMQP_CONN_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <sangraha/error.h>

#include "base/backoff.h"
#include "base/context.h"
#include "base/metrics.h"
#include "base/thread.h"
#include "queue/amqp_library.h"
#include "queue/amqp_url.h"

/* What all connections know of one broker. */
struct sgh_amqp_endpoint {
	struct sgh_metric *gauge; /* of its breaker */
	int64_t failed_ms;        /* the last time; 0: never; atomic */
};

/* What the connections of one queue have in common; does not change. */
struct sgh_amqp_settings {
	struct sangraha_context *context;
	struct sgh_amqp_url *urls;
	size_t url_count;
	struct sgh_amqp_endpoint *endpoints; /* by URL */
	bool quorum;
	unsigned heartbeat;
	char *ca_file;
	char *connection_name;
};

struct sgh_amqp_conn;

/*
 * What a connection is for. All of it runs on the connection's thread with no lock held
 * (finish() may run on the thread that ends it), and never blocks on the network.
 */
struct sgh_amqp_conn_ops {
	const char *purpose; /* "publish", "consume" */
	unsigned asking;     /* a channel that is open for questions */
	/* Logged in: declare and open what is needed, by sgh_amqp_call(). */
	int (*open)(struct sgh_amqp_conn *conn, struct sangraha_error *err);
	/* The connection is announced; frames and turns follow. */
	void (*opened)(struct sgh_amqp_conn *conn);
	/* A frame of a channel. What it points to is gone afterwards. */
	void (*frame)(struct sgh_amqp_conn *conn, const amqp_frame_t *frame);
	/*
	 * The library cannot decode the header of a message on this channel, and so nothing
	 * after it: what is sent now is the last of this connection. May be NULL.
	 */
	void (*undecodable)(struct sgh_amqp_conn *conn, unsigned channel);
	/* The broker blocks publishers, for a reason; NULL: not any more. */
	void (*blocked)(struct sgh_amqp_conn *conn, const char *reason);
	/*
	 * Once each turn of the loop, also while there is no connection (`up` says so):
	 * end what is too late, and send what there is room for. Returns when it wants to
	 * be called at the latest (monotonic).
	 */
	int64_t (*turn)(struct sgh_amqp_conn *conn, int64_t now);
	/* Whether the next frame may be read. */
	bool (*reads)(struct sgh_amqp_conn *conn);
	/* What was announced is gone: forget everything of this epoch. */
	void (*lost)(struct sgh_amqp_conn *conn, const struct sangraha_error *err);
	/* The thread ends: finish what is in hand. Called once. */
	void (*finish)(struct sgh_amqp_conn *conn);
	/* The last thing that the thread does. */
	void (*released)(struct sgh_amqp_conn *conn);
};

/* A hanging resolver may keep so many threads for one broker. */
#define SGH_AMQP_DIALS_MAX 4

/* What a connection has tried with one broker. */
struct sgh_amqp_attempts {
	struct sgh_amqp_dial *dials[SGH_AMQP_DIALS_MAX]; /* NULL: none */
	int64_t began_ms;                                /* the last of them */
	int64_t next_ms;                                 /* not to be dialled before */
	struct sgh_backoff backoff;
	char told[160]; /* the failure that was logged last */
};

/* Frames on their way to the socket: from `from` to `to`. No data: they go one by one. */
struct sgh_amqp_out {
	unsigned char *data;
	size_t size;
	size_t from;
	size_t to;
};

/* One connection to a broker and the thread that owns it: README.md tells its life. */
struct sgh_amqp_conn {
	const struct sgh_amqp_conn_ops *ops;
	const struct sgh_amqp_settings *settings;
	pthread_t thread;
	struct sgh_bell bell;
	struct sgh_metric *gauge; /* of the breaker over all brokers; NULL: another's */

	/* The thread's own. */
	amqp_connection_state_t state;
	int fd; /* of the state's socket; -1 */
	bool tls;
	bool up;
	uint64_t epoch;                     /* counts connections, from 1 */
	struct sgh_amqp_attempts *attempts; /* by URL */
	int64_t dialled_ms;                 /* the last time; 0: it has failed already */
	bool drained;                       /* the socket had nothing more to read */
	bool readable;                      /* ... but has now */
	struct sgh_amqp_out out;
	bool wants_room;      /* something waits for the socket to take more */
	size_t room;          /* bytes that the socket takes for sure */
	size_t send_buffer;   /* its size */
	size_t frame_max;     /* as negotiated */
	size_t chunk;         /* the largest payload of a frame that we send */
	unsigned heartbeat;   /* seconds, as negotiated */
	int64_t heartbeat_ms; /* when the next one is due */
	int64_t watch_ms;     /* when to look for signs of life */
	int64_t heard_ms;     /* when there was one, as far as it was looked for */
	bool asked;           /* for one, since */
	bool blocked;         /* the broker does not read */
	bool failed;
	struct sangraha_error error; /* why */

	struct {
		pthread_mutex_t lock;
		pthread_cond_t cond; /* connected or exited changed */
		bool started;
		bool stop;
		bool exited;
		bool connected;
		int64_t since_ms; /* when `connected` changed */
		int cut; /* a duplicate of fd, for the thread that stops this one; -1 */
		struct sangraha_error error; /* the last failure */
	} s;
};

int sgh_amqp_conn_init(struct sgh_amqp_conn *conn, const struct sgh_amqp_conn_ops *ops,
		       const struct sgh_amqp_settings *settings,
		       struct sangraha_error *err);
/* Of one that was not started, or whose thread has released it. */
void sgh_amqp_conn_fini(struct sgh_amqp_conn *conn);
int sgh_amqp_conn_start(struct sgh_amqp_conn *conn, struct sangraha_error *err);

/*
 * End the thread: what is in hand is finished before this returns, within 2 s whatever
 * the broker does. May be called on the thread.
 */
void sgh_amqp_conn_stop(struct sgh_amqp_conn *conn);

void sgh_amqp_conn_wake(struct sgh_amqp_conn *conn);

/* Since when there is no connection, with the last failure in `err`; 0: there is one. */
int64_t sgh_amqp_conn_down_since(struct sgh_amqp_conn *conn, struct sangraha_error *err);

/* ---- on the connection's thread ---- */

/* The connection cannot go on; the second: after that answer of the library's. */
void sgh_amqp_failed(struct sgh_amqp_conn *conn, int status, long native,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));
void sgh_amqp_library_failed(struct sgh_amqp_conn *conn, int rc, int errnum);

/* Wait for `socket` (may be NULL), whose `revents` tell, for a ring, or until `until`. */
void sgh_amqp_nap(struct sgh_amqp_conn *conn, struct pollfd *socket, int64_t until);

/*
 * Send a method and wait for its answer, while opening. `ret` (may be NULL) refers to
 * memory that the next call reuses. When the broker closes the channel instead, the
 * failure is its reply code in err->native, and the channel can be opened again.
 */
int sgh_amqp_call(struct sgh_amqp_conn *conn, unsigned channel, amqp_method_number_t id,
		  void *method, amqp_method_number_t answer, amqp_method_t *ret,
		  struct sangraha_error *err);

/* The second half of it: wait for a method of a channel. */
int sgh_amqp_await(struct sgh_amqp_conn *conn, unsigned channel,
		   amqp_method_number_t answer, amqp_method_t *ret,
		   struct sangraha_error *err);

/* Declare what the contract says on an open channel; what is refused is logged once. */
int sgh_amqp_declare_all(struct sgh_amqp_conn *conn, unsigned channel,
			 uint32_t *complained, struct sangraha_error *err);
void sgh_amqp_log_refused(struct sgh_amqp_conn *conn, const char *queue,
			  const char *wanted, const char *reason);

/* Wait until the socket is ready for `events`, with turns: 1, 0 too late, -1 stopped. */
int sgh_amqp_wait(struct sgh_amqp_conn *conn, int fd, short events, int64_t until);
bool sgh_amqp_stopping(struct sgh_amqp_conn *conn);
/* There is no connection, for that reason: waiting callers learn it, the log once. */
void sgh_amqp_down(struct sgh_amqp_conn *conn, size_t url, const char *event,
		   const struct sangraha_error *err);

/* ---- amqp_send.c: what goes out ---- */

/* No method is larger: its names have 255 bytes, its arguments are ours. */
#define SGH_AMQP_METHOD_MAX 1024

int sgh_amqp_out_init(struct sgh_amqp_out *out, size_t frame_max);
void sgh_amqp_out_fini(struct sgh_amqp_out *out);
/* Whether `size` more bytes can be sent at once; else asks to be told when. */
bool sgh_amqp_room(struct sgh_amqp_conn *conn, size_t size);
/* Send a frame of at most `size` payload bytes. A failure ends the connection. */
bool sgh_amqp_send(struct sgh_amqp_conn *conn, const amqp_frame_t *frame, size_t size);
bool sgh_amqp_send_method(struct sgh_amqp_conn *conn, unsigned channel,
			  amqp_method_number_t id, void *method);
/* Give the socket what was sent, as much as it takes; whether something is left. */
void sgh_amqp_flush(struct sgh_amqp_conn *conn);
bool sgh_amqp_unsent(const struct sgh_amqp_conn *conn);

/* amqp_connect.c: whether a peer that reads nothing for long is a dead one. */
void sgh_amqp_expect_reading(struct sgh_amqp_conn *conn, bool expect);

/* amqp_pulse.c: heartbeats, and who gives none; returns when it wants to be called. */
void sgh_amqp_pulse_begins(struct sgh_amqp_conn *conn);
int64_t sgh_amqp_pulse(struct sgh_amqp_conn *conn, int64_t now);

/* ---- amqp_reach.c: which broker ---- */

struct sgh_amqp_line;

int sgh_amqp_endpoints_new(struct sgh_amqp_settings *settings,
			   struct sangraha_error *err);
/* Dial until one answers: which one, with a line that is yours; -1 when stopped. */
int sgh_amqp_reach(struct sgh_amqp_conn *conn, struct sgh_amqp_line *ret);
/* The end of what was dialled and is under way still. */
void sgh_amqp_leave(struct sgh_amqp_conn *conn);
/* The connection to it stands, or is gone; whether it had stood for a while. */
void sgh_amqp_endpoint_serves(struct sgh_amqp_conn *conn, size_t i);
void sgh_amqp_endpoint_failed(struct sgh_amqp_conn *conn, size_t i, bool lasted);

/* The status of an AMQP reply code. */
int sgh_amqp_status(unsigned reply_code);
/* A close method's reply as an error. */
int sgh_amqp_closed(struct sangraha_error *err, unsigned code, amqp_bytes_t text);

#endif

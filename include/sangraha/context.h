/* SPDX-License-Identifier: MIT */
/*
 * Contexts: what the handles of one service share, and what it looks like from outside.
 */
#ifndef SANGRAHA_CONTEXT_H
#define SANGRAHA_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A context holds what the handles of one service share: the log hook, the memory
 * budget and the metrics. The library has no globals; two contexts in one process do
 * not meet. A context is reference counted and may be used from any thread.
 */
struct sangraha_context;

/* How much an event matters; a context reports those up to its level. */
enum sangraha_log_level {
	SANGRAHA_LOG_ERROR = 1, /* somebody has to do something */
	SANGRAHA_LOG_WARN = 2,  /* it goes on, but not as it should */
	SANGRAHA_LOG_INFO = 3,  /* requests that ended, connections that came and went */
	SANGRAHA_LOG_DEBUG = 4, /* for who looks for a fault */
};

/*
 * One thing that happened. All strings are UTF-8, borrowed for the call, NULL if absent.
 */
struct sangraha_log_event {
	size_t size;              /* sizeof(struct sangraha_log_event) */
	int level;                /* enum sangraha_log_level */
	int64_t time_ms;          /* Unix time, milliseconds */
	int64_t duration_us;      /* -1: not measured */
	const char *role;         /* "receiver", "getter", "orchestrator", "queue", … */
	const char *event;        /* short and constant: "put", "connected", … */
	const char *message;      /* a sentence for people */
	const char *request_id;   /* the user's correlation id */
	const char *operation_id; /* the AMQP message-id */
	const char *object;       /* object reference, type/uuid */
	const char *outcome;      /* the name of a status, "ok" included */
};

/* Of sangraha_context_new(). Zero means default. */
struct sangraha_context_options {
	size_t size;         /* sizeof(struct sangraha_context_options) */
	int log_level;       /* up to this level is reported; 0: SANGRAHA_LOG_INFO */
	size_t memory_limit; /* bytes of bodies in flight and cache; 0: 32 MiB */
	/*
	 * Called for each event, from any thread, several at once; must not block and
	 * must not call back into the library, but for sangraha_log_json(). NULL: nothing
	 * is reported.
	 */
	void (*log)(void *arg, const struct sangraha_log_event *event);
	void *log_arg; /* handed to log(); must outlive the context */
};

/*
 * Make a context. `options` may be NULL and is copied. On success *ret is a new
 * reference: release it with sangraha_context_unref(). Handles made from it keep their
 * own reference. It starts no thread and opens no file.
 *
 * Since: 0.1
 */
int sangraha_context_new(const struct sangraha_context_options *options,
			 struct sangraha_context **ret, struct sangraha_error *err);

/* Take another reference; returns its argument, which may be NULL. Since: 0.1 */
struct sangraha_context *sangraha_context_ref(struct sangraha_context *context);

/* Drop a reference; NULL is accepted. Since: 0.1 */
void sangraha_context_unref(struct sangraha_context *context);

/*
 * Hand an event of the program's own to the context's hook, so that it shares level and
 * format with the library's. `time_ms` 0 means now, `duration_us` 0 that it took no time
 * and -1 that it was not measured. From any thread; the hook is called on this one.
 *
 * Since: 0.1
 */
void sangraha_context_log(struct sangraha_context *context,
			  const struct sangraha_log_event *event);

/*
 * Write `event`, as a hook gets it, as one line of JSON (no newline), the form that the
 * daemons log in. Returns the length, excluding the NUL; members that do not fit `size`
 * bytes are left out, so that the line stays valid JSON. `size` must be at least 512.
 *
 * Since: 0.1
 */
size_t sangraha_log_json(const struct sangraha_log_event *event, char *line, size_t size);

/*
 * Render all metrics in the Prometheus text format, version 0.0.4. On success *ret_text
 * is NUL-terminated and yours: release it with sangraha_free(). From any thread.
 *
 * Since: 0.1
 */
int sangraha_context_metrics(struct sangraha_context *context, char **ret_text,
			     struct sangraha_error *err);

/*
 * For how many milliseconds somebody has been waiting for memory, of the context's limit:
 * who waits longest, and in *ret_size, which may be NULL, for how many bytes. 0: nobody
 * does. A reason to end those who hold memory and do not move. From any thread. Since: 0.1
 */
int64_t sangraha_context_memory_waited_ms(struct sangraha_context *context,
					  size_t *ret_size);

/* Release memory that the library handed out; NULL is accepted. Since: 0.1 */
void sangraha_free(void *memory);

/* The states of a dependency as a role last saw it. */
enum sangraha_health_state {
	SANGRAHA_HEALTH_NONE = 0, /* this role does not depend on it */
	SANGRAHA_HEALTH_OK = 1,   /* it serves */
	SANGRAHA_HEALTH_DOWN = 2, /* it does not, or nobody knows */
};

/*
 * Filled in by the functions that end in _health(); set `size` before the call. Each
 * other member is an enum sangraha_health_state. What lies past `size` is left alone.
 */
struct sangraha_health {
	size_t size;   /* sizeof(struct sangraha_health) */
	int reads;     /* can reads be done */
	int writes;    /* can writes be done */
	int broker;    /* the connection to the broker */
	int store;     /* the connection to the store */
	int receivers; /* of a client: at least one consumer on object_write_queue */
	int getters;   /* of a client: at least one consumer on object_read_queue */
};

#ifdef __cplusplus
}
#endif

#endif

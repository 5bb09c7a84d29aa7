/* SPDX-License-Identifier: MIT */
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

enum sangraha_log_level {
	SANGRAHA_LOG_ERROR = 1,
	SANGRAHA_LOG_WARN = 2,
	SANGRAHA_LOG_INFO = 3,
	SANGRAHA_LOG_DEBUG = 4,
};

/* One thing that happened. All strings are UTF-8, borrowed for the call, NULL if absent. */
struct sangraha_log_event {
	size_t size;
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

struct sangraha_context_options {
	size_t size;         /* sizeof(struct sangraha_context_options) */
	int log_level;       /* up to this level is reported; 0: SANGRAHA_LOG_INFO */
	size_t memory_limit; /* bytes of bodies in flight and cache; 0: 32 MiB */
	/*
	 * Called for each event, from any thread, several at once; must not block and
	 * must not call back into the library. NULL: nothing is reported.
	 */
	void (*log)(void *arg, const struct sangraha_log_event *event);
	void *log_arg;
};

/*
 * Make a context. `options` may be NULL and is copied. On success *ret is a new
 * reference: release it with sangraha_context_unref(). Handles made from it keep their
 * own reference.
 *
 * Since: 0.1
 */
int sangraha_context_new(const struct sangraha_context_options *options,
			 struct sangraha_context **ret, struct sangraha_error *err);

/* Take another reference; returns its argument. Since: 0.1 */
struct sangraha_context *sangraha_context_ref(struct sangraha_context *context);

/* Drop a reference; NULL is accepted. Since: 0.1 */
void sangraha_context_unref(struct sangraha_context *context);

/*
 * Hand an event of the program's own to the context's hook, so that it shares level and
 * format with the library's. `time_ms` 0 means now.
 *
 * Since: 0.1
 */
void sangraha_context_log(struct sangraha_context *context,
			  const struct sangraha_log_event *event);

/*
 * Write `event` as one line of JSON (no newline), the form that the daemons log in.
 * Returns the length, excluding the NUL; what does not fit `size` is cut so that the
 * line stays valid JSON. `size` must be at least 512.
 *
 * Since: 0.1
 */
size_t sangraha_log_json(const struct sangraha_log_event *event, char *line, size_t size);

/*
 * Render all metrics in the Prometheus text format, version 0.0.4. On success *ret_text
 * is NUL-terminated and yours: release it with sangraha_free().
 *
 * Since: 0.1
 */
int sangraha_context_metrics(struct sangraha_context *context, char **ret_text,
			     struct sangraha_error *err);

/* Release memory that the library handed out; NULL is accepted. Since: 0.1 */
void sangraha_free(void *memory);

/* The states of a dependency as a role last saw it. */
enum sangraha_health_state {
	SANGRAHA_HEALTH_NONE = 0, /* this role does not depend on it */
	SANGRAHA_HEALTH_OK = 1,
	SANGRAHA_HEALTH_DOWN = 2,
};

/* Filled in by sangraha_*_health(); set `size` before the call. */
struct sangraha_health {
	size_t size;
	int reads;     /* enum sangraha_health_state: can reads be done */
	int writes;    /* can writes be done */
	int broker;    /* the connection to the broker */
	int store;     /* the connection to the store */
	int receivers; /* at least one consumer on object_write_queue */
	int getters;   /* at least one consumer on object_read_queue */
};

#ifdef __cplusplus
}
#endif

#endif

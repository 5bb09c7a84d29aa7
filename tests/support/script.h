/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_SCRIPT_H
#define SUPPORT_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What test doubles shall do wrong, and the journal of what they did; shared by all the
 * doubles of a test, so that the journal tells the order among them. A double calls each
 * of its operations by a text - "put image", "publish object_write_queue" - and a rule is
 * about those that begin with its own text. The first rule that fits is used, once.
 */
struct script;

struct script *script_new(void);
void script_free(struct script *script);

/* The rules are about the nth such operation from now (1: the next), or all of them (0). */

/* It ends with `status` and nothing happens. */
void script_fail(struct script *script, const char *op, unsigned nth, int status);
/* It is not even begun, and says so: of a store. */
void script_skip(struct script *script, const char *op, unsigned nth, int status);
/* It happens, and ends with `status` nevertheless. */
void script_lose(struct script *script, const char *op, unsigned nth, int status);
/* It waits before it happens: for a time, or for script_release(). Others overtake it. */
void script_delay(struct script *script, const char *op, unsigned nth, unsigned ms);
void script_hold(struct script *script, const char *op, unsigned nth);
/* How many operations are being held. */
unsigned script_holding(struct script *script);
void script_release(struct script *script);
/* Forget the rules, and release what is held. */
void script_clear(struct script *script);

/* ---- the journal: lines "what: outcome" ---- */

void script_forget(struct script *script);
/* How many lines begin with `text`. */
unsigned script_count(struct script *script, const char *text);
/*
 * The journal becomes exactly `lines`, in at most 10 s; otherwise the case fails. Reads
 * that follow each other - "head …", "get …" - are sent at once and have no order.
 */
#define t_journal(script, lines) script_expect_((script), (lines), __FILE__, __LINE__)
void script_expect_(struct script *script, const char *lines, const char *file, int line);

/* ---- for the doubles ---- */

enum script_deed {
	SCRIPT_GO,
	SCRIPT_FAIL,
	SCRIPT_SKIP,
	SCRIPT_LOSE,
};

struct script_step {
	enum script_deed deed;
	int status;
	int64_t due_ms; /* monotonic; not before */
	unsigned hold;  /* 0: not held */
};

/* What is to become of an operation that begins now. */
struct script_step script_next(struct script *script, const char *op);
/* Whether it has to wait still; *next_ms is lowered to when to ask again. */
bool script_waits(struct script *script, const struct script_step *step,
		  int64_t *next_ms);
/* An operation that was held is given up. */
void script_leave(struct script *script, const struct script_step *step);
void script_note(struct script *script, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Call `wake` whenever something is released, until it is detached; no lock is held. */
void script_attach(struct script *script, void (*wake)(void *arg), void *arg);
void script_detach(struct script *script, void *arg);

#endif

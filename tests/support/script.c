/* SPDX-License-Identifier: MIT */
#include "support/script.h"

#include <pthread.h>

#include "base/buf.h"
#include "support/t.h"

#define RULES_MAX   32
#define DOUBLES_MAX 8
#define LINES_MAX   128 /* that are compared */

struct rule {
	char op[64];
	unsigned nth; /* 0: all; otherwise so many to go */
	struct script_step step;
	unsigned delay_ms;
	bool hold;
};

struct script {
	pthread_mutex_t lock;
	struct rule rules[RULES_MAX];
	unsigned rule_count;
	unsigned holds;    /* handed out */
	unsigned released; /* up to this one they may go on */
	unsigned holding;
	struct sgh_buf journal;
	struct {
		void (*wake)(void *arg);
		void *arg;
	} doubles[DOUBLES_MAX];
};

struct script *script_new(void)
{
	struct script *script = calloc(1, sizeof(*script));

	assert_non_null(script);
	pthread_mutex_init(&script->lock, NULL);
	return script;
}

void script_free(struct script *script)
{
	if (!script)
		return;
	pthread_mutex_destroy(&script->lock);
	sgh_buf_fini(&script->journal);
	free(script);
}

/* ---- rules ---- */

static void add(struct script *script, const char *op, unsigned nth, struct rule rule)
{
	pthread_mutex_lock(&script->lock);
	assert_true(script->rule_count < RULES_MAX);
	snprintf(rule.op, sizeof(rule.op), "%s", op);
	rule.nth = nth;
	script->rules[script->rule_count++] = rule;
	pthread_mutex_unlock(&script->lock);
}

void script_fail(struct script *script, const char *op, unsigned nth, int status)
{
	add(script, op, nth,
	    (struct rule){ .step = { .deed = SCRIPT_FAIL, .status = status } });
}

void script_skip(struct script *script, const char *op, unsigned nth, int status)
{
	add(script, op, nth,
	    (struct rule){ .step = { .deed = SCRIPT_SKIP, .status = status } });
}

void script_lose(struct script *script, const char *op, unsigned nth, int status)
{
	add(script, op, nth,
	    (struct rule){ .step = { .deed = SCRIPT_LOSE, .status = status } });
}

void script_delay(struct script *script, const char *op, unsigned nth, unsigned ms)
{
	add(script, op, nth, (struct rule){ .delay_ms = ms });
}

void script_hold(struct script *script, const char *op, unsigned nth)
{
	add(script, op, nth, (struct rule){ .hold = true });
}

static void wake_all(struct script *script)
{
	for (int i = 0; i < DOUBLES_MAX; i++) {
		void (*wake)(void *arg);
		void *arg;

		pthread_mutex_lock(&script->lock);
		wake = script->doubles[i].wake;
		arg = script->doubles[i].arg;
		pthread_mutex_unlock(&script->lock);
		if (wake)
			wake(arg);
	}
}

void script_release(struct script *script)
{
	pthread_mutex_lock(&script->lock);
	script->released = script->holds;
	script->holding = 0;
	pthread_mutex_unlock(&script->lock);
	wake_all(script);
}

void script_clear(struct script *script)
{
	pthread_mutex_lock(&script->lock);
	script->rule_count = 0;
	pthread_mutex_unlock(&script->lock);
	script_release(script);
}

unsigned script_holding(struct script *script)
{
	unsigned holding;

	pthread_mutex_lock(&script->lock);
	holding = script->holding;
	pthread_mutex_unlock(&script->lock);
	return holding;
}

/* Count an operation; whether it is the one that the rule is about. */
static bool applies(struct rule *rule, const char *op)
{
	if (strncmp(op, rule->op, strlen(rule->op)) != 0)
		return false;
	return rule->nth == 0 || --rule->nth == 0;
}

static void drop_rule_locked(struct script *script, unsigned i)
{
	script->rule_count--;
	memmove(&script->rules[i], &script->rules[i + 1],
		(script->rule_count - i) * sizeof(script->rules[0]));
}

struct script_step script_next(struct script *script, const char *op)
{
	struct script_step step = { 0 };

	pthread_mutex_lock(&script->lock);
	for (unsigned i = 0; i < script->rule_count; i++) {
		struct rule *rule = &script->rules[i];
		bool always = rule->nth == 0;

		if (!applies(rule, op))
			continue;
		step = rule->step;
		if (rule->delay_ms)
			step.due_ms = sgh_now_ms() + rule->delay_ms;
		if (rule->hold) {
			step.hold = ++script->holds;
			script->holding++;
		}
		if (!always)
			drop_rule_locked(script, i);
		break;
	}
	pthread_mutex_unlock(&script->lock);
	return step;
}

bool script_waits(struct script *script, const struct script_step *step, int64_t *next_ms)
{
	bool held;

	pthread_mutex_lock(&script->lock);
	held = step->hold > script->released;
	pthread_mutex_unlock(&script->lock);
	if (held)
		return true;
	if (sgh_now_ms() >= step->due_ms)
		return false;
	if (step->due_ms < *next_ms)
		*next_ms = step->due_ms;
	return true;
}

void script_leave(struct script *script, const struct script_step *step)
{
	pthread_mutex_lock(&script->lock);
	if (step->hold > script->released && script->holding)
		script->holding--;
	pthread_mutex_unlock(&script->lock);
}

void script_attach(struct script *script, void (*wake)(void *arg), void *arg)
{
	int i = 0;

	pthread_mutex_lock(&script->lock);
	while (i < DOUBLES_MAX && script->doubles[i].wake)
		i++;
	assert_true(i < DOUBLES_MAX);
	script->doubles[i].wake = wake;
	script->doubles[i].arg = arg;
	pthread_mutex_unlock(&script->lock);
}

void script_detach(struct script *script, void *arg)
{
	pthread_mutex_lock(&script->lock);
	for (int i = 0; i < DOUBLES_MAX; i++)
		if (script->doubles[i].arg == arg)
			script->doubles[i].wake = NULL;
	pthread_mutex_unlock(&script->lock);
}

/* ---- the journal ---- */

void script_note(struct script *script, const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	pthread_mutex_lock(&script->lock);
	sgh_buf_puts(&script->journal, line);
	sgh_buf_putc(&script->journal, '\n');
	pthread_mutex_unlock(&script->lock);
}

void script_forget(struct script *script)
{
	pthread_mutex_lock(&script->lock);
	sgh_buf_clear(&script->journal);
	pthread_mutex_unlock(&script->lock);
}

unsigned script_count(struct script *script, const char *text)
{
	unsigned count = 0;

	pthread_mutex_lock(&script->lock);
	for (const char *at = sgh_buf_text(&script->journal); *at;
	     at += strcspn(at, "\n") + 1)
		count += strncmp(at, text, strlen(text)) == 0;
	pthread_mutex_unlock(&script->lock);
	return count;
}

static bool is_read(const char *line)
{
	return strncmp(line, "head ", 5) == 0 || strncmp(line, "get ", 4) == 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of a journal with each run of reads sorted; how many. */
static size_t split(char *text, char *lines[LINES_MAX])
{
	size_t count = 0;
	size_t run = 0; /* where the reads began */

	for (char *line = strtok_r(text, "\n", &text); line && count < LINES_MAX;
	     line = strtok_r(NULL, "\n", &text)) {
		lines[count++] = line;
		if (is_read(line))
			qsort(&lines[run], count - run, sizeof(lines[0]), by_text);
		else
			run = count;
	}
	return count;
}

static bool matches(struct script *script, const char *wanted)
{
	sgh_autofree char *want = strdup(wanted);
	sgh_autofree char *have = NULL;
	char *want_lines[LINES_MAX];
	char *have_lines[LINES_MAX];
	size_t count = split(want, want_lines);

	pthread_mutex_lock(&script->lock);
	have = strdup(sgh_buf_text(&script->journal));
	pthread_mutex_unlock(&script->lock);
	if (split(have, have_lines) != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(want_lines[i], have_lines[i]) != 0)
			return false;
	return true;
}

void script_expect_(struct script *script, const char *lines, const char *file, int line)
{
	int64_t until = sgh_now_ms() + 10000;

	while (!matches(script, lines) && sgh_now_ms() < until)
		t_pause();
	if (matches(script, lines))
		return;
	pthread_mutex_lock(&script->lock);
	print_error("%s:%d: the journal is\n%s-- not\n%s", file, line,
		    sgh_buf_text(&script->journal), lines);
	pthread_mutex_unlock(&script->lock);
	_fail(file, line);
}

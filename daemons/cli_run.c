/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_text.h"

#define WINDOW    256  /* how far the fastest may be ahead of the slowest, at most */
#define LINE_SIZE 2048 /* more than the address of any object */

/* What an item has printed, until it is its turn. */
struct outcome {
	bool done;
	char *out, *err;
	size_t out_length, err_length;
};

struct run {
	struct sgh_cli *cli;
	sgh_work_fn *work;
	char **words;
	size_t count;
	bool lines;
	bool tell_name;

	/* Held while the next word is taken, which may wait for standard input. */
	pthread_mutex_t source;
	size_t at;      /* in words */
	bool reading;   /* standard input, which words[at - 1] stands for */
	uint64_t taken; /* so many items */
	int read_error; /* errno of standard input; tell it once */

	struct {
		pthread_mutex_t lock;
		pthread_cond_t moved;
		uint64_t printed; /* so many items */
		struct outcome window[WINDOW];
	} inner;
};

/*
 * A line of standard input without its end; blank ones are left out. NULL at the end. What
 * is too long, or has a NUL in it, must not become a reference by being cut: it gets a "?".
 */
static char *next_line(void)
{
	char line[LINE_SIZE];
	size_t length = 0;

	for (;;) {
		int c = getc(stdin);

		if (c != '\n' && c != EOF) {
			if (length == sizeof(line))
				line[length - 1] = '?';
			else
				line[length++] = c ? (char)c : '?';
			continue;
		}
		while (length > 0 && strchr("\r \t", line[length - 1]))
			length--;
		if (length > 0)
			return strndup(line, length);
		if (c == EOF)
			return NULL;
	}
}

/* The next word, or NULL; yours to free. */
static char *next_word(struct run *run)
{
	while (run->reading || run->at < run->count) {
		const char *word;

		if (run->reading) {
			char *line = next_line();

			if (line)
				return line;
			if (ferror(stdin))
				run->read_error = errno;
			run->reading = false;
			continue;
		}
		word = run->words[run->at++];
		run->reading = run->lines && strcmp(word, "-") == 0;
		if (!run->reading)
			return strdup(word);
	}
	return NULL;
}

/* Print what is complete, in order; who comes later waits until there is room for him. */
static void print_locked(struct run *run)
{
	for (;;) {
		struct outcome *next = &run->inner.window[run->inner.printed % WINDOW];

		if (!next->done)
			break;
		sgh_screen_print(&run->cli->screen, next->out, next->out_length,
				 next->err, next->err_length);
		free(next->out);
		free(next->err);
		*next = (struct outcome){ 0 };
		run->inner.printed++;
	}
	pthread_cond_broadcast(&run->inner.moved);
}

static void finish(struct run *run, uint64_t number, const struct outcome *outcome)
{
	pthread_mutex_lock(&run->inner.lock);
	run->inner.window[number % WINDOW] = *outcome;
	run->inner.window[number % WINDOW].done = true;
	print_locked(run);
	pthread_mutex_unlock(&run->inner.lock);
}

static void work(struct run *run, uint64_t number, char *word)
{
	struct outcome outcome = { 0 };
	struct sgh_item item = { .word = word,
				 .name = sgh_text_clean(word),
				 .tell_name = run->tell_name };

	item.out = open_memstream(&outcome.out, &outcome.out_length);
	item.err = open_memstream(&outcome.err, &outcome.err_length);
	if (item.name && item.out && item.err)
		run->work(run->cli, &item);
	else
		sgh_cli_count_failure(run->cli, SGH_EXIT_FAILED);
	if (item.out)
		fclose(item.out);
	if (item.err)
		fclose(item.err);
	free(item.name);
	finish(run, number, &outcome);
}

static void wait_for_room(struct run *run, uint64_t number)
{
	pthread_mutex_lock(&run->inner.lock);
	while (number >= run->inner.printed + WINDOW)
		pthread_cond_wait(&run->inner.moved, &run->inner.lock);
	pthread_mutex_unlock(&run->inner.lock);
}

static void *run_thread(void *arg)
{
	struct run *run = arg;

	for (;;) {
		uint64_t number;
		char *word;

		pthread_mutex_lock(&run->source);
		word = next_word(run);
		number = run->taken;
		run->taken += word != NULL;
		pthread_mutex_unlock(&run->source);
		if (!word)
			return NULL;
		wait_for_room(run, number);
		work(run, number, word);
		free(word);
	}
}

static void run_all(struct sgh_cli *cli, char **words, size_t count, bool lines,
		    size_t jobs, sgh_work_fn *work_fn)
{
	struct run run = { .cli = cli,
			   .work = work_fn,
			   .words = words,
			   .count = count,
			   .lines = lines,
			   .tell_name = count > 1 || (lines && count == 1 &&
						      strcmp(words[0], "-") == 0) };
	pthread_t threads[64];
	size_t started = 0;

	pthread_mutex_init(&run.source, NULL);
	pthread_mutex_init(&run.inner.lock, NULL);
	pthread_cond_init(&run.inner.moved, NULL);
	/* This thread is one of them; without the others it takes longer. */
	while (started + 1 < jobs && started < sizeof(threads) / sizeof(threads[0]) &&
	       pthread_create(&threads[started], NULL, run_thread, &run) == 0)
		started++;
	run_thread(&run);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (run.read_error)
		sgh_cli_failed_stream(cli, "standard input", run.read_error);
	pthread_cond_destroy(&run.inner.moved);
	pthread_mutex_destroy(&run.inner.lock);
	pthread_mutex_destroy(&run.source);
}

void sgh_cli_run(struct sgh_cli *cli, char **words, size_t count, bool lines,
		 sgh_work_fn *work_fn)
{
	size_t jobs = sgh_arguments_number(&cli->arguments, SGH_OPT_JOBS);
	bool endless = false;

	for (size_t i = 0; i < count; i++)
		endless |= lines && strcmp(words[i], "-") == 0;
	if (!endless && jobs > count)
		jobs = count;
	run_all(cli, words, count, lines, jobs, work_fn);
}

void sgh_cli_run_one_by_one(struct sgh_cli *cli, char **words, size_t count, bool lines,
			    sgh_work_fn *work_fn)
{
	run_all(cli, words, count, lines, 1, work_fn);
}

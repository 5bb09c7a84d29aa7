/* SPDX-License-Identifier: MIT */
#include "cli_screen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli_cleanup.h"
#include "cli_text.h"

#define SHOWN_AFTER_MS 500 /* what is faster needs no bar */
#define REDRAWN_MS     100

int64_t sgh_cli_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

unsigned sgh_screen_columns(int descriptor)
{
	struct winsize size;
	const char *told = getenv("COLUMNS");
	int columns = told ? atoi(told) : 0;

	if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return columns > 0 && columns < 10000 ? (unsigned)columns : 80;
}

void sgh_screen_init(struct sgh_screen *screen, bool progress)
{
	const char *terminal = getenv("TERM");

	memset(screen, 0, sizeof(*screen));
	pthread_mutex_init(&screen->inner.lock, NULL);
	screen->out_is_terminal = isatty(STDOUT_FILENO);
	screen->progress = progress && isatty(STDERR_FILENO) && terminal &&
			   strcmp(terminal, "dumb") != 0;
}

void sgh_screen_fini(struct sgh_screen *screen)
{
	pthread_mutex_destroy(&screen->inner.lock);
}

static void clear_locked(struct sgh_screen *screen)
{
	if (!screen->inner.drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	screen->inner.drawn = false;
	sgh_cleanup_bar(false);
}

/* Past its first failure standard output is left alone. */
static void write_locked(struct sgh_screen *screen, const char *out, size_t length)
{
	errno = 0;
	if (length == 0 || screen->inner.error)
		return;
	if (fwrite(out, 1, length, stdout) != length || fflush(stdout) != 0)
		screen->inner.error = errno ? errno : EIO;
}

void sgh_screen_print(struct sgh_screen *screen, const char *out, size_t out_length,
		      const char *err, size_t err_length)
{
	if (out_length == 0 && err_length == 0)
		return;
	pthread_mutex_lock(&screen->inner.lock);
	clear_locked(screen);
	write_locked(screen, out, out_length);
	fwrite(err, 1, err_length, stderr);
	pthread_mutex_unlock(&screen->inner.lock);
}

int sgh_screen_error(struct sgh_screen *screen)
{
	int error;

	pthread_mutex_lock(&screen->inner.lock);
	error = screen->inner.error;
	pthread_mutex_unlock(&screen->inner.lock);
	return error;
}

/* "  45%  12.3 MiB  3.4 MiB/s  0:04" */
static void print_numbers(FILE *file, const struct sgh_transfer *transfer, int64_t now_ms)
{
	double seconds = (double)(now_ms - transfer->begun_ms) / 1000;
	double rate = seconds > 0 ? (double)transfer->done / seconds : 0;
	char done[SGH_TEXT_SIZE], fast[SGH_TEXT_SIZE], left[SGH_TEXT_SIZE] = "--:--";

	sgh_text_bytes(done, transfer->done);
	sgh_text_bytes(fast, (uint64_t)rate);
	if (transfer->total < 0) {
		sgh_text_duration(left, (uint64_t)seconds);
	} else {
		double rest = (double)transfer->total - (double)transfer->done;

		if (rate >= 1 && rest >= 0)
			sgh_text_duration(left, (uint64_t)(rest / rate));
		fprintf(file, " %3u%%",
			transfer->total ? (unsigned)((double)transfer->done * 100 /
						     (double)transfer->total)
					: 100);
	}
	fprintf(file, " %10s %12s/s %6s", done, fast, left);
}

static void print_bar(FILE *file, const struct sgh_transfer *transfer, unsigned columns)
{
	double part = transfer->total > 0
			      ? (double)transfer->done / (double)transfer->total
			      : 1;
	unsigned full = (unsigned)(part * columns);

	fputs(" [", file);
	for (unsigned i = 0; i < columns; i++)
		fputc(i < full ? '#' : ' ', file);
	fputc(']', file);
}

char *sgh_progress_line(const struct sgh_transfer *transfer, int64_t now_ms,
			unsigned columns)
{
	char *numbers = NULL, *line = NULL;
	size_t length, width = 0, name = sgh_text_width(transfer->name);
	FILE *file = open_memstream(&numbers, &length);

	if (!file)
		return NULL;
	print_numbers(file, transfer, now_ms);
	fclose(file);
	file = numbers ? open_memstream(&line, &length) : NULL;
	if (file) {
		if (columns > strlen(numbers))
			width = columns - strlen(numbers);
		/* A bar of ten is more to people than the rest of a long name. */
		if (transfer->total >= 0 && width >= 26 && name > width - 13)
			name = width - 13;
		if (name > width)
			name = width;
		sgh_text_column(file, transfer->name, name, false);
		if (transfer->total >= 0 && width >= name + 13)
			print_bar(file, transfer,
				  (unsigned)(width - name < 33 ? width - name - 3 : 30));
		length = strlen(numbers);
		sgh_text_column(file, numbers, length < columns ? length : columns,
				false);
		fclose(file);
	}
	free(numbers);
	return line;
}

static void draw_locked(struct sgh_screen *screen, const struct sgh_transfer *transfer)
{
	int64_t now_ms = sgh_cli_now_ms();
	unsigned columns = sgh_screen_columns(STDERR_FILENO);
	char *line;

	if (!screen->progress || transfer != screen->inner.transfers ||
	    now_ms - transfer->begun_ms < SHOWN_AFTER_MS ||
	    now_ms - screen->inner.drawn_ms < REDRAWN_MS)
		return;
	/* The last column stays empty, as some terminals begin a new line after it. */
	line = sgh_progress_line(transfer, now_ms, columns - 1);
	if (!line)
		return;
	sgh_cleanup_bar(true);
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
	free(line);
	screen->inner.drawn = true;
	screen->inner.drawn_ms = now_ms;
}

void sgh_screen_begin(struct sgh_screen *screen, struct sgh_transfer *transfer,
		      const char *name, int64_t total)
{
	struct sgh_transfer **last = &screen->inner.transfers;

	*transfer = (struct sgh_transfer){ .name = name,
					   .total = total,
					   .begun_ms = sgh_cli_now_ms() };
	pthread_mutex_lock(&screen->inner.lock);
	while (*last)
		last = &(*last)->next;
	*last = transfer;
	pthread_mutex_unlock(&screen->inner.lock);
}

void sgh_screen_moved(struct sgh_screen *screen, struct sgh_transfer *transfer,
		      size_t bytes)
{
	pthread_mutex_lock(&screen->inner.lock);
	transfer->done += bytes;
	draw_locked(screen, transfer);
	pthread_mutex_unlock(&screen->inner.lock);
}

void sgh_screen_again(struct sgh_screen *screen, struct sgh_transfer *transfer)
{
	pthread_mutex_lock(&screen->inner.lock);
	transfer->done = 0;
	transfer->begun_ms = sgh_cli_now_ms();
	clear_locked(screen);
	pthread_mutex_unlock(&screen->inner.lock);
}

void sgh_screen_end(struct sgh_screen *screen, struct sgh_transfer *transfer)
{
	struct sgh_transfer **at = &screen->inner.transfers;

	pthread_mutex_lock(&screen->inner.lock);
	while (*at && *at != transfer)
		at = &(*at)->next;
	if (*at)
		*at = transfer->next;
	if (!screen->inner.transfers)
		clear_locked(screen);
	pthread_mutex_unlock(&screen->inner.lock);
}

/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_CLI_SCREEN_H
#define SGH_DAEMONS_CLI_SCREEN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Standard output and standard error, which the threads of a command share: what is
 * printed at once stays together, and a progress bar below it makes room.
 */

/* Bytes on their way; its owner's memory, listed while it is under way. */
struct sgh_transfer {
	struct sgh_transfer *next;
	const char *name; /* clean */
	uint64_t done;
	int64_t total; /* -1: not known */
	int64_t begun_ms;
};

struct sgh_screen {
	bool out_is_terminal;
	bool progress;
	struct {
		pthread_mutex_t lock;
		struct sgh_transfer *transfers; /* the oldest first; that one is shown */
		int64_t drawn_ms;
		bool drawn;
		int error; /* errno of standard output, which then takes no more */
	} inner;
};

/* `progress` is whether one is wanted; it is shown on a terminal only. */
void sgh_screen_init(struct sgh_screen *screen, bool progress);
void sgh_screen_fini(struct sgh_screen *screen);

/* Write to standard output, then to standard error; both may be empty. */
void sgh_screen_print(struct sgh_screen *screen, const char *out, size_t out_length,
		      const char *err, size_t err_length);
/* 0, or the errno that standard output ended with. */
int sgh_screen_error(struct sgh_screen *screen);

void sgh_screen_begin(struct sgh_screen *screen, struct sgh_transfer *transfer,
		      const char *name, int64_t total);
void sgh_screen_moved(struct sgh_screen *screen, struct sgh_transfer *transfer,
		      size_t bytes);
/* It begins anew, from its first byte. */
void sgh_screen_again(struct sgh_screen *screen, struct sgh_transfer *transfer);
void sgh_screen_end(struct sgh_screen *screen, struct sgh_transfer *transfer);

/* How wide a terminal is. */
unsigned sgh_screen_columns(int descriptor);

/* The bar as text of at most `columns`, at a time; yours to free, NULL without memory. */
char *sgh_progress_line(const struct sgh_transfer *transfer, int64_t now_ms,
			unsigned columns);

/* Milliseconds of a clock that only goes forward. */
int64_t sgh_cli_now_ms(void);

#endif

/* SPDX-License-Identifier: MIT */
#include "cli_cleanup.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * A signal handler reaches nothing but what is static. The paths are never freed, so that
 * it may read them at any time; it sees one only while `used` is 1.
 */
static struct {
	pthread_mutex_t lock; /* of who takes a slot; the handler does not */
	atomic_int used[SGH_CLEANUP_FILES];
	char paths[SGH_CLEANUP_FILES][PATH_MAX];
	atomic_int bar;
} left = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };

#define ENDINGS (sizeof(endings) / sizeof(endings[0]))

/* The signal is raised anew with its own effect, so that a shell sees what ended us. */
static void end(int number)
{
	static const char clear[] = "\r\033[K";

	for (int i = 0; i < SGH_CLEANUP_FILES; i++) {
		if (atomic_load(&left.used[i]) == 1)
			unlink(left.paths[i]);
	}
	if (atomic_load(&left.bar) && write(STDERR_FILENO, clear, strlen(clear)) < 0)
		_exit(1);
	signal(number, SIG_DFL);
	raise(number);
}

void sgh_cleanup_install(void)
{
	struct sigaction action = { .sa_handler = end };

	for (size_t i = 0; i < ENDINGS; i++)
		sigaddset(&action.sa_mask, endings[i]);
	for (size_t i = 0; i < ENDINGS; i++) {
		struct sigaction old;

		/* What nohup(1) or a shell without job control has turned off stays off. */
		if (sigaction(endings[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(endings[i], &action, NULL);
	}
	signal(SIGXFSZ, SIG_IGN);
}

int sgh_cleanup_remember(const char *path)
{
	int slot = -1;

	if (strlen(path) >= PATH_MAX)
		return -1;
	pthread_mutex_lock(&left.lock);
	for (int i = 0; i < SGH_CLEANUP_FILES && slot < 0; i++) {
		if (atomic_load(&left.used[i]) == 0)
			slot = i;
	}
	if (slot >= 0) {
		strcpy(left.paths[slot], path);
		atomic_store(&left.used[slot], 1);
	}
	pthread_mutex_unlock(&left.lock);
	return slot;
}

void sgh_cleanup_forget(int slot)
{
	if (slot >= 0)
		atomic_store(&left.used[slot], 0);
}

void sgh_cleanup_bar(bool stands)
{
	atomic_store(&left.bar, stands);
}

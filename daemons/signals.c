/* SPDX-License-Identifier: MIT */
#include "signals.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static sigset_t ending(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return set;
}

void sgh_signals_block(void)
{
	sigset_t set = ending();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int sgh_signals_wait(unsigned timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000L };
	sigset_t set = ending();
	int number = sigtimedwait(&set, NULL, &timeout);

	return number > 0 ? number : 0;
}

static void end(int number)
{
	(void)number;
	_exit(0);
}

void sgh_signals_end_within(unsigned seconds)
{
	struct sigaction action = { .sa_handler = end };

	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}

void sgh_signals_let_interrupt(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

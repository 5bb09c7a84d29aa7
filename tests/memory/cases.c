/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/memory.h"

/*
 * Loaded before a test program it takes the place of cmocka's group runner: instead of
 * running the cases it does as loop.py says, each time in a new child. Descriptor 3 brings
 * one command a line, descriptor 4 takes one answer a line:
 *
 *     list                               case <number> <name> …, end
 *     note <number> <log>                started <pid>, later ended <pid> <wait status>
 *     fail <number> <id> <n> <on> <log>  the same
 *
 * A command's number is the case's; <log> is the file for what the child prints, and for
 * the places that it noted: place <id> <calls> <module>+<offset> ….
 */

#define COMMANDS 3
#define ANSWERS  4

/* How a child ends, if not by a signal. */
enum {
	PASSED = 0,
	FAILED = 1,
	MISSED = 2,  /* the allocation was not to be seen */
	LEAKED = 99, /* or what else the sanitizers see: loop.py tells them */
};

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __longjmp_chk(struct __jmp_buf_tag *env, int value) __attribute__((noreturn));

static bool judging; /* in a child */
static bool noting;  /* ... that lets nothing fail */
static bool jumped;  /* a case gave up */
static bool struck;  /* an allocation failed */

static void look_for_leaks(void)
{
	struck = t_memory_well() || struck;
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		_exit(LEAKED);
}

static void print_places(void)
{
	size_t count;
	const struct t_memory_place *places = t_memory_noted(&count);

	for (size_t i = 0; i < count; i++) {
		printf("\nplace %llx %u", (unsigned long long)places[i].id,
		       places[i].calls);
		for (unsigned k = 0; k < places[i].frame_count; k++) {
			uintptr_t base = 0;
			const char *name = t_memory_module(places[i].frames[k], &base);

			printf(" %s+%zx", name ? name : "?", places[i].frames[k] - base);
		}
	}
	printf("\n");
	fflush(stdout);
}

static void __attribute__((noreturn)) end(int how)
{
	fflush(NULL);
	_exit(noting || struck ? how : MISSED);
}

/* Of the case that runs. */
static const struct CMUnitTest *running;
static void **running_state; /* once it is set up */

static int set_up_running(void **state)
{
	int failed = running->setup_func(state);

	if (!failed)
		running_state = state;
	return failed;
}

/*
 * So cmocka leaves a case. What that holds is still on the stack: what nobody points to is
 * the library's. And other threads may use what is there, so it is torn down from here
 * rather than when the stack is another's.
 */
void __longjmp_chk(struct __jmp_buf_tag *env, int value)
{
	if (!judging) {
		void (*next)(struct __jmp_buf_tag * env, int value) =
			(void (*)(struct __jmp_buf_tag *, int))dlsym(RTLD_NEXT,
								     "__longjmp_chk");

		next(env, value);
	}
	if (!jumped) {
		jumped = true;
		if (noting)
			print_places();
		look_for_leaks();
		if (running_state && running->teardown_func)
			running->teardown_func(running_state);
	}
	end(FAILED);
}

static int (*real_runner)(const char *name, const struct CMUnitTest *tests, size_t count,
			  CMFixtureFunction set_up, CMFixtureFunction tear_down);

struct group {
	const char *name;
	const struct CMUnitTest *tests;
	size_t count;
	CMFixtureFunction set_up, tear_down;
};

struct command {
	char what[8];
	unsigned number;
	uint64_t id;
	unsigned n;
	int on;
	char log[512];
};

static void __attribute__((noreturn))
run_case(const struct group *group, const struct command *command)
{
	int fd = open(command->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct CMUnitTest test = group->tests[command->number];
	sigset_t none;
	int failed;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What the case has started goes with it. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(COMMANDS);
	close(ANSWERS);
	dup2(fd, 1);
	dup2(fd, 2);
	setvbuf(stdout, NULL, _IOLBF, 0);
	judging = true;
	noting = strcmp(command->what, "note") == 0;
	if (noting)
		t_memory_note();
	else
		t_memory_fail_place(command->id, command->n, command->on);
	running = &group->tests[command->number];
	if (test.setup_func)
		test.setup_func = set_up_running;
	failed = real_runner(group->name, &test, 1, group->set_up, group->tear_down);
	if (noting)
		print_places();
	look_for_leaks();
	end(failed ? FAILED : PASSED);
}

static void obey(const struct group *group, const char *line, FILE *answers)
{
	struct command command = { .n = 0 };
	unsigned long long id = 0;
	pid_t pid;

	if (strcmp(line, "list\n") == 0) {
		for (size_t i = 0; i < group->count; i++)
			fprintf(answers, "case %zu %s\n", i, group->tests[i].name);
		fprintf(answers, "end\n");
		return;
	}
	if (sscanf(line, "note %u %511s", &command.number, command.log) == 2)
		strcpy(command.what, "note");
	else if (sscanf(line, "fail %u %llx %u %d %511s", &command.number, &id,
			&command.n, &command.on, command.log) == 5)
		strcpy(command.what, "fail");
	else
		abort();
	command.id = id;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run_case(group, &command);
	fprintf(answers, "started %d\n", pid);
}

static void reap(int signals, FILE *answers)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	if (read(signals, &info, sizeof(info)) < 0)
		return;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		fprintf(answers, "ended %d %d\n", pid, status);
}

int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *const tests,
			    const size_t count, CMFixtureFunction set_up,
			    CMFixtureFunction tear_down)
{
	struct group group = { name, tests, count, set_up, tear_down };
	FILE *commands = fdopen(COMMANDS, "r");
	FILE *answers = fdopen(ANSWERS, "w");
	char line[1024];
	sigset_t set;
	struct pollfd waits[2];

	real_runner = (int (*)(
		const char *, const struct CMUnitTest *, size_t, CMFixtureFunction,
		CMFixtureFunction))dlsym(RTLD_NEXT, "_cmocka_run_group_tests");
	if (!commands || !answers || !real_runner)
		abort();
	setvbuf(commands, NULL, _IONBF, 0); /* as poll() must see what is left */
	setvbuf(answers, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	waits[0] = (struct pollfd){ .fd = COMMANDS, .events = POLLIN };
	waits[1] = (struct pollfd){ signalfd(-1, &set, SFD_CLOEXEC), POLLIN, 0 };
	while (poll(waits, 2, -1) > 0) {
		if (waits[1].revents)
			reap(waits[1].fd, answers);
		if (waits[0].revents) {
			if (!fgets(line, sizeof(line), commands))
				break;
			obey(&group, line, answers);
		}
	}
	_exit(0);
}

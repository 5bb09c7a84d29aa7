/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/t.h"

/* Exit statuses of a child that came by and went on. */
#define WENT_ON    3
#define LOST_ERRNO 4

static int set_up(void **state)
{
	*state = t_folder_new();
	return 0;
}

static int tear_down(void **state)
{
	t_folder_remove(*state);
	return 0;
}

static void arm(const char *folder, const char *label, const char *text)
{
	sgh_autofree char *path = t_path(folder, label);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static bool is_there(const char *folder, const char *name)
{
	sgh_autofree char *path = t_path(folder, name);

	return access(path, F_OK) == 0;
}

/* Who came by says so in the last line. */
static pid_t who_came_by(const char *folder)
{
	sgh_autofree char *path = t_path(folder, "put.stored.hit");
	FILE *file = fopen(path, "r");
	char text[32] = "";
	size_t length;

	assert_non_null(file);
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	assert_true(length && text[length - 1] == '\n');
	text[length - 1] = '\0';
	assert_non_null(strrchr(text, '\n'));
	return (pid_t)atoi(strrchr(text, '\n'));
}

/* A child that comes by "put.stored" and goes on. */
static pid_t come_by(const char *folder)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (folder)
		setenv("SANGRAHA_FAIL_POINTS", folder, 1);
	else
		unsetenv("SANGRAHA_FAIL_POINTS");
	errno = ENOSPC;
	SGH_FAIL_POINT("put.stored");
	_exit(errno == ENOSPC ? WENT_ON : LOST_ERRNO);
}

static void goes_on(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), WENT_ON);
}

static void a_place_that_is_not_armed_does_nothing(void **state)
{
	arm(*state, "put.checked", "kill");
	goes_on(come_by(*state));
	assert_true(is_there(*state, "put.checked"));
	goes_on(come_by(NULL));
}

static void the_first_to_come_by_is_killed(void **state)
{
	pid_t pid;
	int status;

	arm(*state, "put.stored", "kill\n");
	pid = come_by(*state);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_false(is_there(*state, "put.stored"));
	assert_int_equal(who_came_by(*state), pid);
	goes_on(come_by(*state));
}

static void the_first_to_come_by_is_stopped(void **state)
{
	pid_t pid;
	int status;

	arm(*state, "put.stored", "stop");
	pid = come_by(*state);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGSTOP);
	goes_on(come_by(*state));
	kill(pid, SIGCONT);
	goes_on(pid);
	assert_int_equal(who_came_by(*state), pid);
}

static void of_many_one_is_hit(void **state)
{
	pid_t pids[16];
	int killed = 0;

	arm(*state, "put.stored", "kill");
	for (size_t i = 0; i < SGH_COUNT(pids); i++)
		pids[i] = come_by(*state);
	for (size_t i = 0; i < SGH_COUNT(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		killed += WIFSIGNALED(status);
	}
	assert_int_equal(killed, 1);
}

static void what_it_does_not_know_it_does_not_do(void **state)
{
	arm(*state, "put.stored", "burn");
	goes_on(come_by(*state));
	assert_true(is_there(*state, "put.stored.hit"));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(a_place_that_is_not_armed_does_nothing),
	CASE(the_first_to_come_by_is_killed),
	CASE(the_first_to_come_by_is_stopped),
	CASE(of_many_one_is_hit),
	CASE(what_it_does_not_know_it_does_not_do),
};

t_main(tests)

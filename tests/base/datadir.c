/* SPDX-License-Identifier: MIT */
#include "base/datadir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/t.h"

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

static void missing_folders_are_made(void **state)
{
	sgh_autofree char *path = t_path(*state, "a//b/./c/");
	sgh_autofree char *wanted = t_path(*state, "a/b/c");
	sgh_autofree char *made = NULL;
	sgh_autofree char *again = NULL;
	struct stat info;

	t_ok(sgh_datadir_make(path, &made, &t_err));
	assert_string_equal(made, wanted);
	assert_int_equal(stat(made, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0700);
	t_ok(sgh_datadir_make(path, &again, &t_err));
	assert_string_equal(again, wanted);
}

static void a_file_in_the_way_is_said(void **state)
{
	sgh_autofree char *file = t_path(*state, "file");
	sgh_autofree char *path = t_path(*state, "file/data");
	char *made = NULL;

	close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_true(sgh_datadir_make(path, &made, &t_err) < 0);
	t_says("file/data");
	t_says("Not a directory");
}

static void an_empty_path_is_invalid(void **state)
{
	char *made = NULL;

	t_fails(SANGRAHA_E_INVALID, sgh_datadir_make("", &made, &t_err));
}

static void one_at_a_time(void **state)
{
	struct sgh_datadir first, second;
	char text[64];

	t_ok(sgh_datadir_open(*state, "queue", &first, &t_err));
	t_fails(SANGRAHA_E_UNAVAILABLE,
		sgh_datadir_open(*state, "queue", &second, &t_err));
	snprintf(text, sizeof(text), "already open in this process");
	t_says(text);
	t_ok(sgh_datadir_open(*state, "store", &second, &t_err));
	sgh_datadir_fini(&second);
	sgh_datadir_fini(&first);
	t_ok(sgh_datadir_open(*state, "queue", &first, &t_err));
	sgh_datadir_fini(&first);
}

/* A child that holds the lock until its end of the pipe is closed. */
static pid_t hold(const char *path, int *ret_pipe)
{
	struct sgh_datadir dir;
	int there[2], go[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(there) | pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (sgh_datadir_open(path, "queue", &dir, NULL) == 0)
			(void)!write(there[1], "x", 1);
		(void)!read(go[0], &byte, 1);
		_exit(0);
	}
	close(go[0]);
	close(there[1]);
	assert_int_equal(read(there[0], &byte, 1), 1);
	close(there[0]);
	*ret_pipe = go[1];
	return pid;
}

static void the_holder_is_named_and_its_end_is_enough(void **state)
{
	struct sgh_datadir dir;
	char text[64];
	int end;
	pid_t pid = hold(*state, &end);

	t_fails(SANGRAHA_E_UNAVAILABLE, sgh_datadir_open(*state, "queue", &dir, &t_err));
	snprintf(text, sizeof(text), "in use by process %d", (int)pid);
	t_says(text);
	close(end);
	waitpid(pid, NULL, 0);
	t_ok(sgh_datadir_open(*state, "queue", &dir, &t_err));
	sgh_datadir_fini(&dir);
}

/* Run as somebody whom modes bind; his exit status. */
static int as_nobody(int (*run)(const char *path), const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(geteuid() == 0 && setresuid(65534, 65534, 65534) ? 99 : run(path));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int make(const char *path)
{
	sgh_autofree char *made = NULL;

	return sgh_datadir_make(path, &made, &t_err) ? 1 : 0;
}

/* As home directories are, and what systemd makes for services. */
static void parents_that_cannot_be_listed(void **state)
{
	sgh_autofree char *home = t_path(*state, "home");
	sgh_autofree char *data = t_path(home, "data");
	sgh_autofree char *deep = t_path(data, "a/b");

	assert_int_equal(mkdir(home, 0700) | mkdir(data, 0700), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(data, 65534, 65534), 0);
	assert_int_equal(chmod(*state, 0711) | chmod(home, 0311), 0);
	assert_int_equal(as_nobody(make, data), 0);
	assert_int_equal(as_nobody(make, deep), 0);
	assert_int_equal(chmod(home, 0700), 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(missing_folders_are_made),
	CASE(a_file_in_the_way_is_said),
	CASE(an_empty_path_is_invalid),
	CASE(parents_that_cannot_be_listed),
	CASE(one_at_a_time),
	CASE(the_holder_is_named_and_its_end_is_enough),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_input.h"
#include "cli_output.h"

/* A folder to work in, a file in it that is read and one that is written. */
struct box {
	char *folder;
	char *path;
	struct sgh_input input;
	struct sgh_output output;
};

static int set_up(void **state)
{
	struct box *box = calloc(1, sizeof(*box));

	box->folder = t_folder_new();
	box->path = t_path(box->folder, "file");
	box->input.fd = -1;
	sgh_output_descriptor(&box->output, -1);
	*state = box;
	return 0;
}

static int tear_down(void **state)
{
	struct box *box = *state;

	sgh_input_fini(&box->input);
	sgh_output_fini(&box->output);
	t_folder_remove(box->folder);
	free(box->path);
	free(box);
	return 0;
}

static void write_file(const struct box *box, const char *text)
{
	FILE *file = fopen(box->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void t_content_of(const struct box *box, const char *wanted)
{
	struct sgh_bytes *bytes = t_file(box->path);

	t_same_bytes(bytes, wanted);
	sgh_bytes_unref(bytes);
}

static unsigned files_in(const struct box *box)
{
	DIR *folder = opendir(box->folder);
	unsigned count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count - 2;
}

/* ---- names ---- */

static void t_name(const char *name, const char *wanted)
{
	char safe[SGH_NAME_SIZE];

	sgh_output_name(safe, name, "id", "image/png");
	assert_string_equal(safe, wanted);
}

static void a_name_is_kept(void **state)
{
	t_name("photo.png", "photo.png");
	t_name("Menü 対象.pdf", "Menü 対象.pdf");
	t_name("what?.png", "what?.png");
}

static void a_name_is_no_path(void **state)
{
	t_name("../../etc/passwd", "passwd");
	t_name("/etc/passwd", "passwd");
	t_name("C:\\temp\\x.png", "x.png");
	t_name("..", "_.");
	t_name(".", "_");
	t_name("a/..", "_.");
	t_name("a/", "a_");
}

static void a_name_does_no_harm(void **state)
{
	t_name(".bashrc", "_bashrc");
	t_name("-rf", "_rf");
	t_name("~root", "_root");
	t_name("a\nb\033c\xff", "a_b_c_");
}

static void without_a_name_it_is_the_id(void **state)
{
	char safe[SGH_NAME_SIZE];

	t_name(NULL, "id.png");
	t_name("", "id.png");
	sgh_output_name(safe, NULL, "id", "application/json; charset=utf-8");
	assert_string_equal(safe, "id.json");
	sgh_output_name(safe, NULL, "id", "image/jpeg");
	assert_string_equal(safe, "id.jpg");
	sgh_output_name(safe, NULL, "id", NULL);
	assert_string_equal(safe, "id.bin");
}

static void a_long_name_ends_at_a_character(void **state)
{
	char name[400] = "x", safe[SGH_NAME_SIZE];

	for (int i = 0; i < 190; i++)
		strcat(name, "ä");
	sgh_output_name(safe, name, "id", NULL);
	assert_int_equal(strlen(safe), 255);
	strcpy(name, "xy");
	for (int i = 0; i < 190; i++)
		strcat(name, "ä");
	sgh_output_name(safe, name, "id", NULL);
	assert_int_equal(strlen(safe), 254);
}

static void ranges_are_read(void **state)
{
	unsigned long long offset, length;

	assert_true(sgh_output_range("0-0", &offset, &length));
	assert_int_equal(length, 1);
	assert_true(sgh_output_range("100-", &offset, &length));
	assert_int_equal(offset, 100);
	assert_int_equal(length, 0);
	assert_true(sgh_output_range("10-19", &offset, &length));
	assert_int_equal(length, 10);
}

static void other_ranges_are_refused(void **state)
{
	static const char *const wrong[] = { "",
					     "-",
					     "5",
					     "-5",
					     "5-4",
					     "a-b",
					     "1-2x",
					     "1--2",
					     "+1-2",
					     "0x1-2",
					     "1-99999999999999999999" };
	unsigned long long offset, length;

	for (size_t i = 0; i < SGH_COUNT(wrong); i++)
		assert_false(sgh_output_range(wrong[i], &offset, &length));
}

/* ---- what is written ---- */

static void a_file_appears_whole(void **state)
{
	struct box *box = *state;

	assert_int_equal(sgh_output_open(&box->output, box->path, true, false), 0);
	assert_int_equal(sgh_output_write(&box->output, "whole", 5), 0);
	assert_int_not_equal(access(box->path, F_OK), 0);
	assert_int_equal(sgh_output_finish(&box->output), 0);
	t_content_of(box, "whole");
	assert_int_equal(files_in(box), 1);
}

static void what_is_not_finished_leaves_nothing(void **state)
{
	struct box *box = *state;

	assert_int_equal(sgh_output_open(&box->output, box->path, true, false), 0);
	assert_int_equal(sgh_output_write(&box->output, "half", 4), 0);
	sgh_output_fini(&box->output);
	assert_int_equal(files_in(box), 0);
}

static void a_file_is_not_overwritten(void **state)
{
	struct box *box = *state;

	write_file(box, "old");
	assert_int_equal(sgh_output_open(&box->output, box->path, true, false), EEXIST);
	t_content_of(box, "old");
	assert_int_equal(files_in(box), 1);
}

static void nor_one_that_came_meanwhile(void **state)
{
	struct box *box = *state;

	assert_int_equal(sgh_output_open(&box->output, box->path, true, false), 0);
	write_file(box, "other");
	assert_int_equal(sgh_output_finish(&box->output), EEXIST);
	t_content_of(box, "other");
	assert_int_equal(files_in(box), 1);
}

static void force_overwrites(void **state)
{
	struct box *box = *state;

	write_file(box, "old and longer");
	assert_int_equal(sgh_output_open(&box->output, box->path, true, true), 0);
	assert_int_equal(sgh_output_write(&box->output, "new", 3), 0);
	t_content_of(box, "old and longer");
	assert_int_equal(sgh_output_finish(&box->output), 0);
	t_content_of(box, "new");
}

static void it_can_begin_anew(void **state)
{
	struct box *box = *state;

	assert_int_equal(sgh_output_open(&box->output, box->path, true, false), 0);
	assert_int_equal(sgh_output_write(&box->output, "wrong", 5), 0);
	assert_int_equal(sgh_output_again(&box->output), 0);
	assert_int_equal(sgh_output_write(&box->output, "ok", 2), 0);
	assert_int_equal(sgh_output_finish(&box->output), 0);
	t_content_of(box, "ok");
}

static void a_device_is_written_to(void **state)
{
	struct box *box = *state;

	assert_int_equal(sgh_output_open(&box->output, "/dev/null", true, false), 0);
	assert_int_equal(sgh_output_write(&box->output, "x", 1), 0);
	assert_int_equal(sgh_output_again(&box->output), ESPIPE);
	assert_int_equal(sgh_output_finish(&box->output), 0);
}

static void a_full_device_is_told(void **state)
{
	struct box *box = *state;

	if (access("/dev/full", W_OK) != 0)
		t_skip("no /dev/full");
	assert_int_equal(sgh_output_open(&box->output, "/dev/full", true, false), 0);
	assert_int_equal(sgh_output_write(&box->output, "x", 1), ENOSPC);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
	struct box *box = *state;

	assert_int_equal(sgh_output_open(&box->output, "/no/such/file", true, false),
			 ENOENT);
}

/* ---- what is read ---- */

static void t_reads(struct sgh_input *input, const char *wanted)
{
	char data[64];
	size_t length = 0;
	int64_t got;

	while ((got = sgh_input_read(input, data + length, 3)) > 0)
		length += (size_t)got;
	assert_int_equal(got, 0);
	assert_int_equal(length, strlen(wanted));
	assert_memory_equal(data, wanted, length);
}

static void a_file_is_read_again(void **state)
{
	struct box *box = *state;

	write_file(box, "content");
	assert_int_equal(sgh_input_open(&box->input, box->path), 0);
	assert_int_equal(box->input.length, 7);
	t_reads(&box->input, "content");
	assert_true(sgh_input_rewind(&box->input));
	t_reads(&box->input, "content");
}

static void an_empty_file_is_known_to_be(void **state)
{
	struct box *box = *state;

	write_file(box, "");
	assert_int_equal(sgh_input_open(&box->input, box->path), 0);
	assert_int_equal(box->input.length, 0);
	t_reads(&box->input, "");
}

static void a_file_of_the_kernel_has_content(void **state)
{
	struct box *box = *state;

	assert_int_equal(sgh_input_open(&box->input, "/proc/self/status"), 0);
	assert_true(box->input.length > 0);
}

static void a_folder_is_refused(void **state)
{
	struct box *box = *state;

	assert_int_equal(sgh_input_open(&box->input, box->folder), EISDIR);
	sgh_input_fini(&box->input);
	assert_int_equal(sgh_input_open(&box->input, "/no/such"), ENOENT);
}

static void a_file_that_shrinks_is_noticed(void **state)
{
	struct box *box = *state;
	char data[64];

	write_file(box, "content");
	assert_int_equal(sgh_input_open(&box->input, box->path), 0);
	assert_int_equal(truncate(box->path, 3), 0);
	assert_int_equal(sgh_input_read(&box->input, data, 3), 3);
	assert_int_equal(sgh_input_read(&box->input, data, 64), -1);
	assert_true(box->input.changed);
}

static void a_file_that_grows_is_noticed(void **state)
{
	struct box *box = *state;
	char data[64];

	write_file(box, "content");
	assert_int_equal(sgh_input_open(&box->input, box->path), 0);
	assert_int_equal(truncate(box->path, 30), 0);
	assert_int_equal(sgh_input_read(&box->input, data, 64), -1);
	assert_true(box->input.changed);
}

/* Each end of a named pipe waits for the other to be opened. */
static void *write_into(void *arg)
{
	int fd = open(arg, O_WRONLY | O_CLOEXEC);

	(void)!write(fd, "content", 7);
	close(fd);
	return NULL;
}

static void a_short_pipe_is_held(void **state)
{
	struct box *box = *state;
	pthread_t thread;

	assert_int_equal(mkfifo(box->path, 0600), 0);
	assert_int_equal(pthread_create(&thread, NULL, write_into, box->path), 0);
	assert_int_equal(sgh_input_open(&box->input, box->path), 0);
	pthread_join(thread, NULL);
	assert_int_equal(box->input.length, 7);
	t_reads(&box->input, "content");
	assert_true(sgh_input_rewind(&box->input));
	t_reads(&box->input, "content");
}

static void a_long_pipe_cannot_be_read_again(void **state)
{
	struct box *box = *state;
	static char data[SGH_INPUT_HELD];

	assert_int_equal(sgh_input_open(&box->input, "/dev/zero"), 0);
	assert_int_equal(box->input.length, -1);
	assert_int_equal(sgh_input_read(&box->input, data, sizeof(data)), sizeof(data));
	assert_true(sgh_input_rewind(&box->input));
	assert_int_equal(sgh_input_read(&box->input, data, sizeof(data)), sizeof(data));
	assert_true(sgh_input_read(&box->input, data, 1) > 0);
	assert_false(sgh_input_rewind(&box->input));
}

static void t_input_name(const char *path, const char *wanted)
{
	char *name = sgh_input_name(path);

	assert_string_equal(name, wanted);
	free(name);
}

static void the_name_is_the_last_part(void **state)
{
	t_input_name("photo.png", "photo.png");
	t_input_name("a/b/Menü?.png", "Menü?.png");
	t_input_name("./-", "-");
	t_input_name("a\\b\xff.png", "a_b_.png");
	assert_null(sgh_input_name("-"));
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_kept),
		cmocka_unit_test(a_name_is_no_path),
		cmocka_unit_test(a_name_does_no_harm),
		cmocka_unit_test(without_a_name_it_is_the_id),
		cmocka_unit_test(a_long_name_ends_at_a_character),
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(other_ranges_are_refused),
		test(a_file_appears_whole),
		test(what_is_not_finished_leaves_nothing),
		test(a_file_is_not_overwritten),
		test(nor_one_that_came_meanwhile),
		test(force_overwrites),
		test(it_can_begin_anew),
		test(a_device_is_written_to),
		test(a_full_device_is_told),
		test(a_folder_that_is_not_there_is_told),
		test(a_file_is_read_again),
		test(an_empty_file_is_known_to_be),
		test(a_file_of_the_kernel_has_content),
		test(a_folder_is_refused),
		test(a_file_that_shrinks_is_noticed),
		test(a_file_that_grows_is_noticed),
		test(a_short_pipe_is_held),
		test(a_long_pipe_cannot_be_read_again),
		cmocka_unit_test(the_name_is_the_last_part),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "wire/tar.h"

#include <unistd.h>

#include "support/t.h"

/* Archives are read by the `tar` of this machine, which is somebody else's. */

static struct fixture {
	char *folder;
	char *path;
	FILE *file;
} f;

static int set_up(void **state)
{
	f.folder = t_folder_new();
	f.path = t_path(f.folder, "a.tar");
	f.file = fopen(f.path, "wb");
	assert_non_null(f.file);
	return 0;
}

static int tear_down(void **state)
{
	if (f.file)
		fclose(f.file);
	free(f.path);
	t_folder_remove(f.folder);
	f = (struct fixture){ 0 };
	return 0;
}

/* Written to the byte, not one more. */
static void add(const struct sgh_tar_member *member)
{
	size_t size = sgh_tar_size(member);
	unsigned char *bytes = malloc(size);

	assert_non_null(bytes);
	assert_int_equal(size % 512, 0);
	assert_ptr_equal(sgh_tar_write(member, bytes), bytes + size);
	assert_int_equal(fwrite(bytes, 1, size, f.file), size);
	free(bytes);
}

static void add_text(const char *name, const char *text)
{
	const struct sgh_tar_member member = {
		.name = name,
		.data = text,
		.length = strlen(text),
	};

	add(&member);
}

/* What `tar` with these arguments prints of the archive, and that it is content. */
static char *told(const char *arguments)
{
	static char out[4096];
	sgh_autofree char *command = NULL;
	FILE *pipe;

	if (f.file)
		assert_int_equal(fclose(sgh_take(f.file)), 0);
	assert_true(asprintf(&command, "tar %s -f %s 2>&1", arguments, f.path) > 0);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	out[fread(out, 1, sizeof(out) - 1, pipe)] = '\0';
	assert_int_equal(pclose(pipe), 0);
	return out;
}

static void members_come_back(void **state)
{
	add_text("a", "hello\n");
	add_text("empty", "");
	add_text("b", "world\n");
	assert_string_equal(told("--list"), "a\nempty\nb\n");
	assert_string_equal(told("-x --to-stdout"), "hello\nworld\n");
}

static void nobody_owns_them(void **state)
{
	add_text("a", "hello\n");
	assert_string_equal(told("-tv --numeric-owner --utc --full-time"),
			    "-rw-r--r-- 0/0               6 1970-01-01 00:00:00 a\n");
}

static void the_longest_name_is_one(void **state)
{
	char name[SGH_TAR_NAME_MAX + 1];
	char listed[SGH_TAR_NAME_MAX + 2];

	memset(name, 'n', SGH_TAR_NAME_MAX);
	name[SGH_TAR_NAME_MAX] = '\0';
	snprintf(listed, sizeof(listed), "%s\n", name);
	add_text(name, "x");
	assert_string_equal(told("--list"), listed);
}

/* A whole block of data has no padding, one byte more has a block of it. */
static void data_is_padded_to_blocks(void **state)
{
	static const size_t lengths[] = { 0, 1, 511, 512, 513, 1024 };
	static const size_t sizes[] = { 512, 1024, 1024, 1024, 1536, 1536 };
	static const char data[1024] = { 0 };

	for (size_t i = 0; i < SGH_COUNT(lengths); i++) {
		const struct sgh_tar_member member = {
			.name = "a",
			.data = data,
			.length = lengths[i],
		};

		assert_int_equal(sgh_tar_size(&member), sizes[i]);
		add(&member);
	}
	assert_string_equal(told("--list"), "a\na\na\na\na\na\n");
}

/* GNU tar takes "comment" as text and "path" for the name, which shows what it read. */
static void records_are_read(void **state)
{
	const struct sgh_tar_record records[] = {
		{ "minio.metadata.", "X-Amz-Meta-Sangraha", "1" },
		{ "", "path", "another = name" },
		{ "minio.metadata.", "Content-Type", "image/png" },
	};
	const struct sgh_tar_member member = {
		.name = "a",
		.data = "hello\n",
		.length = 6,
		.records = records,
		.record_count = SGH_COUNT(records),
	};

	add(&member);
	add_text("b", "world\n");
	assert_string_equal(told("--list --warning=no-unknown-keyword"),
			    "another = name\nb\n");
}

/* The number that a record begins with counts its own digits: where these become more. */
static void records_count_themselves(void **state)
{
	for (size_t length = 80; length < 1010; length++) {
		char value[1024];
		const struct sgh_tar_record records[] = {
			{ "", "path", value },
			{ "", "path", "last" },
		};
		const struct sgh_tar_member member = {
			.name = "a",
			.records = records,
			.record_count = SGH_COUNT(records),
		};

		memset(value, 'v', length);
		value[length] = '\0';
		add(&member);
		if (length == 100)
			length = 980;
	}
	for (char *line = strtok(told("--list"), "\n"); line; line = strtok(NULL, "\n"))
		assert_string_equal(line, "last");
}

static void what_is_too_large_has_no_size(void **state)
{
	const struct sgh_tar_member member = { .name = "a", .length = (size_t)8 << 30 };
	const struct sgh_tar_member huge = { .name = "a", .length = SIZE_MAX };

	assert_int_equal(sgh_tar_size(&member), 0);
	assert_int_equal(sgh_tar_size(&huge), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(members_come_back),
	CASE(nobody_owns_them),
	CASE(the_longest_name_is_one),
	CASE(data_is_padded_to_blocks),
	CASE(records_are_read),
	CASE(records_count_themselves),
	CASE(what_is_too_large_has_no_size),
};

t_main(tests)

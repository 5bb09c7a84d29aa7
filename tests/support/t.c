/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include <ftw.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <sangraha/context.h>

struct sangraha_error t_err;

void t_status_(int wanted, int got, const char *call, const char *file, int line)
{
	if (got == wanted)
		return;
	print_error("%s:%d: %s\n  is %s, not %s: %s\n", file, line, call,
		    sangraha_status_name(got), sangraha_status_name(wanted),
		    got ? t_err.message : "");
	_fail(file, line);
}

void t_says_(const char *text, const char *file, int line)
{
	if (strstr(t_err.message, text))
		return;
	print_error("%s:%d: not \"%s\" in \"%s\"\n", file, line, text, t_err.message);
	_fail(file, line);
}

int64_t t_patience_ms(void)
{
	const char *set = getenv("SANGRAHA_TEST_PATIENCE_MS");

	return set ? strtoll(set, NULL, 10) : 30000;
}

void t_pause(void)
{
	struct timespec pause = { .tv_nsec = 2000000 };

	nanosleep(&pause, NULL);
}

void t_skip(const char *reason)
{
	printf("# SKIP-REASON %s\n", reason);
	fflush(stdout);
	skip();
}

const char *t_need(const char *variable)
{
	const char *value = getenv(variable);

	if (!value || !*value) {
		char reason[128];

		snprintf(reason, sizeof(reason), "%s is not set", variable);
		t_skip(reason);
	}
	return value;
}

char *t_vectors(const char *folder)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", t_need("SANGRAHA_VECTORS"), folder) < 0)
		fail_msg("out of memory");
	return path;
}

char *t_path(const char *folder, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		fail_msg("out of memory");
	return path;
}

char *t_folder_new(void)
{
	const char *place = getenv("TMPDIR");
	char *folder = t_path(place ? place : "/tmp", "sangraha-test-XXXXXX");

	assert_non_null(mkdtemp(folder));
	return folder;
}

static int remove_one(const char *path, const struct stat *info, int kind,
		      struct FTW *where)
{
	return remove(path);
}

void t_folder_remove(char *folder)
{
	if (folder)
		assert_int_equal(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(folder);
}

static void log_to_stderr(void *arg, const struct sangraha_log_event *event)
{
	char line[2048];

	sangraha_log_json(event, line, sizeof(line));
	fprintf(stderr, "%s\n", line);
}

struct sangraha_context *t_context(void)
{
	struct sangraha_context_options options = {
		.size = sizeof(options),
		.log_level = SANGRAHA_LOG_DEBUG,
		.log = getenv("SANGRAHA_TEST_LOG") ? log_to_stderr : NULL,
	};
	struct sangraha_context *context = NULL;

	t_ok(sangraha_context_new(&options, &context, &t_err));
	return context;
}

struct sgh_bytes *t_bytes(const char *text)
{
	struct sgh_bytes *bytes = sgh_bytes_copy(text, strlen(text));

	assert_non_null(bytes);
	return bytes;
}

struct sgh_bytes *t_file(const char *path)
{
	FILE *file = fopen(path, "re");
	struct sgh_bytes *bytes;
	long size;

	if (!file)
		fail_msg("cannot open %s", path);
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	bytes = sgh_bytes_new(NULL, (size_t)size);
	assert_non_null(bytes);
	bytes->length = fread(bytes->data, 1, (size_t)size, file);
	assert_int_equal(bytes->length, size);
	fclose(file);
	return bytes;
}

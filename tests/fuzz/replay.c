/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>

/*
 * A fuzz target as a plain test: it is fed each file of the folder that is named, in TAP.
 * A target ends the process when something is wrong; which file it was is on stderr then.
 */

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The content of a file in memory of its own size; ends the program when it cannot. */
static uint8_t *read_file(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	long size;

	fuzz_require(file);
	fuzz_require(fseek(file, 0, SEEK_END) == 0);
	size = ftell(file);
	fuzz_require(size >= 0);
	rewind(file);
	data = malloc(size ? (size_t)size : 1);
	fuzz_require(data);
	fuzz_require(fread(data, 1, (size_t)size, file) == (size_t)size);
	fclose(file);
	*ret_size = (size_t)size;
	return data;
}

static void replay(const char *folder, const char *name)
{
	sgh_autofree char *path = NULL;
	sgh_autofree uint8_t *data = NULL;
	size_t size;

	fuzz_require(asprintf(&path, "%s/%s", folder, name) > 0);
	fprintf(stderr, "%s\n", path);
	data = read_file(path, &size);
	fuzz_require(LLVMFuzzerTestOneInput(data, size) == 0);
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int count;

	if (argc != 2)
		return 2;
	count = scandir(argv[1], &entries, visible, alphasort);
	fuzz_require(count > 0);
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		fflush(stdout);
		replay(argv[1], entries[i]->d_name);
		printf("ok %d - %s\n", i + 1, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

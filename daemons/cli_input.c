/* SPDX-License-Identifier: MIT */
#include "cli_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_text.h"

static ssize_t read_some(struct sgh_input *input, void *data, size_t size, int64_t offset)
{
	ssize_t got;

	do {
		got = offset < 0 ? read(input->fd, data, size)
				 : pread(input->fd, data, size, offset);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		input->error = errno;
	return got;
}

/* Read ahead; what ends within it is known in full. */
static int hold(struct sgh_input *input)
{
	ssize_t got = 1;

	input->held = malloc(SGH_INPUT_HELD);
	if (!input->held)
		return ENOMEM;
	while (got > 0 && input->held_length < SGH_INPUT_HELD) {
		got = read_some(input, input->held + input->held_length,
				SGH_INPUT_HELD - input->held_length, -1);
		if (got > 0)
			input->held_length += (size_t)got;
	}
	if (got == 0)
		input->length = (int64_t)input->held_length;
	return got < 0 ? input->error : 0;
}

/* Files that the kernel makes up, as in /proc, say that they are empty. */
static bool knows_its_size(const struct sgh_input *input)
{
	return S_ISREG(input->was.st_mode) && input->was.st_size > 0;
}

int sgh_input_open(struct sgh_input *input, const char *path)
{
	memset(input, 0, sizeof(*input));
	input->length = -1;
	input->own = strcmp(path, "-") != 0;
	input->fd = input->own ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (input->fd < 0 || fstat(input->fd, &input->was) != 0)
		return errno;
	if (S_ISDIR(input->was.st_mode))
		return EISDIR;
	if (!knows_its_size(input))
		return hold(input);
	/* A shell may have read its beginning already. */
	input->start = lseek(input->fd, 0, SEEK_CUR);
	if (input->start < 0)
		return errno;
	input->seekable = true;
	input->length =
		input->was.st_size > input->start ? input->was.st_size - input->start : 0;
	return 0;
}

void sgh_input_fini(struct sgh_input *input)
{
	if (input->own && input->fd >= 0)
		close(input->fd);
	free(input->held);
	input->fd = -1;
	input->held = NULL;
}

/*
 * Part of one version of a file and part of another must not become an object: before the
 * last bytes are given the file must be what it was.
 */
static bool has_changed(const struct sgh_input *input)
{
	struct stat is;

	return fstat(input->fd, &is) != 0 || is.st_size != input->was.st_size ||
	       is.st_mtim.tv_sec != input->was.st_mtim.tv_sec ||
	       is.st_mtim.tv_nsec != input->was.st_mtim.tv_nsec;
}

static int64_t read_file(struct sgh_input *input, void *data, size_t size)
{
	uint64_t left = (uint64_t)input->length - input->at;
	ssize_t got;

	if (left == 0)
		return 0;
	got = read_some(input, data, size < left ? size : left,
			input->start + (int64_t)input->at);
	if (got < 0)
		return -1;
	if (got == 0 || ((uint64_t)got == left && has_changed(input))) {
		input->changed = true;
		return -1;
	}
	input->at += (uint64_t)got;
	return got;
}

int64_t sgh_input_read(struct sgh_input *input, void *data, size_t size)
{
	ssize_t got;

	if (input->seekable)
		return read_file(input, data, size);
	if (input->at < input->held_length) {
		size_t left = input->held_length - (size_t)input->at;

		if (size > left)
			size = left;
		memcpy(data, input->held + input->at, size);
		input->at += size;
		return (int64_t)size;
	}
	if (input->length >= 0)
		return 0;
	got = read_some(input, data, size, -1);
	if (got > 0)
		input->at += (uint64_t)got;
	return got;
}

bool sgh_input_rewind(struct sgh_input *input)
{
	if (!input->seekable && input->at > input->held_length)
		return false;
	input->at = 0;
	return true;
}

char *sgh_input_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name;

	if (strcmp(path, "-") == 0)
		return NULL;
	name = sgh_text_replace(slash ? slash + 1 : path, '_');
	/* A backslash is part of a name here and of a path elsewhere. */
	for (char *at = name; at && *at; at++) {
		if (*at == '\\')
			*at = '_';
	}
	return name;
}

/* SPDX-License-Identifier: MIT */
#include "cli_output.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_cleanup.h"
#include "cli_text.h"

void sgh_output_descriptor(struct sgh_output *output, int fd)
{
	memset(output, 0, sizeof(*output));
	output->fd = fd;
	output->slot = -1;
}

/* A name next to `path` that nobody has. */
static int name_temporary(struct sgh_output *output)
{
	const char *slash = strrchr(output->path, '/');
	int folder = slash ? (int)(slash - output->path) + 1 : 0;
	unsigned long long random;
	int length;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return errno;
	length = snprintf(output->temporary, sizeof(output->temporary),
			  "%.*s.sangraha-%016llx", folder, output->path, random);
	return length < (int)sizeof(output->temporary) ? 0 : ENAMETOOLONG;
}

static int open_temporary(struct sgh_output *output)
{
	int error = name_temporary(output);

	if (error)
		return error;
	output->slot = sgh_cleanup_remember(output->temporary);
	if (output->slot < 0)
		return EMFILE;
	/* open() and not mkstemp(), so that the file has the mode that others have. */
	output->fd =
		open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	return output->fd < 0 ? errno : 0;
}

int sgh_output_open(struct sgh_output *output, const char *path, bool named, bool force)
{
	struct stat info;

	sgh_output_descriptor(output, -1);
	output->own = true;
	output->force = force;
	if (strlen(path) >= sizeof(output->path))
		return ENAMETOOLONG;
	strcpy(output->path, path);
	if (named && stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
		output->fd = open(path, O_WRONLY | O_CLOEXEC);
		return output->fd < 0 ? errno : 0;
	}
	/* To be told at the end would be late; the end makes sure of it. */
	if (!force && lstat(path, &info) == 0)
		return EEXIST;
	return open_temporary(output);
}

int sgh_output_write(struct sgh_output *output, const void *data, size_t length)
{
	const char *at = data;

	while (length > 0) {
		ssize_t written = write(output->fd, at, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return errno;
		at += written;
		length -= (size_t)written;
	}
	return 0;
}

/* Not every file system can rename without replacing; most of the others can link. */
static int publish(const struct sgh_output *output)
{
	if (output->force)
		return rename(output->temporary, output->path) ? errno : 0;
	if (renameat2(AT_FDCWD, output->temporary, AT_FDCWD, output->path,
		      RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	if (link(output->temporary, output->path) == 0)
		return unlink(output->temporary) ? errno : 0;
	if (errno != EPERM && errno != EOPNOTSUPP)
		return errno;
	if (access(output->path, F_OK) == 0)
		return EEXIST;
	return rename(output->temporary, output->path) ? errno : 0;
}

int sgh_output_finish(struct sgh_output *output)
{
	int error = 0;

	if (!output->own)
		return 0;
	/* A full disk may be told as late as here. */
	if (close(output->fd) != 0)
		error = errno;
	output->fd = -1;
	if (output->slot >= 0) {
		if (!error)
			error = publish(output);
		if (error)
			unlink(output->temporary);
		sgh_cleanup_forget(output->slot);
		output->slot = -1;
	}
	return error;
}

int sgh_output_again(struct sgh_output *output)
{
	if (output->slot < 0)
		return ESPIPE;
	if (ftruncate(output->fd, 0) != 0 || lseek(output->fd, 0, SEEK_SET) < 0)
		return errno;
	return 0;
}

void sgh_output_fini(struct sgh_output *output)
{
	if (output->own && output->fd >= 0)
		close(output->fd);
	if (output->slot >= 0) {
		unlink(output->temporary);
		sgh_cleanup_forget(output->slot);
	}
	output->fd = -1;
	output->slot = -1;
}

static const char *extension(const char *media_type)
{
	static const char *const known[][2] = {
		{ "application/json", "json" }, { "application/pdf", "pdf" },
		{ "image/png", "png" },         { "image/jpeg", "jpg" },
		{ "image/gif", "gif" },         { "image/webp", "webp" },
	};
	size_t length = media_type ? strcspn(media_type, "; ") : 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (length == strlen(known[i][0]) &&
		    strncmp(media_type, known[i][0], length) == 0)
			return known[i][1];
	}
	return "bin";
}

/* At most SGH_NAME_SIZE - 1 bytes of it, and no half character. */
static void copy_name(char safe[SGH_NAME_SIZE], const char *name)
{
	size_t length = strlen(name);

	if (length >= SGH_NAME_SIZE) {
		length = SGH_NAME_SIZE - 1;
		while (length > 0 && ((unsigned char)name[length] & 0xc0) == 0x80)
			length--;
	}
	memcpy(safe, name, length);
	safe[length] = '\0';
}

void sgh_output_name(char safe[SGH_NAME_SIZE], const char *name, const char *id,
		     const char *media_type)
{
	char *clean = sgh_text_replace(name, '_');
	const char *last = clean ? clean : "";

	for (const char *at = last; *at; at++) {
		if ((*at == '/' || *at == '\\') && at[1])
			last = at + 1;
	}
	copy_name(safe, last);
	free(clean);
	for (char *at = safe; *at; at++) {
		if (*at == '/' || *at == '\\')
			*at = '_';
	}
	if (safe[0] == '.' || safe[0] == '-' || safe[0] == '~')
		safe[0] = '_';
	if (safe[0] == '\0')
		snprintf(safe, SGH_NAME_SIZE, "%s.%s", id, extension(media_type));
}

static bool read_number(const char **at, unsigned long long *ret)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	errno = 0;
	*ret = strtoull(*at, &end, 10);
	*at = end;
	return errno == 0 && *ret < ULLONG_MAX;
}

bool sgh_output_range(const char *text, unsigned long long *ret_offset,
		      unsigned long long *ret_length)
{
	unsigned long long first, last;

	if (!read_number(&text, &first) || *text++ != '-')
		return false;
	*ret_length = 0;
	if (*text) {
		if (!read_number(&text, &last) || *text || last < first)
			return false;
		*ret_length = last - first + 1;
	}
	*ret_offset = first;
	return true;
}

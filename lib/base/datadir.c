/* SPDX-License-Identifier: MIT */
#include "base/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"

#define PATH_WHAT_MAX 300 /* of a path, in a message */

static int fail_path(struct sangraha_error *err, int errnum, const char *what,
		     const char *path)
{
	char text[PATH_WHAT_MAX + 40];

	snprintf(text, sizeof(text), "cannot %s %.*s", what, PATH_WHAT_MAX, path);
	return sgh_fail_errno(err, errnum, text);
}

int sgh_folder_sync(int fd, const char *path, struct sangraha_error *err)
{
	/* Some file systems cannot, and say so; their names are as durable as they get. */
	if (fsync(fd) && errno != EINVAL)
		return fail_path(err, errno, "make durable what is in", path);
	return 0;
}

/* Make the names in `parent` durable, which was opened as a path only. */
static int sync_parent(int parent, bool made, const char *path,
		       struct sangraha_error *err)
{
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	/* Nobody but its owner may list it, and that is who has to know. */
	if (fd < 0 && errno == EACCES && !made)
		return 0;
	if (fd < 0)
		return fail_path(err, errno, "open the folder that holds", path);
	rc = sgh_folder_sync(fd, path, err);
	close(fd);
	return rc;
}

/*
 * The folder `name` in `parent`, made durably when it is missing; its descriptor. That one
 * is there does not say that it is durable: who made it may have died before.
 */
static int enter(int parent, const char *name, const char *path,
		 struct sangraha_error *err)
{
	bool made = mkdirat(parent, name, 0700) == 0;
	int rc;
	int fd;

	if (!made && errno != EEXIST)
		return fail_path(err, errno, "make the folder", path);
	rc = sync_parent(parent, made, path, err);
	if (rc)
		return rc;
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_path(err, errno, "open", path) : fd;
}

/* One folder after another, each durable in its parent before the next. */
static int make_all(const char *path, char *parts, struct sangraha_error *err)
{
	int fd = open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *rest = parts;
	char *part;

	if (fd < 0)
		return fail_path(err, errno, "open the folder that holds", path);
	while (fd >= 0 && (part = strsep(&rest, "/"))) {
		int parent = fd;

		if (!*part)
			continue;
		fd = enter(parent, part, path, err);
		close(parent);
	}
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int sgh_datadir_make(const char *path, char **ret, struct sangraha_error *err)
{
	sgh_autofree char *copy = NULL;
	char *found;
	int rc;

	if (!*path || strlen(path) >= PATH_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a data directory is a path of 1 to %d bytes",
				PATH_MAX - 1);
	copy = strdup(path);
	if (!copy)
		return sgh_fail_memory(err);
	rc = make_all(path, copy, err);
	if (rc)
		return rc;
	found = realpath(path, NULL);
	if (!found)
		return errno == ENOMEM ? sgh_fail_memory(err)
				       : fail_path(err, errno, "find", path);
	*ret = found;
	return 0;
}

/* Who holds the lock wrote its process id there; it may just not have come to that. */
static int fail_locked(const struct sgh_datadir *dir, struct sangraha_error *err)
{
	char text[16] = "";
	ssize_t length = pread(dir->lock, text, sizeof(text) - 1, 0);
	long pid = length > 0 ? strtol(text, NULL, 10) : 0;

	if (pid == (long)getpid())
		return sgh_fail(
			err, SANGRAHA_E_UNAVAILABLE, EWOULDBLOCK,
			"the data directory %.*s is already open in this process, "
			"by another context",
			PATH_WHAT_MAX, dir->path);
	if (pid > 0)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, EWOULDBLOCK,
				"the data directory %.*s is in use by process %ld",
				PATH_WHAT_MAX, dir->path, pid);
	return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, EWOULDBLOCK,
			"the data directory %.*s is in use by another process",
			PATH_WHAT_MAX, dir->path);
}

static int take_lock(struct sgh_datadir *dir, const char *name,
		     struct sangraha_error *err)
{
	char file[64];
	char text[16];
	int length;

	snprintf(file, sizeof(file), "%s.lock", name);
	dir->lock =
		openat(dir->fd, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (dir->lock < 0)
		return fail_path(err, errno, "write to the data directory", dir->path);
	if (flock(dir->lock, LOCK_EX | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			return fail_locked(dir, err);
		return fail_path(err, errno, "lock the data directory", dir->path);
	}
	/* A help for people; nothing depends on it, also not on a full disk. */
	length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(dir->lock, 0) == 0)
		(void)!pwrite(dir->lock, text, (size_t)length, 0);
	return 0;
}

int sgh_datadir_open(const char *path, const char *name, struct sgh_datadir *dir,
		     struct sangraha_error *err)
{
	int rc;

	*dir = (struct sgh_datadir)SGH_DATADIR_INIT;
	dir->path = strdup(path);
	if (!dir->path)
		return sgh_fail_memory(err);
	dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = dir->fd < 0 ? fail_path(err, errno, "open the data directory", path)
			 : take_lock(dir, name, err);
	if (rc)
		sgh_datadir_fini(dir);
	return rc;
}

void sgh_datadir_fini(struct sgh_datadir *dir)
{
	if (dir->lock >= 0)
		close(dir->lock);
	if (dir->fd >= 0)
		close(dir->fd);
	free(dir->path);
	*dir = (struct sgh_datadir)SGH_DATADIR_INIT;
}

/* SPDX-License-Identifier: MIT */
#include "store/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/datadir.h"
#include "base/error.h"
#include "base/failpoint.h"

/* Bodies that are files: their numbers, names and bytes. Rows are not known here. */

#define NAME_SIZE   48
#define PIECE_BYTES ((uint64_t)8 << 20)

static void name_of(uint64_t number, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%" PRIu64 "/%" PRIu64, number / SGH_FILE_FOLDER_SIZE,
		 number);
}

static int fail_write(const struct sgh_file_bodies *bodies, int errnum,
		      struct sangraha_error *err)
{
	char text[128];

	switch (errnum) {
	case ENOMEM:
		return sgh_fail_memory(err);
	case ENOSPC:
	case EDQUOT:
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, errnum,
				"the disk that holds %s is full", bodies->path);
	case EMFILE:
	case ENFILE:
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, errnum,
				"too many files are open to write one below %s",
				bodies->path);
	case EROFS:
	case EACCES:
	case EPERM:
		return sgh_fail(err, SANGRAHA_E_UNAUTHORIZED, errnum,
				"%s cannot be written to: %s", bodies->path,
				strerror_r(errnum, text, sizeof(text)));
	default:
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, errnum,
				"a file below %s could not be written: %s", bodies->path,
				strerror_r(errnum, text, sizeof(text)));
	}
}

static int sync_folder(const struct sgh_file_bodies *bodies, int fd,
		       struct sangraha_error *err)
{
	/* Some file systems cannot, and say so. */
	return fsync(fd) && errno != EINVAL ? fail_write(bodies, errno, err) : 0;
}

/* ---- life ---- */

int sgh_file_bodies_open(struct sgh_file_bodies *bodies, const char *path,
			 struct sangraha_error *err)
{
	sgh_autofree char *objects = NULL;
	int rc;

	if (asprintf(&objects, "%s/objects", path) < 0) {
		objects = NULL;
		return sgh_fail_memory(err);
	}
	rc = sgh_datadir_make(objects, &bodies->path, err);
	if (rc)
		return rc;
	bodies->fd = open(bodies->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return bodies->fd < 0 ? fail_write(bodies, errno, err) : 0;
}

void sgh_file_bodies_fini(struct sgh_file_bodies *bodies)
{
	if (bodies->folder.fd >= 0)
		close(bodies->folder.fd);
	if (bodies->fd >= 0)
		close(bodies->fd);
	free(bodies->path);
}

/* ---- numbers ---- */

void sgh_file_number_take(struct sgh_file_bodies *bodies, struct sgh_file_number *number)
{
	pthread_mutex_lock(&bodies->s.lock);
	number->value = bodies->s.next++;
	sgh_list_append(&bodies->s.unsettled, &number->link);
	pthread_mutex_unlock(&bodies->s.lock);
	SGH_FAIL_POINT("file.numbered");
}

void sgh_file_body_move(struct sgh_file_bodies *bodies, struct sgh_file_body *to,
			struct sgh_file_body *from)
{
	pthread_mutex_lock(&bodies->s.lock);
	*to = *from;
	to->number.link.prev->next = &to->number.link;
	to->number.link.next->prev = &to->number.link;
	pthread_mutex_unlock(&bodies->s.lock);
	*from = SGH_FILE_BODY_NONE;
}

void sgh_file_number_settle(struct sgh_file_bodies *bodies,
			    struct sgh_file_number *number)
{
	pthread_mutex_lock(&bodies->s.lock);
	sgh_list_remove(&number->link);
	pthread_mutex_unlock(&bodies->s.lock);
}

void sgh_file_number_stick(struct sgh_file_bodies *bodies, struct sgh_file_number *number)
{
	pthread_mutex_lock(&bodies->s.lock);
	sgh_list_remove(&number->link);
	if (number->value < bodies->s.stuck)
		bodies->s.stuck = number->value;
	pthread_mutex_unlock(&bodies->s.lock);
}

uint64_t sgh_file_bodies_low(struct sgh_file_bodies *bodies)
{
	struct sgh_list *first;
	uint64_t low;

	pthread_mutex_lock(&bodies->s.lock);
	first = bodies->s.unsettled.next;
	low = bodies->s.next;
	if (first != &bodies->s.unsettled)
		low = sgh_list_entry(first, struct sgh_file_number, link)->value;
	if (bodies->s.stuck < low)
		low = bodies->s.stuck;
	pthread_mutex_unlock(&bodies->s.lock);
	return low;
}

/* ---- writing ---- */

/*
 * Make and open a folder. That one is there does not say that it is durable: who made it may
 * have died before. So its name is synced once whenever this process comes to a folder, under
 * the lock, before anybody else may rely on it.
 */
static int enter_locked(struct sgh_file_bodies *bodies, uint64_t number,
			struct sangraha_error *err)
{
	char name[NAME_SIZE];
	int rc;
	int fd;

	snprintf(name, sizeof(name), "%" PRIu64, number);
	if (mkdirat(bodies->fd, name, 0700) && errno != EEXIST)
		return fail_write(bodies, errno, err);
	SGH_FAIL_POINT("file.folder-made");
	fd = openat(bodies->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_write(bodies, errno, err);
	rc = sync_folder(bodies, bodies->fd, err);
	if (rc) {
		close(fd);
		return rc;
	}
	SGH_FAIL_POINT("file.folder-synced");
	if (bodies->folder.fd >= 0)
		close(bodies->folder.fd);
	bodies->folder.fd = fd;
	bodies->folder.number = number;
	return 0;
}

/* A descriptor of the folder that holds a file of this number; negative: a status. */
static int enter(struct sgh_file_bodies *bodies, uint64_t number,
		 struct sangraha_error *err)
{
	uint64_t folder = number / SGH_FILE_FOLDER_SIZE;
	int fd = 0;

	pthread_mutex_lock(&bodies->folder.lock);
	if (bodies->folder.fd < 0 || bodies->folder.number != folder)
		fd = enter_locked(bodies, folder, err);
	if (!fd) {
		fd = fcntl(bodies->folder.fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			fd = fail_write(bodies, errno, err);
	}
	pthread_mutex_unlock(&bodies->folder.lock);
	return fd;
}

int sgh_file_body_create(struct sgh_file_bodies *bodies, struct sgh_file_body *body,
			 struct sangraha_error *err)
{
	char name[NAME_SIZE];

	body->folder = enter(bodies, body->number.value, err);
	if (body->folder < 0)
		return body->folder;
	name_of(body->number.value, name);
	body->fd = openat(bodies->fd, name,
			  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	SGH_FAIL_POINT("file.created");
	return body->fd < 0 ? fail_write(bodies, errno, err) : 0;
}

/*
 * Of a long body the disk gets one piece while the next is written, and the writer waits for
 * the one before: to sync all of it at its end might take longer than anybody waits.
 */
static int send_piece(struct sgh_file_bodies *bodies, struct sgh_file_body *body,
		      struct sangraha_error *err)
{
	uint64_t before = body->sent > PIECE_BYTES ? body->sent - PIECE_BYTES : 0;
	int rc =
		sync_file_range(body->fd, (off64_t)before, (off64_t)(body->size - before),
				SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE);

	body->sent = body->size;
	/* Not every file system has it, and fdatasync() is what counts. */
	if (rc && errno != ENOSYS && errno != ESPIPE && errno != EINVAL &&
	    errno != EOPNOTSUPP)
		return fail_write(bodies, errno, err);
	return 0;
}

int sgh_file_body_append(struct sgh_file_bodies *bodies, struct sgh_file_body *body,
			 const void *data, size_t length, struct sangraha_error *err)
{
	const char *at = data;

	while (length) {
		ssize_t count = write(body->fd, at, length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return fail_write(bodies, count ? errno : ENOSPC, err);
		at += count;
		length -= (size_t)count;
		body->size += (uint64_t)count;
	}
	SGH_FAIL_POINT("file.written");
	return body->size - body->sent < PIECE_BYTES ? 0 : send_piece(bodies, body, err);
}

int sgh_file_body_finish(struct sgh_file_bodies *bodies, struct sgh_file_body *body,
			 struct sangraha_error *err)
{
	int rc = fdatasync(body->fd) ? fail_write(bodies, errno, err) : 0;

	SGH_FAIL_POINT("file.synced");
	if (close(body->fd) && !rc)
		rc = fail_write(bodies, errno, err);
	body->fd = -1;
	if (!rc)
		rc = sync_folder(bodies, body->folder, err);
	SGH_FAIL_POINT("file.named");
	sgh_file_body_close(body);
	return rc;
}

void sgh_file_body_close(struct sgh_file_body *body)
{
	if (body->fd >= 0)
		close(body->fd);
	if (body->folder >= 0)
		close(body->folder);
	body->fd = -1;
	body->folder = -1;
}

/* ---- removing ---- */

/* A folder behind which writing has gone on is not needed when it is empty. */
static void remove_folder(struct sgh_file_bodies *bodies, const char *name,
			  uint64_t folder)
{
	if (folder < sgh_file_bodies_low(bodies) / SGH_FILE_FOLDER_SIZE)
		(void)!unlinkat(bodies->fd, name, AT_REMOVEDIR);
}

static int sync_removed(struct sgh_file_bodies *bodies, uint64_t folder,
			struct sangraha_error *err)
{
	char name[NAME_SIZE];
	int rc;
	int fd;

	snprintf(name, sizeof(name), "%" PRIu64, folder);
	fd = openat(bodies->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : fail_write(bodies, errno, err);
	rc = sync_folder(bodies, fd, err);
	SGH_FAIL_POINT("file.removal-synced");
	close(fd);
	if (!rc)
		remove_folder(bodies, name, folder);
	return rc;
}

static int remove_file(struct sgh_file_bodies *bodies, uint64_t number,
		       struct sangraha_error *err)
{
	char name[NAME_SIZE];

	name_of(number, name);
	if (unlinkat(bodies->fd, name, 0) && errno != ENOENT)
		return fail_write(bodies, errno, err);
	SGH_FAIL_POINT("file.removed");
	return 0;
}

int sgh_file_bodies_remove(struct sgh_file_bodies *bodies, uint64_t *numbers,
			   size_t *count, struct sangraha_error *err)
{
	size_t gone = 0;    /* at the front of numbers, durably */
	size_t removed = 0; /* at the front, of this folder not durably yet */
	int rc = 0;

	for (size_t i = 0; i < *count; i++) {
		uint64_t folder = numbers[i] / SGH_FILE_FOLDER_SIZE;
		bool last = i + 1 == *count ||
			    numbers[i + 1] / SGH_FILE_FOLDER_SIZE != folder;
		int status = remove_file(bodies, numbers[i], err);

		if (status)
			rc = status;
		else
			numbers[removed++] = numbers[i];
		if (!last)
			continue;
		status = sync_removed(bodies, folder, err);
		if (status)
			rc = status;
		else
			gone = removed;
		removed = gone;
	}
	*count = gone;
	return rc;
}

/* ---- reading ---- */

static int fail_read(const struct sgh_file_bodies *bodies, const char *name, int errnum,
		     struct sangraha_error *err)
{
	char text[128];

	switch (errnum) {
	case ENOENT:
		return sgh_fail(err, SANGRAHA_E_NOT_FOUND, errnum, "%s/%s is missing",
				bodies->path, name);
	case ENOMEM:
		return sgh_fail_memory(err);
	case EMFILE:
	case ENFILE:
		return sgh_fail(err, SANGRAHA_E_OVERLOADED, errnum,
				"too many files are open to read %s/%s", bodies->path,
				name);
	default:
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, errnum,
				"%s/%s cannot be read: %s", bodies->path, name,
				strerror_r(errnum, text, sizeof(text)));
	}
}

static int check_size(const struct sgh_file_bodies *bodies, const char *name, int fd,
		      uint64_t size, struct sangraha_error *err)
{
	struct stat info;

	if (fstat(fd, &info))
		return fail_read(bodies, name, errno, err);
	if ((uint64_t)info.st_size != size)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"%s/%s has %lld bytes instead of %llu", bodies->path,
				name, (long long)info.st_size, (unsigned long long)size);
	return 0;
}

static int read_at(const struct sgh_file_bodies *bodies, const char *name, int fd,
		   uint64_t offset, char *data, size_t length, struct sangraha_error *err)
{
	while (length) {
		ssize_t count = pread(fd, data, length, (off_t)offset);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return fail_read(bodies, name, errno, err);
		if (count == 0)
			return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
					"%s/%s became shorter", bodies->path, name);
		data += count;
		offset += (uint64_t)count;
		length -= (size_t)count;
	}
	return 0;
}

int sgh_file_body_read(struct sgh_file_bodies *bodies, uint64_t number, uint64_t size,
		       uint64_t offset, void *data, size_t length,
		       struct sangraha_error *err)
{
	char name[NAME_SIZE];
	int rc;
	int fd;

	name_of(number, name);
	fd = openat(bodies->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_read(bodies, name, errno, err);
	rc = check_size(bodies, name, fd, size, err);
	if (!rc)
		rc = read_at(bodies, name, fd, offset, data, length, err);
	close(fd);
	return rc;
}

/* ---- what a crash left ---- */

/* A number as we write it; false for any other name. */
static bool parse_name(const char *name, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*name || strlen(name) > 18 || (*name == '0' && name[1]))
		return false;
	for (; *name; name++) {
		if (*name < '0' || *name > '9')
			return false;
		value = value * 10 + (uint64_t)(*name - '0');
	}
	*ret = value;
	return true;
}

struct sweep {
	struct sgh_file_bodies *bodies;
	uint64_t low;
	uint64_t next;
	int (*keep)(void *arg, uint64_t number, struct sangraha_error *err);
	void *arg;
	bool removed; /* something, from this folder */
};

/* Call each() with the numbers that a folder's entries are named by. */
static int each_number(struct sweep *sweep, const char *name,
		       int (*each)(struct sweep *sweep, uint64_t number,
				   struct sangraha_error *err),
		       struct sangraha_error *err)
{
	int fd = openat(sweep->bodies->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	uint64_t number;
	int rc = 0;

	if (!dir) {
		rc = fail_read(sweep->bodies, name, errno, err);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (entry = readdir(dir)))
		if (parse_name(entry->d_name, &number))
			rc = each(sweep, number, err);
	closedir(dir);
	return rc;
}

static int sweep_file(struct sweep *sweep, uint64_t number, struct sangraha_error *err)
{
	int kept;

	if (number >= sweep->next)
		sweep->next = number + 1;
	kept = number < sweep->low ? 1 : sweep->keep(sweep->arg, number, err);
	if (kept)
		return kept < 0 ? kept : 0;
	sweep->removed = true;
	return remove_file(sweep->bodies, number, err);
}

static int sweep_folder(struct sweep *sweep, uint64_t folder, struct sangraha_error *err)
{
	char name[NAME_SIZE];
	int rc;

	if (folder < sweep->low / SGH_FILE_FOLDER_SIZE)
		return 0;
	snprintf(name, sizeof(name), "%" PRIu64, folder);
	sweep->removed = false;
	rc = each_number(sweep, name, sweep_file, err);
	return !rc && sweep->removed ? sync_removed(sweep->bodies, folder, err) : rc;
}

int sgh_file_bodies_sweep(struct sgh_file_bodies *bodies, uint64_t low, uint64_t next,
			  int (*keep)(void *arg, uint64_t number,
				      struct sangraha_error *err),
			  void *arg, struct sangraha_error *err)
{
	struct sweep sweep = { bodies, low, next, keep, arg };
	int rc = each_number(&sweep, ".", sweep_folder, err);

	bodies->s.next = sweep.next;
	return rc;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "role/upload.h"
#include "role/wait.h"

/* The blocking puts: an upload that the caller's thread feeds, and waits for. */

#define PIECE_SIZE (64 << 10)

struct put {
	struct sangraha_client *client;
	struct sangraha_upload *upload;
	struct sgh_wait wait;
	unsigned timeout_ms;
	int64_t deadline_ms; /* without any progress; of one message for all of it */
};

static int begin(struct put *put, int64_t length,
		 const struct sangraha_put_options *options, struct sangraha_error *err)
{
	put->timeout_ms = sgh_put_timeout(put->client, options);
	put->deadline_ms = sgh_now_ms() + put->timeout_ms;
	return sangraha_upload_new(put->client, length, options, sgh_wait_resumed,
				   &put->wait, &put->upload, err);
}

/* Write everything, waiting for memory as long as it comes at all. */
static int write_all(struct put *put, const char *data, size_t length,
		     struct sangraha_error *err)
{
	while (length) {
		size_t taken = 0;
		int status =
			sangraha_upload_write(put->upload, data, length, &taken, err);

		if (status)
			return status;
		data += taken;
		length -= taken;
		/* What is more than one message takes as long as it takes. */
		if (taken && put->upload->large)
			put->deadline_ms = sgh_now_ms() + put->timeout_ms;
		if (length && !sgh_wait_for_resume(&put->wait, put->deadline_ms))
			return sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
					"there was no memory for the body in all the "
					"time");
	}
	return 0;
}

static int submit(struct put *put, struct sangraha_result **ret,
		  struct sangraha_error *err)
{
	int64_t left_ms = put->deadline_ms - sgh_now_ms();
	int status;

	/* One message has the time of one request, for all of it together. */
	if (put->upload->large)
		left_ms = put->timeout_ms;
	status = sgh_upload_submit(sgh_take(put->upload),
				   left_ms > 1 ? (unsigned)left_ms : 1, true,
				   sgh_wait_answered, &put->wait, err);
	return status ? status : sgh_wait_collect(&put->wait, ret, err);
}

/* The body is in, or it was refused, which has an answer too; or neither. */
static int end(struct put *put, int status, struct sangraha_result **ret,
	       struct sangraha_error *err)
{
	if (put->upload && (!status || sgh_upload_has_failed(put->upload)))
		status = submit(put, ret, err);
	sangraha_upload_free(put->upload);
	sgh_wait_fini(&put->wait);
	return status;
}

int sangraha_client_put(struct sangraha_client *client, const void *data, size_t length,
			const struct sangraha_put_options *options,
			struct sangraha_result **ret, struct sangraha_error *err)
{
	struct put put = { .client = client };
	int status;

	if (ret)
		*ret = NULL;
	if (!client || (!data && length))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no client or no bytes");
	sgh_wait_init(&put.wait);
	status = begin(&put, (int64_t)length, options, err);
	if (!status)
		status = write_all(&put, data, length, err);
	return end(&put, status, ret, err);
}

/* ---- from a callback ---- */

static int read_all(struct put *put, sangraha_read_fn *read_more, void *arg,
		    struct sangraha_error *err)
{
	sgh_autofree char *piece = malloc(PIECE_SIZE);

	if (!piece)
		return sgh_fail_memory(err);
	for (;;) {
		int64_t n = read_more(arg, piece, PIECE_SIZE);
		int status = n < INT32_MIN ? SANGRAHA_E_INTERNAL : (int)n;

		if (n < 0)
			return sgh_fail(err, status, 0, "the body could not be read: %s",
					sangraha_status_text(status));
		if (n > PIECE_SIZE)
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the body's reader says it gave more than there "
					"was room for");
		if (n == 0)
			return 0;
		status = write_all(put, piece, (size_t)n, err);
		if (status)
			return status;
	}
}

int sangraha_client_put_stream(struct sangraha_client *client, int64_t length,
			       sangraha_read_fn *read_more, void *arg,
			       const struct sangraha_put_options *options,
			       struct sangraha_result **ret, struct sangraha_error *err)
{
	struct put put = { .client = client };
	int status;

	if (ret)
		*ret = NULL;
	if (!client || !read_more)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no client or no reader");
	sgh_wait_init(&put.wait);
	status = begin(&put, length, options, err);
	if (!status)
		status = read_all(&put, read_more, arg, err);
	return end(&put, status, ret, err);
}

/* ---- from a descriptor ---- */

struct descriptor {
	int fd;
	int error;    /* errno */
	int64_t left; /* bytes of what was there at the beginning; -1: to its end */
};

static int64_t read_descriptor(void *arg, void *data, size_t size)
{
	struct descriptor *from = arg;
	ssize_t n;

	/* Somebody may be writing it still. */
	if (from->left >= 0 && (uint64_t)from->left < size)
		size = (size_t)from->left;
	do
		n = read(from->fd, data, size);
	while (n < 0 && errno == EINTR);
	if (n >= 0 && from->left >= 0)
		from->left -= n;
	if (n >= 0)
		return n;
	from->error = errno;
	return SANGRAHA_E_INVALID;
}

/* What is left of a regular file; -1 for anything else, which is read to its end. */
static int64_t length_of(int fd)
{
	struct stat info;
	off_t at;

	if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
		return -1;
	at = lseek(fd, 0, SEEK_CUR);
	return at < 0 ? -1 : at < info.st_size ? info.st_size - at : 0;
}

int sangraha_client_put_fd(struct sangraha_client *client, int fd,
			   const struct sangraha_put_options *options,
			   struct sangraha_result **ret, struct sangraha_error *err)
{
	struct descriptor from = { .fd = fd, .left = length_of(fd) };
	int status;

	if (ret)
		*ret = NULL;
	if (fd < 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no descriptor");
	status = sangraha_client_put_stream(client, from.left, read_descriptor, &from,
					    options, ret, err);
	if (from.error)
		return sgh_fail_errno(err, from.error, "the body cannot be read");
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * Store a file of any size, fetch it back into another one, and tell how far it is: needs
 * a broker, and a receiver and a getter on it.
 *
 *	large FILE COPY [QUEUE-URL]
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sangraha/sangraha.h>

/*
 * The calls below block until all is done. How far they are can be seen at the descriptor,
 * which a thread looks at once a second.
 */
struct progress {
	const char *what;
	int fd;
	long long total; /* bytes */
	int done;
	pthread_mutex_t lock; /* guards total and done */
	pthread_cond_t changed;
	pthread_t thread;
};

static void *show(void *arg)
{
	struct progress *progress = (struct progress *)arg;
	int done;

	pthread_mutex_lock(&progress->lock);
	do {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		while (!progress->done &&
		       pthread_cond_timedwait(&progress->changed, &progress->lock,
					      &until) != ETIMEDOUT)
			;
		done = progress->done;
		fprintf(stderr, "%s %lld of %lld bytes\n", progress->what,
			(long long)lseek(progress->fd, 0, SEEK_CUR), progress->total);
	} while (!done);
	pthread_mutex_unlock(&progress->lock);
	return NULL;
}

static int progress_begin(struct progress *progress, const char *what, int fd,
			  long long total)
{
	progress->what = what;
	progress->fd = fd;
	progress->total = total;
	progress->done = 0;
	pthread_mutex_init(&progress->lock, NULL);
	pthread_cond_init(&progress->changed, NULL);
	return pthread_create(&progress->thread, NULL, show, progress);
}

static void progress_end(struct progress *progress)
{
	pthread_mutex_lock(&progress->lock);
	progress->done = 1;
	pthread_cond_signal(&progress->changed);
	pthread_mutex_unlock(&progress->lock);
	pthread_join(progress->thread, NULL);
	pthread_cond_destroy(&progress->changed);
	pthread_mutex_destroy(&progress->lock);
}

static int store(struct sangraha_client *client, const char *path,
		 struct sangraha_result **ret, struct sangraha_error *err)
{
	const char *slash = strrchr(path, '/');
	struct sangraha_put_options options = {
		.size = sizeof(options),
		.filename = slash ? slash + 1 : path,
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct progress progress;
	int status;

	if (fd < 0)
		return sangraha_error_set(err, SANGRAHA_E_INVALID, "%s: %s", path,
					  strerror(errno));
	if (progress_begin(&progress, "sent", fd, (long long)lseek(fd, 0, SEEK_END))) {
		close(fd);
		return sangraha_error_set(err, SANGRAHA_E_OVERLOADED, "no thread");
	}
	lseek(fd, 0, SEEK_SET);
	/*
	 * It is validated while it is read, and what is refused leaves nothing behind: the
	 * result tells the rule, and the offset of the first byte that is wrong.
	 */
	status = sangraha_client_put_fd(client, fd, &options, ret, err);
	progress_end(&progress);
	close(fd);
	return status;
}

static int fetch(struct sangraha_client *client, const struct sangraha_object *object,
		 const char *path, struct sangraha_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	struct progress progress;
	int status;

	if (fd < 0)
		return sangraha_error_set(err, SANGRAHA_E_INVALID, "%s: %s", path,
					  strerror(errno));
	if (progress_begin(&progress, "got", fd,
			   (long long)sangraha_object_size(object))) {
		close(fd);
		return sangraha_error_set(err, SANGRAHA_E_OVERLOADED, "no thread");
	}
	/* The bytes are compared with the object's digest; before that the last do not come. */
	status = sangraha_client_get_fd(client, sangraha_object_type(object),
					sangraha_object_id(object), NULL, fd, NULL, err);
	progress_end(&progress);
	close(fd);
	if (status)
		unlink(path);
	return status;
}

int main(int argc, char **argv)
{
	const char *queue_url =
		argc > 3 ? argv[3] : "amqp://guest:guest@127.0.0.1:5672/%2F";
	struct sangraha_context *context = NULL;
	struct sangraha_queue *queue = NULL;
	struct sangraha_client *client = NULL;
	struct sangraha_result *put = NULL;
	struct sangraha_error err;
	int failed;

	if (argc < 3) {
		fprintf(stderr, "usage: large FILE COPY [QUEUE-URL]\n");
		return 2;
	}
	failed = sangraha_context_new(NULL, &context, &err) ||
		 sangraha_queue_open(context, queue_url, NULL, &queue, &err) ||
		 sangraha_queue_wait_ready(queue, 5000, &err) ||
		 sangraha_client_new(context, queue, NULL, &client, &err) ||
		 store(client, argv[1], &put, &err) ||
		 fetch(client, sangraha_result_object(put), argv[2], &err);
	if (failed && sangraha_result_rule(put))
		fprintf(stderr, "large: %s at byte %lld: %s\n", sangraha_result_rule(put),
			(long long)sangraha_result_offset(put), err.message);
	else if (failed)
		fprintf(stderr, "large: %s\n", err.message);
	else
		printf("%s is in %s\n",
		       sangraha_object_reference(sangraha_result_object(put)), argv[2]);

	sangraha_result_free(put);
	sangraha_client_free(client);
	sangraha_queue_unref(queue);
	sangraha_context_unref(context);
	return failed ? 1 : 0;
}

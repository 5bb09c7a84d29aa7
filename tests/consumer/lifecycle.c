/* SPDX-License-Identifier: MIT */
/*
 * Everything that can be opened is opened and closed, again and again: lifecycle [ROUNDS].
 * A program of the public interface alone, as a service that reloads its configuration
 * would be. Memory, descriptors and threads must be what they were.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sangraha/sangraha.h>

#define NOBODY_QUEUE "amqp://guest:guest@127.0.0.1:1/%2F"
#define NOBODY_STORE "s3+http://127.0.0.1:1"

/* Under a sanitizer freed memory is kept aside on purpose, and everything takes longer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define MEMORY_ROUNDS 200 /* fewer do not tell growth from noise */
#define CLOSE_SECONDS 12
#define REST_S        15
#define MEMORY_SLACK  (8 * 1024 * 1024L) /* the heap's own coming and going */

struct usage {
	long resident; /* bytes */
	long descriptors;
	long threads;
};

/* One case: what is done in a round, on which URLs. */
struct lifecycle {
	const char *name;
	int (*round)(const struct lifecycle *lifecycle, struct sangraha_error *err);
	const char *queue_url;
	const char *store_url;
	unsigned divisor; /* of the number of rounds, where each takes its time */
};

static long entries(const char *path)
{
	DIR *folder = opendir(path);
	long count = 0;

	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count;
}

static struct usage usage_now(void)
{
	struct usage usage = { .descriptors = entries("/proc/self/fd"),
			       .threads = entries("/proc/self/task") };
	FILE *file = fopen("/proc/self/statm", "re");

	if (file && fscanf(file, "%*d %ld", &usage.resident) == 1)
		usage.resident *= sysconf(_SC_PAGESIZE);
	if (file)
		fclose(file);
	return usage;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The rounds. */

struct service {
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct sangraha_store *store;
	struct sangraha_receiver *receiver;
	struct sangraha_getter *getter;
	struct sangraha_client *client;
};

static int service_open(struct service *service, const struct lifecycle *lifecycle,
			struct sangraha_error *err)
{
	struct sangraha_receiver_options receiver = { .size = sizeof(receiver),
						      .workers = 1 };
	struct sangraha_getter_options getter = { .size = sizeof(getter), .workers = 1 };

	memset(service, 0, sizeof(*service));
	return sangraha_context_new(NULL, &service->context, err) ||
	       sangraha_queue_open(service->context, lifecycle->queue_url, NULL,
				   &service->queue, err) ||
	       sangraha_store_open(service->context, lifecycle->store_url, NULL,
				   &service->store, err) ||
	       sangraha_receiver_start(service->context, service->queue, service->store,
				       &receiver, &service->receiver, err) ||
	       sangraha_getter_start(service->context, service->queue, service->store,
				     &getter, &service->getter, err);
}

static int service_with_client(struct service *service, const struct lifecycle *lifecycle,
			       struct sangraha_error *err)
{
	return service_open(service, lifecycle, err) ||
	       sangraha_client_new(service->context, service->queue, NULL,
				   &service->client, err);
}

static void service_close(struct service *service)
{
	sangraha_client_free(service->client);
	sangraha_getter_free(service->getter);
	sangraha_receiver_free(service->receiver);
	sangraha_store_unref(service->store);
	sangraha_queue_unref(service->queue);
	sangraha_context_unref(service->context);
}

static int context_only(const struct lifecycle *lifecycle, struct sangraha_error *err)
{
	struct sangraha_context *one = NULL;
	struct sangraha_context *other = NULL;
	char *text = NULL;
	int failed = sangraha_context_new(NULL, &one, err) ||
		     sangraha_context_new(NULL, &other, err) ||
		     sangraha_context_metrics(one, &text, err);

	(void)lifecycle;
	sangraha_free(text);
	sangraha_context_unref(one);
	sangraha_context_unref(other);
	return failed;
}

static int queue_and_store(const struct lifecycle *lifecycle, struct sangraha_error *err)
{
	struct service service = { 0 };
	int failed = sangraha_context_new(NULL, &service.context, err) ||
		     sangraha_queue_open(service.context, lifecycle->queue_url, NULL,
					 &service.queue, err) ||
		     sangraha_store_open(service.context, lifecycle->store_url, NULL,
					 &service.store, err);

	service_close(&service);
	return failed;
}

static int roles(const struct lifecycle *lifecycle, struct sangraha_error *err)
{
	struct service service;
	int failed = service_open(&service, lifecycle, err);

	service_close(&service);
	return failed;
}

static int put_and_get(const struct service *service, struct sangraha_error *err)
{
	struct sangraha_result *put = NULL;
	struct sangraha_result *got = NULL;
	int failed = sangraha_client_put(service->client, "{}", 2, NULL, &put, err) ||
		     sangraha_client_get(service->client, "json", sangraha_result_id(put),
					 NULL, &got, err);

	sangraha_result_free(put);
	sangraha_result_free(got);
	return failed;
}

static int work(const struct lifecycle *lifecycle, struct sangraha_error *err)
{
	struct service service;
	int failed = service_with_client(&service, lifecycle, err) ||
		     put_and_get(&service, err);

	service_close(&service);
	return failed;
}

/* Requests without an answer: closing ends them. */
static void forget(void *arg, struct sangraha_result *result)
{
	(*(int *)arg)++;
	sangraha_result_free(result);
}

static int give_up(const struct lifecycle *lifecycle, struct sangraha_error *err)
{
	struct service service;
	struct sangraha_error ignored;
	int sent = 0, ended = 0;
	int failed = service_with_client(&service, lifecycle, err);

	while (!failed && sent < 10 &&
	       sangraha_client_submit_put(service.client, "{}", 2, NULL, forget, &ended,
					  &ignored) == 0)
		sent++;
	service_close(&service);
	if (failed)
		return failed;
	if (sent != ended)
		return sangraha_error_set(err, SANGRAHA_E_INTERNAL,
					  "%d requests, %d answers", sent, ended);
	return 0;
}

/* A socket where connections are made and nobody ever says a word; or -1. */
static int silent_peer(unsigned *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, 16) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &length) == 0) {
		*ret_port = ntohs(address.sin_port);
		return fd;
	}
	perror("silent_peer");
	exit(1);
}

/* Closing while the other end - whichever has no URL - is connected and says nothing. */
static int hang(const struct lifecycle *lifecycle, struct sangraha_error *err)
{
	struct lifecycle silent = *lifecycle;
	struct service service;
	char queue_url[64], store_url[64];
	unsigned port;
	int peer = silent_peer(&port);
	int failed, connection;
	double started;

	snprintf(queue_url, sizeof(queue_url), "amqp://127.0.0.1:%u", port);
	snprintf(store_url, sizeof(store_url), "s3+http://127.0.0.1:%u", port);
	silent.queue_url = silent.queue_url ? silent.queue_url : queue_url;
	silent.store_url = silent.store_url ? silent.store_url : store_url;
	failed = service_open(&service, &silent, err);
	connection = failed ? -1 : accept4(peer, NULL, NULL, SOCK_CLOEXEC);
	started = now();
	service_close(&service);
	if (connection >= 0)
		close(connection);
	close(peer);
	if (!failed && now() - started > CLOSE_SECONDS)
		failed = sangraha_error_set(err, SANGRAHA_E_TIMEOUT,
					    "closing took %.1f s", now() - started);
	return failed;
}

/* What one context has open is nothing to the other, whichever ends first. */
static int two_contexts(const struct lifecycle *lifecycle, struct sangraha_error *err)
{
	struct lifecycle elsewhere = *lifecycle;
	char queue_url[512], store_url[512];
	struct service one, other;
	int failed;

	snprintf(queue_url, sizeof(queue_url), "%s-2", lifecycle->queue_url);
	snprintf(store_url, sizeof(store_url), "%s-2", lifecycle->store_url);
	elsewhere.queue_url = queue_url;
	elsewhere.store_url = store_url;
	failed = service_with_client(&one, lifecycle, err);
	failed = service_with_client(&other, &elsewhere, err) || failed;
	failed = failed || put_and_get(&one, err) || put_and_get(&other, err);
	service_close(&one);
	failed = failed || put_and_get(&other, err);
	service_close(&other);
	return failed;
}

/* What cannot be opened leaves nothing behind: a folder that another context has. */
static int refused(const struct lifecycle *lifecycle, struct sangraha_error *err)
{
	struct service one, other = { 0 };
	struct sangraha_error why;
	int failed = service_open(&one, lifecycle, err);

	if (!failed && service_open(&other, lifecycle, &why) == 0)
		failed = sangraha_error_set(err, SANGRAHA_E_INTERNAL,
					    "two contexts have one folder");
	else if (!failed && why.status != SANGRAHA_E_UNAVAILABLE)
		failed = sangraha_error_set(err, SANGRAHA_E_INTERNAL, "%s", why.message);
	if (!failed || other.context)
		service_close(&other);
	service_close(&one);
	return failed;
}

/* The cases. */

static int count;
static int failures;

static void report(const char *name, const char *wrong, const char *skipped)
{
	count++;
	failures += wrong != NULL;
	printf("%sok %d - %s%s%s\n", wrong ? "not " : "", count, name,
	       skipped ? " # SKIP " : "", skipped ? skipped : "");
	if (wrong)
		printf("# %s\n", wrong);
	fflush(stdout);
}

/* What is more than it was, or NULL. */
static const char *growth(const struct usage *before, const struct usage *after,
			  unsigned rounds, char text[200])
{
	long more = after->resident - before->resident;

	if (after->descriptors > before->descriptors || after->threads > before->threads)
		snprintf(text, 200, "%ld more descriptors, %ld more threads",
			 after->descriptors - before->descriptors,
			 after->threads - before->threads);
	else if (!SANITIZED && rounds >= MEMORY_ROUNDS && more > MEMORY_SLACK)
		snprintf(text, 200, "%ld KiB more in %u rounds", more / 1024, rounds);
	else
		return NULL;
	return text;
}

/*
 * What is left when all that ends by itself has ended: an attempt to reach a broker is not
 * waited for, and takes some seconds to be given up.
 */
static struct usage usage_at_rest(const struct usage *before)
{
	struct timespec moment = { .tv_nsec = 50000000 };
	double until = now() + REST_S;
	struct usage usage = usage_now();

	while ((usage.descriptors > before->descriptors ||
		usage.threads > before->threads) &&
	       now() < until) {
		nanosleep(&moment, NULL);
		usage = usage_now();
	}
	return usage;
}

static void run(const struct lifecycle *lifecycle, unsigned rounds)
{
	struct usage before = { 0 }, after;
	struct sangraha_error err;
	double started = now();
	char text[200];

	rounds = rounds ? rounds : 1;
	for (unsigned i = 0; i < rounds; i++) {
		/* The first ones fill what is kept: the heap's arenas, tables of libraries. */
		if (i == rounds / 10)
			before = usage_now();
		if (lifecycle->round(lifecycle, &err)) {
			int missing = i == 0 && err.status == SANGRAHA_E_INVALID;

			report(lifecycle->name, missing ? NULL : err.message,
			       missing ? err.message : NULL);
			return;
		}
	}
	after = usage_at_rest(&before);
	report(lifecycle->name, growth(&before, &after, rounds, text), NULL);
	printf("# %u rounds in %.1f s, %+ld KiB\n", rounds, now() - started,
	       (after.resident - before.resident) / 1024);
}

static void remove_folder(const char *path)
{
	char command[512];

	snprintf(command, sizeof(command), "rm -rf '%s' '%s-2'", path, path);
	if (system(command))
		printf("# %s could not be removed\n", path);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : SANITIZED ? 100 : 1000;
	char folder[64];
	char local[96], file[96];

	/* In memory where that can be: it is not the disk that is looked at. */
	snprintf(folder, sizeof(folder), "%s/sangraha-lifecycle-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(folder)) {
		perror("lifecycle");
		return 1;
	}
	snprintf(local, sizeof(local), "local:%s/d", folder);
	snprintf(file, sizeof(file), "file:%s/d", folder);
	{
		const struct lifecycle cases[] = {
			{ "contexts", context_only, NULL, NULL, 1 },
			{ "nobody there", queue_and_store, NOBODY_QUEUE, NOBODY_STORE,
			  1 },
			{ "roles, nobody there", roles, NOBODY_QUEUE, NOBODY_STORE, 1 },
			/* A client waits for its last question to the broker, half a second. */
			{ "a client, nobody there", give_up, NOBODY_QUEUE, NOBODY_STORE,
			  50 },
			{ "a silent broker", hang, NULL, NOBODY_STORE, 10 },
			/* A receiver waits for its last question to the store, 10 s. */
			{ "a silent store", hang, NOBODY_QUEUE, NULL, 1000 },
			{ "folders", queue_and_store, local, file, 1 },
			{ "roles on a folder", work, local, file, 1 },
			{ "roles on a folder, given up", give_up, local, file, 10 },
			{ "a folder that is taken", refused, local, file, 10 },
			{ "two contexts", two_contexts, local, file, 10 },
		};

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			/* Not those that take long, where a few rounds are asked for. */
			if (cases[i].divisor <= 10 * rounds)
				run(&cases[i], rounds / cases[i].divisor);
	}
	printf("1..%d\n", count);
	remove_folder(folder);
	return failures ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <unistd.h>

#include "base/error.h"
#include "role/download.h"
#include "store/mover.h"
#include "support/roles.h"

/*
 * Bodies on their way out of the store. What moves them is scripted here, instead of
 * store/mover.c, which the linker finds no need for.
 */

#define SIZE   ((size_t)300000)
#define INLINE ((size_t)1000)
#define ID     t_id(1)

/* How a transfer goes; those that are not told of bring everything. */
struct
try {
	size_t give;   /* bytes, at most; 0: all */
	int status;    /* and then */
	int submit;    /* it does not even begin */
	bool stall;    /* then nothing more comes */
	bool wrong;    /* the last byte is another one */
	size_t piece;  /* bytes; 0: 16 KiB */
	bool nothing;  /* not even `give` */
	bool for_ever; /* and so do all that follow */
};

/* One transfer under way. */
struct run {
	struct sgh_list link;
	struct sgh_move *move;
	struct try try;
	pthread_t thread;
	bool resumed;
	int cancelled;
};

struct sgh_mover {
	struct sgh_list runs;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const char *data;
	struct try tries[16];
	size_t try_count;
	size_t begun; /* transfers */
	uint64_t offsets[16];
	size_t paused;
	size_t stalled;
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static size_t count_of(const size_t *what)
{
	size_t count;

	pthread_mutex_lock(&fake.lock);
	count = *what;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

static void wait_locked(size_t *what)
{
	(*what)++;
	pthread_cond_wait(&fake.changed, &fake.lock);
	(*what)--;
}

static int push_piece(struct run *run, uint64_t at, size_t length)
{
	struct sgh_move *move = run->move;
	sgh_autofree char *copy = malloc(length);

	memcpy(copy, fake.data + move->offset + at, length);
	if (run->try.wrong && at + length == move->length)
		copy[length - 1] ^= 1;
	pthread_mutex_lock(&fake.lock);
	run->resumed = false;
	pthread_mutex_unlock(&fake.lock);
	return move->push(move, copy, length);
}

/* True when the transfer was cancelled. */
static bool sleep_until_resumed(struct run *run)
{
	bool cancelled;

	pthread_mutex_lock(&fake.lock);
	while (!run->resumed && !run->cancelled)
		wait_locked(&fake.paused);
	cancelled = run->cancelled;
	pthread_mutex_unlock(&fake.lock);
	return cancelled;
}

static int carry(struct run *run)
{
	uint64_t end = run->try.give ? run->try.give : run->move->length;
	size_t most = run->try.piece ? run->try.piece : 16 << 10;
	uint64_t at = 0;

	if (run->try.nothing)
		end = 0;
	if (end > run->move->length)
		end = run->move->length;
	while (at < end) {
		size_t length = sgh_min((size_t)(end - at), most);
		int status = push_piece(run, at, length);

		if (!status)
			at += length;
		else if (status != SGH_MOVE_PAUSE)
			return status;
		else if (sleep_until_resumed(run))
			return run->cancelled;
	}
	pthread_mutex_lock(&fake.lock);
	while (run->try.stall && !run->cancelled)
		wait_locked(&fake.stalled);
	pthread_mutex_unlock(&fake.lock);
	return run->cancelled ? run->cancelled : run->try.status;
}

static void *run_main(void *arg)
{
	struct run *run = arg;
	struct sgh_move *move = run->move;
	int status = carry(run);

	pthread_mutex_lock(&fake.lock);
	move->backend = NULL;
	pthread_mutex_unlock(&fake.lock);
	move->status = status;
	if (status)
		sgh_fail(&move->err, status, 0, "the transfer ended");
	move->done(move);
	return NULL;
}

int sgh_mover_new(struct sangraha_context *context,
		  const struct sgh_mover_options *options, struct sgh_mover **ret,
		  struct sangraha_error *err)
{
	*ret = calloc(1, sizeof(**ret));
	sgh_list_init(&(*ret)->runs);
	return 0;
}

void sgh_mover_free(struct sgh_mover *mover)
{
	struct sgh_list *link;

	while (mover && (link = sgh_list_pop(&mover->runs))) {
		struct run *run = sgh_list_entry(link, struct run, link);

		pthread_join(run->thread, NULL);
		free(run);
	}
	free(mover);
}

int sgh_mover_submit(struct sgh_mover *mover, struct sgh_move *move,
		     struct sangraha_error *err)
{
	struct run *run = calloc(1, sizeof(*run));
	size_t n;

	run->move = move;
	pthread_mutex_lock(&fake.lock);
	n = fake.begun++;
	if (fake.try_count && fake.tries[fake.try_count - 1].for_ever)
		run->try = fake.tries[sgh_min(n, fake.try_count - 1)];
	else if (n < fake.try_count)
		run->try = fake.tries[n];
	if (n < SGH_COUNT(fake.offsets))
		fake.offsets[n] = move->offset;
	move->backend = run;
	if (!run->try.submit)
		sgh_list_append(&mover->runs, &run->link);
	pthread_mutex_unlock(&fake.lock);
	if (run->try.submit) {
		sgh_fail(err, run->try.submit, 0, "the transfer did not begin");
		free(run);
		return err->status;
	}
	pthread_create(&run->thread, NULL, run_main, run);
	return 0;
}

void sgh_mover_resume(struct sgh_mover *mover, struct sgh_move *move)
{
	struct run *run;

	pthread_mutex_lock(&fake.lock);
	run = move->backend;
	if (run)
		run->resumed = true;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
}

void sgh_mover_cancel(struct sgh_mover *mover, struct sgh_move *move, int status)
{
	struct run *run;

	pthread_mutex_lock(&fake.lock);
	run = move->backend;
	if (run)
		run->cancelled = status;
	pthread_cond_broadcast(&fake.changed);
	pthread_mutex_unlock(&fake.lock);
}

/* ---- the object, and who reads it ---- */

struct reader {
	char *bytes; /* that came */
	size_t length;
	size_t begun;
	int give_up;
};

static char *body_new(void)
{
	char *body = malloc(SIZE + 1);

	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)('a' + (i * 2654435761u >> 24) % 26);
	body[0] = '"';
	body[SIZE - 1] = '"';
	body[SIZE] = '\0';
	return body;
}

static int begin(void **state)
{
	struct sangraha_getter_options getter = {
		.size = sizeof(getter),
		.inline_limit = INLINE,
	};
	struct t_roles *f;

	t_roles_begin(state);
	f = *state;
	memset(fake.tries, 0, sizeof(fake.tries));
	fake.try_count = 0;
	fake.begun = 0;
	fake.data = body_new();
	t_start_receiver(f, NULL);
	t_start_getter(f, &getter);
	t_puts(f, 0, ID, fake.data);
	return 0;
}

static int end(void **state)
{
	t_roles_end(state);
	free((char *)fake.data);
	return 0;
}

static void script(const struct try *tries, size_t count)
{
	memcpy(fake.tries, tries, count * sizeof(*tries));
	fake.try_count = count;
}
#define SCRIPT(...)                                          \
	do {                                                 \
		const struct try tries_[] = { __VA_ARGS__ }; \
		script(tries_, SGH_COUNT(tries_));           \
	} while (0)

static struct sangraha_client *client_of(struct t_roles *f)
{
	struct sangraha_client_options options = {
		.size = sizeof(options),
		.idle_timeout_ms = 2000,
	};

	if (!f->client)
		t_start_client(f, &options);
	return f->client;
}

/* A client that is short of memory. */
static struct sangraha_client *small_client(struct t_roles *f, size_t limit)
{
	struct sangraha_context_options options = {
		.size = sizeof(options),
		.memory_limit = limit,
	};
	struct sangraha_context *small = NULL;

	t_ok(sangraha_context_new(&options, &small, &t_err));
	f->client_queue = memory_queue_new(f->context, f->broker, f->script);
	t_ok(sangraha_client_new(small, f->client_queue, NULL, &f->client, &t_err));
	sangraha_context_unref(small);
	t_wait(memory_broker_consumers(f->broker, SANGRAHA_RESPONSE_QUEUE ".1") == 1);
	return f->client;
}

static struct sgh_budget *budget(struct t_roles *f)
{
	return f->client->context->budget;
}

static int take(void *arg, const void *data, size_t length)
{
	struct reader *reader = arg;

	reader->bytes = realloc(reader->bytes, reader->length + length);
	memcpy(reader->bytes + reader->length, data, length);
	reader->length += length;
	return reader->give_up;
}

static void begun(void *arg, const struct sangraha_result *result)
{
	struct reader *reader = arg;

	assert_int_equal(sangraha_object_size(sangraha_result_object(result)), SIZE);
	reader->begun++;
}

static int read_part(struct t_roles *f, struct reader *reader, uint64_t offset,
		     uint64_t length)
{
	struct sangraha_get_options options = {
		.size = sizeof(options),
		.offset = offset,
		.length = length,
		.begin = begun,
	};

	return sangraha_client_get_stream(client_of(f), "json", ID, &options, take,
					  reader, NULL, &t_err);
}

static void assert_read(struct reader *reader, size_t offset, size_t length)
{
	assert_int_equal(reader->length, length);
	assert_memory_equal(reader->bytes, fake.data + offset, length);
	free(reader->bytes);
}

static void assert_offsets(size_t count, const uint64_t *offsets)
{
	assert_int_equal(count_of(&fake.begun), count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(fake.offsets[i], offsets[i]);
}

static size_t questions(struct t_roles *f)
{
	return script_count(f->script, "get json: ok");
}

/* The answer to a get, without its bytes. */
static struct sangraha_result *answer_of(struct t_roles *f)
{
	struct sangraha_result *result = NULL;

	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_client_get(f->client, "json", ID, NULL, &result, &t_err));
	return result;
}

static void ready(void *arg)
{
	__atomic_add_fetch((size_t *)arg, 1, __ATOMIC_SEQ_CST);
}

static struct sangraha_download *download_of(struct t_roles *f, size_t *calls)
{
	struct sangraha_result *result = answer_of(f);
	struct sangraha_download *download = NULL;

	t_ok(sangraha_download_new(f->client, result, 0, 0, ready, calls, &download,
				   &t_err));
	sangraha_result_free(result);
	return download;
}

/* ---- cases ---- */

static void an_answer_without_bytes_says_so(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_result *result;
	size_t length = 1;

	client_of(f);
	result = answer_of(f);
	t_says("sangraha_client_get_stream()");
	assert_int_equal(sangraha_result_status(result), SANGRAHA_E_TOO_LARGE);
	assert_int_equal(sangraha_object_size(sangraha_result_object(result)), SIZE);
	assert_null(sangraha_result_data(result, &length));
	assert_int_equal(length, 0);
	/* The double's tickets are no addresses of the Web. */
	assert_null(sangraha_result_url(result));
	sangraha_result_free(result);
	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_client_get(f->client, "json", ID, NULL, NULL, &t_err));
}

static void a_large_object_comes_whole(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	t_ok(read_part(f, &reader, 0, 0));
	assert_int_equal(reader.begun, 1);
	assert_read(&reader, 0, SIZE);
	assert_offsets(1, (uint64_t[]){ 0 });
	t_wait(sgh_budget_used(budget(f)) == 0);
}

static void a_small_one_does_too(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_get_options options = {
		.size = sizeof(options),
		.offset = 2,
		.length = 3,
	};
	struct reader reader = { 0 };

	t_puts(f, 0, t_id(2), "{\"a\":1}");
	t_ok(sangraha_client_get_stream(client_of(f), "json", t_id(2), NULL, take,
					&reader, NULL, &t_err));
	assert_int_equal(reader.length, 7);
	assert_memory_equal(reader.bytes, "{\"a\":1}", 7);
	t_ok(sangraha_client_get_stream(f->client, "json", t_id(2), &options, take,
					&reader, NULL, &t_err));
	assert_int_equal(reader.length, 10);
	assert_memory_equal(reader.bytes + 7, "a\":", 3);
	free(reader.bytes);
	assert_int_equal(count_of(&fake.begun), 0);
}

static void a_descriptor_is_written_to(void **state)
{
	struct t_roles *f = *state;
	char *folder = t_folder_new();
	sgh_autofree char *path = t_path(folder, "object");
	FILE *file = fopen(path, "w+");
	struct sangraha_result *result = NULL;
	struct sgh_bytes *bytes;

	t_ok(sangraha_client_get_fd(client_of(f), "json", ID, NULL, fileno(file), &result,
				    &t_err));
	assert_int_equal(sangraha_object_size(sangraha_result_object(result)), SIZE);
	sangraha_result_free(result);
	bytes = t_file(path);
	t_same_bytes(bytes, fake.data);
	sgh_bytes_unref(bytes);
	fclose(file);
	file = fopen(path, "r");
	assert_true(sangraha_client_get_fd(f->client, "json", ID, NULL, fileno(file),
					   NULL, &t_err) < 0);
	t_says("could not be written");
	fclose(file);
	t_folder_remove(folder);
}

static void a_part_asks_for_that_part(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	t_ok(read_part(f, &reader, 1234, 5000));
	assert_read(&reader, 1234, 5000);
	reader = (struct reader){ 0 };
	t_ok(read_part(f, &reader, SIZE - 10, 5000));
	assert_read(&reader, SIZE - 10, 10);
	assert_offsets(2, (uint64_t[]){ 1234, SIZE - 10 });
	t_fails(SANGRAHA_E_INVALID, read_part(f, &reader, SIZE, 1));
	t_says("none after");
}

static void no_object_is_not_found(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	t_fails(SANGRAHA_E_NOT_FOUND,
		sangraha_client_get_stream(client_of(f), "json", t_id(9), NULL, take,
					   &reader, NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_get_stream(f->client, "json", "x", NULL, take, &reader,
					   NULL, &t_err));
	t_fails(SANGRAHA_E_INVALID,
		sangraha_client_get_stream(f->client, "json", ID, NULL, NULL, &reader,
					   NULL, &t_err));
	assert_int_equal(reader.length, 0);
}

static void who_takes_the_bytes_may_give_up(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { .give_up = SANGRAHA_E_REJECTED };

	t_fails(SANGRAHA_E_REJECTED, read_part(f, &reader, 0, 0));
	assert_true(reader.length < SIZE);
	free(reader.bytes);
	t_wait(sgh_budget_used(budget(f)) == 0);
}

static void a_connection_that_breaks_is_taken_up(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	SCRIPT({ .give = 1000, .status = SANGRAHA_E_UNAVAILABLE },
	       { .submit = SANGRAHA_E_OVERLOADED },
	       { .give = 70000, .status = SANGRAHA_E_TIMEOUT }, { .give = 9 });
	t_ok(read_part(f, &reader, 100, 0));
	assert_read(&reader, 100, SIZE - 100);
	assert_offsets(5, (uint64_t[]){ 100, 1100, 1100, 71100, 71109 });
	/* Who fell silent is left for who another ticket names. */
	assert_int_equal(questions(f), 2);
}

static void a_store_that_stays_away_is_given_up(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	SCRIPT({ .give = 1000, .status = SANGRAHA_E_UNAVAILABLE },
	       { .nothing = true, .status = SANGRAHA_E_UNAVAILABLE, .for_ever = true });
	t_fails(SANGRAHA_E_UNAVAILABLE, read_part(f, &reader, 0, 0));
	assert_read(&reader, 0, 1000);
	assert_true(count_of(&fake.begun) > 2);
	/* Another ticket may be for a gateway that is there. */
	assert_true(questions(f) > 1);
}

/* The last piece is kept back: who was given it would think that all is there. */
static void another_object_is_not_handed_out(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	SCRIPT({ .wrong = true });
	t_fails(SANGRAHA_E_INTERNAL, read_part(f, &reader, 0, 0));
	t_says("differs from its digest");
	assert_true(reader.length < SIZE);
	free(reader.bytes);
}

static void a_part_has_no_digest(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	SCRIPT({ .wrong = true });
	t_ok(read_part(f, &reader, 1, 0));
	assert_int_equal(reader.length, SIZE - 1);
	free(reader.bytes);
}

static void a_ticket_that_ended_is_renewed(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	SCRIPT({ .give = 5000, .status = SANGRAHA_E_UNAUTHORIZED },
	       { .give = 6000, .status = SANGRAHA_E_UNAUTHORIZED });
	t_ok(read_part(f, &reader, 0, 0));
	assert_read(&reader, 0, SIZE);
	assert_offsets(3, (uint64_t[]){ 0, 5000, 11000 });
	assert_int_equal(questions(f), 3);
}

static void a_new_ticket_that_is_refused_is_the_end(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	SCRIPT({ .nothing = true, .status = SANGRAHA_E_UNAUTHORIZED, .for_ever = true });
	t_fails(SANGRAHA_E_UNAVAILABLE, read_part(f, &reader, 0, 0));
	assert_int_equal(questions(f), 2);
	assert_int_equal(count_of(&fake.begun), 2);
}

static void an_object_may_be_deleted_in_between(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };

	SCRIPT({ .nothing = true, .status = SANGRAHA_E_NOT_FOUND });
	t_fails(SANGRAHA_E_NOT_FOUND, read_part(f, &reader, 0, 0));
	assert_int_equal(count_of(&fake.begun), 1);
}

static void a_slow_reader_pauses_the_store(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;
	sgh_autofree char *data = malloc(SIZE);
	size_t have = 0;
	size_t got = 0;

	client_of(f);
	download = download_of(f, &calls);
	t_wait(count_of(&fake.paused) == 1);
	assert_true(sgh_budget_used(budget(f)) <= 256 << 10);
	while (!sangraha_download_ended(download)) {
		t_ok(sangraha_download_read(download, data + have, 777, &got, &t_err));
		have += got;
		if (!got && !sangraha_download_ended(download))
			t_wait(sangraha_download_poll(download, &t_err) != 0);
	}
	assert_int_equal(have, SIZE);
	assert_memory_equal(data, fake.data, SIZE);
	/* At the end there is nothing to wait for. */
	assert_int_equal(sangraha_download_poll(download, &t_err), 1);
	t_ok(sangraha_download_read(download, data, 1, &got, &t_err));
	assert_int_equal(got, 0);
	assert_int_equal(count_of(&fake.begun), 1);
	sangraha_download_free(download);
	t_wait(sgh_budget_used(budget(f)) == 0);
}

/* An open answer of the store's keeps others from one, and some stores from a delete. */
static void a_reader_that_stands_still_lets_the_store_go(void **state)
{
	struct t_roles *f = *state;
	struct reader reader = { 0 };
	size_t calls = 0;
	struct sangraha_download *download;
	char piece[4096];
	size_t got = 0;

	client_of(f);
	download = download_of(f, &calls);
	t_wait(count_of(&fake.paused) == 1);
	t_wait(count_of(&fake.paused) == 0);
	assert_int_equal(sangraha_download_poll(download, &t_err), 1);
	assert_int_equal(count_of(&fake.begun), 1);
	while (!sangraha_download_ended(download)) {
		t_ok(sangraha_download_read(download, piece, sizeof(piece), &got,
					    &t_err));
		take(&reader, piece, got);
	}
	assert_read(&reader, 0, SIZE);
	/* Taken up at once, where it stood. */
	assert_int_equal(count_of(&fake.begun), 2);
	assert_true(fake.offsets[1] > 0);
	sangraha_download_free(download);
	t_wait(sgh_budget_used(budget(f)) == 0);
}

static void it_may_be_freed_while_the_store_is_let_go(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;

	client_of(f);
	download = download_of(f, &calls);
	t_wait(count_of(&fake.paused) == 1);
	sangraha_download_free(download);
	t_wait(count_of(&fake.paused) == 0);
	t_wait(sgh_budget_used(budget(f)) == 0);
}

/* It broke while the reader did not read: that is no silence of the store's. */
static void a_break_behind_a_slow_reader_is_taken_up(void **state)
{
	struct sangraha_client_options options = {
		.size = sizeof(options),
		.idle_timeout_ms = 1,
	};
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;
	char piece[4096];
	size_t have = 0;

	SCRIPT({ .give = 100000, .status = SANGRAHA_E_UNAVAILABLE });
	t_start_client(f, &options);
	download = download_of(f, &calls);
	t_wait(sangraha_download_poll(download, &t_err) == 1);
	t_wait(count_of(&fake.begun) == 1);
	while (!sangraha_download_ended(download)) {
		size_t got = 0;

		t_wait(sangraha_download_poll(download, &t_err) == 1);
		t_ok(sangraha_download_read(download, piece, sizeof(piece), &got,
					    &t_err));
		assert_memory_equal(piece, fake.data + have, got);
		have += got;
	}
	assert_int_equal(have, SIZE);
	sangraha_download_free(download);
}

static void ready_is_called_once_for_each_wait(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;
	struct sangraha_download *download;
	char byte;
	size_t got = 1;

	SCRIPT({ .give = 1, .stall = true });
	client_of(f);
	download = download_of(f, &calls);
	t_wait(sangraha_download_poll(download, &t_err) == 1);
	t_ok(sangraha_download_read(download, &byte, 1, &got, &t_err));
	assert_int_equal(got, 1);
	t_wait(count_of(&fake.stalled) == 1);
	calls = 0;
	t_ok(sangraha_download_read(download, &byte, 1, &got, &t_err));
	assert_int_equal(got, 0);
	assert_int_equal(calls, 0);
	sgh_mover_cancel(NULL, &download->move, SANGRAHA_E_INTERNAL);
	t_wait(__atomic_load_n(&calls, __ATOMIC_SEQ_CST) == 1);
	t_fails(SANGRAHA_E_INTERNAL,
		sangraha_download_read(download, &byte, 1, &got, &t_err));
	t_fails(SANGRAHA_E_INTERNAL, sangraha_download_poll(download, &t_err));
	sangraha_download_free(download);
}

static void it_may_be_freed_at_any_time(void **state)
{
	struct t_roles *f = *state;
	size_t calls = 0;

	SCRIPT({ .stall = true, .nothing = true }, { .stall = true, .give = 100 },
	       { .nothing = true, .status = SANGRAHA_E_UNAVAILABLE, .for_ever = true });
	client_of(f);
	for (size_t i = 0; i < 6; i++) {
		struct sangraha_download *download = download_of(f, &calls);

		if (i < 2)
			t_wait(count_of(&fake.stalled) == 1);
		sangraha_download_free(download);
		t_wait(sgh_budget_used(budget(f)) == 0);
	}
	sangraha_download_free(NULL);
}

static void free_in_ready(void *arg)
{
	struct sangraha_download **download = arg;

	sangraha_download_free(sgh_take(*download));
}

static void it_may_be_freed_inside_ready(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_download *download = NULL;
	struct sangraha_result *result;

	small_client(f, 256 << 10);
	result = answer_of(f);
	/* It waits for memory, so that nothing comes before it is asked. */
	sgh_budget_force(budget(f), 256 << 10);
	t_ok(sangraha_download_new(f->client, result, 0, 0, free_in_ready, &download,
				   &download, &t_err));
	assert_int_equal(sangraha_download_poll(download, &t_err), 0);
	sgh_budget_release(budget(f), 256 << 10);
	t_wait(sgh_budget_used(budget(f)) == 0 && count_of(&fake.begun) == 1);
	sangraha_result_free(result);
}

static void without_memory_it_waits(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_download *first;
	struct sangraha_download *second;
	size_t calls = 0;

	small_client(f, 256 << 10);
	sgh_budget_force(budget(f), 256 << 10);
	first = download_of(f, &calls);
	second = download_of(f, &calls);
	assert_int_equal(sangraha_download_poll(first, &t_err), 0);
	assert_int_equal(sangraha_download_poll(second, &t_err), 0);
	sangraha_download_free(first);
	assert_int_equal(count_of(&fake.begun), 0);
	sgh_budget_release(budget(f), 256 << 10);
	t_wait(sangraha_download_poll(second, &t_err) == 1);
	assert_int_equal(count_of(&fake.begun), 1);
	sangraha_download_free(second);
}

#define MANY 40

/* More than the memory is for: they take turns, and each gets its bytes. */
static void many_share_a_little_memory(void **state)
{
	struct t_roles *f = *state;
	struct sangraha_download *downloads[MANY];
	size_t have[MANY] = { 0 };
	size_t calls = 0;
	size_t ended = 0;
	char piece[20000];

	small_client(f, 256 << 10);
	for (size_t i = 0; i < MANY; i++)
		downloads[i] = download_of(f, &calls);
	assert_true(sgh_budget_used(budget(f)) <= 192 << 10);
	for (size_t i = 0; ended < MANY; i = (i + 1) % MANY) {
		size_t got = 0;

		if (!downloads[i])
			continue;
		t_ok(sangraha_download_read(downloads[i], piece, sizeof(piece), &got,
					    &t_err));
		assert_memory_equal(piece, fake.data + have[i], got);
		have[i] += got;
		if (!sangraha_download_ended(downloads[i]))
			continue;
		assert_int_equal(have[i], SIZE);
		sangraha_download_free(sgh_take(downloads[i]));
		ended++;
	}
	t_wait(sgh_budget_used(budget(f)) == 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin, end)

static const struct CMUnitTest tests[] = {
	CASE(an_answer_without_bytes_says_so),
	CASE(a_large_object_comes_whole),
	CASE(a_small_one_does_too),
	CASE(a_descriptor_is_written_to),
	CASE(a_part_asks_for_that_part),
	CASE(no_object_is_not_found),
	CASE(who_takes_the_bytes_may_give_up),
	CASE(a_connection_that_breaks_is_taken_up),
	CASE(a_store_that_stays_away_is_given_up),
	CASE(another_object_is_not_handed_out),
	CASE(a_part_has_no_digest),
	CASE(a_ticket_that_ended_is_renewed),
	CASE(a_new_ticket_that_is_refused_is_the_end),
	CASE(an_object_may_be_deleted_in_between),
	CASE(a_slow_reader_pauses_the_store),
	CASE(a_reader_that_stands_still_lets_the_store_go),
	CASE(it_may_be_freed_while_the_store_is_let_go),
	CASE(a_break_behind_a_slow_reader_is_taken_up),
	CASE(ready_is_called_once_for_each_wait),
	CASE(it_may_be_freed_at_any_time),
	CASE(it_may_be_freed_inside_ready),
	CASE(without_memory_it_waits),
	CASE(many_share_a_little_memory),
};

t_main(tests)

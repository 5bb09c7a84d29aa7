/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/folder.h"
#include "support/disk.h"

/* A local queue on a disk that is full, fails, or is the last thing a process sees. */

static int set_up(void **state)
{
	struct folder *f = folder_new();

	t_disk_well();
	folder_open(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	t_disk_well();
	t_disk_watch(NULL);
	folder_free(*state);
	return 0;
}

static int try_publish(struct folder *f, const char *queue, const char *body)
{
	return t_publish_status(f->queue, "", queue, body, 5000);
}

/* ---- what needs no disk ---- */

static void answers_never_touch_the_disk(void **state)
{
	struct folder *f = *state;
	struct t_sent *sent;

	folder_consume(f, NULL, 10);
	t_disk_well();
	for (int i = 0; i < 100; i++) {
		/* Persistent or not. */
		sent = t_sent_new(sgh_consumer_queue(f->consumer), t_message("x"));
		sent->message->persistent = i % 2;
		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		folder_gets(f, "x");
		t_ok(t_sent_wait(sent));
		t_sent_free(sent);
	}
	assert_int_equal(t_disk_calls(), 0);
}

static int synced; /* atomic */

static void see_sync(const char *call, const char *path)
{
	if (strcmp(call, "fdatasync") == 0 || strcmp(call, "fsync") == 0)
		__atomic_add_fetch(&synced, 1, __ATOMIC_SEQ_CST);
}

static void a_confirm_comes_after_the_sync(void **state)
{
	struct folder *f = *state;

	t_disk_watch(see_sync);
	for (int i = 0; i < 10; i++) {
		__atomic_store_n(&synced, 0, __ATOMIC_SEQ_CST);
		t_publish(f->queue, WRITE, "x");
		assert_true(__atomic_load_n(&synced, __ATOMIC_SEQ_CST) > 0);
	}
}

/* ---- full, or failing, and well again ---- */

static void check_recovery(struct folder *f, int status)
{
	t_fails(status, try_publish(f, WRITE, "refused"));
	assert_false(sgh_queue_ready(f->queue, true));
	assert_true(sgh_queue_ready(f->queue, false));
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 50, &t_err));
	/* What was there goes on, and is not delivered twice. */
	folder_consume(f, WRITE, 10);
	folder_gets(f, "1");
	sgh_delivery_reject(t_inbox_next(&f->inbox));
	folder_gets(f, "3");
	t_fails(status, try_publish(f, WRITE, "refused"));
	assert_int_equal(t_messages(f->queue, DEAD), 0);
	t_disk_well();
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	t_wait(t_messages(f->queue, DEAD) == 1);
	t_publish(f->queue, WRITE, "4");
	folder_gets(f, "4");
	folder_reopen(f);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
	assert_int_equal(t_messages(f->queue, DEAD), 1);
}

static void a_full_disk_refuses_and_recovers(void **state)
{
	struct folder *f = *state;

	for (int i = 0; i < 3; i++)
		t_publish(f->queue, WRITE, (const char *[]){ "1", "2", "3" }[i]);
	t_disk_full_from(1);
	check_recovery(f, SANGRAHA_E_OVERLOADED);
}

static void a_failing_disk_refuses_and_recovers(void **state)
{
	struct folder *f = *state;

	for (int i = 0; i < 3; i++)
		t_publish(f->queue, WRITE, (const char *[]){ "1", "2", "3" }[i]);
	t_disk_fail_from(T_DISK_ALL, 1, EIO);
	check_recovery(f, SANGRAHA_E_UNAVAILABLE);
}

/* ---- hanging ---- */

/* What waits for the disk ends by its deadline, then nothing waits; the rest goes on. */
static void a_disk_that_hangs_holds_nobody_up(void **state)
{
	struct folder *f = *state;
	int64_t before = sgh_now_ms();

	t_publish(f->queue, WRITE, "1");
	folder_consume(f, WRITE, 10);
	folder_gets(f, "1");
	t_disk_stall(T_DISK_SYNC);
	t_fails(SANGRAHA_E_TIMEOUT,
		t_publish_status(f->queue, "", WRITE, "stalled", 300));
	assert_true(sgh_now_ms() - before < 5000);
	t_wait(!sgh_queue_ready(f->queue, true));
	before = sgh_now_ms();
	t_fails(SANGRAHA_E_UNAVAILABLE,
		t_publish_status(f->queue, "", WRITE, "refused", 30000));
	t_says("the disk");
	assert_true(sgh_now_ms() - before < 5000);
	t_fails(SANGRAHA_E_TIMEOUT, sangraha_queue_wait_ready(f->queue, 50, &t_err));
	assert_true(sgh_queue_ready(f->queue, false));
	assert_int_equal(t_messages(f->queue, DEAD), 0);
	t_disk_well();
	t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
	folder_gets(f, "stalled"); /* nobody knew how it ended */
	t_publish(f->queue, WRITE, "2");
	folder_gets(f, "2");
}

/* What is acknowledged is in memory until it is off the disk. */
static void acknowledgements_that_wait_are_bounded(void **state)
{
	struct folder *f = *state;

	t_publish(f->queue, WRITE, "x");
	folder_fill(f, 1, 60000, 0);
	folder_open(f);
	f->inbox.acks = true;
	t_disk_full_from(1);
	folder_consume(f, WRITE, 1000);
	t_wait(t_inbox_count(&f->inbox) >= 16384);
	for (int i = 0; i < 3; i++)
		t_fails(SANGRAHA_E_OVERLOADED, try_publish(f, WRITE, "y"));
	assert_in_range(t_inbox_count(&f->inbox), 16384, 20000);
	t_disk_well();
	t_wait(t_inbox_count(&f->inbox) == 60000);
	folder_reopen(f);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
}

static void delays_wait_for_the_disk(void **state)
{
	struct folder *f = *state;

	t_publish(f->queue, DELAY, "x");
	folder_close(f);
	folder_sql(f, "UPDATE message SET due = 5");
	folder_open(f);
	folder_consume(f, WRITE, 10);
	folder_gets(f, "x");
	t_publish(f->queue, DELAY, "y");
	t_disk_full_from(1);
	t_wait(!sgh_queue_ready(f->queue, true));
	assert_int_equal(t_messages(f->queue, DELAY), 1);
	t_disk_well();
	folder_gets(f, "y");
}

/* ---- any call may fail, or be the last ---- */

#define STEPS 8

/* What became of each message; shared with the process that dies. */
struct ledger {
	struct {
		int confirmed;
		int settled; /* 'a', 'r' */
	} steps[STEPS];
};

static struct t_sent *send_step(struct folder *f, int step)
{
	struct t_sent *sent = t_sent_new(WRITE, t_message_of(step % 3 ? 10 : 60000));

	assert_true(sgh_message_add_number(sent->message, "step", step));
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	return sent;
}

static int step_of(const struct sgh_delivery *delivery)
{
	const struct sgh_header *header = sgh_message_header(delivery->message, "step");
	int step = (int)header->number;

	assert_in_range(step, 0, STEPS - 1);
	assert_int_equal(delivery->message->body->length, step % 3 ? 10 : 60000);
	return step;
}

/* Publish all, settle what comes: every third is acknowledged, every third rejected. */
static void work(struct folder *f, struct ledger *ledger)
{
	folder_consume(f, WRITE, STEPS);
	for (int i = 0; i < STEPS; i += 2) {
		struct t_sent *pair[2] = { send_step(f, i), send_step(f, i + 1) };

		for (int j = 0; j < 2; j++) {
			ledger->steps[i + j].confirmed = !t_sent_wait(pair[j]);
			t_sent_free(pair[j]);
		}
		while (f->inbox.taken < t_inbox_count(&f->inbox)) {
			struct sgh_delivery *delivery = t_inbox_next(&f->inbox);
			int step = step_of(delivery);

			if (step % 3 == 0)
				ledger->steps[step].settled = 'a';
			if (step % 3 == 1)
				ledger->steps[step].settled = 'r';
			if (step % 3 == 0)
				sgh_delivery_ack(delivery);
			else if (step % 3 == 1)
				sgh_delivery_reject(delivery);
			else
				f->held[f->held_count++] = delivery;
		}
	}
}

static void count_steps(struct folder *f, const char *queue, int counts[STEPS])
{
	uint64_t ready = t_messages(f->queue, queue);

	folder_consume(f, queue, 100);
	t_wait(t_messages(f->queue, queue) == 0);
	for (uint64_t i = 0; i < ready; i++) {
		struct sgh_delivery *delivery = t_inbox_next(&f->inbox);

		counts[step_of(delivery)]++;
		sgh_delivery_ack(delivery);
	}
	assert_int_equal(f->inbox.taken, t_inbox_count(&f->inbox));
	sgh_consumer_free(sgh_take(f->consumer));
	f->inbox.attached = -1;
}

/* Confirmed and not settled: there, once. Everything else: at most once. */
static void check_ledger(struct folder *f, const struct ledger *ledger)
{
	int live[STEPS] = { 0 }, dead[STEPS] = { 0 };

	count_steps(f, WRITE, live);
	count_steps(f, DEAD, dead);
	for (int i = 0; i < STEPS; i++) {
		assert_in_range(live[i] + dead[i], 0, 1);
		if (dead[i])
			assert_int_equal(ledger->steps[i].settled, 'r');
		if (ledger->steps[i].confirmed && ledger->steps[i].settled != 'a')
			assert_int_equal(live[i] + dead[i], 1);
	}
}

/* Every so many calls; all of them when there is time. */
static unsigned stride(unsigned otherwise)
{
	return getenv("SANGRAHA_TEST_KILLS") ? 1 : otherwise;
}

static void any_call_may_fail(void **state)
{
	static const int errnums[] = { ENOSPC, EIO };
	struct folder *f = *state;
	unsigned calls = 0;

	for (unsigned n = 1, e = 0; e < SGH_COUNT(errnums); n += stride(23)) {
		struct ledger ledger = { 0 };

		t_disk_fail_at(T_DISK_ALL, n, errnums[e]);
		work(f, &ledger);
		calls = t_disk_calls();
		t_disk_well();
		t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
		folder_reopen(f);
		check_ledger(f, &ledger);
		folder_reopen(f);
		assert_int_equal(t_messages(f->queue, WRITE), 0);
		if (n > calls) {
			n = 0;
			e++;
		}
	}
}

/* True when it lived on. */
static bool die_at(struct folder *f, unsigned n, struct ledger *ledger)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		t_disk_kill_at(n);
		folder_open(f);
		work(f, ledger);
		folder_close(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
					: WEXITSTATUS(status) == 0);
	return !WIFSIGNALED(status);
}

static void any_call_may_be_the_last(void **state)
{
	struct folder *f = *state;
	struct ledger *ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool lived = false;

	folder_close(f);
	for (unsigned n = 1; !lived; n += stride(9)) {
		memset(ledger, 0, sizeof(*ledger));
		lived = die_at(f, n, ledger);
		folder_open(f);
		check_ledger(f, ledger);
		folder_close(f);
	}
	munmap(ledger, sizeof(*ledger));
}

/* In a folder that is new: to make the files is not atomic. */
static void any_call_of_the_first_open_may_be_the_last(void **state)
{
	struct ledger *ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool lived = false;

	for (unsigned n = 1; !lived; n += stride(9)) {
		struct folder *f = folder_new();

		memset(ledger, 0, sizeof(*ledger));
		lived = die_at(f, n, ledger) || n > 60;
		folder_open(f);
		check_ledger(f, ledger);
		folder_free(f);
	}
	munmap(ledger, sizeof(*ledger));
}

/* Messages that wait are moved, each once, wherever that is interrupted. */
static bool die_moving(struct folder *f, unsigned n)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		t_disk_kill_at(n);
		folder_open(f);
		t_wait(t_messages(f->queue, WRITE) == 5);
		folder_close(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFSIGNALED(status);
}

static void a_delay_ends_once(void **state)
{
	struct folder *f = *state;
	bool lived = false;

	for (unsigned n = 1; !lived; n += stride(3)) {
		for (int i = 0; i < 5; i++)
			t_publish(f->queue, SANGRAHA_WRITE_QUEUE ".delay.300s", "x");
		folder_close(f);
		folder_sql(f, "UPDATE message SET due = 5");
		lived = die_moving(f, n);
		folder_open(f);
		t_wait(t_messages(f->queue, WRITE) == 5);
		folder_consume(f, WRITE, 10);
		for (int i = 0; i < 5; i++)
			folder_gets(f, "x");
		folder_reopen(f);
		assert_int_equal(t_messages(f->queue, WRITE), 0);
	}
}

static void a_delay_ends_once_though_the_disk_fails(void **state)
{
	struct folder *f = *state;

	for (unsigned n = 1; n < 30; n += stride(4)) {
		for (int i = 0; i < 5; i++)
			t_publish(f->queue, SANGRAHA_WRITE_QUEUE ".delay.300s", "x");
		folder_close(f);
		folder_sql(f, "UPDATE message SET due = 5");
		t_disk_fail_at(T_DISK_ALL, n, EIO);
		if (folder_try(f)) {
			t_disk_well();
			folder_open(f);
		}
		folder_consume(f, WRITE, 10);
		for (int i = 0; i < 5; i++)
			folder_gets(f, "x");
		t_disk_well();
		t_ok(sangraha_queue_wait_ready(f->queue, 5000, &t_err));
		t_publish(f->queue, WRITE, "y");
		folder_gets(f, "y");
		folder_reopen(f);
		assert_int_equal(t_messages(f->queue, WRITE), 0);
	}
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(answers_never_touch_the_disk),
	CASE(a_confirm_comes_after_the_sync),
	CASE(a_full_disk_refuses_and_recovers),
	CASE(a_failing_disk_refuses_and_recovers),
	CASE(a_disk_that_hangs_holds_nobody_up),
	CASE(acknowledgements_that_wait_are_bounded),
	CASE(delays_wait_for_the_disk),
	CASE(any_call_may_fail),
	CASE(any_call_may_be_the_last),
	cmocka_unit_test(any_call_of_the_first_open_may_be_the_last),
	CASE(a_delay_ends_once),
	CASE(a_delay_ends_once_though_the_disk_fails),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include <pthread.h>

#include "support/t.h"

#define JOBS (SGH_POOL_ROW + 2)

/* Jobs in order on one thread, and what its pauses found. */
struct fixture {
	struct sgh_pool *pool;
	struct sgh_job jobs[JOBS];
	char said[64]; /* from 0 on: a job, '+': others follow it, '|': a pause */
	int ran;       /* atomic */
	pthread_mutex_t gate;
};

static struct fixture f;

static void say(char c)
{
	size_t length = strlen(f.said);

	assert_true(length < sizeof(f.said) - 1);
	f.said[length] = c;
}

static void run(struct sgh_job *job)
{
	/* All are queued before the first of them looks what follows. */
	pthread_mutex_lock(&f.gate);
	pthread_mutex_unlock(&f.gate);
	say((char)('0' + (job - f.jobs)));
	if (sgh_pool_goes_on(f.pool))
		say('+');
	__atomic_add_fetch(&f.ran, 1, __ATOMIC_RELEASE);
}

static void pause_here(void *arg)
{
	assert_ptr_equal(arg, &f);
	say('|');
}

/* What is said when jobs were submitted of which those marked 'b' are brief. */
static const char *said_of(const char *jobs)
{
	f = (struct fixture){ .gate = PTHREAD_MUTEX_INITIALIZER };
	t_ok(sgh_pool_new(1, &f.pool, &t_err));
	sgh_pool_on_pause(f.pool, pause_here, &f);
	pthread_mutex_lock(&f.gate);
	for (int i = 0; jobs[i]; i++) {
		f.jobs[i] = (struct sgh_job){ .run = run, .brief = jobs[i] == 'b' };
		sgh_pool_submit(f.pool, &f.jobs[i]);
	}
	assert_false(sgh_pool_goes_on(f.pool));
	pthread_mutex_unlock(&f.gate);
	/* Runs what is queued. */
	sgh_pool_free(f.pool);
	assert_int_equal(f.ran, strlen(jobs));
	return f.said;
}

static void pauses_when_nothing_brief_follows(void **state)
{
	assert_string_equal(said_of("b"), "0|");
	assert_string_equal(said_of("bbbb"), "0+1+2+3|");
	assert_string_equal(said_of("bxbb"), "0|1+2+3|");
	assert_string_equal(said_of("xxb"), "0|1+2|");
}

static void pauses_after_a_long_row(void **state)
{
	char jobs[SGH_POOL_ROW + 3] = "";
	const char *said;

	memset(jobs, 'b', SGH_POOL_ROW + 2);
	said = said_of(jobs);
	assert_int_equal(strcspn(said, "|"), 2 * SGH_POOL_ROW);
	assert_int_equal(strlen(said), 2 * SGH_POOL_ROW + 1 + 3 + 1);
}

static void needs_no_pause(void **state)
{
	f = (struct fixture){ .gate = PTHREAD_MUTEX_INITIALIZER };
	t_ok(sgh_pool_new(2, &f.pool, &t_err));
	f.jobs[0] = (struct sgh_job){ .run = run };
	sgh_pool_submit(f.pool, &f.jobs[0]);
	sgh_pool_free(f.pool);
	assert_string_equal(f.said, "0");
}

static void wait_here(struct sgh_job *job)
{
	__atomic_add_fetch(&f.ran, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&f.gate);
	pthread_mutex_unlock(&f.gate);
}

/* What runs is nobody's to overtake any more. */
static void is_behind_while_a_job_waits(void **state)
{
	f = (struct fixture){ .gate = PTHREAD_MUTEX_INITIALIZER };
	t_ok(sgh_pool_new(1, &f.pool, &t_err));
	assert_false(sgh_pool_is_behind(f.pool));
	pthread_mutex_lock(&f.gate);
	for (int i = 0; i < 2; i++) {
		f.jobs[i] = (struct sgh_job){ .run = wait_here };
		sgh_pool_submit(f.pool, &f.jobs[i]);
		t_wait(__atomic_load_n(&f.ran, __ATOMIC_ACQUIRE) == 1);
		assert_int_equal(sgh_pool_is_behind(f.pool), i > 0);
	}
	pthread_mutex_unlock(&f.gate);
	t_wait(!sgh_pool_is_behind(f.pool));
	sgh_pool_free(f.pool);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(pauses_when_nothing_brief_follows),
	cmocka_unit_test(pauses_after_a_long_row),
	cmocka_unit_test(needs_no_pause),
	cmocka_unit_test(is_behind_while_a_job_waits),
};

t_main(tests)

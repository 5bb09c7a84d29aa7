/* SPDX-License-Identifier: MIT */
#include "base/timer.h"

#include "base/pool.h"
#include "support/t.h"

struct alarm {
	struct sgh_timer timer;
	int rang; /* atomic */
};

static int order; /* atomic */

static void ring(struct sgh_timer *timer)
{
	struct alarm *alarm = sgh_container_of(timer, struct alarm, timer);

	__atomic_store_n(&alarm->rang, __atomic_add_fetch(&order, 1, __ATOMIC_SEQ_CST),
			 __ATOMIC_SEQ_CST);
}

static int rang(struct alarm *alarm)
{
	return __atomic_load_n(&alarm->rang, __ATOMIC_SEQ_CST);
}

static void fires_in_order_of_time(void **state)
{
	struct alarm alarms[50] = { 0 };
	struct sgh_timers *timers;
	int64_t now = sgh_now_ms();

	t_ok(sgh_timers_new(&timers, &t_err));
	order = 0;
	for (int i = 0; i < 50; i++) {
		alarms[i].timer.fire = ring;
		assert_true(sgh_timer_arm(timers, &alarms[i].timer,
					  now + 60 + (i * 37 % 50) * 2));
	}
	for (int i = 0; i < 50; i++)
		t_wait(rang(&alarms[i]));
	for (int i = 0; i < 50; i++)
		assert_int_equal(rang(&alarms[i]), i * 37 % 50 + 1);
	sgh_timers_free(timers);
}

static void cancelled_ones_do_not_fire(void **state)
{
	struct alarm never = { .timer.fire = ring };
	struct alarm soon = { .timer.fire = ring };
	struct sgh_timers *timers;

	t_ok(sgh_timers_new(&timers, &t_err));
	assert_true(sgh_timer_arm(timers, &never.timer, sgh_now_ms() + 50));
	assert_true(sgh_timer_arm(timers, &soon.timer, sgh_now_ms() + 80));
	assert_true(sgh_timer_cancel(timers, &never.timer));
	assert_false(sgh_timer_cancel(timers, &never.timer));
	t_wait(rang(&soon));
	assert_int_equal(rang(&never), 0);
	sgh_timers_free(timers);
}

static void arming_again_moves_it(void **state)
{
	struct alarm alarm = { .timer.fire = ring };
	struct sgh_timers *timers;

	t_ok(sgh_timers_new(&timers, &t_err));
	assert_true(sgh_timer_arm(timers, &alarm.timer, sgh_now_ms() + 3600000));
	assert_true(sgh_timer_arm(timers, &alarm.timer, sgh_now_ms()));
	t_wait(rang(&alarm));
	sgh_timers_free(timers);
}

struct count_job {
	struct sgh_job job;
	int *count;
};

static void count(struct sgh_job *job)
{
	__atomic_add_fetch(sgh_container_of(job, struct count_job, job)->count, 1,
			   __ATOMIC_SEQ_CST);
}

static void a_pool_runs_all_before_it_ends(void **state)
{
	struct count_job jobs[200];
	struct sgh_pool *pool;
	int count_of_runs = 0;

	t_ok(sgh_pool_new(3, &pool, &t_err));
	for (int i = 0; i < 200; i++) {
		jobs[i] = (struct count_job){ .job.run = count, .count = &count_of_runs };
		sgh_pool_submit(pool, &jobs[i].job);
	}
	sgh_pool_free(pool);
	assert_int_equal(count_of_runs, 200);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(fires_in_order_of_time),
	cmocka_unit_test(cancelled_ones_do_not_fire),
	cmocka_unit_test(arming_again_moves_it),
	cmocka_unit_test(a_pool_runs_all_before_it_ends),
};

t_main(tests)

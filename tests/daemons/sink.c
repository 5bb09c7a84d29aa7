/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sink.h"

/* A sink into a pipe that takes little. */
struct box {
	struct sgh_sink sink;
	int fds[2]; /* read, write */
	char text[1 << 20];
	size_t length;
};

static int set_up(void **state)
{
	struct box *box = calloc(1, sizeof(*box));

	assert_non_null(box);
	assert_int_equal(pipe2(box->fds, O_NONBLOCK | O_CLOEXEC), 0);
	fcntl(box->fds[1], F_SETPIPE_SZ, 4 * PIPE_BUF);
	box->sink = (struct sgh_sink)SGH_SINK(box->fds[1]);
	*state = box;
	return 0;
}

static int tear_down(void **state)
{
	struct box *box = *state;

	if (box->fds[0] >= 0)
		close(box->fds[0]);
	close(box->fds[1]);
	free(box);
	return 0;
}

static void say(struct box *box, const char *message)
{
	sgh_sink_write(&box->sink, &(struct sangraha_log_event){
					   .size = sizeof(struct sangraha_log_event),
					   .level = SANGRAHA_LOG_INFO,
					   .time_ms = 1,
					   .duration_us = -1,
					   .role = "test",
					   .event = "said",
					   .message = message,
				   });
}

/* Take what is there to read; the text so far. */
static const char *take(struct box *box)
{
	ssize_t n;

	while ((n = read(box->fds[0], box->text + box->length,
			 sizeof(box->text) - 1 - box->length)) > 0)
		box->length += (size_t)n;
	return box->text;
}

/* Write until nothing more is taken. */
static void fill(struct box *box)
{
	while (!box->sink.dropped)
		say(box, "one of many that nobody reads");
}

static void a_line_is_json(void **state)
{
	struct box *box = *state;

	say(box, "hello");
	assert_non_null(strstr(take(box), "\"message\":\"hello\""));
	assert_int_equal(box->text[box->length - 1], '\n');
}

static void what_is_not_taken_is_counted_and_told(void **state)
{
	struct box *box = *state;

	fill(box);
	say(box, "lost");
	say(box, "lost");
	take(box);
	say(box, "again");
	assert_int_equal(box->sink.dropped, 0);
	assert_null(strstr(take(box), "\"lost\""));
	assert_non_null(strstr(box->text, "3 lines of the log were not taken"));
	assert_non_null(strstr(box->text, "\"message\":\"again\""));
}

/* Whoever began the program may have given it one that blocks, and does not read it. */
static void nobody_hangs_on_a_pipe_that_blocks(void **state)
{
	struct box *box = *state;

	assert_int_equal(fcntl(box->fds[1], F_SETFL, 0), 0);
	fill(box);
	say(box, "lost");
	assert_int_equal(box->sink.dropped, 2);
	take(box);
	say(box, "again");
	assert_non_null(strstr(take(box), "\"message\":\"again\""));
}

static void only_the_first_that_is_dropped_waits(void **state)
{
	struct box *box = *state;
	int64_t began;

	fill(box);
	began = sgh_now_ms();
	for (int i = 0; i < 100; i++)
		say(box, "lost");
	assert_in_range(sgh_now_ms() - began, 0, 1000);
	assert_int_equal(box->sink.dropped, 101);
}

static void limit_files(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file at its limit takes the beginning of a line; the next is one of its own. */
static void a_line_that_was_cut_ends_before_the_next(void **state)
{
	struct box *box = *state;
	FILE *file = tmpfile();

	box->sink.fd = fileno(file);
	limit_files(20);
	say(box, "cut");
	limit_files(RLIM_INFINITY);
	assert_true(box->sink.cut);
	say(box, "again");
	assert_false(box->sink.cut);
	rewind(file);
	assert_true(fread(box->text, 1, sizeof(box->text) - 1, file) > 0);
	fclose(file);
	assert_memory_equal(box->text + 20, "\n{", 2);
	assert_non_null(strstr(box->text, "1 lines of the log were not taken"));
	assert_non_null(strstr(box->text, "\"message\":\"again\""));
}

static void a_closed_reader_is_no_reason_to_end(void **state)
{
	struct box *box = *state;

	signal(SIGPIPE, SIG_IGN);
	close(box->fds[0]);
	box->fds[0] = -1;
	say(box, "to nobody");
	assert_int_equal(box->sink.dropped, 1);
}

#define t_case(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	t_case(a_line_is_json),
	t_case(what_is_not_taken_is_counted_and_told),
	t_case(nobody_hangs_on_a_pipe_that_blocks),
	t_case(only_the_first_that_is_dropped_waits),
	t_case(a_line_that_was_cut_ends_before_the_next),
	t_case(a_closed_reader_is_no_reason_to_end),
};

t_main(tests)

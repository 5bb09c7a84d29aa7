/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include <locale.h>

#include "cli_screen.h"
#include "cli_table.h"
#include "cli_text.h"

static char reference[] = "image/0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70";
static char size[] = "12.5 KiB", created[] = "2026-01-02 03:04", type[] = "image/png";
static char name[] = "a photograph of a cat.png";

static const struct sgh_row row = { reference, size, created, type, name };

/* The line of the row, or of the heading, on a terminal so wide; yours to free. */
static char *line_at(size_t columns, const struct sgh_row *which)
{
	struct sgh_widths widths = sgh_table_fit(&row, 1, columns);
	char *text = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&text, &length);

	sgh_table_print(file, &widths, which);
	fclose(file);
	return text;
}

static void t_line(size_t columns, const char *wanted)
{
	char *line = line_at(columns, &row);

	assert_string_equal(line, wanted);
	free(line);
}

static void a_wide_terminal_shows_all(void **state)
{
	t_line(200, "image/0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70  12.5 KiB  "
		    "2026-01-02 03:04  image/png  a photograph of a cat.png\n");
}

static void names_are_cut_first(void **state)
{
	t_line(100, "image/0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70  12.5 KiB  "
		    "2026-01-02 03:04  image/png  a photograph of …\n");
}

static void then_types_go_and_then_times(void **state)
{
	t_line(90, "image/0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70  12.5 KiB  "
		   "2026-01-02 03:04  a photograph of a…\n");
	t_line(80, "image/0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70  12.5 KiB  "
		   "2026-01-02  a photograph …\n" +
			   0);
	t_line(70, "image/0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70  12.5 KiB  "
		   "a photograph of…\n");
}

static void references_stay_whole(void **state)
{
	t_line(20, "image/0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70  12.5 KiB  "
		   "a photograp…\n");
}

static void no_line_is_wider_than_the_terminal(void **state)
{
	for (size_t columns = 66; columns < 130; columns++) {
		char *line = line_at(columns, &row);

		line[strcspn(line, "\n")] = '\0';
		assert_true(sgh_text_width(line) <= columns);
		free(line);
	}
}

static void the_heading_stands_above_its_columns(void **state)
{
	char *heading = line_at(200, NULL), *line = line_at(200, &row);

	assert_int_equal(strstr(heading, "NAME") - heading,
			 strstr(line, "a photograph") - line);
	assert_int_equal(strstr(heading, "CREATED") - heading,
			 strstr(line, "2026") - line);
	assert_int_equal(strstr(heading, "SIZE") + 4 - heading,
			 strstr(line, "KiB") + 3 - line);
	free(heading);
	free(line);
}

static void t_progress(const struct sgh_transfer *transfer, unsigned columns,
		       const char *wanted)
{
	char *line = sgh_progress_line(transfer, 2000, columns);

	assert_string_equal(line, wanted);
	assert_true(sgh_text_width(line) <= columns);
	free(line);
}

static void progress_tells_how_far_and_how_long(void **state)
{
	struct sgh_transfer transfer = {
		.name = "cat.png", .done = 1 << 20, .total = 4 << 20, .begun_ms = 1000
	};

	t_progress(&transfer, 79,
		   "cat.png [#######                       ]  25%    1.0 MiB      1.0 "
		   "MiB/s   0:03");
}

static void progress_without_an_end_tells_the_time(void **state)
{
	struct sgh_transfer transfer = {
		.name = "-", .done = 2048, .total = -1, .begun_ms = 0
	};

	t_progress(&transfer, 79, "-    2.0 KiB      1.0 KiB/s   0:02");
}

static void progress_fits_a_narrow_terminal(void **state)
{
	struct sgh_transfer transfer = { .name = "a rather long name.png",
					 .done = 10,
					 .total = 100,
					 .begun_ms = 1000 };

	for (unsigned columns = 0; columns < 130; columns++) {
		char *line = sgh_progress_line(&transfer, 2000, columns);

		assert_true(sgh_text_width(line) <= columns);
		free(line);
	}
}

static int know_widths(void **state)
{
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wide_terminal_shows_all),
		cmocka_unit_test(names_are_cut_first),
		cmocka_unit_test(then_types_go_and_then_times),
		cmocka_unit_test(references_stay_whole),
		cmocka_unit_test(no_line_is_wider_than_the_terminal),
		cmocka_unit_test(the_heading_stands_above_its_columns),
		cmocka_unit_test(progress_tells_how_far_and_how_long),
		cmocka_unit_test(progress_without_an_end_tells_the_time),
		cmocka_unit_test(progress_fits_a_narrow_terminal),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, know_widths, NULL);
}

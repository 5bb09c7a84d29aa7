/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include <unistd.h>

#include "cli_options.h"

/* A command line taken apart: words with a blank between. */
struct line {
	struct sgh_arguments arguments;
	char *words, *variables;
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct line));
	return 0;
}

static void forget(struct line *line)
{
	sgh_arguments_fini(&line->arguments);
	free(line->words);
	free(line->variables);
}

static int tear_down(void **state)
{
	forget(*state);
	free(*state);
	return 0;
}

static int split(char *words, char **into, int count)
{
	char *at = NULL;

	for (char *word = strtok_r(words, " ", &at); word;
	     word = strtok_r(NULL, " ", &at))
		into[count++] = word;
	return count;
}

static int read_with(struct line *line, enum sgh_cli_command command, const char *words,
		     const char *variables)
{
	char name[] = "command", *argv[64] = { name }, *envp[64] = { NULL };
	int argc;

	forget(line);
	line->words = strdup(words);
	line->variables = strdup(variables);
	argc = split(line->words, argv, 1);
	split(line->variables, envp, 0);
	return sgh_arguments_read(&line->arguments, command, argc, argv, envp, &t_err);
}

static int read_put(struct line *line, const char *words)
{
	return read_with(line, SGH_CLI_PUT, words, "");
}

#define t_text(line, option, wanted) \
	assert_string_equal(sgh_arguments_text(&(line)->arguments, option), wanted)
#define t_number(line, option, wanted) \
	assert_int_equal(sgh_arguments_number(&(line)->arguments, option), wanted)

static void t_words(const struct line *line, const char *wanted)
{
	char joined[256] = "";

	for (size_t i = 0; i < line->arguments.word_count; i++) {
		strcat(joined, i ? " " : "");
		strcat(joined, line->arguments.words[i]);
	}
	assert_string_equal(joined, wanted);
}

static void defaults_are_the_documented_ones(void **state)
{
	t_ok(read_put(*state, "a"));
	t_text((struct line *)*state, SGH_OPT_URL, "http://127.0.0.1:8080");
	t_number((struct line *)*state, SGH_OPT_TIMEOUT, 60000);
	t_number((struct line *)*state, SGH_OPT_JOBS, 4);
	assert_null(
		sgh_arguments_text(&((struct line *)*state)->arguments, SGH_OPT_TYPE));
}

static void options_stand_anywhere(void **state)
{
	t_ok(read_put(*state, "a --json b -t image c"));
	t_words(*state, "a b c");
	t_number((struct line *)*state, SGH_OPT_JSON, 1);
	t_text((struct line *)*state, SGH_OPT_TYPE, "image");
}

static void a_value_is_given_either_way(void **state)
{
	static const char *const ways[] = { "--type json", "--type=json", "-t json",
					    "-tjson",      "-qt json",    "-qtjson" };

	for (size_t i = 0; i < SGH_COUNT(ways); i++) {
		t_ok(read_put(*state, ways[i]));
		t_text((struct line *)*state, SGH_OPT_TYPE, "json");
	}
}

static void two_dashes_end_options(void **state)
{
	t_ok(read_put(*state, "-q -- -t --json --"));
	t_words(*state, "-t --json --");
}

static void one_dash_is_a_word(void **state)
{
	t_ok(read_put(*state, "- -q"));
	t_words(*state, "-");
	t_ok(read_with(*state, SGH_CLI_GET, "-o - x", ""));
	t_text((struct line *)*state, SGH_OPT_OUTPUT, "-");
	t_words(*state, "x");
}

static void a_switch_takes_no_word_away(void **state)
{
	t_ok(read_put(*state, "--json on"));
	t_words(*state, "on");
	t_ok(read_put(*state, "--json=off a"));
	t_number((struct line *)*state, SGH_OPT_JSON, 0);
}

static void metadata_is_collected(void **state)
{
	struct line *line = *state;

	t_ok(read_put(line, "-m a=1 --meta b= --meta=c=d=e f"));
	assert_int_equal(line->arguments.meta_count, 3);
	assert_string_equal(line->arguments.metas[0], "a=1");
	assert_string_equal(line->arguments.metas[1], "b=");
	assert_string_equal(line->arguments.metas[2], "c=d=e");
	t_fails(SANGRAHA_E_INVALID, read_put(line, "--meta a"));
	t_says("--meta: 'a' is not NAME=VALUE");
	t_fails(SANGRAHA_E_INVALID, read_put(line, "--meta =a"));
}

static void an_unknown_option_gets_a_suggestion(void **state)
{
	t_fails(SANGRAHA_E_INVALID, read_put(*state, "--jsno"));
	t_says("--jsno: there is no such option; is it --json?");
	t_fails(SANGRAHA_E_INVALID, read_put(*state, "--entirely-different"));
	t_fails(SANGRAHA_E_INVALID, read_put(*state, "-Z"));
	t_says("-Z: there is no such option");
}

static void options_of_other_commands_are_unknown(void **state)
{
	t_fails(SANGRAHA_E_INVALID, read_put(*state, "--ignore-missing"));
	t_fails(SANGRAHA_E_INVALID, read_with(*state, SGH_CLI_RM, "--type x", ""));
}

static void a_letter_is_its_commands(void **state)
{
	t_ok(read_put(*state, "-n x.png"));
	t_text((struct line *)*state, SGH_OPT_FILENAME, "x.png");
	t_ok(read_with(*state, SGH_CLI_LS, "-n 3", ""));
	t_number((struct line *)*state, SGH_OPT_LIMIT, 3);
}

static void a_missing_value_is_told(void **state)
{
	static const char *const wrong[] = { "--type",      "-t",       "--type --json",
					     "--type=",     "--jobs 0", "--jobs x",
					     "--timeout 1w" };

	for (size_t i = 0; i < SGH_COUNT(wrong); i++)
		t_fails(SANGRAHA_E_INVALID, read_put(*state, wrong[i]));
}

static void help_ends_it(void **state)
{
	struct line *line = *state;

	t_ok(read_put(line, "--help --no-such"));
	assert_true(line->arguments.help);
	t_ok(read_put(line, "-qh --no-such"));
	assert_true(line->arguments.help);
}

static void flags_beat_the_environment(void **state)
{
	struct line *line = *state;
	const char *variables = "SANGRAHA_URL=http://x SANGRAHA_TIMEOUT=5 PATH=/bin";

	t_ok(read_with(line, SGH_CLI_RM, "", variables));
	t_text(line, SGH_OPT_URL, "http://x");
	t_number(line, SGH_OPT_TIMEOUT, 5000);
	t_ok(read_with(line, SGH_CLI_RM, "-u http://y --timeout=250ms", variables));
	t_text(line, SGH_OPT_URL, "http://y");
	t_number(line, SGH_OPT_TIMEOUT, 250);
}

static void an_empty_variable_is_not_set(void **state)
{
	t_ok(read_with(*state, SGH_CLI_RM, "", "SANGRAHA_URL= SANGRAHA_API_TOKEN="));
	t_text((struct line *)*state, SGH_OPT_URL, "http://127.0.0.1:8080");
	assert_null(sgh_arguments_text(&((struct line *)*state)->arguments,
				       SGH_OPT_API_TOKEN));
}

static void variables_of_servers_are_theirs(void **state)
{
	t_ok(read_with(*state, SGH_CLI_RM, "",
		       "SANGRAHA_REQUEST_TIMEOUT=x SANGRAHA_LISTEN=y SANGRAHA_TYPE=z"));
}

static void a_token_comes_from_its_file(void **state)
{
	struct line *line = *state;
	char path[] = "/tmp/sangraha-token-XXXXXX", words[64];
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "secret\n", 7), 7);
	close(fd);
	snprintf(words, sizeof(words), "--api-token-file %s", path);
	t_ok(read_with(line, SGH_CLI_LS, words, "SANGRAHA_API_TOKEN=other"));
	t_text(line, SGH_OPT_API_TOKEN, "secret");
	t_fails(SANGRAHA_E_INVALID,
		read_with(line, SGH_CLI_LS, "--api-token x --api-token-file y", ""));
	t_says("cannot both be given");
	unlink(path);
	t_fails(SANGRAHA_E_INVALID, read_with(line, SGH_CLI_LS, words, ""));
	t_says("No such file");
}

static void a_token_is_not_repeated(void **state)
{
	t_fails(SANGRAHA_E_INVALID, read_put(*state, "--api-tokn=hidden"));
	assert_null(strstr(t_err.message, "hidden"));
}

static void help_names_every_option(void **state)
{
	char *text;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	sgh_arguments_help(SGH_CLI_GET, file);
	fclose(file);
	assert_non_null(strstr(text, "usage: sangraha get [OPTION]... REFERENCE...\n"));
	assert_non_null(strstr(text, "-o, --output PATH"));
	assert_non_null(strstr(text, "--api-token-file FILE"));
	assert_null(strstr(text, "--ignore-missing"));
	free(text);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(defaults_are_the_documented_ones),
		test(options_stand_anywhere),
		test(a_value_is_given_either_way),
		test(two_dashes_end_options),
		test(one_dash_is_a_word),
		test(a_switch_takes_no_word_away),
		test(metadata_is_collected),
		test(an_unknown_option_gets_a_suggestion),
		test(options_of_other_commands_are_unknown),
		test(a_letter_is_its_commands),
		test(a_missing_value_is_told),
		test(help_ends_it),
		test(flags_beat_the_environment),
		test(an_empty_variable_is_not_set),
		test(variables_of_servers_are_theirs),
		test(a_token_comes_from_its_file),
		test(a_token_is_not_repeated),
		test(help_names_every_option),
	};

	return cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL);
}

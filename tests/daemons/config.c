/* SPDX-License-Identifier: MIT */
#include "support/t.h"

#include <unistd.h>

#include "config.h"

/* One program's configuration in the making: what it is given, then what it is. */
struct box {
	struct sgh_config config;
	char path[64]; /* of a scratch file */
};

static int set_up(void **state)
{
	struct box *box = calloc(1, sizeof(*box));

	strcpy(box->path, "/tmp/sangraha-config-XXXXXX");
	close(mkstemp(box->path));
	*state = box;
	return 0;
}

static int tear_down(void **state)
{
	struct box *box = *state;

	sgh_config_fini(&box->config);
	unlink(box->path);
	free(box);
	return 0;
}

static void write_file(struct box *box, const char *text)
{
	FILE *file = fopen(box->path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Load for a role: `args` and `environment` are words with a blank between. */
static int load_as(struct box *box, enum sgh_role role, const char *args,
		   const char *environment)
{
	char name[] = "program";
	char *argv[32] = { name }, *envp[32] = { NULL };
	char *words = strdup(args), *variables = strdup(environment), *at = NULL;
	int argc = 1, n = 0, status;

	for (char *word = strtok_r(words, " ", &at); word;
	     word = strtok_r(NULL, " ", &at))
		argv[argc++] = word;
	for (char *word = strtok_r(variables, " ", &at); word;
	     word = strtok_r(NULL, " ", &at))
		envp[n++] = word;
	sgh_config_fini(&box->config);
	status = sgh_config_load(&box->config, role, argc, argv, envp, &t_err);
	free(words);
	free(variables);
	return status;
}

static int load(struct box *box, const char *args, const char *environment)
{
	return load_as(box, SGH_RECEIVER, args, environment);
}

/* With the scratch file as INI file. */
static int load_ini(struct box *box, const char *text, const char *environment)
{
	char args[96];

	write_file(box, text);
	snprintf(args, sizeof(args), "--config %s", box->path);
	return load(box, args, environment);
}

#define t_number(box, setting, wanted) \
	assert_int_equal(sgh_config_number(&(box)->config, setting), wanted)
#define t_text(box, setting, wanted) \
	assert_string_equal(sgh_config_text(&(box)->config, setting), wanted)

static void defaults_are_the_documented_ones(void **state)
{
	struct box *box = *state;

	t_ok(load(box, "", ""));
	t_text(box, SGH_SET_QUEUE_URL, "amqp://guest:guest@127.0.0.1:5672/%2F");
	t_text(box, SGH_SET_STORE_URL, "s3+http://127.0.0.1:9000");
	t_text(box, SGH_SET_HEALTH_LISTEN, "127.0.0.1:8081");
	t_number(box, SGH_SET_MEMORY_LIMIT, 32 << 20);
	t_number(box, SGH_SET_DRAIN_TIMEOUT, 8000);
	t_number(box, SGH_SET_HEARTBEAT, 600000);
	assert_null(sgh_config_text(&box->config, SGH_SET_STORE_ACCESS_KEY));
}

static void the_getter_has_its_own_health_port(void **state)
{
	struct box *box = *state;

	t_ok(load_as(box, SGH_GETTER, "", ""));
	t_text(box, SGH_SET_HEALTH_LISTEN, "127.0.0.1:8082");
}

static void a_flag_takes_its_value_either_way(void **state)
{
	struct box *box = *state;

	t_ok(load(box, "--prefetch 3 --workers=2", ""));
	t_number(box, SGH_SET_PREFETCH, 3);
	t_number(box, SGH_SET_WORKERS, 2);
}

static void the_last_flag_wins(void **state)
{
	struct box *box = *state;

	t_ok(load(box, "--prefetch 3 --prefetch 4", ""));
	t_number(box, SGH_SET_PREFETCH, 4);
}

static void flags_beat_environment_beats_file(void **state)
{
	struct box *box = *state;
	char args[128];

	write_file(box, "prefetch = 1\nworkers = 1\nstore-region = here\n");
	snprintf(args, sizeof(args), "--config %s --prefetch 3", box->path);
	t_ok(load(box, args, "SANGRAHA_PREFETCH=2 SANGRAHA_WORKERS=2"));
	t_number(box, SGH_SET_PREFETCH, 3);
	t_number(box, SGH_SET_WORKERS, 2);
	t_text(box, SGH_SET_STORE_REGION, "here");
}

static void times_have_units(void **state)
{
	struct box *box = *state;

	t_ok(load(box, "--drain-timeout 3 --idle-timeout 250ms --heartbeat 2m", ""));
	t_number(box, SGH_SET_DRAIN_TIMEOUT, 3000);
	t_number(box, SGH_SET_IDLE_TIMEOUT, 250);
	t_number(box, SGH_SET_HEARTBEAT, 120000);
}

static void sizes_have_units(void **state)
{
	struct box *box = *state;

	t_ok(load(box, "--memory-limit 64M --inline-limit 100K --max-object-size 1T",
		  ""));
	t_number(box, SGH_SET_MEMORY_LIMIT, 64 << 20);
	t_number(box, SGH_SET_INLINE_LIMIT, 100 << 10);
	t_number(box, SGH_SET_MAX_OBJECT_SIZE, INT64_C(1) << 40);
}

static void a_switch_needs_no_value(void **state)
{
	struct box *box = *state;

	t_ok(load_as(box, SGH_ORCHESTRATOR, "--insecure --persistent-reads off", ""));
	t_number(box, SGH_SET_INSECURE, 1);
	t_number(box, SGH_SET_PERSISTENT_READS, 0);
	t_ok(load_as(box, SGH_ORCHESTRATOR, "--insecure --listen 0.0.0.0:1", ""));
	t_number(box, SGH_SET_INSECURE, 1);
}

static void wrong_values_name_their_source(void **state)
{
	struct box *box = *state;

	t_fails(SANGRAHA_E_INVALID, load(box, "--prefetch abc", ""));
	t_says("--prefetch: 'abc' is not a number");
	t_fails(SANGRAHA_E_INVALID, load(box, "", "SANGRAHA_PREFETCH=abc"));
	t_says("SANGRAHA_PREFETCH: 'abc' is not a number");
	t_fails(SANGRAHA_E_INVALID, load_ini(box, "\n\nprefetch = abc\n", ""));
	t_says(":3: prefetch: 'abc' is not a number");
}

static void numbers_that_are_none_are_refused(void **state)
{
	static const char *const wrong[] = {
		"--prefetch -1",
		"--prefetch 1.5",
		"--prefetch 0x10",
		"--prefetch 65536",
		"--prefetch 0",
		"--prefetch 99999999999999999999",
		"--memory-limit 1KB",
		"--memory-limit 1",
		"--memory-limit 18446744073709551615G",
		"--heartbeat 100ms",
		"--drain-timeout 1w",
		"--idle-timeout 0",
		"--queue-type x",
		"--queue-url nowhere",
		"--log-level loud",
		"--prefetch=",
	};

	for (size_t i = 0; i < SGH_COUNT(wrong); i++)
		t_fails(SANGRAHA_E_INVALID, load(*state, wrong[i], ""));
	t_fails(SANGRAHA_E_INVALID, load(*state, "--memory-limit 4X", ""));
	t_says("'4X' is not a size (bytes, or with K, M, G, T)");
}

static void a_mistyped_flag_gets_a_suggestion(void **state)
{
	t_fails(SANGRAHA_E_INVALID, load(*state, "--prefech 3", ""));
	t_says("is it --prefetch?");
	t_fails(SANGRAHA_E_INVALID, load(*state, "--entirely-different 3", ""));
	t_says("--help");
}

static void flags_of_other_programs_are_refused(void **state)
{
	t_fails(SANGRAHA_E_INVALID, load(*state, "--listen 127.0.0.1:0", ""));
	t_says("sangraha-receiver has no such flag");
	t_fails(SANGRAHA_E_INVALID,
		load_as(*state, SGH_ORCHESTRATOR, "--store-url s3+http://x", ""));
}

static void what_is_no_flag_is_refused(void **state)
{
	static const char *const wrong[] = { "prefetch", "-p", "--", "--prefetch",
					     "--prefetch --workers=2" };

	for (size_t i = 0; i < SGH_COUNT(wrong); i++)
		t_fails(SANGRAHA_E_INVALID, load(*state, wrong[i], ""));
}

static void variables_of_others_are_ignored(void **state)
{
	t_ok(load(*state, "",
		  "SANGRAHA_LISTEN=x SANGRAHA_NO_SUCH=1 SANGRAHA_DATA_DIR=y "
		  "SANGRAHA_prefetch=z SANGRAHA_=1 SANGRAHA_INSECURE=perhaps"));
}

static void an_empty_variable_is_not_set(void **state)
{
	t_ok(load(*state, "", "SANGRAHA_PREFETCH= SANGRAHA_STORE_SECRET_KEY_FILE="));
	t_number((struct box *)*state, SGH_SET_PREFETCH, 64);
}

static void what_is_wrong_with_others_is_their_business(void **state)
{
	t_ok(load(*state, "",
		  "SANGRAHA_SPOOL_LIMIT=x SANGRAHA_LARGE_READS=x "
		  "SANGRAHA_CACHE_TTL=x SANGRAHA_API_TOKEN_FILE=/no/such"));
	t_ok(load_ini(*state, "spool-limit = x\ncache-size = x\n", ""));
	t_ok(load_as(*state, SGH_GETTER, "",
		     "SANGRAHA_REQUEST_TIMEOUT=x SANGRAHA_SPOOL_LIMIT=x "
		     "SANGRAHA_LARGE_WRITES=x SANGRAHA_VERIFY_LARGE=x"));
	t_ok(load_as(*state, SGH_ORCHESTRATOR, "",
		     "SANGRAHA_PREFETCH=x SANGRAHA_STORE_URL=x SANGRAHA_HEALTH_LISTEN= "
		     "SANGRAHA_STORE_SECRET_KEY_FILE=/no/such"));
}

static void keys_of_other_roles_are_ignored(void **state)
{
	t_ok(load_ini(*state, "listen = x\ndata-dir = y\n", ""));
}

static void an_unknown_key_is_refused(void **state)
{
	t_fails(SANGRAHA_E_INVALID, load_ini(*state, "[sangraha]\nprefech = 3\n", ""));
	t_says(":2: prefech: there is no such setting; is it prefetch?");
}

static void a_section_of_another_role_is_ignored(void **state)
{
	struct box *box = *state;

	t_ok(load_ini(box,
		      "workers = 3\n[getter]\nprefetch = 1\nworkers = x\n"
		      "[receiver]\nprefetch = 2\n",
		      ""));
	t_number(box, SGH_SET_PREFETCH, 2);
	t_number(box, SGH_SET_WORKERS, 3);
}

static void a_broken_line_is_named(void **state)
{
	t_fails(SANGRAHA_E_INVALID, load_ini(*state, "# a\nworkers = 2\nnonsense\n", ""));
	t_says(":3: ");
}

static void an_indented_line_is_a_line(void **state)
{
	struct box *box = *state;

	t_ok(load_ini(box, "store-region = here\n  workers = 2\n", ""));
	t_text(box, SGH_SET_STORE_REGION, "here");
	t_number(box, SGH_SET_WORKERS, 2);
}

static void a_line_may_be_long_but_not_endless(void **state)
{
	struct box *box = *state;
	char text[9100] = "store-url = s3+http:";

	memset(text + strlen(text), 'x', 4000);
	t_ok(load_ini(box, text, ""));
	assert_int_equal(strlen(sgh_config_text(&box->config, SGH_SET_STORE_URL)), 4008);
	memset(text + strlen(text), 'x', 5000);
	t_fails(SANGRAHA_E_INVALID, load_ini(box, text, ""));
	t_says("too long");
}

static void a_file_that_is_not_there_is_named(void **state)
{
	t_fails(SANGRAHA_E_INVALID, load(*state, "--config /no/such.ini", ""));
	t_says("/no/such.ini: No such file");
}

static void a_secret_comes_from_its_file(void **state)
{
	struct box *box = *state;
	char args[128];

	write_file(box, "two words\n");
	snprintf(args, sizeof(args), "--store-secret-key-file %s", box->path);
	t_ok(load(box, args, ""));
	t_text(box, SGH_SET_STORE_SECRET_KEY, "two words");
	write_file(box, "\n");
	t_fails(SANGRAHA_E_INVALID, load(box, args, ""));
	t_says("empty");
}

static void a_secret_file_that_is_missing_is_named(void **state)
{
	t_fails(SANGRAHA_E_INVALID,
		load(*state, "", "SANGRAHA_STORE_SECRET_KEY_FILE=/no/such"));
	t_says("SANGRAHA_STORE_SECRET_KEY_FILE: /no/such: No such file");
}

static void a_secret_and_its_file_are_one_too_many(void **state)
{
	struct box *box = *state;
	char args[160];

	snprintf(args, sizeof(args), "--store-secret-key x --store-secret-key-file %s",
		 box->path);
	t_fails(SANGRAHA_E_INVALID, load(box, args, ""));
	t_says("cannot both be given");
}

static void a_wrong_secret_is_not_repeated(void **state)
{
	t_fails(SANGRAHA_E_INVALID, load(*state, "--queue-url hidden", ""));
	assert_null(strstr(t_err.message, "hidden"));
	t_fails(SANGRAHA_E_INVALID, load(*state, "-store-secret-key=hidden", ""));
	t_says("'-store-secret-key' is not a flag");
	t_fails(SANGRAHA_E_INVALID, load(*state, "--store-secretkey=hidden", ""));
	assert_null(strstr(t_err.message, "hidden"));
	t_fails(SANGRAHA_E_INVALID, load(*state, "store-secret-key=hidden", ""));
	assert_null(strstr(t_err.message, "hidden"));
}

static void an_inline_limit_must_fit_into_memory(void **state)
{
	t_ok(load(*state, "--memory-limit 8M --inline-limit 1M", ""));
	t_fails(SANGRAHA_E_INVALID,
		load(*state, "--memory-limit 8M --inline-limit 1048577", ""));
	t_says("an eighth of memory-limit");
}

static void help_and_version_stop_the_reading(void **state)
{
	struct box *box = *state;

	t_ok(load(box, "--help --nonsense", ""));
	assert_true(box->config.help);
	t_ok(load(box, "--version --nonsense", "SANGRAHA_PREFETCH=x"));
	assert_true(box->config.version);
}

static void help_names_every_flag_of_the_role(void **state)
{
	struct box *box = *state;
	FILE *file = fopen(box->path, "w+");
	char text[16384] = "";

	sgh_config_help(SGH_RECEIVER, file);
	rewind(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_non_null(
		strstr(text, "--store-secret-key TEXT, --store-secret-key-file FILE"));
	assert_non_null(strstr(text, "[127.0.0.1:8081]"));
	assert_null(strstr(text, "--listen"));
}

#define t_case(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	t_case(defaults_are_the_documented_ones),
	t_case(the_getter_has_its_own_health_port),
	t_case(a_flag_takes_its_value_either_way),
	t_case(the_last_flag_wins),
	t_case(flags_beat_environment_beats_file),
	t_case(times_have_units),
	t_case(sizes_have_units),
	t_case(a_switch_needs_no_value),
	t_case(wrong_values_name_their_source),
	t_case(numbers_that_are_none_are_refused),
	t_case(a_mistyped_flag_gets_a_suggestion),
	t_case(flags_of_other_programs_are_refused),
	t_case(what_is_no_flag_is_refused),
	t_case(variables_of_others_are_ignored),
	t_case(an_empty_variable_is_not_set),
	t_case(what_is_wrong_with_others_is_their_business),
	t_case(keys_of_other_roles_are_ignored),
	t_case(an_unknown_key_is_refused),
	t_case(a_section_of_another_role_is_ignored),
	t_case(a_broken_line_is_named),
	t_case(an_indented_line_is_a_line),
	t_case(a_line_may_be_long_but_not_endless),
	t_case(a_file_that_is_not_there_is_named),
	t_case(a_secret_comes_from_its_file),
	t_case(a_secret_file_that_is_missing_is_named),
	t_case(a_secret_and_its_file_are_one_too_many),
	t_case(a_wrong_secret_is_not_repeated),
	t_case(an_inline_limit_must_fit_into_memory),
	t_case(help_and_version_stop_the_reading),
	t_case(help_names_every_flag_of_the_role),
};

t_main(tests)

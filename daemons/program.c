/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sangraha/version.h>

#include "log.h"
#include "policy.h"
#include "signals.h"
#include "values.h"

#define HEALTH_INTERVAL_MS 500
#define RELEASE_SECONDS    1 /* for what is left to do after draining */

unsigned sgh_program_number(const struct sgh_program *program, enum sgh_setting setting)
{
	uint64_t number = sgh_config_number(&program->config, setting);

	return number > UINT_MAX ? UINT_MAX : (unsigned)number;
}

int sgh_program_failed(struct sgh_program *program, const struct sangraha_error *err)
{
	fprintf(stderr, "%s: %s\n", sgh_role_program(program->config.role), err->message);
	return err->status == SANGRAHA_E_INVALID || err->status == SANGRAHA_E_UNSUPPORTED
		       ? SGH_EXIT_USAGE
		       : SGH_EXIT_FAILED;
}

static int log_level(const struct sgh_config *config)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	const char *name = sgh_config_text(config, SGH_SET_LOG_LEVEL);

	for (int i = 0; i < 4; i++) {
		if (strcmp(name, names[i]) == 0)
			return SANGRAHA_LOG_ERROR + i;
	}
	return SANGRAHA_LOG_INFO;
}

static int open_context(struct sgh_program *program, struct sangraha_error *err)
{
	struct sangraha_context_options options = {
		.size = sizeof(options),
		.log_level = log_level(&program->config),
		.memory_limit = sgh_config_number(&program->config, SGH_SET_MEMORY_LIMIT),
		.log = sgh_sink_write,
		.log_arg = &program->sink,
	};

	return sangraha_context_new(&options, &program->context, err);
}

/* The URL of a setting; the folder of a "local:" or "file:" alone is `data-dir`. */
static int complete_url(const struct sgh_config *config, enum sgh_setting setting,
			char **ret, struct sangraha_error *err)
{
	const char *url = sgh_config_text(config, setting);
	const char *folder = sgh_config_text(config, SGH_SET_DATA_DIR);
	bool alone = strcmp(url, "local:") == 0 || strcmp(url, "file:") == 0;

	if (asprintf(ret, "%s%s", url, alone && folder ? folder : "") < 0) {
		*ret = NULL;
		return sgh_config_fail(err, "out of memory");
	}
	return 0;
}

static int open_queue(struct sgh_program *program, struct sangraha_error *err)
{
	const struct sgh_config *config = &program->config;
	struct sangraha_queue_options options = {
		.size = sizeof(options),
		.queue_type = sgh_config_text(config, SGH_SET_QUEUE_TYPE),
		/* AMQP knows whole seconds only. */
		.heartbeat =
			(sgh_program_number(program, SGH_SET_HEARTBEAT) + 999) / 1000,
		.ca_file = sgh_config_text(config, SGH_SET_QUEUE_CA_FILE),
		.connection_name = sgh_role_program(config->role),
	};
	int status = complete_url(config, SGH_SET_QUEUE_URL, &program->queue_url, err);

	if (status)
		return status;
	return sangraha_queue_open(program->context, program->queue_url, &options,
				   &program->queue, err);
}

/* `replicas`: for a getter, which may read from them. */
static int open_store(struct sgh_program *program, bool replicas,
		      struct sangraha_store **ret, struct sangraha_error *err)
{
	const struct sgh_config *config = &program->config;
	struct sangraha_store_options options = {
		.size = sizeof(options),
		.access_key = sgh_config_text(config, SGH_SET_STORE_ACCESS_KEY),
		.secret_key = sgh_config_text(config, SGH_SET_STORE_SECRET_KEY),
		.region = sgh_config_text(config, SGH_SET_STORE_REGION),
		.bucket_prefix = sgh_config_text(config, SGH_SET_BUCKET_PREFIX),
		.ca_file = sgh_config_text(config, SGH_SET_STORE_CA_FILE),
		.idle_timeout_ms = sgh_program_number(program, SGH_SET_IDLE_TIMEOUT),
		.public_url = sgh_config_text(config, SGH_SET_STORE_PUBLIC_URL),
	};

	if (replicas) {
		options.read_url = sgh_config_text(config, SGH_SET_STORE_READ_URL);
		options.public_read_url =
			sgh_config_text(config, SGH_SET_STORE_READ_PUBLIC_URL);
	}
	return sangraha_store_open(program->context, program->store_url, &options, ret,
				   err);
}

static int open_stores(struct sgh_program *program, struct sangraha_error *err)
{
	const struct sgh_config *config = &program->config;
	int status = complete_url(config, SGH_SET_STORE_URL, &program->store_url, err);

	if (status == 0)
		status = open_store(program, config->role == SGH_GETTER, &program->store,
				    err);
	if (status == 0 && config->role == SGH_SERVE)
		status = open_store(program, true, &program->read_store, err);
	return status;
}

static int open_all(struct sgh_program *program, struct sangraha_error *err)
{
	int status = open_context(program, err);

	if (status == 0 && program->config.role != SGH_GETTER)
		status = sgh_policy_types(program, &program->types, err);
	if (status == 0)
		status = open_queue(program, err);
	if (status == 0 && program->config.role != SGH_ORCHESTRATOR)
		status = open_stores(program, err);
	return status;
}

int sgh_program_open(struct sgh_program *program, bool store, struct sangraha_error *err)
{
	int status;

	program->sink = (struct sgh_sink)SGH_SINK(STDERR_FILENO);
	program->role = sgh_role_name(program->config.role);
	status = open_context(program, err);
	if (status == 0)
		status = open_queue(program, err);
	if (status == 0 && store)
		status = open_stores(program, err);
	return status;
}

static void log_start(struct sgh_program *program)
{
	sgh_log(program->context, SANGRAHA_LOG_INFO, program->role, "start", "%s %s",
		sgh_role_program(program->config.role), sangraha_version());
}

/*
 * Each connection takes a file, and the soft limit is 1024 nearly everywhere for the sake
 * of select(), which nothing here uses.
 */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * Once a body of several MiB was freed, glibc takes the next ones from its heaps, where what
 * small things lie between keeps the memory: 160 MB for 32 MB of bodies. Those of a MiB and
 * more are to be pages of their own, which go back at once.
 */
static void give_memory_back(void)
{
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

bool sgh_program_begin(struct sgh_program *program, enum sgh_role role, int argc,
		       char **argv, int *ret_code)
{
	struct sangraha_error err = { 0 };
	int status;

	*program = (struct sgh_program){ .sink = SGH_SINK(STDERR_FILENO) };
	program->role = sgh_role_name(role);
	sgh_signals_block();
	raise_file_limit();
	give_memory_back();
	*ret_code = 0;
	status = sgh_config_load(&program->config, role, argc, argv, environ, &err);
	if (status == 0 && program->config.help) {
		sgh_config_help(role, stdout);
		return false;
	}
	if (status == 0 && program->config.version) {
		printf("%s %s\n", sgh_role_program(role), sangraha_version());
		return false;
	}
	if (status == 0)
		status = open_all(program, &err);
	if (status) {
		*ret_code = sgh_program_failed(program, &err);
		return false;
	}
	log_start(program);
	return true;
}

void sgh_program_end(struct sgh_program *program)
{
	sangraha_store_unref(program->read_store);
	sangraha_store_unref(program->store);
	sangraha_queue_unref(program->queue);
	sangraha_types_unref(program->types);
	sangraha_context_unref(program->context);
	free(program->queue_url);
	free(program->store_url);
	sgh_config_fini(&program->config);
}

void sgh_program_listening(struct sgh_program *program, const char *listen, unsigned port)
{
	const char *colon = strrchr(listen, ':');
	int host = colon ? (int)(colon - listen) : (int)strlen(listen);

	sgh_log(program->context, SANGRAHA_LOG_INFO, program->role, "listening",
		"http://%.*s:%u", host, listen, port);
	printf("listening on http://%.*s:%u\n", host, listen, port);
	fflush(stdout);
}

static const char *state(int value)
{
	return value == SANGRAHA_HEALTH_OK ? "ok" : "down";
}

/* A role that does not depend on something does not wait for it. */
static bool is_ready(const struct sangraha_health *health)
{
	return health->reads != SANGRAHA_HEALTH_DOWN &&
	       health->writes != SANGRAHA_HEALTH_DOWN;
}

static void log_health(struct sgh_program *program, const struct sangraha_health *health)
{
	char text[128];
	int used = snprintf(text, sizeof(text), "broker %s", state(health->broker));

	if (health->store != SANGRAHA_HEALTH_NONE)
		used += snprintf(text + used, sizeof(text) - used, ", store %s",
				 state(health->store));
	if (health->receivers != SANGRAHA_HEALTH_NONE)
		used += snprintf(text + used, sizeof(text) - used, ", receivers %s",
				 state(health->receivers));
	if (health->getters != SANGRAHA_HEALTH_NONE)
		snprintf(text + used, sizeof(text) - used, ", getters %s",
			 state(health->getters));
	if (is_ready(health))
		sgh_log(program->context, SANGRAHA_LOG_INFO, program->role, "ready", "%s",
			text);
	else
		sgh_log(program->context, SANGRAHA_LOG_WARN, program->role, "not_ready",
			"%s", text);
}

static bool same_health(const struct sangraha_health *a, const struct sangraha_health *b)
{
	return is_ready(a) == is_ready(b) && a->broker == b->broker &&
	       a->store == b->store && a->receivers == b->receivers &&
	       a->getters == b->getters;
}

unsigned sgh_program_wait(struct sgh_program *program,
			  void (*health)(void *arg, struct sangraha_health *health),
			  void *arg)
{
	struct sangraha_health last = { 0 }, now;
	bool known = false;
	int number;

	/* The first look is a moment after the start: what is there has answered by then. */
	while ((number = sgh_signals_wait(HEALTH_INTERVAL_MS)) == 0) {
		now = (struct sangraha_health){ .size = sizeof(now) };
		health(arg, &now);
		if (!known || !same_health(&now, &last))
			log_health(program, &now);
		known = true;
		last = now;
	}
	sgh_log(program->context, SANGRAHA_LOG_INFO, program->role, "draining",
		"%s: finishing what is in hand", strsignal(number));
	sgh_signals_let_interrupt();
	return sgh_program_number(program, SGH_SET_DRAIN_TIMEOUT);
}

void sgh_program_drained(struct sgh_program *program, int status,
			 const struct sangraha_error *err)
{
	sgh_log(program->context, status ? SANGRAHA_LOG_WARN : SANGRAHA_LOG_INFO,
		program->role, "stopped", "%s",
		status ? err->message : "nothing is left in hand");
	sgh_signals_end_within(RELEASE_SECONDS);
}

void sgh_program_leave(int status)
{
	if (status)
		_exit(0);
}

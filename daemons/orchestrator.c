/* SPDX-License-Identifier: MIT */
#include <sangraha/client.h>
#include <sangraha/rest.h>

#include "program.h"

struct daemon {
	struct sgh_program program;
	struct sangraha_client *client;
	struct sangraha_rest *rest;
};

static void health(void *arg, struct sangraha_health *health)
{
	struct daemon *daemon = arg;

	sangraha_client_health(daemon->client, health);
}

static int start_client(struct daemon *daemon, struct sangraha_error *err)
{
	const struct sgh_program *program = &daemon->program;
	const struct sgh_config *config = &program->config;
	struct sangraha_client_options options = {
		.size = sizeof(options),
		.timeout_ms = sgh_program_number(program, SGH_SET_REQUEST_TIMEOUT),
		.inline_limit = sgh_config_number(config, SGH_SET_INLINE_LIMIT),
		.direct = 1,
		.persistent_reads =
			(int)sgh_config_number(config, SGH_SET_PERSISTENT_READS),
	};

	return sangraha_client_new(program->context, program->queue, &options,
				   &daemon->client, err);
}

static int start_rest(struct daemon *daemon, struct sangraha_error *err)
{
	struct sgh_program *program = &daemon->program;
	const struct sgh_config *config = &program->config;
	struct sangraha_rest_options options = {
		.size = sizeof(options),
		.listen = sgh_config_text(config, SGH_SET_LISTEN),
		.api_token = sgh_config_text(config, SGH_SET_API_TOKEN),
		.insecure = (int)sgh_config_number(config, SGH_SET_INSECURE),
		.threads = sgh_program_number(program, SGH_SET_WORKERS),
		.request_timeout_ms =
			sgh_program_number(program, SGH_SET_REQUEST_TIMEOUT),
		.idle_timeout_ms = sgh_program_number(program, SGH_SET_IDLE_TIMEOUT),
	};
	int status = sangraha_rest_start(program->context, daemon->client, &options,
					 &daemon->rest, err);

	if (status == 0)
		sgh_program_listening(program, options.listen,
				      sangraha_rest_port(daemon->rest));
	return status;
}

static void drain(struct daemon *daemon, unsigned timeout_ms)
{
	struct sangraha_error err = { 0 };
	int status = sangraha_rest_drain(daemon->rest, timeout_ms, &err);

	sgh_program_drained(&daemon->program, status, &err);
	/* Who still waits is told so, before the process ends. */
	sangraha_rest_free(daemon->rest);
	daemon->rest = NULL;
	sgh_program_leave(status);
}

static int run(struct daemon *daemon)
{
	struct sangraha_error err = { 0 };
	int code = 0;
	int status = start_client(daemon, &err);

	if (status == 0)
		status = start_rest(daemon, &err);
	if (status == 0)
		drain(daemon, sgh_program_wait(&daemon->program, health, daemon));
	else
		code = sgh_program_failed(&daemon->program, &err);
	sangraha_rest_free(daemon->rest);
	sangraha_client_free(daemon->client);
	return code;
}

int main(int argc, char **argv)
{
	struct daemon daemon = { 0 };
	int code;

	if (sgh_program_begin(&daemon.program, SGH_ORCHESTRATOR, argc, argv, &code))
		code = run(&daemon);
	sgh_program_end(&daemon.program);
	return code;
}

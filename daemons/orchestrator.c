/* SPDX-License-Identifier: MIT */
#include "start.h"

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

static int start(struct daemon *daemon, struct sangraha_error *err)
{
	struct sgh_program *program = &daemon->program;
	int status = sgh_start_client(program, &daemon->client, err);

	if (status == 0)
		status = sgh_start_rest(program, daemon->client, NULL, NULL,
					&daemon->rest, err);
	if (status == 0)
		sgh_program_listening(program,
				      sgh_config_text(&program->config, SGH_SET_LISTEN),
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
	int status = start(daemon, &err);

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

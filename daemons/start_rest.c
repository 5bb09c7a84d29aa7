/* SPDX-License-Identifier: MIT */
#include "start.h"

#include <string.h>

int sgh_start_rest(const struct sgh_program *program, struct sangraha_client *client,
		   void (*health)(void *arg, struct sangraha_health *health), void *arg,
		   struct sangraha_rest **ret, struct sangraha_error *err)
{
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
		.health = health,
		.health_arg = arg,
		.redirect_large = strcmp(sgh_config_text(config, SGH_SET_LARGE_READS),
					 "redirect") == 0,
	};

	return sangraha_rest_start(program->context, client, &options, ret, err);
}

/* SPDX-License-Identifier: MIT */
#include "health.h"

#include <string.h>

#include <sangraha/rest.h>

int sgh_health_start(struct sgh_program *program,
		     void (*health)(void *arg, struct sangraha_health *health), void *arg,
		     struct sangraha_rest **ret, struct sangraha_error *err)
{
	struct sangraha_rest_options options = {
		.size = sizeof(options),
		.listen = sgh_config_text(&program->config, SGH_SET_HEALTH_LISTEN),
		.threads = 1,
	};
	int status;

	*ret = NULL;
	if (strcmp(options.listen, "off") == 0)
		return 0;
	status = sangraha_rest_start_health(program->context, &options, health, arg, ret,
					    err);
	if (status == 0)
		sgh_program_listening(program, options.listen, sangraha_rest_port(*ret));
	return status;
}

void sgh_health_stop(struct sangraha_rest *rest)
{
	sangraha_rest_free(rest);
}

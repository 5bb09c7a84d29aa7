/* SPDX-License-Identifier: MIT */
#include "health.h"

#include <string.h>

#include "log.h"

int sgh_health_start(struct sgh_program *program,
		     void (*health)(void *arg, struct sangraha_health *health), void *arg,
		     struct sangraha_rest **ret, struct sangraha_error *err)
{
	(void)health;
	(void)arg;
	(void)err;
	*ret = NULL;
	if (strcmp(sgh_config_text(&program->config, SGH_SET_HEALTH_LISTEN), "off") != 0)
		sgh_log(program->context, SANGRAHA_LOG_WARN, program->role,
			"configuration",
			"health-listen has no effect: built without the HTTP library");
	return 0;
}

void sgh_health_stop(struct sangraha_rest *rest)
{
	(void)rest;
}

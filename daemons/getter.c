/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>

#include "health.h"
#include "start.h"

struct daemon {
	struct sgh_program program;
	_Atomic(struct sangraha_getter *) getter; /* NULL before it is started */
	atomic_bool draining;
};

/* From the threads of the health listener, which is there before the role is. */
static void health(void *arg, struct sangraha_health *health)
{
	struct daemon *daemon = arg;
	struct sangraha_getter *getter = atomic_load(&daemon->getter);

	health->broker = SANGRAHA_HEALTH_DOWN;
	health->store = SANGRAHA_HEALTH_DOWN;
	if (getter)
		sangraha_getter_health(getter, health);
	if (!getter || atomic_load(&daemon->draining))
		health->reads = SANGRAHA_HEALTH_DOWN;
}

static int start(struct daemon *daemon, struct sangraha_error *err)
{
	const struct sgh_program *program = &daemon->program;
	struct sangraha_getter *getter = NULL;
	int status = sgh_start_getter(program, program->store, &getter, err);

	if (status == 0)
		atomic_store(&daemon->getter, getter);
	return status;
}

static void drain(struct daemon *daemon, unsigned timeout_ms)
{
	struct sangraha_error err = { 0 };
	int status;

	atomic_store(&daemon->draining, true);
	status = sangraha_getter_drain(atomic_load(&daemon->getter), timeout_ms, &err);
	sgh_program_drained(&daemon->program, status, &err);
	sgh_program_leave(status);
}

/* The address comes first: a second process must fail before it takes any work. */
static int run(struct daemon *daemon)
{
	struct sangraha_error err = { 0 };
	struct sangraha_rest *rest = NULL;
	int code = 0;
	int status = sgh_health_start(&daemon->program, health, daemon, &rest, &err);

	if (status == 0)
		status = start(daemon, &err);
	if (status == 0)
		drain(daemon, sgh_program_wait(&daemon->program, health, daemon));
	else
		code = sgh_program_failed(&daemon->program, &err);
	sgh_health_stop(rest);
	sangraha_getter_free(atomic_load(&daemon->getter));
	return code;
}

int main(int argc, char **argv)
{
	struct daemon daemon = { 0 };
	int code;

	if (sgh_program_begin(&daemon.program, SGH_GETTER, argc, argv, &code))
		code = run(&daemon);
	sgh_program_end(&daemon.program);
	return code;
}

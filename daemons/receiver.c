/* SPDX-License-Identifier: MIT */
#include <sangraha/receiver.h>

#include <stdatomic.h>

#include "health.h"
#include "service.h"

struct daemon {
	struct sgh_service service;
	_Atomic(struct sangraha_receiver *) receiver; /* NULL before it is started */
	atomic_bool draining;
};

/* From the threads of the health listener, which is there before the role is. */
static void health(void *arg, struct sangraha_health *health)
{
	struct daemon *daemon = arg;
	struct sangraha_receiver *receiver = atomic_load(&daemon->receiver);

	health->broker = SANGRAHA_HEALTH_DOWN;
	health->store = SANGRAHA_HEALTH_DOWN;
	if (receiver)
		sangraha_receiver_health(receiver, health);
	if (!receiver || atomic_load(&daemon->draining))
		health->writes = SANGRAHA_HEALTH_DOWN;
}

static int start(struct daemon *daemon, struct sangraha_error *err)
{
	const struct sgh_service *service = &daemon->service;
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.prefetch = sgh_service_number(service, SGH_SET_PREFETCH),
		.workers = sgh_service_number(service, SGH_SET_WORKERS),
		.inline_limit = sgh_config_number(&service->config, SGH_SET_INLINE_LIMIT),
	};
	struct sangraha_receiver *receiver = NULL;
	int status = sangraha_receiver_start(service->context, service->queue,
					     service->store, &options, &receiver, err);

	if (status == 0)
		atomic_store(&daemon->receiver, receiver);
	return status;
}

static void drain(struct daemon *daemon, unsigned timeout_ms)
{
	struct sangraha_error err = { 0 };
	int status;

	atomic_store(&daemon->draining, true);
	status =
		sangraha_receiver_drain(atomic_load(&daemon->receiver), timeout_ms, &err);
	sgh_service_drained(&daemon->service, status, &err);
}

/* The address comes first: a second process must fail before it takes any work. */
static int run(struct daemon *daemon)
{
	struct sangraha_error err = { 0 };
	struct sangraha_rest *rest = NULL;
	int code = 0;
	int status = sgh_health_start(&daemon->service, health, daemon, &rest, &err);

	if (status == 0)
		status = start(daemon, &err);
	if (status == 0)
		drain(daemon, sgh_service_wait(&daemon->service, health, daemon));
	else
		code = sgh_service_failed(&daemon->service, &err);
	sgh_health_stop(rest);
	sangraha_receiver_free(atomic_load(&daemon->receiver));
	return code;
}

int main(int argc, char **argv)
{
	struct daemon daemon = { 0 };
	int code;

	if (sgh_service_begin(&daemon.service, SGH_RECEIVER, argc, argv, &code))
		code = run(&daemon);
	sgh_service_end(&daemon.service);
	return code;
}

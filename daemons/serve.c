/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include <stdatomic.h>
#include <time.h>

#include "banner.h"
#include "start.h"

/* All roles in one process; they meet at the queue and the store, as anywhere else. */
struct serve {
	struct sgh_program program;
	struct sangraha_client *client;
	struct sangraha_rest *rest;
	_Atomic(struct sangraha_receiver *) receiver; /* NULL before it is started */
	_Atomic(struct sangraha_getter *) getter;
};

static int worse(int a, int b)
{
	return a > b ? a : b;
}

/*
 * The client finds out by asking the queue who consumes, every now and then, and roles
 * leave the queue when the store has been down for some seconds. They themselves know at
 * once. The states are in the order of how bad they are.
 */
static void add_roles(void *arg, struct sangraha_health *health)
{
	struct serve *serve = arg;
	struct sangraha_health writing = { .size = sizeof(writing) };
	struct sangraha_health reading = { .size = sizeof(reading) };

	sangraha_receiver_health(atomic_load(&serve->receiver), &writing);
	sangraha_getter_health(atomic_load(&serve->getter), &reading);
	health->writes = worse(health->broker, writing.writes);
	health->reads = worse(health->broker, reading.reads);
	if (writing.writes == SANGRAHA_HEALTH_OK)
		health->receivers = SANGRAHA_HEALTH_OK;
	if (reading.reads == SANGRAHA_HEALTH_OK)
		health->getters = SANGRAHA_HEALTH_OK;
	health->broker = worse(health->broker, worse(writing.broker, reading.broker));
	health->store = worse(writing.store, reading.store);
}

static void health(void *arg, struct sangraha_health *health)
{
	struct serve *serve = arg;

	sangraha_client_health(serve->client, health);
	add_roles(serve, health);
}

static int start_roles(struct serve *serve, struct sangraha_error *err)
{
	const struct sgh_program *program = &serve->program;
	struct sangraha_receiver *receiver = NULL;
	struct sangraha_getter *getter = NULL;
	int status = sgh_start_receiver(program, program->store, &receiver, err);

	atomic_store(&serve->receiver, receiver);
	if (status == 0)
		status = sgh_start_getter(program, program->read_store, &getter, err);
	atomic_store(&serve->getter, getter);
	return status;
}

/* The address comes first: a second process must fail before it takes any work. */
static int start(struct serve *serve, struct sangraha_error *err)
{
	const struct sgh_program *program = &serve->program;
	int status = sgh_start_client(program, &serve->client, err);

	if (status == 0)
		status = sgh_start_rest(program, serve->client, add_roles, serve,
					&serve->rest, err);
	if (status == 0)
		status = start_roles(serve, err);
	if (status == 0)
		sgh_banner_print(&serve->program, sangraha_rest_port(serve->rest));
	return status;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static unsigned left(int64_t until)
{
	int64_t ms = until - now_ms();

	return ms > 0 ? (unsigned)ms : 0;
}

/*
 * Those who ask come before those who answer: nothing is in hand of the roles that
 * somebody still waits for, only asynchronous writes.
 */
static void drain(struct serve *serve, unsigned timeout_ms)
{
	struct sangraha_error err = { 0 };
	int64_t until = now_ms() + timeout_ms;
	int status = sangraha_rest_drain(serve->rest, timeout_ms, &err);
	int receiver = sangraha_receiver_drain(atomic_load(&serve->receiver), left(until),
					       status ? NULL : &err);
	int getter;

	status = status ? status : receiver;
	getter = sangraha_getter_drain(atomic_load(&serve->getter), left(until),
				       status ? NULL : &err);
	status = status ? status : getter;
	sgh_program_drained(&serve->program, status, &err);
	/* Who still waits is told so, before the process ends. */
	sangraha_rest_free(serve->rest);
	serve->rest = NULL;
	sgh_program_leave(status);
}

static int run(struct serve *serve)
{
	struct sangraha_error err = { 0 };
	int code = SGH_EXIT_OK;
	int status = start(serve, &err);

	if (status == 0)
		drain(serve, sgh_program_wait(&serve->program, health, serve));
	else
		code = sgh_program_failed(&serve->program, &err);
	sangraha_rest_free(serve->rest);
	sangraha_client_free(serve->client);
	sangraha_receiver_free(atomic_load(&serve->receiver));
	sangraha_getter_free(atomic_load(&serve->getter));
	return code;
}

int sgh_command_serve(int argc, char **argv)
{
	struct serve serve = { 0 };
	int code;

	if (sgh_program_begin(&serve.program, SGH_SERVE, argc, argv, &code))
		code = run(&serve);
	sgh_program_end(&serve.program);
	return code;
}

/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_PROGRAM_H
#define SGH_DAEMONS_PROGRAM_H

#include <stdbool.h>

#include <sangraha/context.h>
#include <sangraha/queue.h>
#include <sangraha/store.h>
#include <sangraha/validate.h>

#include "config.h"
#include "exit.h"
#include "sink.h"

/* What programs with a role have in common. */
struct sgh_program {
	const char *role;
	struct sgh_config config;
	struct sgh_sink sink;
	struct sangraha_context *context;
	char *queue_url; /* that were opened */
	char *store_url;
	struct sangraha_types *types; /* NULL in the getter */
	struct sangraha_queue *queue;
	struct sangraha_store *store; /* NULL in the orchestrator */
	/* Of serve's getter: trouble with writing is not the trouble of who reads. */
	struct sangraha_store *read_store;
};

/*
 * Read the configuration and open queue and store; both connect by themselves, now or
 * later. False when the program is to end with *ret_code, having said why. Call
 * sgh_program_end() in any case.
 */
bool sgh_program_begin(struct sgh_program *program, enum sgh_role role, int argc,
		       char **argv, int *ret_code);
void sgh_program_end(struct sgh_program *program);

/*
 * For a command that reads its configuration itself, into `program`: open context, queue
 * and, with `store`, the store. Call sgh_program_end() in any case.
 */
int sgh_program_open(struct sgh_program *program, bool store, struct sangraha_error *err);

/* Say on standard error why the program ends; returns its exit code. */
int sgh_program_failed(struct sgh_program *program, const struct sangraha_error *err);

/* Tell, in the log and on standard output, the address that was bound for `listen`. */
void sgh_program_listening(struct sgh_program *program, const char *listen,
			   unsigned port);

/*
 * Wait for SIGTERM or SIGINT; meanwhile log when readiness comes or goes. Returns the
 * drain timeout in milliseconds, which begins now.
 */
unsigned sgh_program_wait(struct sgh_program *program,
			  void (*health)(void *arg, struct sangraha_health *health),
			  void *arg);

/*
 * Log how draining ended; `status` and `err` are what it returned. The process ends soon
 * after, even if releasing has to wait for a peer.
 */
void sgh_program_drained(struct sgh_program *program, int status,
			 const struct sangraha_error *err);

/*
 * End the process when something is left after draining, as releasing would wait for it:
 * the broker delivers it again.
 */
void sgh_program_leave(int status);

/* A setting as the unsigned that option structs hold. */
unsigned sgh_program_number(const struct sgh_program *program, enum sgh_setting setting);

#endif

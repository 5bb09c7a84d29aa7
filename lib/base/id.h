/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_ID_H
#define SGH_BASE_ID_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <sangraha/object.h>

/* What makes UUIDs of version 7 strictly ascending inside one context. */
struct sgh_id_source {
	pthread_mutex_t lock;
	uint64_t last_ms;
	uint32_t counter; /* 26 bits: rand_a and the first 14 bits of rand_b */
};

void sgh_id_source_init(struct sgh_id_source *source);
void sgh_id_source_fini(struct sgh_id_source *source);
void sgh_id_v7(struct sgh_id_source *source, char id[SANGRAHA_ID_SIZE]);

/* A random UUID, version 4: correlation ids, instance ids. */
void sgh_id_random(char id[SANGRAHA_ID_SIZE]);

/* The version digit of a valid id. */
int sgh_id_version(const char *id);

/* Whether `text` is 1-128 bytes of [A-Za-z0-9._:-]: a request id. */
bool sgh_request_id_valid(const char *text);

#endif

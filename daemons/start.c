/* SPDX-License-Identifier: MIT */
#include "start.h"

int sgh_start_receiver(const struct sgh_program *program, struct sangraha_store *store,
		       struct sangraha_receiver **ret, struct sangraha_error *err)
{
	const struct sgh_config *config = &program->config;
	struct sangraha_receiver_options options = {
		.size = sizeof(options),
		.types = program->types,
		.prefetch = sgh_program_number(program, SGH_SET_PREFETCH),
		.workers = sgh_program_number(program, SGH_SET_WORKERS),
		.inline_limit = sgh_config_number(config, SGH_SET_INLINE_LIMIT),
		.max_object_size = sgh_config_number(config, SGH_SET_MAX_OBJECT_SIZE),
		.no_large_writes = !sgh_config_number(config, SGH_SET_LARGE_WRITES),
		.verify_large = (int)sgh_config_number(config, SGH_SET_VERIFY_LARGE),
		.ticket_timeout_ms = sgh_program_number(program, SGH_SET_TICKET_TIMEOUT),
		.request_timeout_ms =
			sgh_program_number(program, SGH_SET_REQUEST_TIMEOUT),
		.async_timeout_ms = sgh_program_number(program, SGH_SET_ASYNC_TIMEOUT),
	};

	return sangraha_receiver_start(program->context, program->queue, store, &options,
				       ret, err);
}

int sgh_start_getter(const struct sgh_program *program, struct sangraha_store *store,
		     struct sangraha_getter **ret, struct sangraha_error *err)
{
	struct sangraha_getter_options options = {
		.size = sizeof(options),
		.prefetch = sgh_program_number(program, SGH_SET_PREFETCH),
		.workers = sgh_program_number(program, SGH_SET_WORKERS),
		.inline_limit = sgh_config_number(&program->config, SGH_SET_INLINE_LIMIT),
		.ticket_timeout_ms = sgh_program_number(program, SGH_SET_TICKET_TIMEOUT),
	};

	return sangraha_getter_start(program->context, program->queue, store, &options,
				     ret, err);
}

int sgh_start_client(const struct sgh_program *program, struct sangraha_client **ret,
		     struct sangraha_error *err)
{
	const struct sgh_config *config = &program->config;
	uint64_t cache_size = sgh_config_number(config, SGH_SET_CACHE_SIZE);
	unsigned cache_ttl = sgh_program_number(program, SGH_SET_CACHE_TTL);
	struct sangraha_client_options options = {
		.size = sizeof(options),
		.types = program->types,
		.timeout_ms = sgh_program_number(program, SGH_SET_REQUEST_TIMEOUT),
		.inline_limit = sgh_config_number(config, SGH_SET_INLINE_LIMIT),
		.direct = 1,
		.persistent_reads =
			(int)sgh_config_number(config, SGH_SET_PERSISTENT_READS),
		.spool_limit = sgh_config_number(config, SGH_SET_SPOOL_LIMIT),
		.max_object_size = sgh_config_number(config, SGH_SET_MAX_OBJECT_SIZE),
		.no_large_writes = !sgh_config_number(config, SGH_SET_LARGE_WRITES),
		.idle_timeout_ms = sgh_program_number(program, SGH_SET_IDLE_TIMEOUT),
		.store_ca_file = sgh_config_text(config, SGH_SET_STORE_CA_FILE),
		.async_timeout_ms = sgh_program_number(program, SGH_SET_ASYNC_TIMEOUT),
		.cache_size = cache_size,
		.cache_ttl_ms = cache_ttl,
		.no_cache = !cache_size || !cache_ttl,
	};

	return sangraha_client_new(program->context, program->queue, &options, ret, err);
}

/* SPDX-License-Identifier: MIT */
#include "base/context.h"

#include <stdlib.h>

#include <sangraha/version.h>

#include "base/error.h"
#include "base/util.h"

#define MEMORY_LIMIT_DEFAULT ((size_t)32 << 20)

int sangraha_context_new(const struct sangraha_context_options *options,
			 struct sangraha_context **ret, struct sangraha_error *err)
{
	struct sangraha_context *context;
	int status = sgh_options_check(options, err);

	if (status)
		return status;
	if (!ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no place for the context");
	context = calloc(1, sizeof(*context));
	if (!context)
		return sgh_fail_memory(err);
	context->refs = 1;
	context->log_level = sgh_option(options, log_level, SANGRAHA_LOG_INFO);
	context->log = sgh_option(options, log, NULL);
	context->log_arg = sgh_option(options, log_arg, NULL);
	sgh_id_source_init(&context->ids);
	sgh_shared_list_init(&context->shared);
	context->budget =
		sgh_budget_new(sgh_option(options, memory_limit, MEMORY_LIMIT_DEFAULT));
	context->metrics = sgh_metrics_new();
	if (!context->budget || !context->metrics) {
		sangraha_context_unref(context);
		return sgh_fail_memory(err);
	}
	*ret = context;
	return 0;
}

struct sangraha_context *sangraha_context_ref(struct sangraha_context *context)
{
	if (context)
		__atomic_add_fetch(&context->refs, 1, __ATOMIC_RELAXED);
	return context;
}

void sangraha_context_unref(struct sangraha_context *context)
{
	if (!context || __atomic_sub_fetch(&context->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sgh_metrics_free(context->metrics);
	sgh_budget_unref(context->budget);
	sgh_shared_list_fini(&context->shared);
	sgh_id_source_fini(&context->ids);
	free(context);
}

int sangraha_context_metrics(struct sangraha_context *context, char **ret_text,
			     struct sangraha_error *err)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(4 << 20);
	char *text;

	if (!context || !ret_text)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"no context or no place for text");
	sgh_metric_set(sgh_metrics_gauge(context->metrics, "sangraha_memory_bytes", ""),
		       (int64_t)(sgh_budget_used(context->budget) +
				 sgh_budget_kept(context->budget)));
	sgh_metrics_render(context->metrics, &buf);
	text = sgh_buf_take(&buf);
	if (!text)
		return sgh_fail_memory(err);
	*ret_text = text;
	return 0;
}

int64_t sangraha_context_memory_waited_ms(struct sangraha_context *context,
					  size_t *ret_size)
{
	size_t size = 0;
	int64_t waited = context ? sgh_budget_waited_ms(context->budget, &size) : 0;

	if (ret_size)
		*ret_size = size;
	return waited;
}

void sangraha_free(void *memory)
{
	free(memory);
}

const char *sangraha_version(void)
{
	return SANGRAHA_VERSION;
}

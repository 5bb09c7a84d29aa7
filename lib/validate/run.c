/* SPDX-License-Identifier: MIT */
#include "validate/run.h"

#include <stdio.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/json.h"

static const char *message_of(const struct sangraha_error *why)
{
	return why->status && *why->message ? why->message : NULL;
}

/* A program's check failed; a status that cannot be one is a bug of its own. */
static int custom_failure(const struct sgh_run *run, int status,
			  const struct sangraha_error *why, struct sangraha_error *err)
{
	const char *message = message_of(why);

	return sgh_fail(err, status < 0 ? status : SANGRAHA_E_INTERNAL, why->native,
			"the checks of type %s failed: %s", run->type->info.name,
			message ? message : "no reason");
}

static bool is_refusal(int status)
{
	return status == SANGRAHA_E_REJECTED || status == SANGRAHA_E_UNSUPPORTED;
}

/* Nothing was looked at yet, so there is nothing to refuse. */
static int custom_begin(struct sgh_run *run, struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	int status;

	if (!run->type->checks.begin)
		return 0;
	status = run->type->checks.begin(run->type->arg, &run->state, &why);
	if (status == 0)
		return 0;
	return custom_failure(run, is_refusal(status) ? SANGRAHA_E_INTERNAL : status,
			      &why, err);
}

int sgh_run_begin(struct sgh_run *run, const struct sgh_limits *limits,
		  const struct sgh_type *type, const struct sgh_format *format,
		  struct sangraha_error *err)
{
	run->type = type;
	run->format = format;
	run->offset = 0;
	run->state = NULL;
	if (format) {
		run->state = format->begin(limits);
		if (!run->state)
			return sgh_fail_memory(err);
	} else {
		int status = custom_begin(run, err);

		if (status)
			return status;
	}
	run->begun = true;
	return 0;
}

void sgh_run_fini(struct sgh_run *run)
{
	if (!run->begun)
		return;
	if (run->format)
		run->format->end(run->state);
	else if (run->type->checks.end)
		run->type->checks.end(run->type->arg, run->state);
	run->begun = false;
	run->state = NULL;
}

/* What a program's check answered, as a refusal or as an error that makes sense. */
static int custom_answer(struct sgh_run *run, int status, uint64_t offset,
			 const struct sangraha_error *why, struct sgh_refusal *ret,
			 struct sangraha_error *err)
{
	const char *message = message_of(why);

	if (status == 0)
		return 0;
	if (!is_refusal(status))
		return custom_failure(run, status, why, err);
	snprintf(run->rule, sizeof(run->rule), "%s.invalid", run->type->info.name);
	return sgh_refuse(ret, run->rule, offset, "%s", message ? message : "refused");
}

static int custom_feed(struct sgh_run *run, const void *data, size_t length,
		       struct sgh_refusal *ret, struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	size_t bad = SIZE_MAX;
	int status;

	if (!run->type->checks.feed)
		return 0;
	status = run->type->checks.feed(run->type->arg, run->state, data, length, &bad,
					&why);
	return custom_answer(run, status, bad <= length ? run->offset + bad : UINT64_MAX,
			     &why, ret, err);
}

int sgh_run_feed(struct sgh_run *run, const void *data, size_t length,
		 struct sgh_refusal *ret, struct sangraha_error *err)
{
	int status;

	if (length == 0)
		return 0;
	if (run->format)
		status = run->format->feed(run->state, data, length, ret);
	else
		status = custom_feed(run, data, length, ret, err);
	run->offset += length;
	if (run->format && status == SANGRAHA_E_OVERLOADED)
		return sgh_fail_memory(err);
	return status;
}

/* Facts end up in JSON documents and headers as they are. */
static int check_facts(const struct sgh_run *run, const char *facts,
		       struct sangraha_error *err)
{
	const struct sgh_limits limits = { .json_max_depth = 16 };
	int status =
		sgh_run_try(&limits, NULL, &sgh_format_json, facts, strlen(facts), err);

	if (status < 0)
		return status;
	/* Which are stricter than the rules for users: no half characters, no endless numbers. */
	if (status == 0 || !sgh_json_is(facts, strlen(facts), '{'))
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"the checks of type %s wrote facts that are no JSON "
				"object",
				run->type->info.name);
	return 0;
}

static int custom_finish(struct sgh_run *run, char facts[SGH_FACTS_SIZE],
			 struct sgh_refusal *ret, struct sangraha_error *err)
{
	struct sangraha_error why = { 0 };
	int status;

	if (!run->type->checks.finish)
		return 0;
	status = run->type->checks.finish(run->type->arg, run->state, facts, &why);
	facts[SGH_FACTS_SIZE - 1] = '\0';
	status = custom_answer(run, status, run->offset, &why, ret, err);
	return status ? status : check_facts(run, facts, err);
}

int sgh_run_finish(struct sgh_run *run, char facts[SGH_FACTS_SIZE],
		   struct sgh_refusal *ret, struct sangraha_error *err)
{
	int status;

	strcpy(facts, "{}");
	if (!run->format)
		return custom_finish(run, facts, ret, err);
	status = run->format->finish(run->state, facts, ret);
	return status == SANGRAHA_E_OVERLOADED ? sgh_fail_memory(err) : status;
}

int sgh_run_try(const struct sgh_limits *limits, const struct sgh_type *type,
		const struct sgh_format *format, const void *data, size_t length,
		struct sangraha_error *err)
{
	char facts[SGH_FACTS_SIZE];
	struct sgh_refusal refusal;
	struct sgh_run run = { 0 };
	int status = sgh_run_begin(&run, limits, type, format, err);

	if (!status)
		status = sgh_run_feed(&run, data, length, &refusal, err);
	if (!status)
		status = sgh_run_finish(&run, facts, &refusal, err);
	sgh_run_fini(&run);
	return status == SANGRAHA_E_REJECTED ? 0 : status ? status : 1;
}

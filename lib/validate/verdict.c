/* SPDX-License-Identifier: MIT */
#include "validate/verdict.h"

#include <stdlib.h>
#include <string.h>

/* Raised whenever an object that was refused is accepted now, or the other way. */
#define RULES "2"

void sgh_verdict_init(struct sangraha_verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	verdict->offset = -1;
	strcpy(verdict->facts, "{}");
}

struct sangraha_verdict *sgh_verdict_copy(const struct sangraha_verdict *verdict)
{
	struct sangraha_verdict *copy = malloc(sizeof(*copy));

	if (copy)
		*copy = *verdict;
	return copy;
}

void sangraha_verdict_free(struct sangraha_verdict *verdict)
{
	free(verdict);
}

static const char *text(const char *member)
{
	return *member ? member : NULL;
}

int sangraha_verdict_accepted(const struct sangraha_verdict *verdict)
{
	return verdict && verdict->accepted;
}

const char *sangraha_verdict_type(const struct sangraha_verdict *verdict)
{
	return verdict ? text(verdict->type) : NULL;
}

const char *sangraha_verdict_declared(const struct sangraha_verdict *verdict)
{
	return verdict ? text(verdict->declared) : NULL;
}

const char *sangraha_verdict_detected(const struct sangraha_verdict *verdict)
{
	return verdict ? text(verdict->detected) : NULL;
}

const char *sangraha_verdict_rule(const struct sangraha_verdict *verdict)
{
	return verdict ? text(verdict->rule) : NULL;
}

int64_t sangraha_verdict_offset(const struct sangraha_verdict *verdict)
{
	return verdict ? verdict->offset : -1;
}

const char *sangraha_verdict_facts(const struct sangraha_verdict *verdict)
{
	return verdict ? verdict->facts : "{}";
}

const char *sangraha_verdict_rules(const struct sangraha_verdict *verdict)
{
	return RULES;
}

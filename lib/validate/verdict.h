/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_VERDICT_H
#define SGH_VALIDATE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include <sangraha/object.h>
#include <sangraha/validate.h>

#include "validate/format.h"
#include "validate/types.h"
#include "wire/mediatype.h"

#define SGH_RULE_SIZE 48

/* Points at nothing, so that an assignment copies it. Empty texts mean NULL. */
struct sangraha_verdict {
	bool accepted;
	char type[SANGRAHA_TYPE_SIZE];
	char declared[SGH_MEDIATYPE_SIZE];
	char detected[SGH_MEDIATYPE_SIZE];
	char rule[SGH_RULE_SIZE];
	int64_t offset;
	char facts[SGH_FACTS_SIZE];
};

void sgh_verdict_init(struct sangraha_verdict *verdict);

#endif

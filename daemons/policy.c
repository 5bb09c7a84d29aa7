/* SPDX-License-Identifier: MIT */
#include "policy.h"

#include <string.h>

#include <sangraha/validate.h>

static int choice(const struct sgh_config *config, enum sgh_setting setting)
{
	bool refuse = strcmp(sgh_config_text(config, setting), "refuse") == 0;

	return refuse ? SANGRAHA_CHOICE_REFUSE : SANGRAHA_CHOICE_ACCEPT;
}

int sgh_policy_types(const struct sgh_program *program, struct sangraha_types **ret,
		     struct sangraha_error *err)
{
	const struct sgh_config *config = &program->config;
	struct sangraha_policy policy = {
		.size = sizeof(policy),
		.json_max_depth = sgh_program_number(program, SGH_SET_JSON_MAX_DEPTH),
		.image_max_pixels = sgh_config_number(config, SGH_SET_IMAGE_MAX_PIXELS),
		.image_max_total = sgh_config_number(config, SGH_SET_IMAGE_MAX_TOTAL),
		.json_bom = choice(config, SGH_SET_JSON_BOM),
		.json_scalars = choice(config, SGH_SET_JSON_SCALARS),
		.image_trailing = choice(config, SGH_SET_IMAGE_TRAILING),
		.pdf_encryption = choice(config, SGH_SET_PDF_ENCRYPTION),
		.pdf_javascript = choice(config, SGH_SET_PDF_JAVASCRIPT),
		.pdf_launch = choice(config, SGH_SET_PDF_LAUNCH),
		.pdf_files = choice(config, SGH_SET_PDF_FILES),
		.pdf_max_leading = sgh_program_number(program, SGH_SET_PDF_MAX_LEADING),
		.pdf_max_trailing = sgh_program_number(program, SGH_SET_PDF_MAX_TRAILING),
	};

	return sangraha_types_new(&policy, ret, err);
}

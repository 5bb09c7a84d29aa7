/* SPDX-License-Identifier: MIT */
#include <sangraha/sangraha.h>

#include <stdio.h>
#include <string.h>

/* What a stranger's program is: the umbrella header, pkg-config, no server. */
int main(void)
{
	static const char text[] = "{\"a\":[1,2,3]}";
	struct sangraha_error err;
	struct sangraha_context *context = NULL;
	struct sangraha_types *types = NULL;
	struct sangraha_verdict *verdict = NULL;
	char id[SANGRAHA_ID_SIZE];
	int status = sangraha_context_new(NULL, &context, &err);

	if (status == 0)
		status = sangraha_id_new(context, id, &err);
	if (status == 0)
		status = sangraha_types_new(NULL, &types, &err);
	if (status == 0)
		status = sangraha_validate(types, NULL, text, strlen(text), &verdict,
					   &err);
	if (status == 0)
		printf("%s %s %s\n", sangraha_version(), sangraha_verdict_type(verdict),
		       id);
	else
		fprintf(stderr, "%s: %s\n", sangraha_status_name(status), err.message);
	sangraha_verdict_free(verdict);
	sangraha_types_unref(types);
	sangraha_context_unref(context);
	return status ? 1 : 0;
}

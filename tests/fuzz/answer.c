/* SPDX-License-Identifier: MIT */
#include "fuzz/fuzz.h"

#include "store/s3.h"

/*
 * The header of an S3 server's answer, a field a line, and the description of the object
 * in it.
 */

static void read_line(struct sgh_s3_op *self, const char *line)
{
	struct fuzz_field field;

	if (!fuzz_field(line, &field))
		return;
	sgh_s3_on_header(&self->http, field.name, field.name_length, field.value,
			 field.value_length);
	fuzz_field_fini(&field);
}

static void describe(const struct sgh_store_head *head)
{
	struct sangraha_object *object = NULL;
	struct sangraha_error err = { 0 };
	int status = sgh_object_from_meta("image", "0199f2c4-0000-7000-8000-000000000001",
					  head->content_type, head->size, head->meta,
					  head->meta_count, &object, &err);

	if (status)
		fuzz_explained(status, &err);
	sangraha_object_unref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, data + size };
	struct sgh_s3_op *self = calloc(1, sizeof(*self));
	struct sgh_store_op *op = calloc(1, sizeof(*op));
	char *line;

	fuzz_require(self && op);
	self->op = op;
	self->verb = SGH_STORE_GET;
	while ((line = fuzz_line(&input))) {
		read_line(self, line);
		free(line);
	}
	fuzz_require(op->head.meta_count <= SGH_STORE_META_MAX);
	describe(&op->head);
	sgh_arena_fini(&op->arena);
	free(op);
	free(self);
	return 0;
}

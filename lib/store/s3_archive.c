/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include "wire/tar.h"

/*
 * What small puts are in an archive. What a server could refuse of one member and not of
 * the others, or store in another form than by a put alone, is looked for before.
 */

#define BODY_MAX   ((size_t)32 << 10)
#define META       "x-amz-meta-"
#define META_BYTES 2048 /* of names and values, as servers count them */
#define TYPE_MAX   256

#define RECORDS_MAX (SGH_STORE_META_MAX + 1)

const struct sgh_pair sgh_s3_tar_meta = { "snowball-auto-extract", "true" };

/* ---- what may travel with others ---- */

/* No path, and nothing that is anything else than a letter to anybody. */
static bool key_fits(const char *key)
{
	size_t length = strspn(key, "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	return !key[length] && length <= SGH_TAR_NAME_MAX;
}

/* In a header it would lose the spaces around it, or be nothing at all. */
static bool value_fits(const char *value)
{
	size_t length = strlen(value);

	return length && value[0] != ' ' && value[length - 1] != ' ';
}

static bool repeats(const struct sgh_store_op *op, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (sgh_streq(op->meta[k].name, op->meta[i].name))
			return true;
	return false;
}

static bool meta_fits(const struct sgh_store_op *op)
{
	size_t bytes = 0;

	for (size_t i = 0; i < op->meta_count; i++) {
		if (!value_fits(op->meta[i].value) || repeats(op, i))
			return false;
		bytes += strlen(META) + strlen(op->meta[i].name) +
			 strlen(op->meta[i].value);
	}
	return bytes <= META_BYTES;
}

bool sgh_s3_archive_fits(const struct sgh_store_op *op)
{
	const char *type = op->content_type;

	return (!op->body || op->body->length <= BODY_MAX) && key_fits(op->key) &&
	       (!type || (value_fits(type) && strlen(type) <= TYPE_MAX)) && meta_fits(op);
}

/* ---- what an archive is made of ---- */

static struct sgh_tar_member member_of(const struct sgh_store_op *op,
				       struct sgh_tar_record records[RECORDS_MAX])
{
	const char *type = op->content_type ? op->content_type : SGH_S3_DEFAULT_TYPE;

	records[0] = (struct sgh_tar_record){ SGH_S3_TAR_SPACE, "Content-Type", type };
	for (size_t i = 0; i < op->meta_count; i++)
		records[i + 1] =
			(struct sgh_tar_record){ SGH_S3_TAR_SPACE META, op->meta[i].name,
						 op->meta[i].value };
	return (struct sgh_tar_member){
		.name = op->key,
		.data = op->body ? op->body->data : NULL,
		.length = op->body ? op->body->length : 0,
		.records = records,
		.record_count = op->meta_count + 1,
	};
}

size_t sgh_s3_archive_size(const struct sgh_store_op *op)
{
	struct sgh_tar_record records[RECORDS_MAX];
	const struct sgh_tar_member member = member_of(op, records);

	return sgh_tar_size(&member);
}

struct sgh_bytes *sgh_s3_archive_new(struct sgh_s3 *s3, const struct sgh_list *members,
				     size_t size)
{
	struct sgh_budget *budget = s3->store.context->budget;
	struct sgh_bytes *archive;
	unsigned char *at;

	/* Who holds a body must not wait for memory: without any they go alone. */
	if (!sgh_budget_try(budget, size))
		return NULL;
	archive = sgh_bytes_new(budget, size);
	if (!archive) {
		sgh_budget_release(budget, size);
		return NULL;
	}
	at = archive->data;
	sgh_list_for_each (link, members) {
		struct sgh_tar_record records[RECORDS_MAX];
		const struct sgh_tar_member member = member_of(
			sgh_list_entry(link, struct sgh_store_op, link), records);

		at = sgh_tar_write(&member, at);
	}
	archive->length = (size_t)(at - archive->data);
	return archive;
}

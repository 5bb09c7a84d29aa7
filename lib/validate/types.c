/* SPDX-License-Identifier: MIT */
#include "validate/types.h"

#include "base/error.h"
#include "base/util.h"
#include "validate/json_fast.h"
#include "validate/pdf.h"
#include "validate/registry.h"

#define DEFAULT_DEPTH    512
#define MAX_DEPTH        (1u << 20) /* 128 KiB of bits for each text */
#define DEFAULT_PIXELS   (UINT64_C(1) << 28)
#define DEFAULT_TOTAL    (UINT64_C(1) << 32)
#define DEFAULT_TRAILING 1024
#define MAX_LEADING      1024

/* In the order of sangraha_types_name(); each list ends with NULL. */
static const struct sgh_format *const json_formats[] = { &sgh_format_json, NULL };
static const struct sgh_format *const image_formats[] = {
	&sgh_format_png, &sgh_format_jpeg, &sgh_format_gif, &sgh_format_webp, NULL
};
static const struct sgh_format *const pdf_formats[] = { &sgh_format_pdf, NULL };

static void fini_type(struct sgh_type *type)
{
	for (size_t i = 0; i < SGH_COUNT(type->strings); i++)
		free(type->strings[i]);
	for (size_t i = 0; i < type->mime_count; i++)
		free(type->mime_types[i]);
	memset(type, 0, sizeof(*type));
}

/* Copy the names into an empty `ret`; after a failure fini_type() frees what there is. */
static int init_type(const char *name, const char *bucket, const char *extension,
		     struct sgh_type *ret, struct sangraha_error *err)
{
	if (!sgh_strdup(name, &ret->strings[0]) ||
	    !sgh_strdup(bucket, &ret->strings[1]) ||
	    !sgh_strdup(extension, &ret->strings[2]))
		return sgh_fail_memory(err);
	ret->info.name = ret->strings[0];
	ret->info.bucket = ret->strings[1];
	ret->info.extension = ret->strings[2];
	return 0;
}

static int add_mime_type(struct sgh_type *type, const char *mime_type,
			 struct sangraha_error *err)
{
	if (type->mime_count == SGH_MAX_MIME_TYPES)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"type %s has more than %d media types", type->info.name,
				SGH_MAX_MIME_TYPES);
	if (!sgh_strdup(mime_type, &type->mime_types[type->mime_count]))
		return sgh_fail_memory(err);
	if (type->mime_count++ == 0)
		type->info.mime_type = type->mime_types[0];
	return 0;
}

static int add_builtin(struct sangraha_types *types, const char *name,
		       const struct sgh_format *const *formats,
		       struct sangraha_error *err)
{
	struct sgh_type *type = &types->items[types->count];
	int status = init_type(name, name, formats[0]->extension, type, err);

	type->formats = formats;
	for (size_t i = 0; !status && formats[i]; i++)
		status = add_mime_type(type, formats[i]->mime_type, err);
	if (status) {
		fini_type(type);
		return status;
	}
	types->count++;
	return 0;
}

static int init_choices(struct sgh_limits *limits, const struct sangraha_policy *policy,
			struct sangraha_error *err)
{
	bool encryption, javascript, launch, files;
	const struct {
		const char *name;
		int choice;
		bool otherwise;
		bool *ret;
	} choices[] = {
		{ "json_bom", sgh_option(policy, json_bom, 0), false, &limits->json_bom },
		{ "json_scalars", sgh_option(policy, json_scalars, 0), true,
		  &limits->json_scalars },
		{ "image_trailing", sgh_option(policy, image_trailing, 0), true,
		  &limits->image_trailing },
		{ "pdf_encryption", sgh_option(policy, pdf_encryption, 0), true,
		  &encryption },
		{ "pdf_javascript", sgh_option(policy, pdf_javascript, 0), true,
		  &javascript },
		{ "pdf_launch", sgh_option(policy, pdf_launch, 0), true, &launch },
		{ "pdf_files", sgh_option(policy, pdf_files, 0), true, &files },
	};

	for (size_t i = 0; i < SGH_COUNT(choices); i++) {
		if (choices[i].choice < SANGRAHA_CHOICE_DEFAULT ||
		    choices[i].choice > SANGRAHA_CHOICE_REFUSE)
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"%s is no choice there is: %d", choices[i].name,
					choices[i].choice);
		*choices[i].ret = choices[i].choice
					  ? choices[i].choice == SANGRAHA_CHOICE_ACCEPT
					  : choices[i].otherwise;
	}
	limits->pdf_refused = (encryption ? 0 : SGH_PDF_ENCRYPTED) |
			      (javascript ? 0 : SGH_PDF_JAVASCRIPT) |
			      (launch ? 0 : SGH_PDF_LAUNCH) | (files ? 0 : SGH_PDF_FILES);
	return 0;
}

static int init_limits(struct sgh_limits *limits, const struct sangraha_policy *policy,
		       struct sangraha_error *err)
{
	int status;

	limits->json_max_depth = sgh_option(policy, json_max_depth, DEFAULT_DEPTH);
	limits->json_fast = sgh_json_fast_available();
	limits->image_max_pixels = sgh_option(policy, image_max_pixels, DEFAULT_PIXELS);
	limits->image_max_total = sgh_option(policy, image_max_total, DEFAULT_TOTAL);
	limits->pdf_max_leading = sgh_option(policy, pdf_max_leading, 0);
	limits->pdf_max_trailing = sgh_option(policy, pdf_max_trailing, DEFAULT_TRAILING);
	sgh_crc32_init(&limits->crc32, SGH_CRC32_ISO);
	status = init_choices(limits, policy, err);
	if (status)
		return status;
	if (limits->json_max_depth > MAX_DEPTH)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a JSON depth of %u is more than %u",
				limits->json_max_depth, MAX_DEPTH);
	if (limits->pdf_max_leading > MAX_LEADING)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"%u bytes before a PDF's header are more than %u",
				limits->pdf_max_leading, MAX_LEADING);
	return 0;
}

int sangraha_types_new(const struct sangraha_policy *policy, struct sangraha_types **ret,
		       struct sangraha_error *err)
{
	struct sangraha_types *types;
	int status;

	if (!ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "nowhere to put the types");
	status = sgh_options_check(policy, err);
	if (status)
		return status;
	types = calloc(1, sizeof(*types));
	if (!types)
		return sgh_fail_memory(err);
	types->refs = 1;
	status = init_limits(&types->limits, policy, err);
	if (!status)
		status = sgh_magic_new(&types->magic, err);
	if (!status)
		status = add_builtin(types, "json", json_formats, err);
	if (!status)
		status = add_builtin(types, "image", image_formats, err);
	if (!status)
		status = add_builtin(types, "pdf", pdf_formats, err);
	if (status) {
		sangraha_types_unref(types);
		return status;
	}
	*ret = types;
	return 0;
}

struct sangraha_types *sangraha_types_ref(struct sangraha_types *types)
{
	if (types)
		__atomic_add_fetch(&types->refs, 1, __ATOMIC_RELAXED);
	return types;
}

void sangraha_types_unref(struct sangraha_types *types)
{
	if (!types || __atomic_sub_fetch(&types->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < types->count; i++)
		fini_type(&types->items[i]);
	sgh_magic_free(types->magic);
	free(types);
}

/* [a-z][a-z0-9-]{0,31}: it stands in references and paths. "meta" is our own bucket. */
static bool name_valid(const char *name)
{
	size_t length = name ? strlen(name) : 0;

	if (length < 1 || length > 32 || name[0] < 'a' || name[0] > 'z' ||
	    sgh_streq(name, "meta"))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

/* What follows the bucket prefix, by the S3 rules for bucket names. */
static bool bucket_valid(const char *bucket)
{
	size_t length = strlen(bucket);

	if (length < 1 || length > 40 || sgh_streq(bucket, "meta") ||
	    bucket[length - 1] == '-')
		return false;
	return strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static bool extension_valid(const char *extension)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	size_t length = strlen(extension);

	return length >= 1 && length <= 16 && extension[0] != '.' &&
	       strspn(extension, allowed) == length;
}

static int check_type(const struct sangraha_type *type, struct sangraha_error *err)
{
	if (!name_valid(type->name))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a type's name is [a-z][a-z0-9-]{0,31} and not \"meta\"");
	if (!bucket_valid(type->bucket ? type->bucket : type->name))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"type %s: its bucket is no part of a bucket name",
				type->name);
	if (type->extension && !extension_valid(type->extension))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"type %s: its extension is 1 to 16 of [A-Za-z0-9._-]",
				type->name);
	if (!type->mime_types || !type->mime_types[0])
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "type %s has no media type",
				type->name);
	/* Checks of no size would be none, and whatever is declared be accepted. */
	return sgh_options_check(sgh_option(type, checks, NULL), err);
}

/* Two types in one bucket would take each other's ids. */
static int check_free(const struct sangraha_types *types, const struct sgh_type *type,
		      struct sangraha_error *err)
{
	for (size_t i = 0; i < types->count; i++) {
		if (sgh_streq(types->items[i].info.name, type->info.name) ||
		    sgh_streq(types->items[i].info.bucket, type->info.bucket))
			return sgh_fail(err, SANGRAHA_E_CONFLICT, 0,
					"type %s is taken, or its bucket %s is",
					type->info.name, type->info.bucket);
	}
	return 0;
}

void sgh_mime_bare(const char *header, char type[SGH_MEDIATYPE_SIZE])
{
	size_t length;

	header += strspn(header, " \t");
	length = strcspn(header, "; \t");
	if (length >= SGH_MEDIATYPE_SIZE)
		length = 0;
	for (size_t i = 0; i < length; i++) {
		char c = header[i];

		type[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	type[length] = '\0';
}

static bool is_json_dialect(const char *mime_type)
{
	size_t length = strlen(mime_type);

	return length > 5 && sgh_streq(mime_type + length - 5, "+json");
}

/* A dialect of JSON, "application/geo+json", may be a type of its own; aliases may not. */
static int add_custom_mime_type(const struct sangraha_types *types, struct sgh_type *type,
				const char *mime_type, struct sangraha_error *err)
{
	char normal[SGH_MEDIATYPE_SIZE];
	char bare[SGH_MEDIATYPE_SIZE];
	const struct sgh_format *format;
	int status = sgh_mediatype_normalise(mime_type, normal, err);

	if (status)
		return status;
	sgh_mime_bare(mime_type, bare);
	if (!*normal)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"media type \"%s\" means that none is declared",
				mime_type);
	if (sgh_types_by_mime(types, bare, &format) ||
	    (!is_json_dialect(bare) && sgh_types_by_mime(types, normal, &format)))
		return sgh_fail(err, SANGRAHA_E_CONFLICT, 0, "media type %s is taken",
				bare);
	return add_mime_type(type, bare, err);
}

int sangraha_types_add(struct sangraha_types *types, const struct sangraha_type *type,
		       struct sangraha_error *err)
{
	struct sgh_type *added;
	const char *bucket;
	int status;

	if (!types || !type ||
	    type->size < offsetof(struct sangraha_type, mime_types) + sizeof(char *))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no type to add");
	if (types->count == SGH_MAX_TYPES)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "more than %d types",
				SGH_MAX_TYPES);
	status = check_type(type, err);
	if (status)
		return status;
	added = &types->items[types->count];
	bucket = type->bucket ? type->bucket : type->name;
	status = init_type(type->name, bucket, type->extension ? type->extension : "bin",
			   added, err);
	if (!status)
		status = check_free(types, added, err);
	for (size_t i = 0; !status && type->mime_types[i]; i++)
		status = add_custom_mime_type(types, added, type->mime_types[i], err);
	if (status) {
		fini_type(added);
		return status;
	}
	added->info.max_size = sgh_option(type, max_size, 0);
	added->arg = sgh_option(type, arg, NULL);
	if (sgh_option(type, checks, NULL))
		memcpy(&added->checks, type->checks,
		       sgh_min(type->checks->size, sizeof(added->checks)));
	types->count++;
	return 0;
}

const char *sangraha_types_name(const struct sangraha_types *types, size_t i)
{
	return types && i < types->count ? types->items[i].info.name : NULL;
}

const struct sgh_type *sgh_types_by_name(const struct sangraha_types *types,
					 const char *name)
{
	for (size_t i = 0; i < types->count; i++) {
		if (sgh_streq(types->items[i].info.name, name))
			return &types->items[i];
	}
	return NULL;
}

const struct sgh_type *sgh_types_by_mime(const struct sangraha_types *types,
					 const char *mime_type,
					 const struct sgh_format **ret_format)
{
	for (size_t i = 0; i < types->count; i++) {
		const struct sgh_type *type = &types->items[i];

		for (size_t k = 0; k < type->mime_count; k++) {
			if (!sgh_streq(type->mime_types[k], mime_type))
				continue;
			*ret_format = type->formats ? type->formats[k] : NULL;
			return type;
		}
	}
	return NULL;
}

int sgh_types_find(const struct sangraha_types *types, const char *name,
		   struct sgh_type_info *ret, struct sangraha_error *err)
{
	const struct sgh_type *type = sgh_types_by_name(types, name);

	if (!type)
		return sgh_fail(err, SANGRAHA_E_UNSUPPORTED, 0,
				"there is no type \"%.40s\"", name ? name : "");
	*ret = type->info;
	return 0;
}

int sgh_types_at(const struct sangraha_types *types, size_t i, struct sgh_type_info *ret)
{
	if (i >= types->count)
		return 0;
	*ret = types->items[i].info;
	return 1;
}

size_t sgh_types_all(const struct sangraha_types *types,
		     struct sgh_type_info ret[SGH_MAX_TYPES])
{
	size_t count = 0;

	while (count < SGH_MAX_TYPES && sgh_types_at(types, count, &ret[count]))
		count++;
	return count;
}

const char *sgh_types_extension(const struct sangraha_types *types, const char *name,
				const char *mime_type)
{
	const struct sgh_format *format = NULL;
	const struct sgh_type *type = sgh_types_by_mime(types, mime_type, &format);

	if (type && format && sgh_streq(type->info.name, name))
		return format->extension;
	type = sgh_types_by_name(types, name);
	return type ? type->info.extension : NULL;
}

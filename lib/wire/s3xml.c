/* SPDX-License-Identifier: MIT */
#include "wire/s3xml.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "wire/s3xml_walk.h"

struct error_walk {
	struct sgh_s3xml_walk walk;
	struct sgh_s3_error *error;
	bool found;
};

static void error_element(struct sgh_s3xml_walk *walk)
{
	struct error_walk *self = sgh_container_of(walk, struct error_walk, walk);

	if (sgh_s3xml_at(walk, "Error", "Code", NULL))
		sgh_s3xml_line(self->error->code, sizeof(self->error->code), walk->text);
	else if (sgh_s3xml_at(walk, "Error", "Message", NULL))
		sgh_s3xml_line(self->error->message, sizeof(self->error->message),
			       walk->text);
	else if (sgh_s3xml_at(walk, "Error", NULL, NULL))
		self->found = true;
}

bool sgh_s3xml_error(const void *data, size_t length, struct sgh_s3_error *ret)
{
	struct sgh_s3_error error = { { 0 } };
	struct error_walk self = { .walk.element = error_element, .error = &error };

	if (!length)
		return false;
	/* What comes behind a complete <Error> does not make it less of an error. */
	sgh_s3xml_walk_run(&self.walk, data, length);
	if (!self.found && !self.walk.no_memory)
		return false;
	*ret = error;
	return true;
}

struct list_walk {
	struct sgh_s3xml_walk walk;
	struct sgh_arena *arena;
	struct sgh_s3_list list;
	size_t max_keys;
	bool encoded;
	bool found;
};

static void list_begin(struct sgh_s3xml_walk *walk)
{
	struct list_walk *self = sgh_container_of(walk, struct list_walk, walk);

	if (!sgh_s3xml_at(walk, "ListBucketResult", "Contents", NULL))
		return;
	if (self->list.count == self->max_keys) {
		sgh_s3xml_refuse(&self->walk, "more keys than asked for");
		return;
	}
	self->list.keys[self->list.count++] = (struct sgh_s3_key){ 0 };
}

static void key_element(struct list_walk *self, struct sgh_s3_key *key)
{
	struct sgh_s3xml_walk *walk = &self->walk;

	if (sgh_s3xml_at(walk, "ListBucketResult", "Contents", "Key")) {
		key->key = sgh_arena_text(self->arena, walk->text, walk->length);
		walk->no_memory |= !key->key;
		if (walk->cut || !key->key)
			sgh_s3xml_refuse(&self->walk, "a key is too long");
	} else if (sgh_s3xml_at(walk, "ListBucketResult", "Contents", "Size")) {
		if (!sgh_s3xml_number(walk->text, &key->size))
			sgh_s3xml_refuse(&self->walk, "a size is not a number");
	} else if (sgh_s3xml_at(walk, "ListBucketResult", "Contents", "LastModified")) {
		/* Informative: a server that writes it in its own way may do so. */
		if (!sgh_rfc3339_parse(walk->text, &key->modified_ms))
			key->modified_ms = 0;
	}
}

static void list_element(struct sgh_s3xml_walk *walk)
{
	struct list_walk *self = sgh_container_of(walk, struct list_walk, walk);

	if (walk->depth == 3 && self->list.count)
		key_element(self, &self->list.keys[self->list.count - 1]);
	else if (sgh_s3xml_at(walk, "ListBucketResult", "IsTruncated", NULL))
		self->list.more = strcmp(walk->text, "true") == 0;
	else if (sgh_s3xml_at(walk, "ListBucketResult", "EncodingType", NULL))
		self->encoded = strcmp(walk->text, "url") == 0;
	else if (sgh_s3xml_at(walk, "ListBucketResult", NULL, NULL))
		self->found = true;
}

/* The encoding is named behind the keys by some servers, so they are decoded at the end. */
static const char *finish_keys(struct list_walk *self)
{
	for (size_t i = 0; i < self->list.count; i++) {
		char *key = (char *)self->list.keys[i].key;

		if (!key || !*key)
			return "a key is missing";
		if (self->encoded && !sgh_s3xml_url_decode(key))
			return "a key is encoded wrongly";
		if (strlen(key) > SGH_S3_KEY_MAX)
			return "a key is too long";
	}
	return NULL;
}

int sgh_s3xml_list(const void *data, size_t length, size_t max_keys,
		   struct sgh_arena *arena, struct sgh_s3_list *ret,
		   struct sangraha_error *err)
{
	struct list_walk self = {
		.walk.element = list_element,
		.walk.begin = list_begin,
		.arena = arena,
		.max_keys = max_keys,
	};
	const char *wrong;

	self.list.keys = sgh_arena_alloc(arena, max_keys * sizeof(*self.list.keys) + 1);
	if (!self.list.keys)
		return sgh_fail_memory(err);
	wrong = sgh_s3xml_walk_run(&self.walk, data, length);
	if (self.walk.no_memory)
		return sgh_fail_memory(err);
	if (!wrong && !self.found)
		wrong = "no ListBucketResult";
	if (!wrong)
		wrong = finish_keys(&self);
	if (wrong)
		return sgh_fail(err, SANGRAHA_E_INTERNAL, 0,
				"the store's listing cannot be read: %s", wrong);
	*ret = self.list;
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <ctype.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/metrics.h"

#define IN_FLIGHT_MAX     4096
#define BREAKER_THRESHOLD 5
#define KEY_MAX           1024
#define LIST_MAX          1000
/* Bytes of metadata and type; servers take no more headers, and arenas hold them. */
#define META_BYTES_MAX 8192
/* A store that took longer than this does not serve; with less time nothing is known. */
#define PATIENCE_MS 5000

static const struct sgh_store_backend *const backends[] = {
	&sgh_store_s3,
#ifdef SGH_WITH_EMBEDDED
	&sgh_store_file,
#endif
};

/* "s3+http:" of "s3+http://host" is among the schemes. */
static bool has_scheme(const struct sgh_store_backend *backend, const char *url)
{
	const char *schemes = backend->schemes;

	while (*schemes) {
		size_t length = strcspn(schemes, " ");

		if (strncmp(url, schemes, length) == 0)
			return true;
		schemes += length;
		schemes += strspn(schemes, " ");
	}
	return false;
}

static bool bucket_chars(const char *text)
{
	for (; *text; text++)
		if (!islower((unsigned char)*text) && !isdigit((unsigned char)*text) &&
		    *text != '-')
			return false;
	return true;
}

static const char *prefix_of(const struct sangraha_store_options *options)
{
	return sgh_option(options, bucket_prefix, "sangraha-");
}

void sgh_store_init(struct sangraha_store *store, const struct sgh_store_backend *backend,
		    struct sangraha_context *context,
		    const struct sangraha_store_options *options)
{
	store->backend = backend;
	store->refs = 1;
	store->context = sangraha_context_ref(context);
	snprintf(store->bucket_prefix, sizeof(store->bucket_prefix), "%s",
		 prefix_of(options));
	sgh_breaker_init(&store->breaker, BREAKER_THRESHOLD,
			 sgh_metrics_gauge(context->metrics, "sangraha_breaker_state",
					   "dependency=\"store\""));
}

void sgh_store_fini(struct sangraha_store *store)
{
	sgh_breaker_fini(&store->breaker);
	sangraha_context_unref(store->context);
}

int sangraha_store_open(struct sangraha_context *context, const char *url,
			const struct sangraha_store_options *options,
			struct sangraha_store **ret, struct sangraha_error *err)
{
	const char *prefix = prefix_of(options);
	int rc = sgh_options_check(options, err);

	if (rc)
		return rc;
	if (!context || !url || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "an argument is NULL");
	if (!bucket_chars(prefix) || strlen(prefix) > 55 || *prefix == '-')
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the bucket prefix is not at most 55 of [a-z0-9-]");
	for (size_t i = 0; i < SGH_COUNT(backends); i++)
		if (has_scheme(backends[i], url))
			return backends[i]->open(context, url, options, ret, err);
	return sgh_fail(err, SANGRAHA_E_INVALID, 0,
			"the store URL has no scheme that this build knows; it begins "
			"with s3+http:, s3+https: or file:");
}

struct sangraha_store *sangraha_store_ref(struct sangraha_store *store)
{
	if (store)
		__atomic_add_fetch(&store->refs, 1, __ATOMIC_RELAXED);
	return store;
}

void sangraha_store_unref(struct sangraha_store *store)
{
	if (store && !__atomic_sub_fetch(&store->refs, 1, __ATOMIC_ACQ_REL))
		store->backend->destroy(store);
}

static bool bucket_valid(const struct sangraha_store *store, const char *bucket)
{
	size_t length;

	if (!bucket || !*bucket || !bucket_chars(bucket))
		return false;
	length = strlen(bucket);
	if (bucket[length - 1] == '-' || (!*store->bucket_prefix && *bucket == '-'))
		return false;
	length += strlen(store->bucket_prefix);
	return length >= 3 && length <= 63;
}

/* The length of the character (RFC 3629) at `text`, 0 for what is none. */
static size_t utf8_char(const unsigned char *text)
{
	static const unsigned char least[] = { 0, 0, 0xc2, 0xe0, 0xf0 };
	size_t length = *text < 0x80 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;

	if (*text < 0x80)
		return 1;
	if (*text < least[length] || *text > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((*text == 0xe0 && text[1] < 0xa0) || (*text == 0xed && text[1] > 0x9f) ||
	    (*text == 0xf0 && text[1] < 0x90) || (*text == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

/* UTF-8 of at most 1024 bytes without control characters. */
static bool text_valid(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t length = utf8_char(at);

		if (!length || *at < ' ' || *at == 0x7f)
			return false;
		at += length;
		if (at - (const unsigned char *)text > KEY_MAX)
			return false;
	}
	return true;
}

/* A key is no path: servers and file systems disagree on what these would mean. */
static bool has_path_parts(const char *key)
{
	for (;;) {
		size_t length = strcspn(key, "/");

		if (length == 0 || (length == 1 && key[0] == '.') ||
		    (length == 2 && key[0] == '.' && key[1] == '.'))
			return true;
		if (!key[length])
			return false;
		key += length + 1;
	}
}

static bool key_valid(const char *key)
{
	return key && *key && text_valid(key) && !has_path_parts(key);
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static bool meta_name_valid(const char *name)
{
	return name && *name && strlen(name) <= 128 && bucket_chars(name);
}

static int check_put(const struct sgh_store_op *op, struct sangraha_error *err)
{
	size_t length = op->content_type ? strlen(op->content_type) : 0;

	if (op->content_type && (!*op->content_type || !printable(op->content_type)))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the content type has other than printable characters");
	if (op->meta_count > SGH_STORE_META_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "more than %d metadata",
				SGH_STORE_META_MAX);
	for (size_t i = 0; i < op->meta_count; i++) {
		if (!meta_name_valid(op->meta[i].name) || !op->meta[i].value ||
		    !printable(op->meta[i].value))
			return sgh_fail(
				err, SANGRAHA_E_INVALID, 0,
				"metadata is not a name of [a-z0-9-] and a value in "
				"printable ASCII");
		length += strlen(op->meta[i].name) + strlen(op->meta[i].value);
	}
	if (length > META_BYTES_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the metadata and the content type have more than %d "
				"bytes",
				META_BYTES_MAX);
	return 0;
}

static int check_list(const struct sgh_store_op *op, struct sangraha_error *err)
{
	if (op->limit < 1 || op->limit > LIST_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the limit of a listing is not 1 to %d", LIST_MAX);
	if ((op->prefix && !text_valid(op->prefix)) ||
	    (op->after && !text_valid(op->after)))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the prefix or the last key is not UTF-8");
	return 0;
}

static int check(const struct sangraha_store *store, const struct sgh_store_op *op,
		 struct sangraha_error *err)
{
	bool keyed = op->verb <= SGH_STORE_DELETE;

	if (op->verb != SGH_STORE_CHECK && !bucket_valid(store, op->bucket))
		return sgh_fail(
			err, SANGRAHA_E_INVALID, 0,
			"the bucket is not 3 to 63 of [a-z0-9-], with the prefix");
	if (keyed && !key_valid(op->key))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the key is not 1 to %d bytes of UTF-8 without control "
				"characters and path parts",
				KEY_MAX);
	if (op->verb == SGH_STORE_PUT)
		return check_put(op, err);
	if (op->verb == SGH_STORE_LIST)
		return check_list(op, err);
	if (op->verb == SGH_STORE_GET &&
	    (!op->max_length || op->offset > INT64_MAX || op->max_length > INT64_MAX))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"there is nothing in the range to read");
	return 0;
}

static void clear_result(struct sgh_store_op *op)
{
	op->status = 0;
	op->err = (struct sangraha_error){ 0 };
	op->head = (struct sgh_store_head){ 0 };
	op->keys = NULL;
	op->key_count = 0;
	op->more = false;
	op->ours = false;
}

static int submit(struct sangraha_store *store, struct sgh_store_op *op,
		  struct sangraha_error *err)
{
	if (op->deadline_ms <= sgh_now_ms())
		return sgh_fail(err, SANGRAHA_E_TIMEOUT, 0,
				"the deadline passed before the store was asked");
	if (!sgh_breaker_allow(&store->breaker))
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"the store has been failing for %lld ms",
				(long long)sgh_breaker_open_ms(&store->breaker));
	return store->backend->submit(store, op, err);
}

int sgh_store_submit(struct sangraha_store *store, struct sgh_store_op *op,
		     struct sangraha_error *err)
{
	int rc = check(store, op, err);

	if (rc)
		return rc;
	/* Any bucket does for a check; this one is always made. */
	if (op->verb == SGH_STORE_CHECK)
		op->bucket = "meta";
	clear_result(op);
	op->begun_ms = sgh_now_ms();
	if (__atomic_add_fetch(&store->in_flight, 1, __ATOMIC_RELAXED) > IN_FLIGHT_MAX)
		rc = sgh_fail(err, SANGRAHA_E_OVERLOADED, 0,
			      "%d operations are waiting for the store", IN_FLIGHT_MAX);
	else
		rc = submit(store, op, err);
	if (rc)
		__atomic_sub_fetch(&store->in_flight, 1, __ATOMIC_RELAXED);
	return rc;
}

/* What an operation says about the store: nothing when it ended for reasons of ours. */
static void tell_breaker(struct sangraha_store *store, const struct sgh_store_op *op)
{
	bool timed_out = op->status == SANGRAHA_E_TIMEOUT;
	bool hurried = op->deadline_ms - op->begun_ms < PATIENCE_MS;

	if (op->ours || (timed_out && hurried))
		return;
	if (timed_out || op->status == SANGRAHA_E_UNAVAILABLE)
		sgh_breaker_failure(&store->breaker);
	else
		sgh_breaker_success(&store->breaker);
}

void sgh_store_complete(struct sangraha_store *store, struct sgh_store_op *op)
{
	tell_breaker(store, op);
	__atomic_sub_fetch(&store->in_flight, 1, __ATOMIC_RELAXED);
	op->done(op);
}

void sgh_store_op_fini(struct sgh_store_op *op)
{
	sgh_arena_fini(&op->arena);
	sgh_bytes_unref(sgh_take(op->data));
	clear_result(op);
}

int64_t sgh_store_down_ms(struct sangraha_store *store)
{
	return sgh_breaker_open_ms(&store->breaker);
}

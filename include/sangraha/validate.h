/* SPDX-License-Identifier: MIT */
#ifndef SANGRAHA_VALIDATE_H
#define SANGRAHA_VALIDATE_H

#include <stddef.h>
#include <stdint.h>

#include <sangraha/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The registry of object types. A new one knows json, image (PNG, JPEG, GIF, WebP) and
 * pdf; a program may add its own before it hands the registry to a role. Reference
 * counted; after the last sangraha_types_add() it may be used from any thread.
 */
struct sangraha_types;

/* What validators refuse beyond what the format's own rules say. Zero means default. */
struct sangraha_policy {
	size_t size;
	unsigned json_max_depth;   /* arrays and objects inside each other; 0: 512 */
	uint64_t image_max_pixels; /* width times height; 0: 2^28 */
};

/* How the checks of a type that a program adds are called; one state per object. */
struct sangraha_type_checks {
	size_t size;
	/* Begin an object. *ret_state is handed to the others; NULL is a good state. */
	int (*begin)(void *arg, void **ret_state, struct sangraha_error *err);
	/*
	 * Look at the next bytes, in any split. A refusal is SANGRAHA_E_REJECTED with a
	 * message; *ret_bad is then the offset in `data` of the first byte that cannot be
	 * right.
	 */
	int (*feed)(void *arg, void *state, const void *data, size_t length,
		    size_t *ret_bad, struct sangraha_error *err);
	/* All bytes were fed. May write facts, compact JSON of at most 256 bytes. */
	int (*finish)(void *arg, void *state, char facts[257],
		      struct sangraha_error *err);
	/* Called once for each begin() that succeeded, at any point. */
	void (*end)(void *arg, void *state);
};

struct sangraha_type {
	size_t size;
	const char *name;              /* [a-z][a-z0-9-]{0,31}; not "meta" */
	const char *bucket;            /* after the bucket prefix; NULL: the name */
	const char *extension;         /* of downloads without a name: "csv" */
	const char *const *mime_types; /* NULL-terminated; the first is what is stored */
	uint64_t max_size;             /* bytes; 0: no limit of its own */
	const struct sangraha_type_checks *checks;
	void *arg; /* for the checks; must outlive the registry */
};

/* `policy` may be NULL and is copied. Release with sangraha_types_unref(). Since: 0.1 */
int sangraha_types_new(const struct sangraha_policy *policy, struct sangraha_types **ret,
		       struct sangraha_error *err);
struct sangraha_types *sangraha_types_ref(struct sangraha_types *types);
void sangraha_types_unref(struct sangraha_types *types);

/*
 * Add a type; everything in `type` but `arg` is copied. SANGRAHA_E_CONFLICT when its
 * name, or one of its media types, is taken. Since: 0.1
 */
int sangraha_types_add(struct sangraha_types *types, const struct sangraha_type *type,
		       struct sangraha_error *err);

/* The i-th type's name, NULL past the end. Since: 0.1 */
const char *sangraha_types_name(const struct sangraha_types *types, size_t i);

/*
 * One object on its way through validation: made, fed in any split, finished. Not for
 * two threads at once. CPU work only; libmagic costs 1 to 7 ms for a megabyte of text.
 */
struct sangraha_validator;

struct sangraha_validate_options {
	size_t size;
	/* Content-Type as the user sent it; NULL, "application/octet-stream" and
	 * "application/x-www-form-urlencoded" mean not declared. */
	const char *declared;
	const char *asserted; /* the type's name that the user insists on; or NULL */
	uint64_t length;      /* of the whole object when known; 0: not known */
};

/*
 * What validation found. Borrowed from its validator, or a copy of one; strings live as
 * long as it does.
 */
struct sangraha_verdict;

int sangraha_validator_new(struct sangraha_types *types,
			   const struct sangraha_validate_options *options,
			   struct sangraha_validator **ret, struct sangraha_error *err);
void sangraha_validator_free(struct sangraha_validator *validator);

/*
 * Look at the next bytes. The type is decided with the first 64 KiB, at once when the
 * length is known to be more, else with the next byte or at the end; refusals do not come
 * before that. SANGRAHA_E_UNSUPPORTED: not an allowed type, or not the one
 * that was declared or asserted. SANGRAHA_E_REJECTED: of that type, but it breaks its
 * rules. Both are final and the verdict says why; feeding on returns the same again.
 */
int sangraha_validator_feed(struct sangraha_validator *validator, const void *data,
			    size_t length, struct sangraha_error *err);

/* All bytes were fed. Errors as of feed; 0 means accepted. */
int sangraha_validator_finish(struct sangraha_validator *validator,
			      struct sangraha_error *err);

/* The verdict so far; complete after a refusal or sangraha_validator_finish(). */
const struct sangraha_verdict *
sangraha_validator_verdict(const struct sangraha_validator *validator);

/*
 * Validate a whole object in memory. *ret_verdict is set whenever there was one - also
 * with SANGRAHA_E_REJECTED and SANGRAHA_E_UNSUPPORTED - and is yours:
 * sangraha_verdict_free(). It may be NULL if you do not want it.
 */
int sangraha_validate(struct sangraha_types *types,
		      const struct sangraha_validate_options *options, const void *data,
		      size_t length, struct sangraha_verdict **ret_verdict,
		      struct sangraha_error *err);
void sangraha_verdict_free(struct sangraha_verdict *verdict);

/* 1 accepted, 0 refused or not finished. */
int sangraha_verdict_accepted(const struct sangraha_verdict *verdict);
/* The object type's name; NULL when none could be told. */
const char *sangraha_verdict_type(const struct sangraha_verdict *verdict);
/* The media type that was declared, normalised; NULL when none was. */
const char *sangraha_verdict_declared(const struct sangraha_verdict *verdict);
/* The media type that the content has, as far as can be told; NULL before that. */
const char *sangraha_verdict_detected(const struct sangraha_verdict *verdict);
/* The rule that was broken, a stable word such as "json.comma"; NULL when accepted. */
const char *sangraha_verdict_rule(const struct sangraha_verdict *verdict);
/* Offset of the first byte that cannot be right, from 0; -1 when there is none. */
int64_t sangraha_verdict_offset(const struct sangraha_verdict *verdict);
/* What was learnt, compact JSON of at most 256 bytes; "{}" when nothing. */
const char *sangraha_verdict_facts(const struct sangraha_verdict *verdict);
/* The version of the rule set, stored with the object: "1". */
const char *sangraha_verdict_rules(const struct sangraha_verdict *verdict);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/* Types of object, and validation: is it what it says it is. */
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
 * pdf; a program may add its own before it hands the registry to a role. Receivers,
 * getters and clients of one deployment need the same types; sangraha-getter and the
 * other programs have these three. Reference counted; after the last sangraha_types_add()
 * it may be used from any thread.
 */
struct sangraha_types;

/* Whether to let in what some programs take and others do not. */
enum sangraha_choice {
	SANGRAHA_CHOICE_DEFAULT = 0, /* what the comment at the member says */
	SANGRAHA_CHOICE_ACCEPT = 1,
	SANGRAHA_CHOICE_REFUSE = 2,
};

/*
 * What validators refuse beyond what the format's own rules say. Zero means default.
 * Names that an object has twice are always accepted: to know them all would take memory
 * that grows with the text.
 */
struct sangraha_policy {
	size_t size;               /* sizeof(struct sangraha_policy) */
	unsigned json_max_depth;   /* arrays and objects in each other, to 2^20; 0: 512 */
	uint64_t image_max_pixels; /* width times height; 0: 2^28 */
	uint64_t image_max_total;  /* width times height times frames; 0: 2^32 */
	/* Each of these is an enum sangraha_choice; the default is in brackets. */
	int json_bom;       /* a UTF-8 byte order mark before the text [refuse] */
	int json_scalars;   /* a text that is no object and no array [accept] */
	int image_trailing; /* bytes after the image's end [accept]; a fact */
	int pdf_encryption; /* [accept]; a fact, as are the next three */
	int pdf_javascript; /* [accept] */
	int pdf_launch;     /* actions that start a program [accept] */
	int pdf_files;      /* embedded files [accept] */
	/* Bytes that may stand before a PDF's header, to 1024; 0: none. */
	unsigned pdf_max_leading;
	/*
	 * Bytes that may stand after a PDF's last %%EOF, the line's end too; 0: 1024. As
	 * few as 2 leave room for the line's end alone.
	 */
	unsigned pdf_max_trailing;
};

/*
 * The checks of a type that a program adds: begin(), feed() for each part of the object
 * in order, finish(), end(). Any of them may be NULL; without feed() and finish()
 * whatever is declared as the type is one.
 *
 * Each object has a state of its own, and calls for it are made one after another.
 * Different objects are checked at once, from the worker threads of a receiver, so what
 * `arg` points to must bear that. Checks compute; what blocks holds up a worker. Memory
 * for the state should not grow with the object.
 *
 * Answers are 0, or SANGRAHA_E_REJECTED for an object that breaks the type's rules, which
 * is told to who sent it under the rule "<name of the type>.invalid". `err`, which is not
 * NULL, takes the sentence:
 *
 *	return sangraha_error_set(err, SANGRAHA_E_REJECTED, "line %u is empty", line);
 *
 * Any other negative status says that the check itself failed; the object is not stored
 * then, and SANGRAHA_E_OVERLOADED (no memory), _UNAVAILABLE and _TIMEOUT let it be tried
 * again. After an answer that is not 0 only end() follows.
 */
struct sangraha_type_checks {
	size_t size; /* sizeof(struct sangraha_type_checks) */
	/*
	 * Begin an object. *ret_state is handed to the others; it is NULL before, which
	 * is a good state too. Has seen nothing, and so cannot refuse.
	 */
	int (*begin)(void *arg, void **ret_state, struct sangraha_error *err);
	/*
	 * Look at the next `length` bytes, at least 1. How an object is split depends on
	 * the network, and must not make a difference. With a refusal *ret_bad is the
	 * offset in `data`, 0 to `length`, of the first byte that cannot be right; leave
	 * it alone when there is none.
	 */
	int (*feed)(void *arg, void *state, const void *data, size_t length,
		    size_t *ret_bad, struct sangraha_error *err);
	/*
	 * All bytes were fed. A refusal is that of an object which ends too early.
	 * `facts` is "{}"; what else is to be known of the object may be written there,
	 * one JSON object without needless spaces, at most 256 bytes and a NUL. It is
	 * stored and shown with the object. What is no JSON object fails with
	 * SANGRAHA_E_INTERNAL.
	 */
	int (*finish)(void *arg, void *state, char facts[257],
		      struct sangraha_error *err);
	/*
	 * Release the state. Called once for each begin() that succeeded, at any point.
	 */
	void (*end)(void *arg, void *state);
};

/*
 * A type that a program adds. An object is of it when its media type is declared or the
 * type is asserted by name, and the checks agree; when nothing is declared, if libmagic
 * says one of its media types. What is recognised as an image or a PDF is never of it.
 * Undeclared text that begins with '{' or '[' is taken for JSON, an INI file's "[name]"
 * too: declare it. An empty object is refused before any check sees it.
 */
struct sangraha_type {
	size_t size;           /* sizeof(struct sangraha_type) */
	const char *name;      /* [a-z][a-z0-9-]{0,31}; not "meta" */
	const char *bucket;    /* after the bucket prefix, to 40 bytes; NULL: the name */
	const char *extension; /* of the names of downloads: "csv"; NULL: "bin" */
	/*
	 * NULL-terminated, 1 to 16, without parameters: "text/csv". The first is what
	 * objects are stored and served as.
	 */
	const char *const *mime_types;
	uint64_t max_size;                         /* bytes; 0: no limit of its own */
	const struct sangraha_type_checks *checks; /* NULL: none */
	void *arg; /* handed to the checks; must outlive the registry */
};

/*
 * Make a registry of json, image and pdf. `policy` may be NULL and is copied. On success
 * *ret is a new reference: release it with sangraha_types_unref(). SANGRAHA_E_INVALID for
 * a policy that cannot be. Reads libmagic's database, and fails with
 * SANGRAHA_E_INTERNAL without it. Since: 0.1
 */
int sangraha_types_new(const struct sangraha_policy *policy, struct sangraha_types **ret,
		       struct sangraha_error *err);

/* Take another reference; returns its argument, which may be NULL. Since: 0.1 */
struct sangraha_types *sangraha_types_ref(struct sangraha_types *types);

/*
 * Drop a reference; NULL is accepted. Roles, clients and validators keep their own.
 * Since: 0.1
 */
void sangraha_types_unref(struct sangraha_types *types);

/*
 * Add a type; everything in `type` but `arg` is copied, the checks too. Not once the
 * registry was handed to somebody. SANGRAHA_E_CONFLICT when its name, its bucket or one
 * of its media types is taken; a dialect of JSON, "application/geo+json", is not.
 * SANGRAHA_E_INVALID for a member that cannot be, and past 64 types. Since: 0.1
 */
int sangraha_types_add(struct sangraha_types *types, const struct sangraha_type *type,
		       struct sangraha_error *err);

/* The i-th type's name, from 0; NULL past the end. Borrowed. Since: 0.1 */
const char *sangraha_types_name(const struct sangraha_types *types, size_t i);

/*
 * One object on its way through validation: made, fed in any split, finished. Not for
 * two threads at once. CPU work only; libmagic costs 1 to 7 ms for a megabyte of text.
 */
struct sangraha_validator;

/* What is said about an object before it is looked at. */
struct sangraha_validate_options {
	size_t size; /* sizeof(struct sangraha_validate_options) */
	/*
	 * Content-Type as the user sent it; NULL, "application/octet-stream" and
	 * "application/x-www-form-urlencoded" mean not declared.
	 */
	const char *declared;
	const char *asserted; /* the type's name that the user insists on; or NULL */
	uint64_t length;      /* of the whole object when known; 0: not known */
};

/*
 * What validation found. Borrowed from its validator, or a copy of one; strings live as
 * long as it does.
 */
struct sangraha_verdict;

/*
 * Begin an object. `options` may be NULL and is copied; `types` gets a reference. On
 * success *ret is yours: sangraha_validator_free(). SANGRAHA_E_INVALID for a declared
 * type that is no media type at all. Since: 0.1
 */
int sangraha_validator_new(struct sangraha_types *types,
			   const struct sangraha_validate_options *options,
			   struct sangraha_validator **ret, struct sangraha_error *err);
/* Release, at any point; NULL is accepted. Since: 0.1 */
void sangraha_validator_free(struct sangraha_validator *validator);

/*
 * Look at the next bytes, in any split. The type is decided with the first 64 KiB, at
 * once when the length is known to be more, else with the next byte or at the end;
 * refusals do not come before that. SANGRAHA_E_UNSUPPORTED: not an allowed type, or not
 * the one that was declared or asserted. SANGRAHA_E_REJECTED: of that type, but it breaks
 * its rules. SANGRAHA_E_TOO_LARGE: over the limit of a type that a program added. The
 * verdict says why. Every failure is final; feeding on returns the same again. Since: 0.1
 */
int sangraha_validator_feed(struct sangraha_validator *validator, const void *data,
			    size_t length, struct sangraha_error *err);

/* All bytes were fed. 0 means accepted; errors as of feed. Since: 0.1 */
int sangraha_validator_finish(struct sangraha_validator *validator,
			      struct sangraha_error *err);

/*
 * The verdict so far; complete after a refusal or sangraha_validator_finish(). Borrowed.
 * Since: 0.1
 */
const struct sangraha_verdict *
sangraha_validator_verdict(const struct sangraha_validator *validator);

/*
 * Validate a whole object in memory; errors as of feed. libmagic sees all of it here, up
 * to 4 MiB. *ret_verdict is set whenever there was one - also with SANGRAHA_E_REJECTED,
 * _UNSUPPORTED and _TOO_LARGE - and untouched otherwise; it is yours:
 * sangraha_verdict_free(). It may be NULL if you do not want it. From any thread.
 *
 * Since: 0.1
 */
int sangraha_validate(struct sangraha_types *types,
		      const struct sangraha_validate_options *options, const void *data,
		      size_t length, struct sangraha_verdict **ret_verdict,
		      struct sangraha_error *err);
/* Release a verdict of sangraha_validate(); NULL is accepted. Since: 0.1 */
void sangraha_verdict_free(struct sangraha_verdict *verdict);

/* 1 accepted, 0 refused or not finished. Since: 0.1 */
int sangraha_verdict_accepted(const struct sangraha_verdict *verdict);
/* The object type's name; NULL when none could be told. Since: 0.1 */
const char *sangraha_verdict_type(const struct sangraha_verdict *verdict);
/* The media type that was declared, normalised; NULL when none was. Since: 0.1 */
const char *sangraha_verdict_declared(const struct sangraha_verdict *verdict);
/*
 * The media type that the content has, as far as can be told; NULL before that. Objects
 * are stored with it. Since: 0.1
 */
const char *sangraha_verdict_detected(const struct sangraha_verdict *verdict);
/*
 * The rule that was broken, a stable word such as "json.comma"; NULL when accepted. All
 * of them are listed in lib/validate/README.md. Since: 0.1
 */
const char *sangraha_verdict_rule(const struct sangraha_verdict *verdict);
/*
 * Offset of the first byte that cannot be right, from 0; -1 when there is none.
 * Since: 0.1
 */
int64_t sangraha_verdict_offset(const struct sangraha_verdict *verdict);
/* What was learnt, compact JSON of at most 256 bytes; "{}" when nothing. Since: 0.1 */
const char *sangraha_verdict_facts(const struct sangraha_verdict *verdict);
/* The version of the rule set, stored with the object: "2". Since: 0.1 */
const char *sangraha_verdict_rules(const struct sangraha_verdict *verdict);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_RECORD_H
#define SGH_WIRE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <sangraha/object.h>

#include "base/arena.h"
#include "base/bytes.h"

/*
 * A record in the bucket "meta": one small JSON object. Members that are NULL, 0 or -1 are
 * left out. Keys are made by the functions below.
 */
struct sgh_record {
	struct sgh_arena arena;
	const char *operation_id;
	const char *type;
	const char *sha256;
	const char *code; /* of a failed operation: a status name */
	const char *message;
	const char *declared;
	const char *detected;
	const char *rule;
	/* of upload/ and object/: large objects */
	const char *record; /* the record id */
	const char *upload; /* the store's upload id; NULL: not begun yet */
	/* of upload/: the record id of its place; NULL: the place is under `record` */
	const char *place;
	const char *content_type; /* the media type that the object is stored with */
	const char *facts;        /* compact JSON */
	const char *rules;
	int64_t size;       /* bytes; 0: not known */
	int64_t offset;     /* -1: none */
	int64_t created_ms; /* Unix */
	/* of upload/: `created` of the put that it was begun for; 0: not told */
	int64_t requested_ms;
	int64_t expires_ms; /* Unix; 0: never */
};

#define SGH_RECORD_KEY_SIZE 160

void sgh_record_key_operation(char key[SGH_RECORD_KEY_SIZE], const char *id);
void sgh_record_key_deleted(char key[SGH_RECORD_KEY_SIZE], const char *type,
			    const char *id);
void sgh_record_key_upload(char key[SGH_RECORD_KEY_SIZE], const char *id);
void sgh_record_key_object(char key[SGH_RECORD_KEY_SIZE], const char *type,
			   const char *id, const char *record);

enum sgh_record_kind {
	SGH_RECORD_FOREIGN, /* no key of ours */
	SGH_RECORD_OPERATION,
	SGH_RECORD_DELETED,
	SGH_RECORD_UPLOAD,
	SGH_RECORD_OBJECT,
	SGH_RECORD_PROBE, /* probe/<id>: no record, but how a store is tried (store/s3_probe.c) */
};

/* What a key tells; what it has not is "". */
struct sgh_record_name {
	enum sgh_record_kind kind;
	char type[SANGRAHA_TYPE_SIZE];
	char id[SANGRAHA_ID_SIZE];
	char record[SANGRAHA_ID_SIZE];
};

/* Take a key apart: exactly what the functions above make, and nothing that begins so. */
void sgh_record_name(const char *key, struct sgh_record_name *ret);

/* Whether a record that lay under operation/<id> is the claim of a first write. */
bool sgh_record_is_claim(const struct sgh_record *record, const char *id);

/*
 * What lies under upload/<id> while something of that record is taken away: of no upload, it
 * keeps others from being begun until `expires_ms`. Strings are borrowed.
 */
struct sgh_record sgh_record_placeholder(const char *record, const char *type,
					 int64_t now_ms, int64_t expires_ms);
bool sgh_record_is_placeholder(const struct sgh_record *record);

void sgh_record_fini(struct sgh_record *record);
int sgh_record_write(const struct sgh_record *record, struct sgh_bytes **ret,
		     struct sangraha_error *err);
/* SANGRAHA_E_INTERNAL for what is no record. */
int sgh_record_parse(const void *json, size_t length, struct sgh_record *record,
		     struct sangraha_error *err);

/*
 * Complete the description of a large object, which nobody else has seen yet, with what
 * its record `object/…` tells: digest, facts, rules. SANGRAHA_E_INTERNAL when the record
 * is not the one that the object pins, or of another size.
 */
int sgh_record_describe(const struct sgh_record *record, struct sangraha_object *object,
			struct sangraha_error *err);

#endif

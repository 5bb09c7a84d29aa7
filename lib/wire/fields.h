/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_FIELDS_H
#define SGH_WIRE_FIELDS_H

#include "base/buf.h"
#include "wire/json.h"
#include "wire/message.h"
#include "wire/object.h"

/*
 * The fields of a contract message under one name, whichever mode it is in: "object-id"
 * is a header of that name in binary mode, the member "object_id" in JSON mode. In JSON
 * mode a header "attempt" goes before the member, so that a message can be sent round
 * through a delay queue without touching its body.
 */

#define SGH_SHORT_MAX 255 /* bytes of an AMQP short string: the properties' bound */

/* Whether a content type says JSON mode; parameters are not looked at. */
bool sgh_fields_json_mode(const char *content_type);

/* ---- reading ---- */

struct sgh_fields {
	const struct sgh_message *message;
	cJSON *document; /* NULL: binary mode */
	struct sgh_json_raw data;
	struct sgh_json_raw facts;
	struct sgh_json_raw list;
	struct sgh_json_raw ticket;
	struct sgh_json_raw parts;
};

/* Look at a message, which must outlive the fields. On failure nothing needs closing. */
int sgh_fields_open(struct sgh_fields *fields, const struct sgh_message *message,
		    struct sangraha_error *err);
void sgh_fields_close(struct sgh_fields *fields);

/*
 * An absent field leaves *ret alone and is no failure. SANGRAHA_E_INVALID, naming the
 * field, for one of another kind or out of range. Texts are borrowed.
 */
int sgh_fields_text(const struct sgh_fields *fields, const char *name, const char **ret,
		    struct sangraha_error *err);
int sgh_fields_number(const struct sgh_fields *fields, const char *name, int64_t min,
		      int64_t max, int64_t *ret, struct sangraha_error *err);
int sgh_fields_bool(const struct sgh_fields *fields, const char *name, bool *ret,
		    struct sangraha_error *err);

/* A property, or in JSON mode the member of that name where it is missing. Borrowed. */
const char *sgh_fields_property(const struct sgh_fields *fields, const char *property,
				const char *name);

/* User metadata, checked; the pairs live in `arena`. */
int sgh_fields_meta(const struct sgh_fields *fields, struct sgh_arena *arena,
		    struct sgh_pair pairs[SGH_META_MAX], size_t *ret_count,
		    struct sangraha_error *err);

/*
 * The field "facts": a text in binary mode, an object as it stands in JSON mode. Whether
 * the text is JSON is not looked at.
 */
int sgh_fields_facts(const struct sgh_fields *fields, struct sgh_arena *arena,
		     const char **ret, struct sangraha_error *err);

/* The body: the message's, or the decoded member "data". *ret NULL when there is none. */
int sgh_fields_body(const struct sgh_fields *fields, struct sgh_budget *budget,
		    struct sgh_bytes **ret, struct sangraha_error *err);

/* Fail, calling the field what the sender called it. */
int sgh_fields_invalid(const struct sgh_fields *fields, const char *name,
		       const char *what, struct sangraha_error *err);

/* Copy a text that may be NULL into an arena. */
int sgh_fields_keep(struct sgh_arena *arena, const char *text, const char **ret,
		    struct sangraha_error *err);

/* ---- writing ---- */

/* Fields on their way into a message; a failure is told at the end. */
struct sgh_fields_writer {
	struct sgh_message *message;
	bool json;
	struct sgh_buf buf; /* the document so far, in JSON mode */
	bool failed;
};

/* `type` as in "sangraha.put.v1". */
int sgh_fields_begin(struct sgh_fields_writer *writer, bool json, const char *type,
		     struct sangraha_error *err);
/* Set one of the message's properties; NULL leaves it absent. */
void sgh_fields_set(struct sgh_fields_writer *writer, const char **property,
		    const char *text);
/* An absent text (NULL) writes nothing. */
void sgh_fields_put_text(struct sgh_fields_writer *writer, const char *name,
			 const char *text);
void sgh_fields_put_number(struct sgh_fields_writer *writer, const char *name,
			   int64_t number);
void sgh_fields_put_bool(struct sgh_fields_writer *writer, const char *name, bool value);
/* A field that is JSON: as it is in JSON mode, as a text in binary mode. */
void sgh_fields_put_raw(struct sgh_fields_writer *writer, const char *name,
			const char *json);
/* The media type of the body: the property, or the member where that says JSON mode. */
void sgh_fields_put_content_type(struct sgh_fields_writer *writer, const char *type);
void sgh_fields_put_meta(struct sgh_fields_writer *writer, const struct sgh_pair *pairs,
			 size_t count);
/* Add the body, which may be NULL, and hand the message over. Ends the writer. */
int sgh_fields_end(struct sgh_fields_writer *writer, struct sgh_bytes *body,
		   struct sgh_message **ret, struct sangraha_error *err);
/* Give up; after sgh_fields_end() it does nothing. */
void sgh_fields_abandon(struct sgh_fields_writer *writer);

#endif

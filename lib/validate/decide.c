/* SPDX-License-Identifier: MIT */
#include "validate/validator.h"

#include <stdio.h>

#include "base/error.h"
#include "base/util.h"
#include "validate/json.h"

/* Write the verdict's part of a refusal; the message goes to the caller. */
static int refuse(struct sangraha_validator *v, int status, const char *rule,
		  int64_t offset, struct sangraha_error *err, const char *message)
{
	v->verdict.accepted = false;
	v->verdict.offset = offset;
	snprintf(v->verdict.rule, sizeof(v->verdict.rule), "%s", rule);
	return sgh_fail(err, status, 0, "%s", message);
}

static void set_type(struct sangraha_validator *v, const struct sgh_type *type,
		     const char *detected)
{
	snprintf(v->verdict.type, sizeof(v->verdict.type), "%s",
		 type ? type->info.name : "");
	snprintf(v->verdict.detected, sizeof(v->verdict.detected), "%s", detected);
}

/* Answers that mean: some text, some bytes. */
static bool undecided(const char *looks_like)
{
	return sgh_streq(looks_like, "text/plain") ||
	       sgh_streq(looks_like, "application/octet-stream");
}

static const struct sgh_type *expected(const struct sangraha_validator *v)
{
	return v->asserted_type ? v->asserted_type : v->declared_type;
}

/*
 * Where the policy lets something stand before a PDF's header libmagic often knows no
 * better than to call it data.
 */
static bool is_late_pdf(const struct sangraha_validator *v)
{
	size_t most = v->types->limits.pdf_max_leading;
	const struct sgh_format *format;
	bool open = undecided(v->looks_like) ||
		    (expected(v) == sgh_types_by_name(v->types, "pdf") &&
		     !sgh_types_by_mime(v->types, v->looks_like, &format));

	return most && open &&
	       memmem(v->look, sgh_min(v->look_length, most + 5), "%PDF-", 5);
}

/* libmagic's answer, asked for once and only when the decision hangs on it. */
static int sniff(struct sangraha_validator *v, struct sangraha_error *err)
{
	int status;

	if (*v->looks_like)
		return 0;
	status = sgh_magic_ask(v->types->magic, v->look, v->look_length, v->looks_like,
			       err);
	if (!status && is_late_pdf(v))
		strcpy(v->looks_like, "application/pdf");
	return status;
}

/* 415: the content is taken for what libmagic says, and that was not wanted. */
static int unsupported(struct sangraha_validator *v, const char *rule, int64_t offset,
		       struct sangraha_error *err, const char *message)
{
	const struct sgh_format *format;

	if (*v->looks_like)
		set_type(v, sgh_types_by_mime(v->types, v->looks_like, &format),
			 v->looks_like);
	return refuse(v, SANGRAHA_E_UNSUPPORTED, rule, offset, err, message);
}

/* What the user said about the content, for messages. */
static void claim(const struct sangraha_validator *v, char *text, size_t size)
{
	if (*v->verdict.declared)
		snprintf(text, size, "declared %.100s", v->verdict.declared);
	else
		snprintf(text, size, "asserted to be of type %s", v->asserted);
}

static int mismatch(struct sangraha_validator *v, int64_t offset,
		    struct sangraha_error *err)
{
	char said[160];
	char message[320];

	claim(v, said, sizeof(said));
	snprintf(message, sizeof(message), "%s, but the content looks like %s", said,
		 v->looks_like);
	return unsupported(v, "type.mismatch", offset, err, message);
}

static void allowed_types(const struct sangraha_types *types, char *text, size_t size)
{
	size_t used = 0;

	*text = '\0';
	for (size_t i = 0; i < types->count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
					 types->items[i].info.name);
}

static int not_allowed(struct sangraha_validator *v, int64_t offset,
		       struct sangraha_error *err)
{
	char allowed[120];
	char message[320];

	allowed_types(v->types, allowed, sizeof(allowed));
	snprintf(message, sizeof(message),
		 "the content looks like %s, which is none of the types %s",
		 v->looks_like, allowed);
	return unsupported(v, "type.not-allowed", offset, err, message);
}

static bool is_json(const struct sangraha_validator *v)
{
	return v->run.format == &sgh_format_json;
}

static int rejected(struct sangraha_validator *v, const struct sgh_refusal *refusal,
		    struct sangraha_error *err)
{
	return refuse(v, SANGRAHA_E_REJECTED, refusal->rule, refusal->offset, err,
		      refusal->message);
}

/*
 * The text broke JSON's rules: is it broken JSON, or something else? Something else when
 * its first byte was wrong, and when nobody said JSON and all that spoke for it was one
 * bracket, as in RTF.
 */
static bool is_broken_json(const struct sangraha_validator *v,
			   const struct sgh_refusal *refusal)
{
	switch (sgh_json_progress(v->run.state)) {
	case SGH_JSON_NOTHING: /* white space and then the end? */
		return expected(v) && sgh_streq(refusal->rule, "json.end");
	case SGH_JSON_BRACKET:
		return expected(v) || !*v->looks_like || undecided(v->looks_like) ||
		       sgh_streq(v->looks_like, "application/json");
	default:
		return true;
	}
}

static int json_refused(struct sangraha_validator *v, const struct sgh_refusal *refusal,
			struct sangraha_error *err)
{
	int status = 0;

	if (v->look && sgh_json_progress(v->run.state) != SGH_JSON_MORE)
		status = sniff(v, err);
	if (status)
		return status;
	if (is_broken_json(v, refusal))
		return rejected(v, refusal, err);
	if (sgh_streq(refusal->rule, "json.bom"))
		return unsupported(v, refusal->rule, refusal->offset, err,
				   "JSON begins with no byte order mark");
	return expected(v) ? mismatch(v, refusal->offset, err)
			   : not_allowed(v, refusal->offset, err);
}

static int refused(struct sangraha_validator *v, const struct sgh_refusal *refusal,
		   struct sangraha_error *err)
{
	if (is_json(v))
		return json_refused(v, refusal, err);
	return rejected(v, refusal, err);
}

static int start(struct sangraha_validator *v, const struct sgh_type *type,
		 const struct sgh_format *format, struct sangraha_error *err)
{
	set_type(v, type, format ? format->mime_type : type->info.mime_type);
	v->stage = SGH_CHECK;
	return sgh_run_begin(&v->run, &v->types->limits, type, format, err);
}

static int start_json(struct sangraha_validator *v, struct sangraha_error *err)
{
	return start(v, sgh_types_by_name(v->types, "json"), &sgh_format_json, err);
}

/* Images and PDF: libmagic must say so, and agree with what the user said. */
static int start_expected(struct sangraha_validator *v, struct sangraha_error *err)
{
	const struct sgh_format *format = NULL;
	const struct sgh_type *type;
	int status = sniff(v, err);

	if (status)
		return status;
	type = sgh_types_by_mime(v->types, v->looks_like, &format);
	if (type != expected(v) ||
	    (*v->verdict.declared && !sgh_streq(v->verdict.declared, v->looks_like)))
		return mismatch(v, 0, err);
	return start(v, type, format, err);
}

/*
 * A program's type that was named: its checks decide, since libmagic knows few formats. An
 * image or a PDF is told apart all the same; its signature counts, not libmagic alone,
 * which finds "%PDF-" in the middle of texts.
 */
static int start_custom(struct sangraha_validator *v, struct sangraha_error *err)
{
	const struct sgh_format *format = NULL;
	int status = sniff(v, err);

	if (status)
		return status;
	if (sgh_types_by_mime(v->types, v->looks_like, &format) && format &&
	    format->looks && format->looks(v->look, v->look_length))
		return mismatch(v, 0, err);
	return start(v, expected(v), NULL, err);
}

/* A text that begins with no bracket is JSON only when all of it is. */
static int whole_json(struct sangraha_validator *v, struct sangraha_error *err)
{
	return sgh_run_try(&v->types->limits, NULL, &sgh_format_json, v->look,
			   v->look_length, err);
}

/* Behind a byte order mark that the policy lets in. */
static size_t begin_of_text(const struct sangraha_validator *v)
{
	bool mark = v->types->limits.json_bom && v->look_length >= 3 &&
		    memcmp(v->look, "\xef\xbb\xbf", 3) == 0;

	return mark ? 3 : 0;
}

static int start_undeclared(struct sangraha_validator *v, bool whole,
			    struct sangraha_error *err)
{
	const struct sgh_format *format = NULL;
	const struct sgh_type *type;
	size_t first = begin_of_text(v);
	int status;

	while (first < v->look_length && sgh_json_space(v->look[first]))
		first++;
	/* Nothing but JSON may begin with that much white space. */
	if (first == v->look_length && !whole) {
		status = sniff(v, err);
		return status ? status : start_json(v, err);
	}
	if (first < v->look_length && (v->look[first] == '{' || v->look[first] == '['))
		return start_json(v, err);
	status = sniff(v, err);
	if (status)
		return status;
	if (sgh_streq(v->looks_like, "application/json"))
		return start_json(v, err);
	if (whole && undecided(v->looks_like)) {
		status = whole_json(v, err);
		if (status)
			return status > 0 ? start_json(v, err) : status;
	}
	type = sgh_types_by_mime(v->types, v->looks_like, &format);
	return type ? start(v, type, format, err) : not_allowed(v, 0, err);
}

/* What is wrong before the content is looked at; *ret_rule stays NULL when nothing is. */
static void check_claims(const struct sangraha_validator *v, const char **ret_rule,
			 char *message, size_t size)
{
	const char *declared = v->verdict.declared;

	if (v->has_asserted && !v->asserted_type) {
		*ret_rule = "type.unknown";
		snprintf(message, size, "there is no type \"%s\"", v->asserted);
	} else if (*declared && !v->declared_type) {
		*ret_rule = "type.not-allowed";
		snprintf(message, size, "declared %s, which is of none of the types ",
			 declared);
		allowed_types(v->types, message + strlen(message),
			      size - strlen(message));
	} else if (*declared && v->asserted_type &&
		   v->asserted_type != v->declared_type) {
		*ret_rule = "type.mismatch";
		snprintf(message, size, "declared %s, but asserted to be of type %s",
			 declared, v->asserted);
	}
}

static int decide_type(struct sangraha_validator *v, bool whole,
		       struct sangraha_error *err)
{
	const char *rule = NULL;
	char message[320];
	int status;

	check_claims(v, &rule, message, sizeof(message));
	if (rule) {
		status = v->look_length ? sniff(v, err) : 0;
		return status ? status : unsupported(v, rule, -1, err, message);
	}
	if (v->look_length == 0) {
		if (expected(v))
			return refuse(v, SANGRAHA_E_REJECTED, "empty", 0, err,
				      "the body is empty");
		return unsupported(v, "type", 0, err,
				   "the body is empty, and no type was declared");
	}
	if (!expected(v))
		return start_undeclared(v, whole, err);
	if (!expected(v)->formats)
		return start_custom(v, err);
	if (expected(v)->formats[0] == &sgh_format_json)
		return start_json(v, err);
	return start_expected(v, err);
}

int sgh_decide(struct sangraha_validator *v, const unsigned char *data, size_t length,
	       bool whole, struct sangraha_error *err)
{
	int status;

	v->look = data;
	v->look_length = length;
	status = decide_type(v, whole, err);
	if (!status)
		status = sgh_check_feed(v, data, length, err);
	/* A text that has only begun to be JSON may still turn out to be none. */
	if (!status && !whole && is_json(v) &&
	    sgh_json_progress(v->run.state) == SGH_JSON_NOTHING)
		status = sniff(v, err);
	v->look = NULL;
	return status;
}

int sgh_check_feed(struct sangraha_validator *v, const void *data, size_t length,
		   struct sangraha_error *err)
{
	uint64_t limit = v->run.type->info.max_size;
	struct sgh_refusal refusal;
	int status;

	if (limit && v->run.offset + length > limit) {
		char message[128];

		snprintf(message, sizeof(message),
			 "larger than %llu bytes, the limit of type %s",
			 (unsigned long long)limit, v->run.type->info.name);
		return refuse(v, SANGRAHA_E_TOO_LARGE, "type.size", -1, err, message);
	}
	status = sgh_run_feed(&v->run, data, length, &refusal, err);
	return status == SANGRAHA_E_REJECTED ? refused(v, &refusal, err) : status;
}

int sgh_check_finish(struct sangraha_validator *v, struct sangraha_error *err)
{
	struct sgh_refusal refusal;
	char facts[SGH_FACTS_SIZE];
	int status = sgh_run_finish(&v->run, facts, &refusal, err);

	if (status == SANGRAHA_E_REJECTED)
		return refused(v, &refusal, err);
	if (status)
		return status;
	memcpy(v->verdict.facts, facts, sizeof(facts));
	v->verdict.accepted = true;
	return 0;
}

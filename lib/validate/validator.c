/* SPDX-License-Identifier: MIT */
#include "validate/validator.h"

#include "base/error.h"
#include "base/util.h"
#include "validate/json.h"

/* What libmagic sees of a stream; the same for every split. */
#define WINDOW ((size_t)64 * 1024)

/* Of it before the first byte, when the length is not known. */
#define FIRST_ROOM ((size_t)4096)

/* Of an object that is in memory it sees all, up to here. */
#define MAX_LOOK ((size_t)4 * 1024 * 1024)

/* Nothing more will be looked at: keep the answer, let go of the memory. */
static int done(struct sangraha_validator *v, int status,
		const struct sangraha_error *error, struct sangraha_error *err)
{
	v->stage = SGH_DONE;
	v->status = status;
	v->error = *error;
	free(sgh_take(v->window));
	sgh_run_fini(&v->run);
	return status ? sgh_fail_with(err, status, error) : 0;
}

/* The type that was declared: a program's own by its exact name, or normalised. */
static int read_declared(struct sangraha_validator *v, const char *declared,
			 struct sangraha_error *err)
{
	char bare[SGH_MEDIATYPE_SIZE];
	const struct sgh_format *format = NULL;
	int status = sgh_mediatype_normalise(declared, v->verdict.declared, err);

	if (status || !*v->verdict.declared)
		return status;
	sgh_mime_bare(declared, bare);
	v->declared_type = sgh_types_by_mime(v->types, bare, &format);
	if (v->declared_type && !v->declared_type->formats)
		memcpy(v->verdict.declared, bare, sizeof(bare));
	else
		v->declared_type =
			sgh_types_by_mime(v->types, v->verdict.declared, &format);
	return 0;
}

static int read_asserted(struct sangraha_validator *v, const char *asserted,
			 struct sangraha_error *err)
{
	size_t length = asserted ? strlen(asserted) : 0;

	if (!asserted)
		return 0;
	if (length == 0 || length >= sizeof(v->asserted))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the asserted type is not 1 to %zu bytes long",
				sizeof(v->asserted) - 1);
	v->has_asserted = true;
	memcpy(v->asserted, asserted, length + 1);
	v->asserted_type = sgh_types_by_name(v->types, asserted);
	return 0;
}

bool sgh_validates_as_json(struct sangraha_types *types, const char *declared,
			   const char *asserted, const void *data, size_t length)
{
	const struct sgh_type *json = sgh_types_by_name(types, "json");
	struct sangraha_validator v = { .types = types };

	if (read_declared(&v, declared, NULL) || read_asserted(&v, asserted, NULL))
		return false;
	if (*v.verdict.declared ? v.declared_type != json : !v.has_asserted)
		return false;
	return (!v.has_asserted || v.asserted_type == json) &&
	       sgh_json_begins(data, length);
}

int sangraha_validator_new(struct sangraha_types *types,
			   const struct sangraha_validate_options *options,
			   struct sangraha_validator **ret, struct sangraha_error *err)
{
	struct sangraha_validator *v;
	int status;

	if (!types || !ret)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no types to validate by");
	status = sgh_options_check(options, err);
	if (status)
		return status;
	v = calloc(1, sizeof(*v));
	if (!v)
		return sgh_fail_memory(err);
	v->types = sangraha_types_ref(types);
	sgh_verdict_init(&v->verdict);
	status = read_declared(v, sgh_option(options, declared, NULL), err);
	if (!status)
		status = read_asserted(v, sgh_option(options, asserted, NULL), err);
	if (status) {
		sangraha_validator_free(v);
		return status;
	}
	v->length = sgh_option(options, length, 0);
	v->room = v->length && v->length < WINDOW ? (size_t)v->length : FIRST_ROOM;
	*ret = v;
	return 0;
}

void sangraha_validator_free(struct sangraha_validator *v)
{
	if (!v)
		return;
	sgh_run_fini(&v->run);
	free(v->window);
	sangraha_types_unref(v->types);
	free(v);
}

/* Room for `wanted` bytes of the window: what the length promised, or doubling. */
static int grow(struct sangraha_validator *v, size_t wanted, struct sangraha_error *err)
{
	size_t room = v->room;
	unsigned char *window;

	if (v->window && wanted <= v->room)
		return 0;
	while (room < wanted)
		room *= 2;
	room = sgh_min(room, WINDOW);
	window = realloc(v->window, room);
	if (!window)
		return sgh_fail_memory(err);
	v->window = window;
	v->room = room;
	return 0;
}

/* Whether an object of which `held` bytes and then more are here can be decided. */
static bool enough(const struct sangraha_validator *v, size_t held, size_t more)
{
	return held == WINDOW && (more > 0 || v->length > WINDOW);
}

/* Fill the window; decide as soon as the object is known to be larger. */
static int collect(struct sangraha_validator *v, const unsigned char *data, size_t length,
		   struct sangraha_error *err)
{
	size_t part = sgh_min(length, WINDOW - v->held);
	int status;

	if (v->held == 0 && enough(v, part, length - part)) {
		status = sgh_decide(v, data, WINDOW, false, err);
	} else {
		status = grow(v, v->held + part, err);
		if (status)
			return status;
		memcpy(v->window + v->held, data, part);
		v->held += part;
		if (!enough(v, v->held, length - part))
			return 0;
		status = sgh_decide(v, v->window, v->held, false, err);
	}
	if (!status)
		status = sgh_check_feed(v, data + part, length - part, err);
	free(sgh_take(v->window));
	return status;
}

int sangraha_validator_feed(struct sangraha_validator *v, const void *data, size_t length,
			    struct sangraha_error *err)
{
	struct sangraha_error error = { 0 };
	int status;

	if (!v || (!data && length > 0))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no data to validate");
	if (v->stage == SGH_DONE)
		return v->status ? sgh_fail_with(err, v->status, &v->error)
				 : sgh_fail(err, SANGRAHA_E_INVALID, 0,
					    "the object was finished before");
	if (length == 0)
		return 0;
	if (v->stage == SGH_COLLECT)
		status = collect(v, data, length, &error);
	else
		status = sgh_check_feed(v, data, length, &error);
	return status ? done(v, status, &error, err) : 0;
}

int sangraha_validator_finish(struct sangraha_validator *v, struct sangraha_error *err)
{
	struct sangraha_error error = { 0 };
	int status = 0;

	if (!v)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no validator");
	if (v->stage == SGH_DONE)
		return v->status ? sgh_fail_with(err, v->status, &v->error) : 0;
	if (v->stage == SGH_COLLECT)
		status = sgh_decide(v, v->window, v->held, true, &error);
	if (!status)
		status = sgh_check_finish(v, &error);
	return done(v, status, &error, err);
}

const struct sangraha_verdict *
sangraha_validator_verdict(const struct sangraha_validator *v)
{
	return v ? &v->verdict : NULL;
}

/* The whole object, without the copy that a stream needs. */
static int validate_at_once(struct sangraha_validator *v, const unsigned char *data,
			    size_t length, struct sangraha_error *err)
{
	size_t look = length <= MAX_LOOK ? length : WINDOW;
	int status = sgh_decide(v, data, look, look == length, err);

	if (!status)
		status = sgh_check_feed(v, data + look, length - look, err);
	return status ? status : sgh_check_finish(v, err);
}

int sangraha_validate(struct sangraha_types *types,
		      const struct sangraha_validate_options *options, const void *data,
		      size_t length, struct sangraha_verdict **ret_verdict,
		      struct sangraha_error *err)
{
	struct sangraha_validator *v = NULL;
	struct sangraha_verdict *verdict;
	int status;

	if (!data && length > 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "no data to validate");
	status = sangraha_validator_new(types, options, &v, err);
	if (status)
		return status;
	status = validate_at_once(v, length ? data : "", length, err);
	if (ret_verdict) {
		verdict = sgh_verdict_copy(&v->verdict);
		if (verdict)
			*ret_verdict = verdict;
		else
			status = sgh_fail_memory(err);
	}
	sangraha_validator_free(v);
	return status;
}

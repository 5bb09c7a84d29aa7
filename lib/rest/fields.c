/* SPDX-License-Identifier: MIT */
#include "rest/fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/util.h"

/* MHD's memory for a connection bounds a header by far less. */
#define LIST_MAX (64 << 10)

struct framing {
	unsigned hosts;
	unsigned lengths;
	unsigned encodings;
	bool chunked;
	bool malformed;
	int64_t length;
};

/* RFC 9110, section 5.6.2. MHD takes anything up to the colon for a name. */
static bool is_token(const char *name)
{
	static const char set[] = "!#$%&'*+-.^_`|~0123456789"
				  "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *name && !name[strspn(name, set)];
}

static enum MHD_Result count_framing(void *arg, enum MHD_ValueKind kind, const char *name,
				     const char *value)
{
	struct framing *framing = arg;

	if (!is_token(name))
		framing->malformed = true;
	if (strcasecmp(name, "Host") == 0)
		framing->hosts++;
	if (strcasecmp(name, "Content-Length") == 0) {
		framing->lengths++;
		/* MHD has checked that it is a number that fits 64 bits. */
		framing->length = value ? (int64_t)strtoll(value, NULL, 10) : 0;
	}
	if (strcasecmp(name, "Transfer-Encoding") == 0) {
		framing->encodings++;
		framing->chunked = value && strcasecmp(value, "chunked") == 0;
	}
	return MHD_YES;
}

/*
 * What two servers in a row read differently is a second request to one of them (RFC
 * 9112, section 11.2). MHD takes the first length.
 */
int sgh_fields_check_framing(struct sgh_web_request *request, const char *version)
{
	struct framing framing = { 0 };

	MHD_get_connection_values(request->http, MHD_HEADER_KIND, count_framing,
				  &framing);
	request->announced = framing.encodings ? -1 : framing.length;
	if (framing.malformed || strpbrk(request->target, " \t"))
		return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
				       "There is a space or another byte that is not "
				       "allowed in the target or in a header's name");
	if (framing.hosts == 0 && strcmp(version, "HTTP/1.0") != 0)
		return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
				       "The header Host is missing");
	if (framing.lengths + framing.encodings > 1)
		return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
				       "The length of the body is given more than once");
	if (framing.encodings && !framing.chunked)
		return sgh_problem_set_http(&request->problem, 501,
					    SANGRAHA_E_UNSUPPORTED,
					    "Only the transfer encoding \"chunked\" is "
					    "understood");
	return 0;
}

/* Not here: Sangraha-Meta-<name>, which put.c looks after, and X-Correlation-ID. */
static const char *const singles[] = {
	"Host",
	"Authorization",
	"Content-Type",
	"Content-Disposition",
	"Idempotency-Key",
	"If-Modified-Since",
	"If-Range",
	"If-Unmodified-Since",
	"Range",
};

struct check {
	const char *values[SGH_COUNT(singles)];
	const char *twice; /* a name; NULL: none */
};

static enum MHD_Result check_field(void *arg, enum MHD_ValueKind kind, const char *name,
				   const char *value)
{
	struct check *check = arg;

	if (!value)
		value = "";
	for (size_t i = 0; i < SGH_COUNT(singles); i++) {
		if (strcasecmp(name, singles[i]) != 0)
			continue;
		if (!check->values[i])
			check->values[i] = value;
		/* Of Host not even the same again (RFC 9112, section 3.2). */
		else if (i == 0 || strcmp(check->values[i], value) != 0)
			check->twice = singles[i];
		break;
	}
	return check->twice ? MHD_NO : MHD_YES;
}

int sgh_fields_check(struct sgh_web_request *request)
{
	struct check check = { .twice = NULL };

	MHD_get_connection_values(request->http, MHD_HEADER_KIND, check_field, &check);
	if (!check.twice)
		return 0;
	return sgh_problem_set(&request->problem, SANGRAHA_E_INVALID,
			       "The header %s is given more than once", check.twice);
}

struct list {
	const char *name;
	bool found;
	struct sgh_buf buf;
};

static enum MHD_Result join(void *arg, enum MHD_ValueKind kind, const char *name,
			    const char *value)
{
	struct list *list = arg;

	if (strcasecmp(name, list->name) != 0)
		return MHD_YES;
	if (list->found)
		sgh_buf_puts(&list->buf, ", ");
	sgh_buf_puts(&list->buf, value ? value : "");
	list->found = true;
	return MHD_YES;
}

int sgh_fields_list(struct sgh_web_request *request, const char *name, char **ret)
{
	struct list list = { .name = name, .buf = SGH_BUF_INIT(LIST_MAX) };

	MHD_get_connection_values(request->http, MHD_HEADER_KIND, join, &list);
	*ret = NULL;
	if (!list.found)
		return 0;
	*ret = sgh_buf_take(&list.buf);
	if (*ret)
		return 0;
	return sgh_problem_set(&request->problem, SANGRAHA_E_OVERLOADED,
			       "There is no memory");
}

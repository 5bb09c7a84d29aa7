/* SPDX-License-Identifier: MIT */
#include "rest/uri.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/util.h"
#include "wire/filename.h"
#include "wire/protocol.h"

/* A name that is longer, or could break a line, is not repeated. */
#define NAME_SHOWN 64

/* Absolute form: a proxy may send the whole URL, and we are to accept it. */
static char *skip_authority(char *text)
{
	char *authority = NULL;

	if (strncasecmp(text, "http://", 7) == 0)
		authority = text + 7;
	else if (strncasecmp(text, "https://", 8) == 0)
		authority = text + 8;
	if (!authority)
		return text;
	return authority + strcspn(authority, "/?");
}

static int parse_path(struct sgh_uri *uri, char *path, struct sangraha_error *err)
{
	char *rest = *path == '/' ? path + 1 : path;
	char *segment;

	while ((segment = strsep(&rest, "/"))) {
		if (uri->segment_count == SGH_URI_SEGMENTS_MAX)
			return sgh_fail(err, SANGRAHA_E_NOT_FOUND, 0, "No such resource");
		if (!sgh_percent_decode(segment))
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"The path has a broken percent escape");
		uri->segments[uri->segment_count++] = segment;
	}
	return 0;
}

static int parse_parameter(struct sgh_uri *uri, char *name, struct sangraha_error *err)
{
	char *value = strchr(name, '=');

	if (value)
		*value++ = '\0';
	else
		value = name + strlen(name);
	if (uri->query_count == SGH_URI_QUERY_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "Too many query parameters");
	for (char *c = value; *c; c++)
		if (*c == '+')
			*c = ' ';
	if (!sgh_percent_decode(name) || !sgh_percent_decode(value))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The query has a broken percent escape");
	if (sgh_uri_query(uri, name))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The query parameter \"%s\" is given twice",
				sgh_printable(name, NAME_SHOWN) ? name : "?");
	uri->names[uri->query_count] = name;
	uri->values[uri->query_count++] = value;
	return 0;
}

int sgh_uri_parse(struct sgh_uri *uri, const char *target, struct sangraha_error *err)
{
	char *path;
	char *query;
	char *parameter;
	bool absolute;
	int status;

	memset(uri, 0, sizeof(*uri));
	if (!sgh_strdup(target, &uri->text) || !uri->text)
		return sgh_fail_memory(err);
	path = skip_authority(uri->text);
	absolute = path != uri->text;
	path[strcspn(path, "#")] = '\0';
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	/* Only after an authority may the path be empty (RFC 9112, section 3.2). */
	if (*path != '/' && (*path || !absolute))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The target does not begin with a slash");
	status = parse_path(uri, path, err);
	while (status == 0 && (parameter = strsep(&query, "&")))
		if (*parameter)
			status = parse_parameter(uri, parameter, err);
	return status;
}

void sgh_uri_fini(struct sgh_uri *uri)
{
	free(uri->text);
	memset(uri, 0, sizeof(*uri));
}

const char *sgh_uri_query(const struct sgh_uri *uri, const char *name)
{
	for (size_t i = 0; i < uri->query_count; i++)
		if (strcmp(uri->names[i], name) == 0)
			return uri->values[i];
	return NULL;
}

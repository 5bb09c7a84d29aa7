/* SPDX-License-Identifier: MIT */
#include "rest/headers.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/util.h"
#include "rest/answer.h"
#include "wire/filename.h"

/* What a browser may show by itself; everything else is a download. */
static const struct {
	const char *content_type;
	const char *extension;
} shown[] = {
	{ "image/png", "png" },       { "image/jpeg", "jpg" },
	{ "image/gif", "gif" },       { "image/webp", "webp" },
	{ "application/pdf", "pdf" }, { "application/json", "json" },
};

static const char *extension(const char *content_type)
{
	for (size_t i = 0; i < SGH_COUNT(shown); i++)
		if (strcmp(shown[i].content_type, content_type) == 0)
			return shown[i].extension;
	return NULL;
}

static void disposition(struct sgh_web_request *request,
			const struct sangraha_object *object, bool download)
{
	const char *suffix = extension(sangraha_object_content_type(object));
	const char *name = sangraha_object_filename(object);
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(4 << 10);
	char stand_in[SANGRAHA_ID_SIZE + 8];

	snprintf(stand_in, sizeof(stand_in), "%s%s%s", sangraha_object_id(object),
		 suffix ? "." : "", suffix ? suffix : "");
	sgh_disposition_write(&buf, download || !suffix ? "attachment" : "inline",
			      name ? name : stand_in);
	if (!buf.failed)
		sgh_answer_header(request, "Content-Disposition", sgh_buf_text(&buf));
}

void sgh_object_headers(struct sgh_web_request *request,
			const struct sangraha_object *object, unsigned http,
			bool download)
{
	char modified[SGH_HTTP_DATE_SIZE];

	sgh_http_date(sangraha_object_created_ms(object), modified);
	sgh_answer_header(request, "ETag", sangraha_object_etag(object));
	sgh_answer_header(request, "Last-Modified", modified);
	/* Immutable, but it may be deleted: ask again, and get a 304. */
	sgh_answer_header(request, "Cache-Control", "private, no-cache");
	if (http == 304)
		return;
	sgh_answer_header(request, "Accept-Ranges", "bytes");
	sgh_answer_header(request, "Content-Type", sangraha_object_content_type(object));
	disposition(request, object, download);
	sgh_answer_header(request, "X-Content-Type-Options", "nosniff");
	sgh_answer_header(request, "Content-Security-Policy",
			  "default-src 'none'; sandbox");
}

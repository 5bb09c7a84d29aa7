/* SPDX-License-Identifier: MIT */
#include "rest/headers.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/util.h"
#include "rest/answer.h"
#include "rest/server.h"
#include "wire/filename.h"

/* What a browser may show by itself; everything else is a download. */
static bool may_be_shown(const char *content_type)
{
	static const char *const shown[] = {
		"image/png",  "image/jpeg",      "image/gif",
		"image/webp", "application/pdf", "application/json",
	};

	for (size_t i = 0; i < SGH_COUNT(shown); i++)
		if (strcmp(shown[i], content_type) == 0)
			return true;
	return false;
}

static void disposition(struct sgh_web_request *request,
			const struct sangraha_object *object, bool download)
{
	const char *suffix = sangraha_client_extension(request->rest->client, object);
	const char *name = sangraha_object_filename(object);
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(4 << 10);
	char stand_in[SANGRAHA_ID_SIZE + 64];

	if (!may_be_shown(sangraha_object_content_type(object)))
		download = true;
	snprintf(stand_in, sizeof(stand_in), "%s%s%s", sangraha_object_id(object),
		 suffix ? "." : "", suffix ? suffix : "");
	sgh_disposition_write(&buf, download ? "attachment" : "inline",
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

/* SPDX-License-Identifier: MIT */
#include "rest/headers.h"

#include "base/buf.h"
#include "base/clock.h"
#include "rest/answer.h"
#include "rest/server.h"
#include "wire/filename.h"

static void disposition(struct sgh_web_request *request,
			const struct sangraha_object *object, bool download)
{
	sgh_autobuf struct sgh_buf buf = SGH_BUF_INIT(4 << 10);

	sgh_disposition_object(
		&buf, sangraha_object_content_type(object),
		sangraha_object_filename(object), sangraha_object_id(object),
		sangraha_client_extension(request->rest->client, object), download);
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

void sgh_redirect_headers(struct sgh_web_request *request,
			  const struct sangraha_object *object, const char *url,
			  bool download)
{
	sgh_answer_header(request, "Location", url);
	sgh_answer_header(request, "Cache-Control", "no-store");
	sgh_answer_header(request, "Referrer-Policy", "no-referrer");
	sgh_answer_header(request, "ETag", sangraha_object_etag(object));
	sgh_answer_header(request, "Content-Type", sangraha_object_content_type(object));
	disposition(request, object, download);
}

/* SPDX-License-Identifier: MIT */
#include "rest/form.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"
#include "rest/multipart.h"
#include "rest/put.h"
#include "wire/sha256.h"

#define META_PREFIX "meta."

struct sgh_form {
	struct sgh_web_request *request;
	struct sgh_multipart multipart;
	struct sgh_sha256 *hash; /* of the whole content; NULL: nobody asked */
	bool file_seen;
	bool in_file;
	char meta_name[SGH_META_BYTES_MAX + 1];
	char meta_value[SGH_META_BYTES_MAX + 1];
	size_t meta_length;
};

/* The problem was set below; the parser only needs to stop. */
static int problem_of(const struct sgh_form *form, struct sangraha_error *err)
{
	const struct sgh_problem *problem = &form->request->problem;

	return sgh_fail(err, problem->status, 0, "%s", problem->detail);
}

static int begin_file(struct sgh_form *form, const struct sgh_part_header *header,
		      struct sangraha_error *err)
{
	struct sgh_web_request *request = form->request;

	if (form->file_seen)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"There is more than one part \"file\"");
	form->file_seen = true;
	form->in_file = true;
	if ((header->filename && *header->filename &&
	     sgh_put_name(request, header->filename)) ||
	    sgh_put_content_type(request, header->content_type) ||
	    sgh_put_open(request, -1))
		return problem_of(form, err);
	return 0;
}

static int begin_part(void *arg, const struct sgh_part_header *header,
		      struct sangraha_error *err)
{
	struct sgh_form *form = arg;
	const char *name = header->name;

	form->in_file = false;
	if (sgh_put_encoding(form->request, header->encoding))
		return problem_of(form, err);
	if (strcmp(name, "file") == 0)
		return begin_file(form, header, err);
	if (strncmp(name, META_PREFIX, strlen(META_PREFIX)) != 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The part \"%.64s\" is neither \"file\" nor "
				"\"meta.<name>\"",
				name);
	name += strlen(META_PREFIX);
	if (strlen(name) > SGH_META_BYTES_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The name of a part \"meta.<name>\" is too long");
	memcpy(form->meta_name, name, strlen(name) + 1);
	form->meta_length = 0;
	return 0;
}

static int part_data(void *arg, const char *data, size_t length, size_t *ret_taken,
		     struct sangraha_error *err)
{
	struct sgh_form *form = arg;

	if (form->in_file) {
		if (sgh_put_write(form->request, data, length, ret_taken))
			return problem_of(form, err);
		return 0;
	}
	if (length > SGH_META_BYTES_MAX - form->meta_length)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The part \"meta.%.64s\" is too long", form->meta_name);
	memcpy(form->meta_value + form->meta_length, data, length);
	form->meta_length += length;
	*ret_taken = length;
	return 0;
}

static int end_part(void *arg, struct sangraha_error *err)
{
	struct sgh_form *form = arg;

	if (form->in_file)
		return 0;
	form->meta_value[form->meta_length] = '\0';
	if (strlen(form->meta_value) != form->meta_length)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The part \"meta.%.64s\" has a NUL", form->meta_name);
	if (sgh_put_add_meta(form->request, form->meta_name, form->meta_value))
		return problem_of(form, err);
	return 0;
}

static const struct sgh_multipart_sink sink = {
	.begin = begin_part,
	.data = part_data,
	.end = end_part,
};

int sgh_form_new(struct sgh_web_request *request, const char *content_type)
{
	struct sgh_form *form = calloc(1, sizeof(*form));
	struct sangraha_error err = { 0 };
	int status;

	if (!form)
		return sgh_problem_set_error(&request->problem, sgh_fail_memory(&err),
					     &err);
	request->put->form = form;
	form->request = request;
	status = sgh_multipart_init(&form->multipart, content_type, &sink, form, &err);
	/* Content-Digest is about the content of the request, boundaries included. */
	if (status == 0 && *request->put->sha256)
		status = sgh_sha256_new(&form->hash, &err);
	if (status)
		return sgh_problem_set_error(&request->problem, status, &err);
	return 0;
}

void sgh_form_free(struct sgh_form *form)
{
	if (!form)
		return;
	sgh_sha256_free(form->hash);
	free(form);
}

int sgh_form_feed(struct sgh_web_request *request, const char *data, size_t length,
		  size_t *ret_taken)
{
	struct sgh_form *form = request->put->form;
	struct sangraha_error err = { 0 };
	int status = sgh_multipart_feed(&form->multipart, data, length, ret_taken, &err);

	if (status == 0 && form->hash)
		status = sgh_sha256_update(form->hash, data, *ret_taken, &err);
	if (status == 0)
		return 0;
	return sgh_problem_set_error(&request->problem, status, &err);
}

static int check_digest(struct sgh_web_request *request, struct sangraha_error *err)
{
	struct sgh_form *form = request->put->form;
	char hex[SANGRAHA_SHA256_SIZE] = "";
	unsigned char digest[32];
	int status;

	if (!form->hash)
		return 0;
	status = sgh_sha256_final(form->hash, digest, err);
	if (status)
		return status;
	sgh_hex(digest, sizeof(digest), hex);
	if (strcmp(hex, request->put->sha256) != 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"Content-Digest is not that of the body that arrived");
	return 0;
}

int sgh_form_finish(struct sgh_web_request *request)
{
	struct sgh_form *form = request->put->form;
	struct sangraha_error err = { 0 };
	int status = sgh_multipart_finish(&form->multipart, &err);

	if (status == 0 && !form->file_seen)
		status = sgh_fail(&err, SANGRAHA_E_INVALID, 0,
				  "There is no part \"file\"");
	if (status == 0)
		status = check_digest(request, &err);
	if (status == 0)
		return 0;
	return sgh_problem_set_error(&request->problem, status, &err);
}

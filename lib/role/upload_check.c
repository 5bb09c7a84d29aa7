/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "role/upload.h"
#include "validate/types.h"

/*
 * What is too large for one message is looked at here, as it comes: the receiver sees the
 * first 64 KiB and believes the rest. On the user's thread.
 */

int sgh_upload_check_begin(struct sangraha_upload *upload, struct sangraha_error *err)
{
	const struct sangraha_validate_options options = {
		.size = sizeof(options),
		.declared = upload->request->content_type,
		.asserted = upload->request->object_type,
		.length = upload->length > 0 ? (uint64_t)upload->length : 0,
	};
	int status = sangraha_validator_new(upload->client->types, &options,
					    &upload->validator, err);

	return status ? status : sgh_sha256_new(&upload->hash, err);
}

/* Whether the validator has refused the object, rather than failed. */
static int judge(struct sangraha_upload *upload, int status)
{
	if (status == SANGRAHA_E_REJECTED || status == SANGRAHA_E_UNSUPPORTED ||
	    status == SANGRAHA_E_TOO_LARGE)
		upload->refused = true;
	return status;
}

int sgh_upload_check(struct sangraha_upload *upload, const void *data, size_t length,
		     struct sangraha_error *err)
{
	int status = sangraha_validator_feed(upload->validator, data, length, err);

	if (status)
		return judge(upload, status);
	/* What is all in the first buffer may come to be one PUT. */
	if (upload->kind != SGH_UPLOAD_PARTS)
		upload->crc32c = sgh_crc32c_update(&upload->client->crc32c,
						   upload->crc32c, data, length);
	return sgh_sha256_update(upload->hash, data, length, err);
}

int sgh_upload_check_end(struct sangraha_upload *upload, struct sangraha_error *err)
{
	const char *expected = upload->request->sha256;
	unsigned char digest[32];
	int status = sangraha_validator_finish(upload->validator, err);

	if (status)
		return judge(upload, status);
	status = sgh_sha256_final(upload->hash, digest, err);
	if (status)
		return status;
	sgh_hex(digest, sizeof(digest), upload->state.sha256);
	sgh_crc32c_hex(upload->crc32c, upload->state.crc32c);
	if (expected && strcmp(expected, upload->state.sha256) != 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the body's SHA-256 is %s, not the one that was "
				"announced",
				upload->state.sha256);
	return 0;
}

const char *sgh_upload_type(const struct sangraha_upload *upload)
{
	return sangraha_verdict_type(sangraha_validator_verdict(upload->validator));
}

static const char *keep(struct sgh_reply *reply, const char *text)
{
	return text ? sgh_arena_strdup(&reply->arena, text) : NULL;
}

/* Without memory the refusal keeps its status and its sentence. */
void sgh_upload_explain(struct sangraha_upload *upload)
{
	const struct sangraha_verdict *verdict =
		sangraha_validator_verdict(upload->validator);
	struct sgh_reply *reply = sgh_reply_new();

	if (!reply)
		return;
	reply->declared = keep(reply, sangraha_verdict_declared(verdict));
	reply->detected = keep(reply, sangraha_verdict_detected(verdict));
	reply->rule = keep(reply, sangraha_verdict_rule(verdict));
	reply->offset = sangraha_verdict_offset(verdict);
	pthread_mutex_lock(&upload->state.lock);
	if (upload->state.result && !upload->state.result->reply) {
		reply->status = upload->state.status;
		upload->state.result->reply = sgh_take(reply);
	}
	pthread_mutex_unlock(&upload->state.lock);
	sgh_reply_free(reply);
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include <sangraha/version.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/util.h"
#include "queue/amqp_conn.h"
#include "queue/amqp_dial.h"

#define FRAME_MAX_WANTED 131072
#define FRAME_MAX_LEAST  4096 /* AMQP 0-9-1, section 4.2.3 */
#define CHANNELS_WANTED  256

#define ANSWER_MS 3000 /* for one answer of the broker */

/* How rabbitmq-c marks "AMQP" and a version, sent instead of a frame. */
#define PROTOCOL_HEADER 'A'

/*
 * amqp_login() does all this too, but has no time limit of its own and believes any frame
 * size that the peer says; by itself it is a few methods. What is sent is a few hundred
 * bytes, for which a fresh socket always has room.
 */

static amqp_table_entry_t text_entry(const char *key, const char *text)
{
	amqp_table_entry_t entry = { .key = amqp_cstring_bytes(key) };

	entry.value.kind = AMQP_FIELD_KIND_UTF8;
	entry.value.value.bytes = amqp_cstring_bytes(text);
	return entry;
}

static amqp_table_entry_t flag_entry(const char *key)
{
	amqp_table_entry_t entry = { .key = amqp_cstring_bytes(key) };

	entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
	entry.value.value.boolean = 1;
	return entry;
}

static int library_failed(struct sangraha_error *err, int rc, int errnum)
{
	if (rc == AMQP_STATUS_SOCKET_ERROR && errnum)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, errnum, "%s",
				strerror(errnum));
	return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, rc, "%s", amqp_error_string2(rc));
}

static int send_method(struct sgh_amqp_line *line, amqp_method_number_t id, void *method,
		       struct sangraha_error *err)
{
	int rc;

	errno = 0;
	rc = amqp_send_method(line->state, 0, id, method);
	return rc == AMQP_STATUS_OK ? 0 : library_failed(err, rc, errno);
}

/* Whether a frame is what is waited for: 1, or 0, or a failure. */
static int answers(const amqp_frame_t *frame, amqp_method_number_t answer,
		   struct sangraha_error *err)
{
	const amqp_method_t *method = &frame->payload.method;

	if (frame->frame_type == PROTOCOL_HEADER)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"the broker does not speak AMQP 0-9-1");
	if (frame->frame_type != AMQP_FRAME_METHOD || frame->channel != 0)
		return 0;
	if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
		const amqp_connection_close_t *close_method = method->decoded;

		return sgh_amqp_closed(err, close_method->reply_code,
				       close_method->reply_text);
	}
	return method->id == answer;
}

/* What `ret` refers to is gone with the next call. */
static int await(struct sgh_amqp_line *line, amqp_method_number_t answer,
		 amqp_method_t *ret, struct sangraha_error *err)
{
	int64_t until = sgh_now_ms() + ANSWER_MS;
	amqp_frame_t frame;
	int rc;

	do {
		int64_t rest = until - sgh_now_ms();
		struct timeval limit = { .tv_sec = rest / 1000,
					 .tv_usec = rest % 1000 * 1000 };

		amqp_maybe_release_buffers(line->state);
		errno = 0;
		rc = rest < 0 ? AMQP_STATUS_TIMEOUT
			      : amqp_simple_wait_frame_noblock(line->state, &frame,
							       &limit);
		if (rc == AMQP_STATUS_TIMEOUT)
			return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, rc,
					"the broker does not answer");
		if (rc != AMQP_STATUS_OK)
			return library_failed(err, rc, errno);
		rc = answers(&frame, answer, err);
	} while (rc == 0);
	if (rc > 0)
		*ret = frame.payload.method;
	return rc > 0 ? 0 : rc;
}

static int send_start_ok(struct sgh_amqp_line *line, const struct sgh_amqp_target *target,
			 struct sangraha_error *err)
{
	char plain[1400];
	amqp_table_entry_t capabilities[] = {
		flag_entry("authentication_failure_close"),
		flag_entry("basic.nack"),
		flag_entry("connection.blocked"),
		flag_entry("consumer_cancel_notify"),
		flag_entry("publisher_confirms"),
	};
	amqp_table_entry_t properties[] = {
		text_entry("product", "sangraha"),
		text_entry("version", SANGRAHA_VERSION),
		text_entry("platform", "C"),
		text_entry("connection_name", target->name),
		{ .key = amqp_cstring_bytes("capabilities") },
	};
	amqp_connection_start_ok_t method = {
		.client_properties = { SGH_COUNT(properties), properties },
		.mechanism = amqp_cstring_bytes("PLAIN"),
		.response = { .bytes = plain },
		.locale = amqp_cstring_bytes("en_US"),
	};
	const struct sgh_amqp_url *url = target->url;
	size_t user = strlen(url->user), password = strlen(url->password);
	int rc;

	properties[4].value.kind = AMQP_FIELD_KIND_TABLE;
	properties[4].value.value.table.num_entries = SGH_COUNT(capabilities);
	properties[4].value.value.table.entries = capabilities;
	/* RFC 4616: no identity to act as, NUL, who, NUL, password. */
	plain[0] = '\0';
	memcpy(plain + 1, url->user, user + 1);
	memcpy(plain + user + 2, url->password, password);
	method.response.len = user + password + 2;
	rc = send_method(line, AMQP_CONNECTION_START_OK_METHOD, &method, err);
	explicit_bzero(plain, sizeof(plain));
	return rc;
}

/* The smaller of what both want, where 0 is "no limit". */
static unsigned negotiate(unsigned ours, unsigned theirs)
{
	return theirs == 0 || (ours != 0 && ours < theirs) ? ours : theirs;
}

static int tune(struct sgh_amqp_line *line, const struct sgh_amqp_target *target,
		const amqp_connection_tune_t *theirs, struct sangraha_error *err)
{
	amqp_connection_tune_ok_t ours = {
		.channel_max = (uint16_t)negotiate(CHANNELS_WANTED, theirs->channel_max),
		.frame_max = negotiate(FRAME_MAX_WANTED, theirs->frame_max),
		.heartbeat = (uint16_t)negotiate(target->heartbeat, theirs->heartbeat),
	};

	if (ours.frame_max < FRAME_MAX_LEAST)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"the broker allows frames of %u bytes only",
				ours.frame_max);
	/* Heartbeats are ours (amqp_pulse.c): the library would write them in between. */
	if (amqp_tune_connection(line->state, ours.channel_max, (int)ours.frame_max, 0) !=
	    AMQP_STATUS_OK)
		return sgh_fail_memory(err);
	line->frame_max = ours.frame_max;
	line->heartbeat = ours.heartbeat;
	return send_method(line, AMQP_CONNECTION_TUNE_OK_METHOD, &ours, err);
}

int sgh_amqp_login(const struct sgh_amqp_target *target, struct sgh_amqp_line *line,
		   struct sangraha_error *err)
{
	amqp_connection_open_t open = {
		.virtual_host = amqp_cstring_bytes(target->url->vhost),
		.capabilities = amqp_empty_bytes,
	};
	amqp_method_t method;
	int rc;

	if (amqp_send_header(line->state) != AMQP_STATUS_OK)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "the connection was cut");
	rc = await(line, AMQP_CONNECTION_START_METHOD, &method, err);
	if (!rc)
		rc = send_start_ok(line, target, err);
	if (!rc)
		rc = await(line, AMQP_CONNECTION_TUNE_METHOD, &method, err);
	if (!rc)
		rc = tune(line, target, method.decoded, err);
	if (!rc)
		rc = send_method(line, AMQP_CONNECTION_OPEN_METHOD, &open, err);
	return rc ? rc : await(line, AMQP_CONNECTION_OPEN_OK_METHOD, &method, err);
}

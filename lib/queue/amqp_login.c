/* SPDX-License-Identifier: MIT */
#include "queue/amqp_conn.h"

#include <stdio.h>

#include <sangraha/version.h>

#include "base/error.h"
#include "base/util.h"

#define FRAME_MAX_WANTED 131072
#define FRAME_MAX_LEAST  4096 /* AMQP 0-9-1, section 4.2.3 */
#define CHANNELS_WANTED  256

/*
 * amqp_login() does all this too, but blocks, and believes any frame size that the peer
 * says; by itself it is a few methods.
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

static bool send_start_ok(struct sgh_amqp_conn *conn, const struct sgh_amqp_url *url)
{
	char name[256], plain[1400];
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
		{ .key = amqp_cstring_bytes("connection_name") },
		{ .key = amqp_cstring_bytes("capabilities") },
	};
	amqp_connection_start_ok_t method = {
		.client_properties = { SGH_COUNT(properties), properties },
		.mechanism = amqp_cstring_bytes("PLAIN"),
		.response = { .bytes = plain },
		.locale = amqp_cstring_bytes("en_US"),
	};
	size_t user = strlen(url->user), password = strlen(url->password);
	bool sent;

	snprintf(name, sizeof(name), "%.200s (%s)", conn->settings->connection_name,
		 conn->ops->purpose);
	properties[3] = text_entry("connection_name", name);
	properties[4].value.kind = AMQP_FIELD_KIND_TABLE;
	properties[4].value.value.table.num_entries = SGH_COUNT(capabilities);
	properties[4].value.value.table.entries = capabilities;
	/* RFC 4616: no identity to act as, NUL, who, NUL, password. */
	plain[0] = '\0';
	memcpy(plain + 1, url->user, user + 1);
	memcpy(plain + user + 2, url->password, password);
	method.response.len = user + password + 2;
	sent = sgh_amqp_send_method(conn, 0, AMQP_CONNECTION_START_OK_METHOD, &method);
	explicit_bzero(plain, sizeof(plain));
	return sent;
}

/* The smaller of what both want, where 0 is "no limit". */
static unsigned negotiate(unsigned ours, unsigned theirs)
{
	return theirs == 0 || (ours != 0 && ours < theirs) ? ours : theirs;
}

static int tune(struct sgh_amqp_conn *conn, const amqp_connection_tune_t *theirs,
		struct sangraha_error *err)
{
	amqp_connection_tune_ok_t ours = {
		.channel_max = (uint16_t)negotiate(CHANNELS_WANTED, theirs->channel_max),
		.frame_max = negotiate(FRAME_MAX_WANTED, theirs->frame_max),
		.heartbeat =
			(uint16_t)negotiate(conn->settings->heartbeat, theirs->heartbeat),
	};

	if (ours.frame_max < FRAME_MAX_LEAST)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0,
				"the broker allows frames of %u bytes only",
				ours.frame_max);
	if (amqp_tune_connection(conn->state, ours.channel_max, (int)ours.frame_max,
				 ours.heartbeat) != AMQP_STATUS_OK)
		return sgh_fail_memory(err);
	conn->frame_max = ours.frame_max;
	/* A frame must fit the part of the buffer that is sure to be free. */
	conn->chunk = sgh_min(ours.frame_max - 8, conn->send_buffer / 4);
	conn->heartbeat = ours.heartbeat;
	if (!sgh_amqp_send_method(conn, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &ours))
		return sgh_fail_with(err, SANGRAHA_E_UNAVAILABLE, &conn->error);
	return 0;
}

int sgh_amqp_login(struct sgh_amqp_conn *conn, const struct sgh_amqp_url *url,
		   struct sangraha_error *err)
{
	amqp_connection_open_t open = {
		.virtual_host = amqp_cstring_bytes(url->vhost),
		.capabilities = amqp_empty_bytes,
	};
	amqp_method_t method;
	int rc;

	if (amqp_send_header(conn->state) != AMQP_STATUS_OK)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "the connection was cut");
	rc = sgh_amqp_await(conn, 0, AMQP_CONNECTION_START_METHOD, &method, err);
	if (rc)
		return rc;
	if (!send_start_ok(conn, url))
		return sgh_fail_with(err, SANGRAHA_E_UNAVAILABLE, &conn->error);
	rc = sgh_amqp_await(conn, 0, AMQP_CONNECTION_TUNE_METHOD, &method, err);
	if (rc)
		return rc;
	rc = tune(conn, method.decoded, err);
	if (rc)
		return rc;
	return sgh_amqp_call(conn, 0, AMQP_CONNECTION_OPEN_METHOD, &open,
			     AMQP_CONNECTION_OPEN_OK_METHOD, NULL, err);
}

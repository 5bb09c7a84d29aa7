/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <string.h>

#include "distance.h"

#define K   (UINT64_C(1) << 10)
#define M   (UINT64_C(1) << 20)
#define G   (UINT64_C(1) << 30)
#define T   (UINT64_C(1) << 40)
#define DAY (UINT64_C(86400) * 1000)

#define WORKERS  (SGH_RECEIVER | SGH_GETTER)
#define ALL      (WORKERS | SGH_ORCHESTRATOR | SGH_SERVE)
#define EVERY    (ALL | SGH_ADMIN)
#define STORING  (WORKERS | SGH_SERVE)
#define AT_STORE (STORING | SGH_ADMIN)
#define EMBEDDED (SGH_SERVE | SGH_ADMIN)
#define READING  (SGH_GETTER | SGH_SERVE)
#define SERVING  (SGH_ORCHESTRATOR | SGH_SERVE)
#define WRITING  (SGH_RECEIVER | SGH_ORCHESTRATOR | SGH_SERVE)

/*
 * Name, kind, who knows it. What a role would do nothing with is another role's, and no
 * mistake in it concerns this one.
 */
/* clang-format off */
static const struct sgh_setting_row rows[SGH_SETTINGS] = {
	[SGH_SET_CONFIG] = { "config", SGH_TEXT, EVERY,
		.help = "INI file that holds further settings" },
	[SGH_SET_QUEUE_URL] = { "queue-url", SGH_URL, EVERY,
		.secret = true, .value = "amqp://guest:guest@127.0.0.1:5672/%2F",
		.help = "the broker; several of one cluster with commas between; amqps:// for TLS; or local:DIR" },
	[SGH_SET_QUEUE_TYPE] = { "queue-type", SGH_CHOICE, EVERY,
		.value = "quorum", .choices = "quorum|classic",
		.help = "what durable queues are declared as" },
	[SGH_SET_QUEUE_CA_FILE] = { "queue-ca-file", SGH_TEXT, EVERY,
		.help = "certificates (PEM) to check the broker by, instead of the system's" },
	[SGH_SET_HEARTBEAT] = { "heartbeat", SGH_TIME, EVERY,
		.value = "600", .min = 1000, .max = UINT64_C(65535) * 1000,
		.help = "AMQP heartbeat that is offered to the broker" },
	[SGH_SET_STORE_URL] = { "store-url", SGH_URL, AT_STORE,
		.value = "s3+http://127.0.0.1:9000",
		.help = "the store; several gateways of one with commas between; s3+https:// for TLS; or file:DIR" },
	[SGH_SET_STORE_ACCESS_KEY] = { "store-access-key", SGH_TEXT, AT_STORE,
		.secret = true, .help = "S3 access key; without one requests are not signed" },
	[SGH_SET_STORE_SECRET_KEY] = { "store-secret-key", SGH_TEXT, AT_STORE,
		.secret = true, .help = "S3 secret key" },
	[SGH_SET_STORE_REGION] = { "store-region", SGH_TEXT, AT_STORE,
		.value = "us-east-1", .help = "S3 region that requests are signed for" },
	[SGH_SET_STORE_CA_FILE] = { "store-ca-file", SGH_TEXT, EVERY,
		.help = "certificates (PEM) to check the store by, instead of the system's" },
	[SGH_SET_STORE_PUBLIC_URL] = { "store-public-url", SGH_URL, STORING,
		.help = "the store as orchestrators and browsers reach it, for large objects; unset: store-url" },
	[SGH_SET_STORE_READ_URL] = { "store-read-url", SGH_URL, READING,
		.help = "stores that copy this one, to read from; several with commas between" },
	[SGH_SET_STORE_READ_PUBLIC_URL] = { "store-read-public-url", SGH_URL, READING,
		.help = "those as orchestrators and browsers reach them; unset: store-read-url, without store-public-url" },
	[SGH_SET_BUCKET_PREFIX] = { "bucket-prefix", SGH_TEXT, AT_STORE,
		.value = "sangraha-", .help = "what the names of all buckets begin with" },
	[SGH_SET_DATA_DIR] = { "data-dir", SGH_TEXT, EMBEDDED,
		.value = "./sangraha-data",
		.help = "folder of queues and objects, for a local: and a file: that name none" },
	[SGH_SET_LISTEN] = { "listen", SGH_TEXT, SERVING,
		.value = "127.0.0.1:8080",
		.help = "address of the HTTP interface; port 0 picks a free one" },
	[SGH_SET_API_TOKEN] = { "api-token", SGH_TEXT, SERVING,
		.secret = true,
		.help = "token that clients must send; needed unless `listen` is loopback" },
	[SGH_SET_INSECURE] = { "insecure", SGH_SWITCH, SERVING,
		.value = "off", .help = "serve everybody on any address without a token" },
	[SGH_SET_HEALTH_LISTEN] = { "health-listen", SGH_TEXT, WORKERS,
		.value = "127.0.0.1:8081",
		.help = "address of /health/... and /metrics; port 0 picks a free one; or off" },
	[SGH_SET_MEMORY_LIMIT] = { "memory-limit", SGH_BYTES, EVERY,
		.value = "32M", .min = M, .max = T,
		.help = "memory for bodies in flight and the cache, in this process" },
	[SGH_SET_INLINE_LIMIT] = { "inline-limit", SGH_BYTES, ALL,
		.min = K, .max = G,
		.help = "largest body in a message; unset: 512K, at most an eighth of memory-limit" },
	[SGH_SET_SPOOL_LIMIT] = { "spool-limit", SGH_BYTES, SERVING,
		.value = "4M", .min = 1, .max = G,
		.help = "largest body that is held whole on its way to the store" },
	[SGH_SET_MAX_OBJECT_SIZE] = { "max-object-size", SGH_BYTES, WRITING,
		.value = "5T", .min = 1, .max = 5 * T, .help = "largest object" },
	[SGH_SET_LARGE_WRITES] = { "large-writes", SGH_SWITCH, WRITING,
		.value = "on", .help = "take objects larger than inline-limit" },
	[SGH_SET_VERIFY_LARGE] = { "verify-large", SGH_SWITCH, SGH_RECEIVER | SGH_SERVE,
		.value = "off", .help = "read large objects back through the validator" },
	[SGH_SET_LARGE_READS] = { "large-reads", SGH_CHOICE, SERVING,
		.value = "proxy", .choices = "proxy|redirect",
		.help = "whether large objects pass through here, or clients are sent to the store" },
	[SGH_SET_REQUEST_TIMEOUT] = { "request-timeout", SGH_TIME, WRITING,
		.value = "30", .min = 1, .max = DAY, .help = "a request is answered by then" },
	[SGH_SET_IDLE_TIMEOUT] = { "idle-timeout", SGH_TIME, EVERY,
		.value = "30", .min = 1, .max = DAY,
		.help = "a transfer that moves no byte for so long ends" },
	[SGH_SET_TICKET_TIMEOUT] = { "ticket-timeout", SGH_TIME, STORING,
		.value = "3600", .min = 1000, .max = 7 * DAY,
		.help = "how long a large object may take without news of it" },
	[SGH_SET_ASYNC_TIMEOUT] = { "async-timeout", SGH_TIME, WRITING,
		.value = "86400", .min = 1000, .max = 30 * DAY,
		.help = "an asynchronous write is begun by then" },
	[SGH_SET_DRAIN_TIMEOUT] = { "drain-timeout", SGH_TIME, ALL,
		.value = "8", .max = DAY,
		.help = "time for work in hand after SIGTERM or SIGINT" },
	[SGH_SET_PERSISTENT_READS] = { "persistent-reads", SGH_SWITCH, SERVING,
		.value = "off", .help = "read requests and replies survive a broker's restart" },
	[SGH_SET_PREFETCH] = { "prefetch", SGH_COUNT, STORING,
		.value = "64", .min = 1, .max = 65535, .help = "messages in hand at once" },
	[SGH_SET_WORKERS] = { "workers", SGH_COUNT, ALL,
		.value = "0", .max = 1024,
		.help = "threads for the work itself; 0: one for each core" },
	[SGH_SET_CACHE_SIZE] = { "cache-size", SGH_BYTES, SERVING,
		.value = "8M", .max = T,
		.help = "of memory-limit, for what was read lately; 0: none" },
	[SGH_SET_CACHE_TTL] = { "cache-ttl", SGH_TIME, SERVING,
		.value = "10", .max = DAY,
		.help = "how long the cache serves an object; 0: never" },
	[SGH_SET_JSON_MAX_DEPTH] = { "json-max-depth", SGH_COUNT, WRITING,
		.value = "512", .min = 1, .max = M,
		.help = "JSON: arrays and objects in each other, at most" },
	[SGH_SET_JSON_BOM] = { "json-bom", SGH_CHOICE, WRITING,
		.value = "refuse", .choices = "accept|refuse",
		.help = "JSON: a byte order mark before the text" },
	[SGH_SET_JSON_SCALARS] = { "json-scalars", SGH_CHOICE, WRITING,
		.value = "accept", .choices = "accept|refuse",
		.help = "JSON: a text that is neither object nor array" },
	[SGH_SET_IMAGE_MAX_PIXELS] = { "image-max-pixels", SGH_COUNT, WRITING,
		.value = "268435456", .min = 1, .max = T,
		.help = "images: width times height, at most" },
	[SGH_SET_IMAGE_MAX_TOTAL] = { "image-max-total", SGH_COUNT, WRITING,
		.value = "4294967296", .min = 1, .max = M * T,
		.help = "images: width times height times frames, at most" },
	[SGH_SET_IMAGE_TRAILING] = { "image-trailing", SGH_CHOICE, WRITING,
		.value = "accept", .choices = "accept|refuse",
		.help = "images: bytes after the end" },
	[SGH_SET_PDF_ENCRYPTION] = { "pdf-encryption", SGH_CHOICE, WRITING,
		.value = "accept", .choices = "accept|refuse",
		.help = "PDF: encryption" },
	[SGH_SET_PDF_JAVASCRIPT] = { "pdf-javascript", SGH_CHOICE, WRITING,
		.value = "accept", .choices = "accept|refuse",
		.help = "PDF: JavaScript" },
	[SGH_SET_PDF_LAUNCH] = { "pdf-launch", SGH_CHOICE, WRITING,
		.value = "accept", .choices = "accept|refuse",
		.help = "PDF: actions that start a program" },
	[SGH_SET_PDF_FILES] = { "pdf-files", SGH_CHOICE, WRITING,
		.value = "accept", .choices = "accept|refuse",
		.help = "PDF: embedded files" },
	[SGH_SET_PDF_MAX_LEADING] = { "pdf-max-leading", SGH_BYTES, WRITING,
		.value = "0", .max = K, .help = "PDF: bytes before the header, at most" },
	[SGH_SET_PDF_MAX_TRAILING] = { "pdf-max-trailing", SGH_BYTES, WRITING,
		.value = "1K", .min = 1, .max = 64 * K,
		.help = "PDF: bytes after the last %%EOF, at most" },
	[SGH_SET_LOG_LEVEL] = { "log-level", SGH_CHOICE, EVERY,
		.value = "info", .choices = "error|warn|info|debug", .help = "what is logged" },
};
/* clang-format on */

const struct sgh_setting_row *sgh_setting_row(enum sgh_setting setting)
{
	return &rows[setting];
}

const char *sgh_setting_default(enum sgh_setting setting, enum sgh_role role)
{
	/* Both on one machine must not meet at one port. */
	if (setting == SGH_SET_HEALTH_LISTEN && role == SGH_GETTER)
		return "127.0.0.1:8082";
	/* Who gave the command is told, not the log. */
	if (setting == SGH_SET_LOG_LEVEL && role == SGH_ADMIN)
		return "error";
	/* The folder is data-dir. */
	if (setting == SGH_SET_QUEUE_URL && role == SGH_SERVE)
		return "local:";
	if (setting == SGH_SET_STORE_URL && role == SGH_SERVE)
		return "file:";
	return rows[setting].value;
}

enum sgh_setting sgh_setting_find(const char *name, bool *ret_file)
{
	for (int i = 0; i < SGH_SETTINGS; i++) {
		size_t length = strlen(rows[i].name);

		if (strncmp(name, rows[i].name, length) != 0)
			continue;
		*ret_file = rows[i].secret && strcmp(name + length, "-file") == 0;
		if (*ret_file || name[length] == '\0')
			return (enum sgh_setting)i;
	}
	return SGH_SETTINGS;
}

const char *sgh_setting_closest(const char *name, enum sgh_role role)
{
	const char *closest = NULL;
	size_t least = SGH_DISTANCE_FAR;

	for (int i = 0; i < SGH_SETTINGS; i++) {
		size_t far = sgh_distance(name, rows[i].name);

		if (rows[i].roles & role && far < least) {
			least = far;
			closest = rows[i].name;
		}
	}
	return closest;
}

const char *sgh_role_name(enum sgh_role role)
{
	return sgh_role_program(role) + strlen("sangraha-");
}

const char *sgh_role_program(enum sgh_role role)
{
	switch (role) {
	case SGH_RECEIVER:
		return "sangraha-receiver";
	case SGH_GETTER:
		return "sangraha-getter";
	case SGH_ORCHESTRATOR:
		return "sangraha-orchestrator";
	case SGH_ADMIN:
		return "sangraha admin";
	case SGH_SERVE:
		break;
	}
	return "sangraha serve";
}

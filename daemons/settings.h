/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_SETTINGS_H
#define SGH_DAEMONS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The one table of all settings. Flags, environment, INI file, --help and the checks are
 * all made from it. --queue-url, SANGRAHA_QUEUE_URL and `queue-url =` are one setting.
 */

/* What reads a setting; a program has one role, a setting any number. */
enum sgh_role {
	SGH_RECEIVER = 1,
	SGH_GETTER = 2,
	SGH_ORCHESTRATOR = 4,
	SGH_SERVE = 8,  /* the embedded default, which is another program */
	SGH_ADMIN = 16, /* the commands of administration: admin.h */
};

enum sgh_kind {
	SGH_TEXT,
	SGH_URL,    /* something with a scheme; several with commas between */
	SGH_CHOICE, /* one of the words in `choices` */
	SGH_TIME,   /* kept in milliseconds */
	SGH_BYTES,
	SGH_COUNT,
	SGH_SWITCH, /* on or off; kept as 1 or 0 */
};

enum sgh_setting {
	SGH_SET_CONFIG,
	SGH_SET_QUEUE_URL,
	SGH_SET_QUEUE_TYPE,
	SGH_SET_QUEUE_CA_FILE,
	SGH_SET_HEARTBEAT,
	SGH_SET_STORE_URL,
	SGH_SET_STORE_ACCESS_KEY,
	SGH_SET_STORE_SECRET_KEY,
	SGH_SET_STORE_REGION,
	SGH_SET_STORE_CA_FILE,
	SGH_SET_STORE_PUBLIC_URL,
	SGH_SET_STORE_READ_URL,
	SGH_SET_STORE_READ_PUBLIC_URL,
	SGH_SET_BUCKET_PREFIX,
	SGH_SET_DATA_DIR,
	SGH_SET_LISTEN,
	SGH_SET_API_TOKEN,
	SGH_SET_INSECURE,
	SGH_SET_HEALTH_LISTEN,
	SGH_SET_MEMORY_LIMIT,
	SGH_SET_INLINE_LIMIT,
	SGH_SET_SPOOL_LIMIT,
	SGH_SET_MAX_OBJECT_SIZE,
	SGH_SET_LARGE_WRITES,
	SGH_SET_VERIFY_LARGE,
	SGH_SET_LARGE_READS,
	SGH_SET_REQUEST_TIMEOUT,
	SGH_SET_IDLE_TIMEOUT,
	SGH_SET_TICKET_TIMEOUT,
	SGH_SET_ASYNC_TIMEOUT,
	SGH_SET_DRAIN_TIMEOUT,
	SGH_SET_PERSISTENT_READS,
	SGH_SET_PREFETCH,
	SGH_SET_WORKERS,
	SGH_SET_CACHE_SIZE,
	SGH_SET_CACHE_TTL,
	SGH_SET_JSON_MAX_DEPTH,
	SGH_SET_JSON_BOM,
	SGH_SET_JSON_SCALARS,
	SGH_SET_IMAGE_MAX_PIXELS,
	SGH_SET_IMAGE_MAX_TOTAL,
	SGH_SET_IMAGE_TRAILING,
	SGH_SET_PDF_ENCRYPTION,
	SGH_SET_PDF_JAVASCRIPT,
	SGH_SET_PDF_LAUNCH,
	SGH_SET_PDF_FILES,
	SGH_SET_PDF_MAX_LEADING,
	SGH_SET_PDF_MAX_TRAILING,
	SGH_SET_LOG_LEVEL,
	SGH_SETTINGS
};

struct sgh_setting_row {
	const char *name;
	enum sgh_kind kind;
	unsigned roles;    /* that know it, and do something with it */
	bool secret;       /* never printed; <name>-file names a file that holds it */
	const char *value; /* unless set; NULL: none */
	uint64_t min;      /* of what is kept */
	uint64_t max;
	const char *choices; /* "a|b" */
	const char *help;    /* a line for people */
};

const struct sgh_setting_row *sgh_setting_row(enum sgh_setting setting);

/* The default as text, which for some depends on the role; NULL: none. */
const char *sgh_setting_default(enum sgh_setting setting, enum sgh_role role);

/*
 * The setting of that name; SGH_SETTINGS when there is none. *ret_file tells that the
 * name was the -file variant of a secret.
 */
enum sgh_setting sgh_setting_find(const char *name, bool *ret_file);

/* The name closest to a mistyped one among those of a role; NULL when none is close. */
const char *sgh_setting_closest(const char *name, enum sgh_role role);

/* "sangraha-receiver", … */
const char *sgh_role_program(enum sgh_role role);
/* "receiver", … */
const char *sgh_role_name(enum sgh_role role);

#endif

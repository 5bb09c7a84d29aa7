/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_JSON_SCAN_H
#define SGH_WIRE_JSON_SCAN_H

/*
 * Steps over JSON text (RFC 8259) that was checked to be UTF-8. Each returns the place
 * behind what it read, or NULL when that is no JSON, \u0000, or nested too deeply.
 */

const char *sgh_json_skip_space(const char *at, const char *end);
/* A string from its opening quote. */
const char *sgh_json_skip_string(const char *at, const char *end);
/* Any value, from its first character; `depth` arrays and objects are around it. */
const char *sgh_json_skip_value(const char *at, const char *end, unsigned depth);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_CLOCK_H
#define SGH_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define SGH_NEVER INT64_MAX

#define SGH_RFC3339_SIZE 25 /* "2026-01-02T03:04:05.678Z" and its NUL */

/* Milliseconds of CLOCK_MONOTONIC: what all deadlines inside a process count in. */
int64_t sgh_now_ms(void);
int64_t sgh_now_us(void);

/* Milliseconds of Unix time: what travels in messages and is stored. */
int64_t sgh_time_ms(void);

/* A Unix deadline as a monotonic one. SGH_NEVER stays. */
int64_t sgh_deadline_from_unix(int64_t unix_ms);

/* RFC 3339, section 5.6, UTC with milliseconds. */
void sgh_rfc3339(int64_t unix_ms, char text[SGH_RFC3339_SIZE]);

/* Parse any RFC 3339 time with up to nine digits of fraction; false if it is none. */
bool sgh_rfc3339_parse(const char *text, int64_t *ret_unix_ms);

/* IMF-fixdate (RFC 9110, section 5.6.7), as in Last-Modified: 30 bytes with the NUL. */
#define SGH_HTTP_DATE_SIZE 30
void sgh_http_date(int64_t unix_ms, char text[SGH_HTTP_DATE_SIZE]);
/* Any of the three forms that a recipient has to understand; false if it is none. */
bool sgh_http_date_parse(const char *text, int64_t *ret_unix_ms);

#endif

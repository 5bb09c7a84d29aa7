/* SPDX-License-Identifier: MIT */
#include "dlq.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli_text.h"

#define ID_COLUMNS        36
#define TIME_COLUMNS      16
#define OPERATION_COLUMNS 10
#define TYPE_COLUMNS      6
#define GAPS              8
#define WHY_LEAST         20
#define TIME_SIZE         32
#define REFERENCE_SIZE    512 /* of what may be no reference at all */

const char *sgh_dlq_queue(const struct sangraha_dead_letter *letter)
{
	return strcmp(letter->queue, SANGRAHA_READ_QUEUE) == 0 ? "read" : "write";
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* RFC 3339, in UTC; "" when it is not told. */
static const char *utc(int64_t unix_ms, char text[TIME_SIZE])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm parts;
	char day[TIME_SIZE - 8];

	text[0] = '\0';
	if (unix_ms > 0 && gmtime_r(&seconds, &parts) &&
	    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &parts))
		snprintf(text, TIME_SIZE, "%s.%03dZ", day, (int)(unix_ms % 1000));
	return text;
}

/* The time of the day here, for people. */
static const char *local(int64_t unix_ms, char text[TIME_SIZE])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm parts;

	text[0] = '\0';
	if (unix_ms > 0 && localtime_r(&seconds, &parts) &&
	    !strftime(text, TIME_SIZE, "%Y-%m-%d %H:%M", &parts))
		text[0] = '\0';
	return text;
}

/* "type/id", or as much of it as is told. */
static const char *reference(const struct sangraha_dead_letter *letter,
			     char text[REFERENCE_SIZE])
{
	snprintf(text, REFERENCE_SIZE, "%s%s%s", or_empty(letter->object_type),
		 letter->object_type && letter->object_id ? "/" : "",
		 or_empty(letter->object_id));
	return text;
}

/* ---- lists ---- */

static void print_column(FILE *file, const char *text, size_t columns)
{
	char *clean = sgh_text_clean(text);

	sgh_text_column(file, clean ? clean : "", columns, false);
	fputs("  ", file);
	free(clean);
}

static void print_rest(FILE *file, const char *text, unsigned columns)
{
	unsigned used =
		ID_COLUMNS + TIME_COLUMNS + OPERATION_COLUMNS + TYPE_COLUMNS + GAPS;
	char *clean = sgh_text_clean(text);

	sgh_text_column(file, clean ? clean : "",
			columns > used + WHY_LEAST ? columns - used : WHY_LEAST, false);
	fputc('\n', file);
	free(clean);
}

void sgh_dlq_print_heading(FILE *file, unsigned columns)
{
	print_column(file, "ID", ID_COLUMNS);
	print_column(file, "DIED", TIME_COLUMNS);
	print_column(file, "OPERATION", OPERATION_COLUMNS);
	print_column(file, "TYPE", TYPE_COLUMNS);
	print_rest(file, "WHY", columns);
}

void sgh_dlq_print_row(FILE *file, const struct sangraha_dead_letter *letter,
		       unsigned columns)
{
	char time[TIME_SIZE], *why = NULL;

	print_column(file, letter->id, ID_COLUMNS);
	print_column(file, local(letter->died_ms, time), TIME_COLUMNS);
	print_column(file, letter->operation ? letter->operation : "?",
		     OPERATION_COLUMNS);
	print_column(file, letter->object_type, TYPE_COLUMNS);
	if (asprintf(&why, "%s%s%s", or_empty(letter->reason),
		     letter->reason && letter->error ? ": " : "",
		     or_empty(letter->error)) < 0)
		why = NULL;
	print_rest(file, why, columns);
	free(why);
}

static void print_field(FILE *file, const char *text, char end)
{
	char *clean = sgh_text_clean(text);

	fputs(clean ? clean : "", file);
	fputc(end, file);
	free(clean);
}

void sgh_dlq_print_fields(FILE *file, const struct sangraha_dead_letter *letter)
{
	char time[TIME_SIZE], object[REFERENCE_SIZE];

	fprintf(file, "%s\t%s\t%s\t", letter->id, sgh_dlq_queue(letter),
		or_empty(letter->operation));
	print_field(file, reference(letter, object), '\t');
	fprintf(file, "%s\t%u\t", utc(letter->died_ms, time), letter->attempts);
	print_field(file, letter->reason, '\t');
	print_field(file, letter->error, '\n');
}

/* ---- one ---- */

static void json_text(FILE *file, const char *name, const char *text)
{
	fprintf(file, ",\"%s\":", name);
	if (text && *text)
		sgh_text_json(file, text);
	else
		fputs("null", file);
}

static void json_time(FILE *file, const char *name, int64_t unix_ms)
{
	char time[TIME_SIZE];

	json_text(file, name, utc(unix_ms, time));
}

void sgh_dlq_print_json(FILE *file, const struct sangraha_dead_letter *letter)
{
	fprintf(file, "{\"id\":\"%s\",\"queue\":\"%s\"", letter->id,
		sgh_dlq_queue(letter));
	json_text(file, "operation", letter->operation);
	json_text(file, "operation_id", letter->operation_id);
	json_text(file, "object_type", letter->object_type);
	json_text(file, "object_id", letter->object_id);
	json_text(file, "filename", letter->filename);
	json_text(file, "content_type", letter->content_type);
	json_text(file, "sha256", letter->sha256);
	if (letter->object_size >= 0)
		fprintf(file, ",\"size\":%" PRId64, letter->object_size);
	else
		fputs(",\"size\":null", file);
	json_text(file, "request_id", letter->request_id);
	json_text(file, "reason", letter->reason);
	json_text(file, "error", letter->error);
	json_text(file, "obstacle", letter->obstacle);
	fprintf(file, ",\"attempts\":%u", letter->attempts);
	json_time(file, "created", letter->created_ms);
	json_time(file, "published", letter->published_ms);
	json_time(file, "died", letter->died_ms);
	fprintf(file, ",\"body\":%" PRIu64 "}\n", letter->length);
}

static void print_line(FILE *file, const char *name, const char *text)
{
	if (text && *text)
		sgh_text_line(file, name, text);
}

static void print_time(FILE *file, const char *name, int64_t unix_ms)
{
	char time[TIME_SIZE];

	print_line(file, name, utc(unix_ms, time));
}

void sgh_dlq_print_block(FILE *file, const struct sangraha_dead_letter *letter)
{
	char object[REFERENCE_SIZE];

	print_line(file, "id", letter->id);
	print_line(file, "queue", letter->queue);
	print_line(file, "operation", letter->operation ? letter->operation : "unknown");
	print_line(file, "object", reference(letter, object));
	print_line(file, "name", letter->filename);
	print_line(file, "content type", letter->content_type);
	if (letter->object_size >= 0)
		sgh_text_size_line(file, "size", (uint64_t)letter->object_size);
	print_line(file, "sha256", letter->sha256);
	print_line(file, "request id", letter->request_id);
	print_time(file, "created", letter->created_ms);
	print_time(file, "published", letter->published_ms);
	print_time(file, "died", letter->died_ms);
	if (letter->attempts)
		fprintf(file, "attempts:      %u\n", letter->attempts);
	print_line(file, "reason", letter->reason);
	print_line(file, "error", letter->error);
	sgh_text_size_line(file, "body", letter->length);
	print_line(file, "replay", letter->obstacle ? letter->obstacle : "possible");
}

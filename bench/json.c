/* SPDX-License-Identifier: MIT */
/*
 * How fast JSON is validated, beside parsers that build a tree. All of them take every
 * document in turns within one run, so that a busy machine is busy for all; what is told
 * are medians. README.md says how to read it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>
#ifdef BENCH_WITH_YYJSON
#include <yyjson.h>
#endif

#include <sangraha/validate.h>

#include "documents.h"

#define ROUNDS 21
#define PIECE  65536 /* as bodies arrive */

static struct sangraha_types *types;

static int sangraha_accepts(const char *text, size_t length)
{
	struct sangraha_validate_options options = { .size = sizeof(options),
						     .declared = "application/json",
						     .length = length };
	struct sangraha_validator *validator = NULL;
	int status = sangraha_validator_new(types, &options, &validator, NULL);

	for (size_t at = 0; at < length && !status; at += PIECE)
		status = sangraha_validator_feed(
			validator, text + at, length - at < PIECE ? length - at : PIECE,
			NULL);
	if (!status)
		status = sangraha_validator_finish(validator, NULL);
	sangraha_validator_free(validator);
	return status == 0;
}

static int cjson_accepts(const char *text, size_t length)
{
	cJSON *tree = cJSON_ParseWithLength(text, length);

	cJSON_Delete(tree);
	return tree != NULL;
}

#ifdef BENCH_WITH_YYJSON
static int yyjson_accepts(const char *text, size_t length)
{
	yyjson_doc *tree = yyjson_read(text, length, 0);

	yyjson_doc_free(tree);
	return tree != NULL;
}
#endif

#ifdef BENCH_WITH_SIMDJSON
int simdjson_accepts(const char *text, size_t length);
#endif

static const struct {
	const char *name;
	int (*accepts)(const char *text, size_t length);
} parsers[] = {
	{ "sangraha", sangraha_accepts },
	{ "cJSON", cjson_accepts },
#ifdef BENCH_WITH_YYJSON
	{ "yyjson", yyjson_accepts },
#endif
#ifdef BENCH_WITH_SIMDJSON
	{ "simdjson", simdjson_accepts },
#endif
};

#define PARSERS (sizeof(parsers) / sizeof(parsers[0]))

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * How long a parser takes for a document, the second time: the first clears away what the
 * one before left in the caches. Negative when it refuses the document.
 */
static double take(size_t parser, const struct document *document)
{
	double begin = 0;

	for (int i = 0; i < 2; i++) {
		begin = seconds();
		if (!parsers[parser].accepts(document->text, document->length)) {
			fprintf(stderr, "%s refuses %s\n", parsers[parser].name,
				document->kind);
			return -1;
		}
	}
	return seconds() - begin;
}

/* MB/s of each parser; 0 when one of them refused the document. */
static int measure(const struct document *document, double rates[PARSERS])
{
	static double times[PARSERS][ROUNDS];

	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < PARSERS; i++) {
			times[i][round] = take(i, document);
			if (times[i][round] < 0)
				return 0;
		}
	}
	for (size_t i = 0; i < PARSERS; i++) {
		qsort(times[i], ROUNDS, sizeof(double), ascending);
		rates[i] = (double)document->length / times[i][ROUNDS / 2] / 1e6;
	}
	return 1;
}

static void print_row(const struct document *document, const double rates[PARSERS])
{
	printf("%-10s %6.1f", document->kind, (double)document->length / 1e6);
	for (size_t i = 0; i < PARSERS; i++)
		printf(" %9.0f", rates[i]);
	for (size_t i = 1; i < PARSERS; i++)
		printf(" %9.2f", rates[0] / rates[i]);
	putchar('\n');
}

static void print_head(void)
{
	printf("%-10s %6s", "MB/s", "MB");
	for (size_t i = 0; i < PARSERS; i++)
		printf(" %9s", parsers[i].name);
	for (size_t i = 1; i < PARSERS; i++)
		printf(" /%8s", parsers[i].name);
	putchar('\n');
}

int main(int argc, char **argv)
{
	size_t size = (size_t)(argc > 1 ? atof(argv[1]) * 1e6 : 4e6);
	struct sangraha_error err;
	struct document document;
	int status = sangraha_types_new(NULL, &types, &err);

	if (status) {
		fprintf(stderr, "%s\n", err.message);
		return EXIT_FAILURE;
	}
	print_head();
	for (size_t i = 0; !status && document_make(i, size, &document); i++) {
		double rates[PARSERS];

		if (measure(&document, rates))
			print_row(&document, rates);
		else
			status = -1;
		free(document.text);
	}
	sangraha_types_unref(types);
	return status ? EXIT_FAILURE : EXIT_SUCCESS;
}

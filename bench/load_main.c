/* SPDX-License-Identifier: MIT */
/*
 * Load for the REST interface or for a store that speaks S3: many connections, each one
 * request after another, every answer checked. README.md says how to use it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#include "exchange.h"
#include "load.h"

#define SECOND 1000000000.0

static const char usage[] =
	"usage: bench-load --sangraha URL | --s3 URL --bucket B --access-key K "
	"--secret-key S\n"
	"                  [options] put|get|mixed\n"
	"\n"
	"  --connections N  clients, each one request after another (16)\n"
	"  --size BYTES     of each object, as in 4096, 4K, 100K, 64M (4K)\n"
	"  --kind KIND      of object: json, pdf (json)\n"
	"  --count N        how many operations, or\n"
	"  --seconds S      how long (5)\n"
	"  --warm-up S      before that, not counted (0)\n"
	"  --ids FILE       what was put is added here, what is got is taken from here;\n"
	"                   of this kind and size alone\n"
	"  --reads PERCENT  of mixed operations (80)\n"
	"  --follow         redirections of large reads to the store\n"
	"  --timeout S      after which an operation has failed (60)\n"
	"\n"
	"One line of JSON tells what was measured. The status is 1 when an answer was "
	"not what\n"
	"it should be.\n";

struct arguments {
	struct load_options load;
	struct target target;
	const char *url;
	const char *kind;
	const char *ids;
	uint64_t size;
};

static uint64_t read_number(const char *name, const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (end != text && *end && strchr("KMG", *end))
		number <<= *end == 'K' ? 10 : *end == 'M' ? 20 : 30, end++;
	if (end != text && *end == '\0' && number > 0)
		return number;
	fprintf(stderr, "--%s: '%s' is no number\n", name, text);
	exit(EXIT_FAILURE);
}

static uint64_t read_seconds(const char *name, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end != text && *end == '\0' && seconds >= 0 && seconds < 1e6)
		return (uint64_t)(seconds * SECOND);
	fprintf(stderr, "--%s: '%s' is no time\n", name, text);
	exit(EXIT_FAILURE);
}

enum option_id {
	O_SANGRAHA = 256,
	O_S3,
	O_BUCKET,
	O_ACCESS_KEY,
	O_SECRET_KEY,
	O_CONNECTIONS,
	O_SIZE,
	O_KIND,
	O_COUNT,
	O_SECONDS,
	O_WARM_UP,
	O_IDS,
	O_READS,
	O_FOLLOW,
	O_TIMEOUT,
};

static const struct option options[] = {
	{ "sangraha", required_argument, NULL, O_SANGRAHA },
	{ "s3", required_argument, NULL, O_S3 },
	{ "bucket", required_argument, NULL, O_BUCKET },
	{ "access-key", required_argument, NULL, O_ACCESS_KEY },
	{ "secret-key", required_argument, NULL, O_SECRET_KEY },
	{ "connections", required_argument, NULL, O_CONNECTIONS },
	{ "size", required_argument, NULL, O_SIZE },
	{ "kind", required_argument, NULL, O_KIND },
	{ "count", required_argument, NULL, O_COUNT },
	{ "seconds", required_argument, NULL, O_SECONDS },
	{ "warm-up", required_argument, NULL, O_WARM_UP },
	{ "ids", required_argument, NULL, O_IDS },
	{ "reads", required_argument, NULL, O_READS },
	{ "follow", no_argument, NULL, O_FOLLOW },
	{ "timeout", required_argument, NULL, O_TIMEOUT },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void take_target(struct arguments *arguments, int option, char *value)
{
	switch (option) {
	case O_SANGRAHA:
		arguments->target.kind = &target_sangraha;
		arguments->url = value;
		break;
	case O_S3:
		arguments->target.kind = &target_s3;
		arguments->url = value;
		break;
	case O_BUCKET:
		arguments->target.bucket = value;
		break;
	case O_ACCESS_KEY:
		arguments->target.scope.access_key = value;
		break;
	case O_SECRET_KEY:
		arguments->target.scope.secret_key = value;
		break;
	default:
		fputs(usage, option == 'h' ? stdout : stderr);
		exit(option == 'h' ? EXIT_SUCCESS : EXIT_FAILURE);
	}
}

static void take_option(struct arguments *arguments, int option, const char *name,
			char *value)
{
	struct load_options *load = &arguments->load;

	switch (option) {
	case O_CONNECTIONS:
		load->connections = (unsigned)read_number(name, value);
		break;
	case O_SIZE:
		arguments->size = read_number(name, value);
		break;
	case O_KIND:
		arguments->kind = value;
		break;
	case O_COUNT:
		load->count = read_number(name, value);
		break;
	case O_SECONDS:
		load->seconds_ns = read_seconds(name, value);
		break;
	case O_WARM_UP:
		load->warm_up_ns = read_seconds(name, value);
		break;
	case O_IDS:
		arguments->ids = value;
		break;
	case O_READS:
		load->reads = (unsigned)read_number(name, value);
		break;
	case O_FOLLOW:
		load->follows = true;
		break;
	case O_TIMEOUT:
		load->timeout_ns = read_seconds(name, value);
		break;
	default:
		take_target(arguments, option, value);
	}
}

static int complain(const char *problem)
{
	fprintf(stderr, "%s\n%s", problem, usage);
	return -1;
}

/* What the options leave open, and whether they fit together. */
static int complete(struct arguments *arguments)
{
	struct load_options *load = &arguments->load;
	const struct target *target = &arguments->target;
	const char *path;

	if (strcmp(load->operation, "put") == 0)
		load->reads = 0;
	else if (strcmp(load->operation, "get") == 0)
		load->reads = 100;
	else if (strcmp(load->operation, "mixed") != 0)
		return complain("the operation is put, get or mixed");
	if (!target->kind)
		return complain("--sangraha or --s3 is needed");
	if (target->kind == &target_s3 &&
	    (!target->bucket || !target->scope.access_key || !target->scope.secret_key))
		return complain("--s3 needs --bucket, --access-key and --secret-key");
	if (!endpoint_parse(&arguments->target.endpoint, arguments->url, &path) ||
	    strcmp(path, "/") > 0)
		return complain("a URL is http://ADDRESS:PORT, with an IPv4 address");
	if (load->count == 0 && load->seconds_ns == 0)
		load->seconds_ns = 5000000000;
	return 0;
}

static int read_arguments(int argc, char **argv, struct arguments *ret)
{
	int index = 0;
	int option;

	*ret = (struct arguments){
		.load = { .connections = 16, .reads = 80, .timeout_ns = 60000000000 },
		.target.scope = { .region = "us-east-1", .service = "s3" },
		.kind = "json",
		.size = 4096,
	};
	while ((option = getopt_long(argc, argv, "h", options, &index)) != -1)
		take_option(ret, option, options[index].name, optarg);
	if (optind + 1 != argc)
		return complain("one operation is needed: put, get or mixed");
	ret->load.operation = argv[optind];
	return complete(ret);
}

static void print_time(const char *name, double ns, const char *end)
{
	printf("\"%s\":%.3f%s", name, ns / 1e6, end);
}

static void print_result(const struct arguments *arguments,
			 const struct load_result *result)
{
	const struct histogram *latency = &result->latency;
	double rate =
		result->seconds > 0 ? (double)result->operations / result->seconds : 0;
	sgh_autobuf struct sgh_buf error = SGH_BUF_INIT(8192);

	sgh_buf_json(&error, result->first_error);
	printf("{\"target\":\"%s\",\"operation\":\"%s\",\"connections\":%u,",
	       arguments->target.kind->name, arguments->load.operation,
	       arguments->load.connections);
	printf("\"kind\":\"%s\",\"size\":%" PRIu64 ",\"operations\":%" PRIu64
	       ",\"all_operations\":%" PRIu64 ",\"errors\":%" PRIu64
	       ",\"first_error\":%s,",
	       arguments->kind, arguments->size, result->operations,
	       result->all_operations, result->errors,
	       result->errors ? sgh_buf_text(&error) : "null");
	printf("\"seconds\":%.4f,\"per_second\":%.2f,\"mb_per_second\":%.3f,",
	       result->seconds, rate, rate * (double)arguments->size / 1e6);
	printf("\"milliseconds\":{");
	print_time("mean", latency->total ? latency->sum / (double)latency->total : 0,
		   ",");
	print_time("p50", (double)histogram_at(latency, 0.5), ",");
	print_time("p90", (double)histogram_at(latency, 0.9), ",");
	print_time("p99", (double)histogram_at(latency, 0.99), ",");
	print_time("max", (double)latency->max, "},");
	printf("\"cpu_seconds\":%.3f}\n", result->cpu_seconds);
}

static int measure(struct arguments *arguments, const struct body *body,
		   struct stored_list *stored, struct load_result *result)
{
	size_t before;

	if (arguments->ids && stored_load(stored, arguments->ids, body))
		return -1;
	before = stored->count;
	if (arguments->load.reads == 100 && before == 0) {
		fprintf(stderr, "--ids names no object of this kind and size\n");
		return -1;
	}
	if (arguments->target.kind == &target_s3 && arguments->load.reads < 100 &&
	    target_s3_make_bucket(&arguments->target))
		return -1;
	if (load_run(&arguments->load, &arguments->target, body, stored, result))
		return -1;
	if (arguments->ids && stored->count > before)
		return stored_save(stored, before, arguments->ids, body);
	return 0;
}

int main(int argc, char **argv)
{
	static struct load_result result;
	struct stored_list stored = { 0 };
	struct arguments arguments;
	struct body body;
	int status = read_arguments(argc, argv, &arguments);

	if (status || body_init(&body, arguments.kind, arguments.size))
		return EXIT_FAILURE;
	status = measure(&arguments, &body, &stored, &result);
	if (!status)
		print_result(&arguments, &result);
	body_fini(&body);
	stored_fini(&stored);
	target_fini(&arguments.target);
	return status || result.errors ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli_text.h"

enum sgh_exit sgh_cli_exit_code(int status)
{
	switch (status) {
	case SANGRAHA_OK:
		return SGH_EXIT_OK;
	case SANGRAHA_E_INVALID:
		return SGH_EXIT_USAGE;
	case SANGRAHA_E_NOT_FOUND:
		return SGH_EXIT_NOT_FOUND;
	case SANGRAHA_E_REJECTED:
	case SANGRAHA_E_UNSUPPORTED:
	case SANGRAHA_E_TOO_LARGE:
		return SGH_EXIT_REFUSED;
	case SANGRAHA_E_CONFLICT:
	case SANGRAHA_E_GONE:
	case SANGRAHA_E_PRECONDITION:
		return SGH_EXIT_CONFLICT;
	case SANGRAHA_E_UNAVAILABLE:
	case SANGRAHA_E_TIMEOUT:
	case SANGRAHA_E_OVERLOADED:
		return SGH_EXIT_UNAVAILABLE;
	case SANGRAHA_E_UNAUTHORIZED:
		return SGH_EXIT_DENIED;
	default:
		return SGH_EXIT_FAILED;
	}
}

void sgh_cli_count_failure(struct sgh_cli *cli, enum sgh_exit code)
{
	int before = SGH_EXIT_OK;

	if (!atomic_compare_exchange_strong(&cli->code, &before, (int)code) &&
	    before != (int)code)
		atomic_store(&cli->code, SGH_EXIT_FAILED);
}

/* "declared image/png, detected text/plain (rule png.signature, at byte 0)" */
static void print_refusal(FILE *file, const struct sangraha_rest_result *result)
{
	const char *declared = sangraha_rest_result_declared(result);
	const char *detected = sangraha_rest_result_detected(result);
	const char *rule = sangraha_rest_result_rule(result);
	int64_t offset = sangraha_rest_result_offset(result);

	if (declared)
		fprintf(file, "declared %s%s", declared, detected ? ", " : "");
	if (detected)
		fprintf(file, "detected %s", detected);
	if (!rule && offset < 0)
		return;
	fprintf(file, "%s(", declared || detected ? " " : "");
	if (rule)
		fprintf(file, "rule %s", rule);
	if (offset >= 0)
		fprintf(file, "%sat byte %" PRId64, rule ? ", " : "", offset);
	fputc(')', file);
}

static bool is_refusal(const struct sangraha_rest_result *result)
{
	return sangraha_rest_result_rule(result) || sangraha_rest_result_detected(result);
}

/* Who cannot help himself needs the id that is in the server's log. */
static bool is_for_operators(const struct sangraha_error *err)
{
	return err->status == SANGRAHA_E_INTERNAL || err->status == SANGRAHA_E_TIMEOUT ||
	       err->status == SANGRAHA_E_UNAVAILABLE;
}

static char *sentence(const struct sangraha_error *err,
		      const struct sangraha_rest_result *result)
{
	const char *id = sangraha_rest_result_correlation_id(result);
	char *text = NULL, *clean;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	if (!file)
		return NULL;
	if (is_refusal(result)) {
		fputs("refused: ", file);
		print_refusal(file, result);
		fputs(": ", file);
	}
	fputs(*err->message ? err->message : sangraha_status_text(err->status), file);
	if (err->status == SANGRAHA_E_UNAUTHORIZED)
		fputs("; give it by --api-token-file", file);
	if (id && is_for_operators(err))
		fprintf(file, " (correlation id %s)", id);
	fclose(file);
	clean = sgh_text_clean(text);
	free(text);
	return clean;
}

static void print_json(struct sgh_item *item, enum sgh_exit code, const char *name,
		       const char *message, const char *problem)
{
	fputs("{\"subject\":", item->err);
	sgh_text_json(item->err, item->word);
	fprintf(item->err, ",\"code\":\"%s\",\"exit\":%d,\"error\":", name, (int)code);
	sgh_text_json(item->err, message);
	if (problem && *problem == '{') {
		char *line = NULL;
		size_t length;
		FILE *file = open_memstream(&line, &length);

		if (file) {
			sgh_text_json_line(file, problem);
			fclose(file);
			fprintf(item->err, ",\"problem\":%.*s", (int)length - 1, line);
			free(line);
		}
	}
	fputs("}\n", item->err);
}

static void tell(struct sgh_cli *cli, struct sgh_item *item, enum sgh_exit code,
		 const char *name, const char *message, const char *problem)
{
	if (!message)
		message = "out of memory";
	if (cli->json)
		print_json(item, code, name, message, problem);
	else if (*item->name)
		fprintf(item->err, "sangraha: %s: %s\n", item->name, message);
	else
		fprintf(item->err, "sangraha: %s\n", message);
	sgh_cli_count_failure(cli, code);
}

void sgh_cli_failed(struct sgh_cli *cli, struct sgh_item *item,
		    const struct sangraha_error *err,
		    const struct sangraha_rest_result *result)
{
	bool is_problem = sangraha_rest_result_code(result) >= 400;
	char *message = sentence(err, result);

	tell(cli, item, sgh_cli_exit_code(err->status), sangraha_status_name(err->status),
	     message, is_problem ? sangraha_rest_result_text(result) : NULL);
	free(message);
}

void sgh_cli_failed_here(struct sgh_cli *cli, struct sgh_item *item, enum sgh_exit code,
			 const char *format, ...)
{
	char *text = NULL, *clean;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	clean = text ? sgh_text_clean(text) : NULL;
	tell(cli, item, code, code == SGH_EXIT_USAGE ? "invalid" : "local", clean, NULL);
	free(clean);
	free(text);
}

void sgh_cli_failed_stream(struct sgh_cli *cli, const char *stream, int error)
{
	char word[] = "-", nobody[] = "";
	struct sgh_item item = { .word = word, .name = nobody, .err = stderr };

	sgh_cli_failed_here(cli, &item, SGH_EXIT_LOCAL, "%s: %s", stream,
			    strerror(error));
}

/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli_table.h"
#include "cli_text.h"
#include "commands.h"

#define PAGE 200 /* objects that are asked for at once */

struct list {
	struct sgh_cli *cli;
	uint64_t left; /* objects to print yet */
	bool headed;   /* the table has its heading */
	struct sgh_row rows[PAGE];
	size_t row_count;
};

/* An object without a name has its id for one, as a file that it is fetched into. */
static bool is_wanted(const struct sgh_arguments *arguments,
		      const struct sangraha_object *object)
{
	const char *name = sangraha_object_filename(object);

	for (size_t i = 0; i < arguments->word_count; i++) {
		if (fnmatch(arguments->words[i], name ? name : sangraha_object_id(object),
			    0) == 0)
			return true;
	}
	return arguments->word_count == 0;
}

static char *local_time(int64_t created_ms)
{
	time_t seconds = (time_t)(created_ms / 1000);
	struct tm parts;
	char text[32] = "";

	if (localtime_r(&seconds, &parts))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &parts);
	return strdup(text);
}

static void add_row(struct list *list, const struct sangraha_object *object)
{
	struct sgh_row *row = &list->rows[list->row_count];
	char size[SGH_TEXT_SIZE];

	sgh_text_bytes(size, sangraha_object_size(object));
	*row = (struct sgh_row){
		.reference = sgh_text_clean(sangraha_object_reference(object)),
		.size = strdup(size),
		.created = local_time(sangraha_object_created_ms(object)),
		.type = sgh_text_clean(sangraha_object_content_type(object)),
		.name = sgh_text_clean(sangraha_object_filename(object)),
	};
	list->row_count++;
}

static void free_row(struct sgh_row *row)
{
	free(row->reference);
	free(row->size);
	free(row->created);
	free(row->type);
	free(row->name);
}

static bool is_complete(const struct sgh_row *row)
{
	return row->reference && row->size && row->created && row->type && row->name;
}

/* Print the table of a page, and forget it. Without memory for a row it is left out. */
static void print_rows(struct list *list, struct sgh_item *item)
{
	struct sgh_widths widths;
	size_t kept = 0;

	for (size_t i = 0; i < list->row_count; i++) {
		if (is_complete(&list->rows[i]))
			list->rows[kept++] = list->rows[i];
		else
			free_row(&list->rows[i]);
	}
	if (kept < list->row_count)
		sgh_cli_failed_here(list->cli, item, SGH_EXIT_FAILED, "out of memory");
	widths = sgh_table_fit(list->rows, kept, sgh_screen_columns(STDOUT_FILENO));
	if (kept > 0 && !list->headed)
		sgh_table_print(item->out, &widths, NULL);
	list->headed |= kept > 0;
	for (size_t i = 0; i < kept; i++) {
		sgh_table_print(item->out, &widths, &list->rows[i]);
		free_row(&list->rows[i]);
	}
	list->row_count = 0;
}

static void print_json(struct list *list, struct sgh_item *item,
		       const struct sangraha_object *object)
{
	struct sangraha_error err;
	char *text = NULL;

	if (sangraha_object_json(object, &text, &err) == 0)
		sgh_text_json_line(item->out, text);
	else
		sgh_cli_failed(list->cli, item, &err, NULL);
	sangraha_free(text);
}

static void print_fields(FILE *file, const struct sangraha_object *object)
{
	char *type = sgh_text_clean(sangraha_object_content_type(object));
	char *name = sgh_text_clean(sangraha_object_filename(object));

	fprintf(file, "%s\t%" PRIu64 "\t%s\t%s\t%s\n", sangraha_object_reference(object),
		sangraha_object_size(object), sangraha_object_created(object),
		type ? type : "", name ? name : "");
	free(type);
	free(name);
}

static void print_object(struct list *list, struct sgh_item *item,
			 const struct sangraha_object *object)
{
	if (list->cli->json)
		print_json(list, item, object);
	else if (list->cli->quiet)
		fprintf(item->out, "%s\n", sangraha_object_reference(object));
	else if (list->cli->screen.out_is_terminal)
		add_row(list, object);
	else
		print_fields(item->out, object);
}

static void print_page(struct list *list, struct sgh_item *item,
		       const struct sangraha_rest_result *page)
{
	const struct sangraha_object *object;

	for (size_t i = 0;
	     list->left > 0 && (object = sangraha_rest_result_at(page, i)) != NULL; i++) {
		if (!is_wanted(&list->cli->arguments, object))
			continue;
		print_object(list, item, object);
		list->left--;
		if (list->row_count == PAGE)
			print_rows(list, item);
	}
	if (list->row_count > 0)
		print_rows(list, item);
}

/* Ask for the page at `cursor`; NULL when it failed, which was told. */
static struct sangraha_rest_result *fetch_page(struct list *list, struct sgh_item *item,
					       const char *cursor)
{
	const struct sgh_arguments *arguments = &list->cli->arguments;
	const char *type = sgh_arguments_text(arguments, SGH_OPT_TYPE);
	bool all = arguments->word_count > 0 || list->left > PAGE;
	unsigned limit = all ? PAGE : (unsigned)list->left;
	struct sangraha_rest_result *page = NULL;
	struct sangraha_error err = { 0 };
	struct sgh_retry retry;
	int status;

	sgh_retry_begin(list->cli, &retry);
	while ((status = sangraha_rest_client_list(list->cli->client, type, limit, cursor,
						   &page, &err)) != 0 &&
	       sgh_retry_again(list->cli, &retry, "", status, &err, page)) {
		sangraha_rest_result_free(page);
		page = NULL;
	}
	if (status == 0) {
		atomic_store(&list->cli->answered, true);
		return page;
	}
	sgh_cli_failed(list->cli, item, &err, page);
	sangraha_rest_result_free(page);
	return NULL;
}

/* Fetch and print one page; *cursor becomes the next one's, NULL after the last. */
static void list_page(struct list *list, char **cursor)
{
	char *texts[2] = { NULL, NULL }, word[] = "", *next = NULL;
	size_t lengths[2] = { 0, 0 };
	struct sgh_item item = { .word = word, .name = word };
	struct sangraha_rest_result *page;
	const char *told;

	item.out = open_memstream(&texts[0], &lengths[0]);
	item.err = open_memstream(&texts[1], &lengths[1]);
	if (item.out && item.err) {
		page = fetch_page(list, &item, *cursor);
		if (page)
			print_page(list, &item, page);
		told = sangraha_rest_result_next_cursor(page);
		next = told ? strdup(told) : NULL;
		/* A server that turns in a circle is left. */
		if (next && *cursor && strcmp(next, *cursor) == 0) {
			sgh_cli_failed_here(list->cli, &item, SGH_EXIT_FAILED,
					    "the server repeats its page");
			free(next);
			next = NULL;
		} else if (told && !next)
			sgh_cli_failed_here(list->cli, &item, SGH_EXIT_FAILED,
					    "out of memory");
		sangraha_rest_result_free(page);
	} else {
		sgh_cli_count_failure(list->cli, SGH_EXIT_FAILED);
	}
	if (item.out)
		fclose(item.out);
	if (item.err)
		fclose(item.err);
	sgh_screen_print(&list->cli->screen, texts[0], lengths[0], texts[1], lengths[1]);
	free(texts[0]);
	free(texts[1]);
	free(*cursor);
	*cursor = next;
}

static int list_all(struct sgh_cli *cli)
{
	struct list *list = calloc(1, sizeof(*list));
	char *cursor = NULL;

	if (!list)
		return SGH_EXIT_FAILED;
	list->cli = cli;
	list->left = sgh_arguments_number(&cli->arguments, SGH_OPT_LIMIT);
	if (list->left == 0)
		list->left = UINT64_MAX;
	do
		list_page(list, &cursor);
	while (cursor && list->left > 0 && sgh_screen_error(&cli->screen) == 0);
	free(cursor);
	free(list);
	return SGH_EXIT_OK;
}

int sgh_command_ls(int argc, char **argv)
{
	return sgh_cli_main(SGH_CLI_LS, argc, argv, list_all);
}

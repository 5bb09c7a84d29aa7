/* SPDX-License-Identifier: MIT */
#include "cli_table.h"

#include "cli_text.h"

#define GAP        2
#define NAME_LEAST 12
#define DATE       10 /* YYYY-MM-DD */

static const struct {
	const char *reference, *size, *created, *type, *name;
} heading = { "REFERENCE", "SIZE", "CREATED", "TYPE", "NAME" };

static void widen(size_t *width, const char *text)
{
	size_t wanted = sgh_text_width(text);

	if (*width < wanted)
		*width = wanted;
}

/* What is left for the names; columns of no width have no gap either. */
static size_t left_for_name(const struct sgh_widths *widths, size_t columns)
{
	size_t used = widths->reference + widths->size + 2 * GAP;

	used += widths->created ? widths->created + GAP : 0;
	used += widths->type ? widths->type + GAP : 0;
	return columns > used ? columns - used : 0;
}

struct sgh_widths sgh_table_fit(const struct sgh_row *rows, size_t count, size_t columns)
{
	struct sgh_widths widths = { 0 };
	size_t names = 0, least;

	widen(&widths.reference, heading.reference);
	widen(&widths.size, heading.size);
	widen(&widths.created, heading.created);
	widen(&widths.type, heading.type);
	widen(&names, heading.name);
	for (size_t i = 0; i < count; i++) {
		widen(&widths.reference, rows[i].reference);
		widen(&widths.size, rows[i].size);
		widen(&widths.created, rows[i].created);
		widen(&widths.type, rows[i].type);
		widen(&names, rows[i].name);
	}
	least = names < NAME_LEAST ? names : NAME_LEAST;
	if (left_for_name(&widths, columns) < least)
		widths.type = 0;
	if (left_for_name(&widths, columns) < least && widths.created > DATE)
		widths.created = DATE;
	if (left_for_name(&widths, columns) < least)
		widths.created = 0;
	widths.name = left_for_name(&widths, columns);
	/* On a very narrow one lines are longer than it. */
	if (widths.name < least)
		widths.name = least;
	return widths;
}

static void print_cell(FILE *file, const char *text, size_t width)
{
	if (width == 0)
		return;
	sgh_text_column(file, text, width, false);
	fprintf(file, "%*s", GAP, "");
}

/* The last column is cut, but not filled up. */
static void print_last(FILE *file, const char *text, size_t width)
{
	size_t wanted = sgh_text_width(text);

	sgh_text_column(file, text, wanted < width ? wanted : width, false);
	fputc('\n', file);
}

void sgh_table_print(FILE *file, const struct sgh_widths *widths,
		     const struct sgh_row *row)
{
	const char *created = row ? row->created : heading.created;

	print_cell(file, row ? row->reference : heading.reference, widths->reference);
	sgh_text_column(file, row ? row->size : heading.size, widths->size, true);
	fprintf(file, "%*s", GAP, "");
	if (widths->created == DATE && row)
		fprintf(file, "%.*s%*s", DATE, created, GAP, "");
	else
		print_cell(file, created, widths->created);
	print_cell(file, row ? row->type : heading.type, widths->type);
	print_last(file, row ? row->name : heading.name, widths->name);
}

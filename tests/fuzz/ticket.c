/* SPDX-License-Identifier: MIT */
#include "wire/ticket.h"

#include "fuzz/fuzz.h"
#include "wire/json.h"
#include "wire/parts.h"

/*
 * Tickets, and the list of parts that a large upload ends with. An input is tried as both;
 * what can be read can be written and read again.
 */

static void same(const struct sgh_buf *one, const struct sgh_buf *other)
{
	fuzz_require(!one->failed && !other->failed);
	fuzz_require(strcmp(sgh_buf_text(one), sgh_buf_text(other)) == 0);
}

static void ticket_again(const struct sgh_ticket *ticket, struct sgh_arena *arena)
{
	sgh_autobuf struct sgh_buf text = SGH_BUF_INIT(2 * SGH_TICKET_TEXT_MAX);
	sgh_autobuf struct sgh_buf again = SGH_BUF_INIT(2 * SGH_TICKET_TEXT_MAX);
	struct sgh_ticket *found = NULL;

	sgh_ticket_write(ticket, &text);
	fuzz_ok(sgh_ticket_parse(sgh_buf_text(&text), text.length, arena, &found,
				 &fuzz_err));
	sgh_ticket_write(found, &again);
	same(&text, &again);
}

static void as_ticket(const void *data, size_t size)
{
	struct sgh_arena arena = { .max = 2 * SGH_TICKET_ARENA_MAX };
	struct sgh_ticket *ticket = NULL;
	struct sangraha_error err = { 0 };
	int status = sgh_ticket_parse(data, size, &arena, &ticket, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
		fuzz_require(!ticket);
	} else {
		fuzz_require(ticket->url_count >= 1);
		fuzz_require(ticket->url_count <= SGH_TICKET_URLS_MAX);
		fuzz_require(ticket->header_count <= SGH_TICKET_HEADERS_MAX);
		for (size_t i = 0; i < ticket->header_count; i++)
			fuzz_require(!strpbrk(ticket->headers[i].value, "\r\n"));
		ticket_again(ticket, &arena);
	}
	sgh_arena_fini(&arena);
}

static void parts_again(const struct sgh_part *parts, size_t count,
			struct sgh_arena *arena)
{
	sgh_autobuf struct sgh_buf text = SGH_BUF_INIT(SGH_PARTS_TEXT_MAX);
	sgh_autobuf struct sgh_buf again = SGH_BUF_INIT(SGH_PARTS_TEXT_MAX);
	struct sgh_part *found = NULL;
	size_t found_count = 0;

	sgh_parts_write(parts, count, &text);
	fuzz_ok(sgh_parts_parse(sgh_buf_text(&text), text.length, arena, &found,
				&found_count, &fuzz_err));
	fuzz_require(found_count == count);
	sgh_parts_write(found, found_count, &again);
	same(&text, &again);
}

static void sane_parts(const struct sgh_part *parts, size_t count)
{
	uint64_t total = 0;

	fuzz_require(count <= SGH_PARTS_MAX);
	for (size_t i = 0; i < count; i++) {
		fuzz_require(parts[i].number == i + 1);
		fuzz_require(parts[i].size <= SGH_PART_MAX);
		fuzz_require(parts[i].size >= SGH_PART_MIN || i + 1 == count);
		fuzz_require(strlen(parts[i].etag) <= SGH_PART_ETAG_MAX);
		total += parts[i].size;
	}
	fuzz_require(total <= SGH_OBJECT_MAX);
}

static void as_parts(const void *data, size_t size)
{
	struct sgh_arena arena = { .max = 2 * SGH_PARTS_ARENA_MAX };
	struct sgh_part *parts = NULL;
	size_t count = 0;
	struct sangraha_error err = { 0 };
	int status = sgh_parts_parse(data, size, &arena, &parts, &count, &err);

	if (status) {
		fuzz_require(status == SANGRAHA_E_INVALID);
		fuzz_explained(status, &err);
	} else {
		sane_parts(parts, count);
		parts_again(parts, count, &arena);
	}
	sgh_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sgh_autofree void *copy = fuzz_copy(data, size);

	as_ticket(copy, size);
	as_parts(copy, size);
	return 0;
}

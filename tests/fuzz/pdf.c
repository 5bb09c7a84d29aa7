/* SPDX-License-Identifier: MIT */
#include "fuzz/format.h"
#include "fuzz/fuzz.h"

#include <stdio.h>

/*
 * PDF. A change of length anywhere breaks the offset behind "startxref": so the bytes are
 * tried again with the last one set right.
 */

/* The last place of a word in front of `end`; NULL when it is not there. */
static uint8_t *find_last(uint8_t *data, const uint8_t *end, const char *word)
{
	size_t length = strlen(word);

	for (const uint8_t *at = end; at >= data + length; at--)
		if (memcmp(at - length, word, length) == 0)
			return data + (at - length - data);
	return NULL;
}

/* Write the offset over the digits that are there, as many as they are. */
static void mend(uint8_t *data, size_t size)
{
	uint8_t *start = find_last(data, data + size, "startxref");
	const uint8_t *table = start ? find_last(data, start, "\nxref") : NULL;
	uint8_t *digits = start ? start + strlen("startxref") : NULL;
	char text[32];
	int count = 0;

	if (!table)
		return;
	while (digits < data + size && (*digits < '0' || *digits > '9'))
		digits++;
	while (digits + count < data + size && count < 10 && digits[count] >= '0' &&
	       digits[count] <= '9')
		count++;
	snprintf(text, sizeof(text), "%0*zu", count, (size_t)(table + 1 - data));
	if (count > 0 && strlen(text) == (size_t)count)
		memcpy(digits, text, (size_t)count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_outcome outcome = fuzz_format(&sgh_format_pdf, data, size);
	sgh_autofree uint8_t *mended = NULL;

	if (!outcome.status)
		return 0;
	mended = fuzz_copy(data, size);
	mend(mended, size);
	fuzz_format(&sgh_format_pdf, mended, size);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sangraha/error.h>

#include "base/util.h"
#include "wire/message.h"

/*
 * What the targets share. A target is one file with LLVMFuzzerTestOneInput(): it hands
 * the bytes to one parser and requires what must hold for any bytes. libFuzzer looks for
 * bytes for which it does not (./dev fuzz); replay.c feeds those of the corpus.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold; ends the process when it does not, which keeps the input. */
#define fuzz_require(condition) \
	((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_broken(const char *what, const char *file, int line);

/* Says the error of a call that must not fail. */
#define fuzz_ok(call) fuzz_succeeded((call), &fuzz_err, #call, __FILE__, __LINE__)
void fuzz_succeeded(int status, const struct sangraha_error *err, const char *call,
		    const char *file, int line);
extern struct sangraha_error fuzz_err;

/* A failure explained itself: in UTF-8, as it goes into replies and logs. */
void fuzz_explained(int status, const struct sangraha_error *err);

/* A copy in memory of just that size, so that a read past its end is noticed; yours. */
void *fuzz_copy(const void *data, size_t size);
/* The same with a NUL; what follows a NUL in the data is cut off. */
char *fuzz_text(const void *data, size_t size);

/* The bytes of an input that are not used yet, taken apart from the front. */
struct fuzz_input {
	const uint8_t *at;
	const uint8_t *end;
};
/* The next line without its end, as a text that is yours; NULL behind the last. */
char *fuzz_line(struct fuzz_input *input);
/* A line of an HTTP header, taken apart into copies without a NUL. False: it is none. */
struct fuzz_field {
	char *name;
	size_t name_length;
	char *value;
	size_t value_length;
};
bool fuzz_field(const char *line, struct fuzz_field *ret);
void fuzz_field_fini(struct fuzz_field *field);
/* The next byte; 0 behind the last. */
uint8_t fuzz_byte(struct fuzz_input *input);
static inline size_t fuzz_left(const struct fuzz_input *input)
{
	return (size_t)(input->end - input->at);
}

/*
 * Sizes of pieces to cut an input into, 1 to `most`. They depend on all of its bytes, so
 * that a file has its pieces and needs nothing in it that says so.
 */
struct fuzz_pieces {
	uint64_t state;
	size_t most;
};
struct fuzz_pieces fuzz_pieces_of(const void *data, size_t size, size_t most);
size_t fuzz_piece(struct fuzz_pieces *pieces, size_t left);

/*
 * A message from text, one property or header a line, an empty line, the body:
 *
 *	.type sangraha.put.v1
 *	filename=a.json
 *	attempt#3
 *	fresh?1
 *	strange!
 *
 * Texts may be percent-encoded. Past the bounds it is cut, as by the queue. Yours.
 */
struct sgh_message *fuzz_message(const uint8_t *data, size_t size);
/* Check such a message with a budget of 1 MiB, of which nothing may be left over. */
void fuzz_message_check(const uint8_t *data, size_t size,
			void (*check)(const struct sgh_message *message,
				      struct sgh_budget *budget));

/* Two messages say the same. */
void fuzz_same_message(const struct sgh_message *one, const struct sgh_message *other);
/* Whether the texts of a message are all UTF-8 and its numbers exact in JSON. */
bool fuzz_message_fits_json(const struct sgh_message *message);

#endif

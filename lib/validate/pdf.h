/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_PDF_H
#define SGH_VALIDATE_PDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the parts of the PDF check share. Zero is the beginning of each. */

static inline bool sgh_pdf_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\0';
}

static inline bool sgh_pdf_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* Neither white space nor a delimiter: what names, numbers and keywords are made of. */
bool sgh_pdf_regular(unsigned char c);

/*
 * Words that tell how the file is put together. They are found by their letters, whatever
 * stands around them, so that nothing which misleads the lexer can hide them.
 */
enum sgh_pdf_word {
	SGH_PDF_NONE,
	SGH_PDF_OBJ, /* with its two numbers */
	SGH_PDF_ENDOBJ,
	SGH_PDF_ENDSTREAM,
	SGH_PDF_XREF,
	SGH_PDF_XREF_STREAM, /* the name XRef */
	SGH_PDF_STARTXREF,
	SGH_PDF_EOF,
};

/* Where a cross-reference begins; `from` is where a little white space before it does. */
struct sgh_pdf_target {
	uint64_t from;
	uint64_t at;
};

/* The first and the last ones are kept: the last startxref points at one of those. */
#define SGH_PDF_FIRST 8
#define SGH_PDF_LAST  24
#define SGH_PDF_KEPT  48 /* bytes before those at hand */

/* startxref, its number, and what stands between that and %%EOF. */
struct sgh_pdf_startxref {
	enum {
		SGH_PDF_IDLE, /* none was seen */
		SGH_PDF_BEFORE_NUMBER,
		SGH_PDF_NUMBER,
		SGH_PDF_AFTER_NUMBER,
		SGH_PDF_COMMENT,
		SGH_PDF_BAD, /* `bad_at` has no place there */
	} state;
	uint64_t at;
	uint64_t number_at;
	uint64_t number;
	uint64_t bad_at;
};

struct sgh_pdf_words {
	uint64_t last; /* eight bytes, the newest lowest */
	const unsigned char *chunk;
	uint64_t offset; /* of `chunk` */
	size_t kept_length;
	unsigned char kept[SGH_PDF_KEPT];
	enum sgh_pdf_word pending; /* is it one? the next byte tells */
	struct sgh_pdf_target object;
	bool has_object;
	struct sgh_pdf_target first[SGH_PDF_FIRST];
	struct sgh_pdf_target ring[SGH_PDF_LAST];
	uint64_t targets; /* seen */
	struct sgh_pdf_startxref startxref;
	struct sgh_pdf_startxref last_startxref; /* before the last %%EOF */
	bool has_eof;
	uint64_t eof_at;
	uint64_t eofs;      /* seen */
	bool updating;      /* an update has begun behind the last %%EOF */
	uint64_t update_at; /* offset of its first object or cross-reference */
};

/* Bytes to come, and that they were all looked at. */
void sgh_pdf_words_begin(struct sgh_pdf_words *words, const unsigned char *data);
void sgh_pdf_words_end(struct sgh_pdf_words *words, const unsigned char *end);
/* Behind the next word, or `end` with SGH_PDF_NONE. */
const unsigned char *sgh_pdf_words_next(struct sgh_pdf_words *words,
					const unsigned char *p, const unsigned char *end,
					enum sgh_pdf_word *ret);
/* Whether a cross-reference stands at `offset`; true also when too many were seen. */
bool sgh_pdf_words_target(const struct sgh_pdf_words *words, uint64_t offset);

/* What dictionaries tell, as bits. */
enum sgh_pdf_fact {
	SGH_PDF_ENCRYPTED = 1,
	SGH_PDF_JAVASCRIPT = 2,
	SGH_PDF_LAUNCH = 4,
	SGH_PDF_FILES = 8,
	SGH_PDF_COMPRESSED = 16, /* objects in streams, which are not looked into */
};

/* Names that a dictionary's owner is interested in. */
enum sgh_pdf_key {
	SGH_PDF_NO_KEY,
	SGH_PDF_COUNT,
	SGH_PDF_LENGTH,
	SGH_PDF_N,
	SGH_PDF_NUMBERS, /* so many have a number that counts */
	SGH_PDF_TYPE,
	SGH_PDF_ENCRYPT,
	SGH_PDF_JS,
	SGH_PDF_EF,
};

struct sgh_pdf_number {
	bool known;
	uint64_t value;
};

/* The outermost dictionary of an object, or a trailer. */
struct sgh_pdf_dictionary {
	bool trailer;
	bool xref;
	bool pages;
	bool objects; /* an object stream */
	bool parent;
	bool linearized;
	bool encrypted;
	uint64_t encrypted_at;
	struct sgh_pdf_number numbers[SGH_PDF_NUMBERS];
};

/* The syntax of objects (ISO 32000-2, section 7.2), as far as facts need it. */
struct sgh_pdf_lexer {
	enum {
		SGH_PDF_NORMAL,
		SGH_PDF_NAME,
		SGH_PDF_NAME_HEX, /* after # */
		SGH_PDF_KEYWORD,  /* or a number */
		SGH_PDF_STRING,
		SGH_PDF_ESCAPE,
		SGH_PDF_LESS, /* after < */
		SGH_PDF_HEX,
		SGH_PDF_GREATER, /* after > */
		SGH_PDF_REMARK,
		SGH_PDF_STREAM,
	} state;
	unsigned refused;  /* facts that the policy refuses */
	unsigned facts;    /* found so far */
	unsigned refusal;  /* the first one found of those refused */
	uint64_t fact_at;  /* its offset */
	uint64_t offset;   /* of the byte at hand */
	uint64_t token_at; /* offset */
	uint64_t key_at;   /* offset */
	size_t length;     /* of the token, which may be longer than `token` */
	char token[24];
	char hex[2];
	size_t hex_length;
	uint64_t parentheses; /* open ones of a string */
	uint64_t depth;       /* of << >> */
	bool closed;          /* the last token closed a dictionary */
	bool number;          /* the last token was one, of `key` before */
	enum sgh_pdf_key key; /* the last token */
	enum sgh_pdf_key number_key;
	struct sgh_pdf_dictionary dictionary;
	uint64_t inside; /* up to here there is a stream's data, by its length */
	struct sgh_pdf_number page_count;
	struct sgh_pdf_number linearized_pages;
};

void sgh_pdf_lexer_feed(struct sgh_pdf_lexer *lexer, const unsigned char *p,
			const unsigned char *end);
/* The word that was just fed: objects begin and end, whatever the lexer believed. */
void sgh_pdf_lexer_word(struct sgh_pdf_lexer *lexer, enum sgh_pdf_word word);

#endif

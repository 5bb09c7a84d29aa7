/* SPDX-License-Identifier: MIT */
#include "validate/pdf.h"

#include <string.h>

#include "base/util.h"

/*
 * Facts hang on this, and nothing else does: a file that misleads the lexer is not refused
 * for it. The data of streams is stepped over up to the word endstream, because the
 * length may be anywhere, or wrong.
 */

bool sgh_pdf_regular(unsigned char c)
{
	static const bool others[256] = {
		['\0'] = true, ['\t'] = true, ['\n'] = true, ['\f'] = true,
		['\r'] = true, [' '] = true,  ['('] = true,  [')'] = true,
		['<'] = true,  ['>'] = true,  ['['] = true,  [']'] = true,
		['{'] = true,  ['}'] = true,  ['/'] = true,  ['%'] = true,
	};

	return !others[c];
}

static void add_fact(struct sgh_pdf_lexer *lexer, unsigned fact, uint64_t offset)
{
	lexer->facts |= fact;
	if (!lexer->refusal && (lexer->refused & fact)) {
		lexer->refusal = fact;
		lexer->fact_at = offset;
	}
}

static bool token_is(const struct sgh_pdf_lexer *lexer, const char *text)
{
	size_t length = strlen(text);

	return lexer->length == length && memcmp(lexer->token, text, length) == 0;
}

static void begin_dictionary(struct sgh_pdf_lexer *lexer, bool trailer)
{
	memset(&lexer->dictionary, 0, sizeof(lexer->dictionary));
	lexer->dictionary.trailer = trailer;
	lexer->depth = 0;
	lexer->key = SGH_PDF_NO_KEY;
	lexer->number = false;
	lexer->closed = false;
}

static void end_dictionary(struct sgh_pdf_lexer *lexer)
{
	const struct sgh_pdf_dictionary *d = &lexer->dictionary;
	bool inside = lexer->offset < lexer->inside;

	if (d->encrypted && (d->trailer || d->xref))
		add_fact(lexer, SGH_PDF_ENCRYPTED, d->encrypted_at);
	if (d->objects)
		add_fact(lexer, SGH_PDF_COMPRESSED, lexer->offset);
	/* A document in an attachment has pages of its own. */
	if (d->pages && !d->parent && !inside)
		lexer->page_count = d->numbers[SGH_PDF_COUNT];
	if (d->linearized && !inside)
		lexer->linearized_pages = d->numbers[SGH_PDF_N];
}

/* Any token that is a value ends what the name before it began. */
static void end_key(struct sgh_pdf_lexer *lexer)
{
	lexer->key = SGH_PDF_NO_KEY;
	lexer->number = false;
	lexer->closed = false;
}

static void open_dictionary(struct sgh_pdf_lexer *lexer)
{
	if (lexer->key == SGH_PDF_ENCRYPT) {
		lexer->dictionary.encrypted = true;
		lexer->dictionary.encrypted_at = lexer->key_at;
	} else if (lexer->key == SGH_PDF_EF) {
		add_fact(lexer, SGH_PDF_FILES, lexer->key_at);
	}
	end_key(lexer);
	lexer->depth++;
}

static void close_dictionary(struct sgh_pdf_lexer *lexer)
{
	end_key(lexer);
	if (lexer->depth == 0)
		return;
	if (--lexer->depth == 0)
		end_dictionary(lexer);
	lexer->closed = lexer->depth == 0;
}

static void read_string(struct sgh_pdf_lexer *lexer)
{
	if (lexer->key == SGH_PDF_JS)
		add_fact(lexer, SGH_PDF_JAVASCRIPT, lexer->key_at);
	end_key(lexer);
}

/* The value of /Type in the outermost dictionary. */
static void read_type(struct sgh_pdf_lexer *lexer)
{
	lexer->dictionary.xref |= token_is(lexer, "XRef");
	lexer->dictionary.pages |= token_is(lexer, "Pages");
	lexer->dictionary.objects |= token_is(lexer, "ObjStm");
}

/* Names that are enough to tell, wherever they stand. */
static void read_active(struct sgh_pdf_lexer *lexer)
{
	if (token_is(lexer, "JavaScript"))
		add_fact(lexer, SGH_PDF_JAVASCRIPT, lexer->token_at);
	else if (token_is(lexer, "Launch"))
		add_fact(lexer, SGH_PDF_LAUNCH, lexer->token_at);
	else if (token_is(lexer, "EmbeddedFiles") || token_is(lexer, "EmbeddedFile") ||
		 token_is(lexer, "FileAttachment"))
		add_fact(lexer, SGH_PDF_FILES, lexer->token_at);
}

static enum sgh_pdf_key key_of(const struct sgh_pdf_lexer *lexer)
{
	static const struct {
		const char *name;
		enum sgh_pdf_key key;
	} keys[] = {
		{ "Count", SGH_PDF_COUNT }, { "Length", SGH_PDF_LENGTH },
		{ "N", SGH_PDF_N },         { "Type", SGH_PDF_TYPE },
		{ "JS", SGH_PDF_JS },       { "Encrypt", SGH_PDF_ENCRYPT },
		{ "EF", SGH_PDF_EF },
	};

	for (size_t i = 0; i < SGH_COUNT(keys); i++) {
		enum sgh_pdf_key key = keys[i].key;

		if (token_is(lexer, keys[i].name))
			return lexer->depth == 1 || key == SGH_PDF_JS || key == SGH_PDF_EF
				       ? key
				       : SGH_PDF_NO_KEY;
	}
	return SGH_PDF_NO_KEY;
}

static void read_name(struct sgh_pdf_lexer *lexer)
{
	bool value = lexer->key == SGH_PDF_TYPE;

	if (value)
		read_type(lexer);
	read_active(lexer);
	end_key(lexer);
	if (value)
		return;
	lexer->key = key_of(lexer);
	lexer->key_at = lexer->token_at;
	if (lexer->depth == 1) {
		lexer->dictionary.parent |= token_is(lexer, "Parent");
		lexer->dictionary.linearized |= token_is(lexer, "Linearized");
	}
}

/* A number, and as the second of two the beginning of a reference: no number then. */
static void read_number(struct sgh_pdf_lexer *lexer)
{
	struct sgh_pdf_dictionary *d = &lexer->dictionary;
	enum sgh_pdf_key key = lexer->key;
	uint64_t value = 0;

	if (lexer->number && lexer->number_key)
		d->numbers[lexer->number_key].known = false;
	if (key == SGH_PDF_ENCRYPT) {
		d->encrypted = true;
		d->encrypted_at = lexer->key_at;
	} else if (key == SGH_PDF_JS) {
		add_fact(lexer, SGH_PDF_JAVASCRIPT, lexer->key_at);
	}
	end_key(lexer);
	lexer->number = true;
	lexer->number_key = SGH_PDF_NO_KEY;
	if (key == SGH_PDF_NO_KEY || key >= SGH_PDF_NUMBERS || lexer->length > 15)
		return;
	for (size_t i = 0; i < lexer->length; i++) {
		if (!sgh_pdf_digit((unsigned char)lexer->token[i]))
			return;
		value = value * 10 + (uint64_t)(lexer->token[i] - '0');
	}
	d->numbers[key] = (struct sgh_pdf_number){ .known = true, .value = value };
	lexer->number_key = key;
}

static void begin_stream(struct sgh_pdf_lexer *lexer)
{
	const struct sgh_pdf_number *length = &lexer->dictionary.numbers[SGH_PDF_LENGTH];

	lexer->state = SGH_PDF_STREAM;
	if (length->known && lexer->offset >= lexer->inside)
		lexer->inside = lexer->offset + length->value;
}

static void read_keyword(struct sgh_pdf_lexer *lexer)
{
	if (sgh_pdf_digit((unsigned char)lexer->token[0]))
		read_number(lexer);
	else if (lexer->closed && token_is(lexer, "stream"))
		begin_stream(lexer);
	else if (token_is(lexer, "trailer"))
		begin_dictionary(lexer, true);
	else
		end_key(lexer);
}

static void begin_token(struct sgh_pdf_lexer *lexer, int state)
{
	lexer->state = state;
	lexer->token_at = lexer->offset;
	lexer->length = 0;
	lexer->hex_length = 0;
}

static void add_to_token(struct sgh_pdf_lexer *lexer, unsigned char c)
{
	if (lexer->length < sizeof(lexer->token))
		lexer->token[lexer->length] = (char)c;
	lexer->length++;
}

static void normal(struct sgh_pdf_lexer *lexer, unsigned char c)
{
	switch (c) {
	case '/':
		begin_token(lexer, SGH_PDF_NAME);
		return;
	case '(':
		lexer->parentheses = 1;
		lexer->state = SGH_PDF_STRING;
		return;
	case '<':
		lexer->state = SGH_PDF_LESS;
		return;
	case '>':
		lexer->state = SGH_PDF_GREATER;
		return;
	case '%':
		lexer->state = SGH_PDF_REMARK;
		return;
	default:
		break;
	}
	if (sgh_pdf_regular(c)) {
		begin_token(lexer, SGH_PDF_KEYWORD);
		add_to_token(lexer, c);
	} else if (!sgh_pdf_space(c)) {
		end_key(lexer);
	}
}

/* #4a in a name; what is no such thing stands for itself. */
static bool name_hex(struct sgh_pdf_lexer *lexer, unsigned char c)
{
	int high, low;

	if (sgh_hex_value((char)c) < 0) {
		add_to_token(lexer, '#');
		for (size_t i = 0; i < lexer->hex_length; i++)
			add_to_token(lexer, (unsigned char)lexer->hex[i]);
		lexer->hex_length = 0;
		lexer->state = SGH_PDF_NAME;
		return false;
	}
	lexer->hex[lexer->hex_length++] = (char)c;
	if (lexer->hex_length < 2)
		return true;
	high = sgh_hex_value(lexer->hex[0]);
	low = sgh_hex_value(lexer->hex[1]);
	add_to_token(lexer, (unsigned char)(high << 4 | low));
	lexer->hex_length = 0;
	lexer->state = SGH_PDF_NAME;
	return true;
}

/* False when the name has ended before this byte. */
static bool name(struct sgh_pdf_lexer *lexer, unsigned char c)
{
	if (!sgh_pdf_regular(c)) {
		lexer->state = SGH_PDF_NORMAL;
		read_name(lexer);
		return false;
	}
	if (c == '#')
		lexer->state = SGH_PDF_NAME_HEX;
	else
		add_to_token(lexer, c);
	return true;
}

static bool keyword(struct sgh_pdf_lexer *lexer, unsigned char c)
{
	if (sgh_pdf_regular(c)) {
		add_to_token(lexer, c);
		return true;
	}
	lexer->state = SGH_PDF_NORMAL;
	read_keyword(lexer);
	return false;
}

static bool string(struct sgh_pdf_lexer *lexer, unsigned char c)
{
	if (c == '\\') {
		lexer->state = SGH_PDF_ESCAPE;
	} else if (c == '(') {
		lexer->parentheses++;
	} else if (c == ')' && --lexer->parentheses == 0) {
		lexer->state = SGH_PDF_NORMAL;
		read_string(lexer);
	}
	return true;
}

/* After < and >, and in <4a4b>. */
static bool angle(struct sgh_pdf_lexer *lexer, unsigned char c)
{
	bool twice = c == (lexer->state == SGH_PDF_LESS ? '<' : '>');

	switch (lexer->state) {
	case SGH_PDF_LESS:
		lexer->state = twice ? SGH_PDF_NORMAL : SGH_PDF_HEX;
		if (twice)
			open_dictionary(lexer);
		return twice;
	case SGH_PDF_GREATER:
		lexer->state = SGH_PDF_NORMAL;
		if (twice)
			close_dictionary(lexer);
		return twice;
	default:
		if (c == '>') {
			lexer->state = SGH_PDF_NORMAL;
			read_string(lexer);
		}
		return true;
	}
}

/* False when the byte is to be looked at again, in another state. */
static bool step(struct sgh_pdf_lexer *lexer, unsigned char c)
{
	switch (lexer->state) {
	case SGH_PDF_NORMAL:
		normal(lexer, c);
		return true;
	case SGH_PDF_NAME:
		return name(lexer, c);
	case SGH_PDF_NAME_HEX:
		return name_hex(lexer, c);
	case SGH_PDF_KEYWORD:
		return keyword(lexer, c);
	case SGH_PDF_STRING:
		return string(lexer, c);
	case SGH_PDF_ESCAPE:
		lexer->state = SGH_PDF_STRING;
		return true;
	case SGH_PDF_REMARK:
		if (c == '\n' || c == '\r')
			lexer->state = SGH_PDF_NORMAL;
		return true;
	case SGH_PDF_STREAM:
		return true;
	default:
		return angle(lexer, c);
	}
}

void sgh_pdf_lexer_feed(struct sgh_pdf_lexer *lexer, const unsigned char *p,
			const unsigned char *end)
{
	while (p < end && lexer->state != SGH_PDF_STREAM) {
		if (!step(lexer, *p))
			continue;
		p++;
		lexer->offset++;
	}
	lexer->offset += (uint64_t)(end - p);
}

void sgh_pdf_lexer_word(struct sgh_pdf_lexer *lexer, enum sgh_pdf_word word)
{
	bool hidden = lexer->state == SGH_PDF_STRING || lexer->state == SGH_PDF_ESCAPE ||
		      lexer->state == SGH_PDF_REMARK;

	/* A string with an unbalanced parenthesis ends with its object. */
	if ((word == SGH_PDF_ENDSTREAM && lexer->state == SGH_PDF_STREAM) ||
	    (word == SGH_PDF_ENDOBJ && lexer->state != SGH_PDF_STREAM) ||
	    (word == SGH_PDF_OBJ && lexer->state != SGH_PDF_STREAM && !hidden)) {
		lexer->state = SGH_PDF_NORMAL;
		begin_dictionary(lexer, false);
	}
}

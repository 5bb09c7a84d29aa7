/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_S3XML_WALK_H
#define SGH_WIRE_S3XML_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/s3xml.h"

/* How the documents of s3xml.h are read: element by element, in bounded memory. */

#define SGH_S3XML_DEPTH_MAX 16
#define SGH_S3XML_NAME_SIZE 32
/* A key with each byte percent-encoded is the longest text that is looked at. */
#define SGH_S3XML_TEXT_MAX (3 * SGH_S3_KEY_MAX)

/* Where the parser is, and the text of the element that it is in. */
struct sgh_s3xml_walk {
	void *parser;
	unsigned depth;
	/* local names, from the root on */
	char path[SGH_S3XML_DEPTH_MAX][SGH_S3XML_NAME_SIZE];
	char text[SGH_S3XML_TEXT_MAX + 1];
	size_t length;
	bool cut; /* the text was longer */
	bool bad; /* refused: a DTD, too deep, or what `problem` says */
	bool no_memory;
	const char *problem; /* static */
	/* Called at the end of each element, with its text. */
	void (*element)(struct sgh_s3xml_walk *walk);
	/* Called at the start of each element; may be NULL. */
	void (*begin)(struct sgh_s3xml_walk *walk);
};

/*
 * Read a document; white space before it is passed over. NULL: well-formed, and nothing
 * was refused. Otherwise what was wrong; static.
 */
const char *sgh_s3xml_walk_run(struct sgh_s3xml_walk *walk, const void *data,
			       size_t length);

/* End the walk, from inside begin() and element(): the document is not what it should be. */
void sgh_s3xml_refuse(struct sgh_s3xml_walk *walk, const char *problem);

/* Whether the element that begins or ends is a/b/c (NULL for levels that are not there). */
bool sgh_s3xml_at(const struct sgh_s3xml_walk *walk, const char *a, const char *b,
		  const char *c);

/*
 * What a server says ends up in logs and replies: one line without control characters,
 * cut between characters.
 */
void sgh_s3xml_line(char *out, size_t size, const char *text);

/* Digits and nothing else. */
bool sgh_s3xml_number(const char *text, uint64_t *ret);

/* Undo encoding-type=url, where a space is a plus, in place. */
bool sgh_s3xml_url_decode(char *text);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_PNG_H
#define SGH_VALIDATE_PNG_H

#include "validate/format.h"
#include "validate/reader.h"

/* What png.c, which reads chunks, and png_chunks.c, which has their rules, share. */

enum sgh_png_colour {
	SGH_PNG_GREY = 0,
	SGH_PNG_RGB = 2,
	SGH_PNG_PALETTE = 3,
	SGH_PNG_GREY_ALPHA = 4,
	SGH_PNG_RGBA = 6,
};

struct sgh_png {
	const struct sgh_limits *limits;
	struct sgh_reader reader;
	int state;
	unsigned seen; /* kinds of chunks, as bits */
	bool between;  /* a chunk that is no IDAT came after an IDAT */
	bool has_data; /* of the image: one IDAT was not empty */
	char type[5];
	const struct sgh_png_chunk *chunk; /* NULL: one that is not known */
	uint64_t start;                    /* offset of the chunk */
	uint64_t length;                   /* of its data */
	uint64_t left;                     /* of it, to come */
	uint32_t crc;
	unsigned char colour;
	unsigned char depth;
	unsigned entries; /* of the palette */
	struct sgh_image image;
	/* The animation, when acTL came before the image data. */
	bool animated;
	bool bare;         /* the last fcTL has no data yet */
	uint64_t controls; /* fcTL chunks so far */
	uint64_t sequence; /* the next number of fcTL and fdAT */
};

/* The chunk's header was read: may it stand here, and be so long? */
int sgh_png_chunk_check(struct sgh_png *png, struct sgh_refusal *ret);

/* How many bytes of the chunk's data sgh_png_chunk_read() wants to see; 0: none. */
size_t sgh_png_chunk_wants(const struct sgh_png *png);
int sgh_png_chunk_read(struct sgh_png *png, const unsigned char *field,
		       struct sgh_refusal *ret);

#endif

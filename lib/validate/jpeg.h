/* SPDX-License-Identifier: MIT */
#ifndef SGH_VALIDATE_JPEG_H
#define SGH_VALIDATE_JPEG_H

#include "validate/format.h"
#include "validate/reader.h"

/* What jpeg.c, which reads markers, and jpeg_segment.c, which reads segments, share. */

enum {
	SGH_JPEG_TEM = 0x01,
	SGH_JPEG_SOF0 = 0xc0,
	SGH_JPEG_DHT = 0xc4,
	SGH_JPEG_JPG = 0xc8,
	SGH_JPEG_DAC = 0xcc,
	SGH_JPEG_SOF15 = 0xcf,
	SGH_JPEG_RST0 = 0xd0,
	SGH_JPEG_RST7 = 0xd7,
	SGH_JPEG_SOI = 0xd8,
	SGH_JPEG_EOI = 0xd9,
	SGH_JPEG_SOS = 0xda,
	SGH_JPEG_DQT = 0xdb,
	SGH_JPEG_DNL = 0xdc,
	SGH_JPEG_DRI = 0xdd,
	SGH_JPEG_DHP = 0xde,
	SGH_JPEG_APP0 = 0xe0,
	SGH_JPEG_APP14 = 0xee,
};

/* What comes next in a segment. */
enum sgh_jpeg_part {
	SGH_JPEG_REST, /* nothing that matters */
	SGH_JPEG_FRAME,
	SGH_JPEG_COMPONENT,
	SGH_JPEG_SCAN,
	SGH_JPEG_SELECTOR, /* of a component in a scan */
	SGH_JPEG_SPECTRUM, /* the end of a scan's header */
	SGH_JPEG_QUANTIZATION,
	SGH_JPEG_HUFFMAN,
	SGH_JPEG_CONDITIONING,
	SGH_JPEG_INTERVAL,
	SGH_JPEG_LINES,
	SGH_JPEG_JFIF,
	SGH_JPEG_ADOBE,
};

struct sgh_jpeg {
	const struct sgh_limits *limits;
	struct sgh_reader reader;
	int state;
	unsigned char code; /* the marker's */
	enum sgh_jpeg_part part;
	uint64_t left;  /* of the segment */
	uint64_t skip;  /* of a table in it */
	unsigned items; /* components to come, in a header */
	bool hierarchical;
	bool has_frame;
	bool has_scan;
	unsigned char sof;
	unsigned components;
	unsigned rgb_letters;          /* components that are called R, G, B in turn */
	unsigned tables;               /* for quantization, defined so far, as bits */
	unsigned char quantizers[256]; /* by component: its table + 1, 0: no such one */
	bool jfif;
	bool adobe;
	unsigned char transform; /* of Adobe's segment */
	uint64_t size_at;        /* where width and height stand */
	struct sgh_image image;
};

bool sgh_jpeg_is_sof(unsigned char code);

/* A segment of `left` bytes begins: how long must it be at least? Sets what comes first. */
unsigned sgh_jpeg_segment_begin(struct sgh_jpeg *jpeg);
/* The next part, as far as it is there. The segment has ended when `left` is 0. */
int sgh_jpeg_segment_read(struct sgh_jpeg *jpeg, struct sgh_refusal *ret);
/* What its components, and the segments of applications, make of it. */
const char *sgh_jpeg_color(const struct sgh_jpeg *jpeg);

#endif

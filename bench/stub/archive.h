/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STUB_ARCHIVE_H
#define BENCH_STUB_ARCHIVE_H

#include "stub/keys.h"

#define ARCHIVE_BLOCK       512
#define ARCHIVE_NAME_MAX    100
#define ARCHIVE_BUCKET_MAX  64 /* "/bucket/" */
#define ARCHIVE_RECORDS_MAX ((size_t)8 << 10)

enum archive_place { ARCHIVE_HEADER, ARCHIVE_RECORDS, ARCHIVE_DATA, ARCHIVE_END };

/*
 * A tar archive on its way, in pieces, as MinIO takes them apart: each member becomes an
 * object, with the headers that its records "minio.metadata.<name>" say.
 */
struct archive {
	struct keys *keys;
	char bucket[ARCHIVE_BUCKET_MAX];
	enum archive_place place;
	bool broken;
	bool described; /* there were records, and what they are of comes next */
	unsigned char block[ARCHIVE_BLOCK]; /* a header */
	size_t block_length;
	uint64_t left;    /* of the records or the data */
	uint64_t padding; /* behind them */
	uint64_t size;    /* of the member */
	char name[ARCHIVE_NAME_MAX + 1];
	char records[ARCHIVE_RECORDS_MAX];
	size_t records_length;
	char lines[KEYS_LINES_MAX];
	size_t lines_length;
};

/* `path` is the archive's own: its members go into the same bucket. */
void archive_begin(struct archive *archive, struct keys *keys, const char *path);
void archive_feed(struct archive *archive, const void *data, size_t length);
/* Whether it was one, and whole. */
bool archive_end(struct archive *archive);

#endif

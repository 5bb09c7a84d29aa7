/* SPDX-License-Identifier: MIT */
#ifndef QUEUE_FOLDER_H
#define QUEUE_FOLDER_H

#include <stdio.h>

#include "base/context.h"
#include "support/queues.h"
#include "support/sql.h"
#include "support/t.h"

/* A local queue in a folder of its own, and what tests of it share. */

#define WRITE SANGRAHA_WRITE_QUEUE
#define READ  SANGRAHA_READ_QUEUE
#define DEAD  SANGRAHA_WRITE_QUEUE ".dlq"
#define DELAY SANGRAHA_WRITE_QUEUE ".delay.1s"
#define LARGE ((size_t)32 << 20)

struct folder {
	struct sangraha_context *context;
	char *path;
	char *url;
	struct sangraha_queue *queue;
	struct sgh_consumer *consumer;
	struct t_inbox inbox;
	struct sgh_delivery *held[8]; /* until the queue has gone */
	size_t held_count;
};

static inline int folder_try(struct folder *f)
{
	return sangraha_queue_open(f->context, f->url, NULL, &f->queue, &t_err);
}

static inline void folder_open(struct folder *f)
{
	t_ok(folder_try(f));
}

static inline void folder_close(struct folder *f)
{
	sgh_consumer_free(sgh_take(f->consumer));
	sangraha_queue_unref(sgh_take(f->queue));
	while (f->held_count)
		sgh_delivery_ack(f->held[--f->held_count]);
}

/* What is in hand then is forgotten by the inbox; it comes again. */
static inline void folder_reopen(struct folder *f)
{
	folder_close(f);
	t_inbox_fini(&f->inbox);
	t_inbox_init(&f->inbox);
	folder_open(f);
}

static inline struct folder *folder_new(void)
{
	struct folder *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->context = t_context();
	f->path = t_folder_new();
	t_inbox_init(&f->inbox);
	if (asprintf(&f->url, "local:%s", f->path) < 0)
		fail_msg("out of memory");
	return f;
}

static inline void folder_free(struct folder *f)
{
	folder_close(f);
	t_inbox_fini(&f->inbox);
	sangraha_context_unref(f->context);
	t_folder_remove(f->path);
	free(f->url);
	free(f);
}

static inline void folder_consume(struct folder *f, const char *queue, unsigned prefetch)
{
	f->consumer = t_consume(f->queue, &f->inbox, queue, prefetch, LARGE, LARGE);
}

/* SQL on the database of a queue that is closed; the number that it gives, or 0. */
static inline int64_t folder_sql(struct folder *f, const char *sql)
{
	return t_sql(f->path, "queue.db", sql);
}

/* As many messages as that, made behind its back. */
static inline void folder_fill(struct folder *f, int queue, int count, int64_t due)
{
	char sql[400];

	folder_close(f);
	snprintf(sql, sizeof(sql),
		 "UPDATE message SET id = 0, queue = %d, due = %lld;"
		 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
		 " WHERE i < %d) INSERT INTO message SELECT i, queue, due, meta, body"
		 " FROM n, message m WHERE m.id = 0;"
		 "DELETE FROM message WHERE id = 0",
		 queue, (long long)due, count);
	folder_sql(f, sql);
}

/* Damage the beginning of the first page that ends in so many of that byte. */
static inline void folder_damage(struct folder *f, int byte, size_t count)
{
	char *file = t_path(f->path, "queue.db");
	FILE *stream = fopen(file, "r+e");
	unsigned char page[4096] = { 0 }, full[4096];

	assert_non_null(stream);
	memset(full, byte, count);
	do {
		assert_int_equal(fread(page, sizeof(page), 1, stream), 1);
	} while (memcmp(page + sizeof(page) - count, full, count) != 0);
	assert_int_equal(fseek(stream, -(long)sizeof(page), SEEK_CUR), 0);
	assert_int_equal(fwrite("\xff\xff\xff\xff", 4, 1, stream), 1);
	fclose(stream);
	free(file);
}

/* The next message of the inbox has this body; it is acknowledged. */
static inline void folder_gets(struct folder *f, const char *body)
{
	struct sgh_delivery *delivery = t_inbox_next(&f->inbox);

	if (!t_body_is(delivery, body))
		fail_msg("not %s", body);
	sgh_delivery_ack(delivery);
}

#endif

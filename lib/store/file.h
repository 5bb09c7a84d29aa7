/* SPDX-License-Identifier: MIT */
#ifndef SGH_STORE_FILE_H
#define SGH_STORE_FILE_H

#include <pthread.h>
#include <sangraha/object.h>

#include "base/pool.h"
#include "base/timer.h"
#include "db/db.h"
#include "store/local.h"
#include "store/store.h"

/* What the files of the back end on a local folder share. README.md tells the story. */

#define SGH_FILE_SMALL_MAX   (64 << 10) /* bytes; larger bodies are files of their own */
#define SGH_FILE_PAGE_SIZE   8192
#define SGH_FILE_READERS     4 /* threads that look up and read */
#define SGH_FILE_WRITERS     8 /* threads that write and remove body files */
#define SGH_FILE_TRASH_BATCH 256

/* ---- body files (file_body.c): objects/<number / 1000>/<number> ---- */

#define SGH_FILE_FOLDER_SIZE 1000

/* A number that was handed out, while no row and no clean-up has settled its file. */
struct sgh_file_number {
	struct sgh_list link;
	uint64_t value;
};

struct sgh_file_bodies {
	int fd;     /* the folder "objects" */
	char *path; /* its path */
	struct {
		pthread_mutex_t lock;
		int fd; /* the folder written to last; -1: none */
		uint64_t number;
	} folder;
	struct {
		pthread_mutex_t lock;
		uint64_t next;
		uint64_t stuck; /* the lowest one whose file could not be removed */
		struct sgh_list unsettled; /* sgh_file_number.link, lowest first */
	} s;
};

/* Open "objects" in the folder at `path`, which is made when it is missing. */
int sgh_file_bodies_open(struct sgh_file_bodies *bodies, const char *path,
			 struct sangraha_error *err);
void sgh_file_bodies_fini(struct sgh_file_bodies *bodies);

void sgh_file_number_take(struct sgh_file_bodies *bodies, struct sgh_file_number *number);
/* A row on disk names it, or the trash does, or there is no such file. */
void sgh_file_number_settle(struct sgh_file_bodies *bodies,
			    struct sgh_file_number *number);
/* Its file may be there without a row until the next open, which looks for it. */
void sgh_file_number_stick(struct sgh_file_bodies *bodies,
			   struct sgh_file_number *number);
/* Everything below is settled. */
uint64_t sgh_file_bodies_low(struct sgh_file_bodies *bodies);

/* A file that is being written. Its number is taken before. */
struct sgh_file_body {
	struct sgh_file_number number;
	int fd; /* -1: not open */
	int folder;
	uint64_t size; /* bytes written */
	uint64_t sent; /* of these, on their way to the disk */
};

#define SGH_FILE_BODY_NONE             \
	(struct sgh_file_body)         \
	{                              \
		.fd = -1, .folder = -1 \
	}

/* Make the file, write to it, make it durable with its name. A failure may leave a part. */
int sgh_file_body_create(struct sgh_file_bodies *bodies, struct sgh_file_body *body,
			 struct sangraha_error *err);
int sgh_file_body_append(struct sgh_file_bodies *bodies, struct sgh_file_body *body,
			 const void *data, size_t length, struct sangraha_error *err);
int sgh_file_body_finish(struct sgh_file_bodies *bodies, struct sgh_file_body *body,
			 struct sangraha_error *err);
/* Let go of the descriptors of one that was not finished. */
void sgh_file_body_close(struct sgh_file_body *body);
/* Hand it on, with its number. */
void sgh_file_body_move(struct sgh_file_bodies *bodies, struct sgh_file_body *to,
			struct sgh_file_body *from);
/*
 * Read `length` bytes at `offset` of a file of `size` bytes. SANGRAHA_E_NOT_FOUND when there
 * is none, _INTERNAL when it has another size.
 */
int sgh_file_body_read(struct sgh_file_bodies *bodies, uint64_t number, uint64_t size,
		       uint64_t offset, void *data, size_t length,
		       struct sangraha_error *err);
/*
 * Remove files, durably; those that are not there are no error. One that stays keeps none of
 * the others: `numbers` and *count are those that are gone then.
 */
int sgh_file_bodies_remove(struct sgh_file_bodies *bodies, uint64_t *numbers,
			   size_t *count, struct sangraha_error *err);
/*
 * Hand each file that is at or behind `low` to each(), which says whether to keep it; remove
 * the others, durably. Numbers are handed out behind all that were seen, and not below
 * `next`. Before any other use.
 */
int sgh_file_bodies_sweep(struct sgh_file_bodies *bodies, uint64_t low, uint64_t next,
			  int (*keep)(void *arg, uint64_t number,
				      struct sangraha_error *err),
			  void *arg, struct sangraha_error *err);

/* ---- the engine of a folder (file_engine.c) ---- */

/* Statements of the thread that writes. */
enum sgh_file_write {
	SGH_FILE_W_BUCKET,      /* 1 name: id */
	SGH_FILE_W_MAKE_BUCKET, /* 1 name */
	SGH_FILE_W_FIND,        /* 1 bucket, 2 key: id, file */
	SGH_FILE_W_INSERT,      /* as UPDATE; 8 bucket, 9 key */
	SGH_FILE_W_UPDATE, /* 1 size, 2 modified, 3 type, 4 meta, 5 file, 6 body, 7 id */
	SGH_FILE_W_DELETE, /* 1 id */
	SGH_FILE_W_TRASH,  /* 1 number */
	SGH_FILE_W_TRASH_UNUSED, /* 1 number */
	SGH_FILE_W_EMPTY,        /* 1 number */
	SGH_FILE_W_LOW,          /* 1 number */
	SGH_FILE_W_PROBE,
	SGH_FILE_W_TRASH_PIECES, /* 1 body */
	SGH_FILE_W_DROP_PIECES,  /* 1 body */
	SGH_FILE_W_BEGIN,        /* 1 name, 2 bucket, 3 key, 4 type, 5 meta */
	SGH_FILE_W_UPLOAD,       /* 1 name, 2 bucket, 3 key: id */
	SGH_FILE_W_PART,         /* 1 upload, 2 number: size, etag, file */
	SGH_FILE_W_SET_PART,     /* 1 upload, 2 number, 3 size, 4 etag, 5 file */
	SGH_FILE_W_TRASH_PARTS,  /* 1 upload, 2 and 3 the numbers around them */
	SGH_FILE_W_DROP_PARTS,   /* the same */
	SGH_FILE_W_JOIN,         /* 1 upload, 2 body: its parts as pieces */
	SGH_FILE_W_COMPLETE,     /* 1 upload, 2 size, 3 modified, 4 file: its object */
	SGH_FILE_W_DROP_UPLOAD,  /* 1 upload */
	SGH_FILE_W_COUNT,
};

/* Statements of those who read. */
enum sgh_file_read {
	SGH_FILE_R_FIND,   /* 1 bucket, 2 key: size, modified, type, meta, file, body */
	SGH_FILE_R_BUCKET, /* 1 name: id */
	SGH_FILE_R_FROM,   /* 1 bucket id, 2 key, 3 limit: key, size, modified */
	SGH_FILE_R_AFTER,  /* the same behind the key */
	SGH_FILE_R_TRASH,  /* 1 limit: number */
	SGH_FILE_R_USED,   /* 1 number: a row where a row or the trash names it */
	SGH_FILE_R_MARKS,  /* low, the highest numbers in rows and in the trash */
	SGH_FILE_R_PIECE,  /* 1 body, 2 offset: start, size, file of the piece there */
	SGH_FILE_R_UPLOAD, /* 1 name, 2 bucket id, 3 key: id */
	SGH_FILE_R_PARTS,  /* 1 upload, 2 number, 3 limit: number, size, etag behind it */
	SGH_FILE_R_UPLOADS, /* 1 bucket id, 2 key, 3 limit: name */
	SGH_FILE_R_COUNT,
};

/* A reader of the database that one thread uses for now. */
struct sgh_file_reader {
	struct sgh_list link;
	struct sgh_db_reader *db;
};

/* What all handles of one context on one folder share. */
struct sgh_file_engine {
	struct sgh_local local;           /* the first member */
	struct sangraha_context *context; /* a reference */
	struct sgh_db *db;
	struct sgh_file_bodies bodies;
	struct sgh_timers *timers;
	struct sgh_pool *readers;
	struct sgh_pool *writers;
	uint64_t low; /* as it is in the database; of the thread that writes */
	/* file_trash.c; what is not under the lock belongs to the run of the moment. */
	struct {
		pthread_mutex_t lock;
		bool running;
		bool again; /* there is more since it began to look */
		bool stop;
		struct sgh_job look;
		struct sgh_db_job forget;
		uint64_t numbers[SGH_FILE_TRASH_BATCH];
		size_t count;
		int status; /* of those that could not be removed */
		struct sangraha_error err;
		bool failed; /* and that was logged */
		struct sgh_timer retry;
	} trash;
	struct {
		pthread_mutex_t lock;
		struct sgh_list unused;
		/* One for each thread that reads, and one for the trash. */
		struct sgh_file_reader all[SGH_FILE_READERS + 1];
	} r;
};

/* A handle of the engine, whose reference it takes over. */
int sgh_file_new(struct sangraha_context *context, struct sgh_file_engine *engine,
		 const struct sangraha_store_options *options,
		 struct sangraha_store **ret, struct sangraha_error *err);

/* A reference to the engine of the folder at `path`, as sgh_datadir_make() gave it. */
int sgh_file_engine_get(struct sangraha_context *context, const char *path,
			struct sgh_file_engine **ret, struct sangraha_error *err);
/* Drop it; the last one closes the folder. Not on a thread of the engine. */
void sgh_file_engine_put(struct sgh_file_engine *engine);

struct sgh_file_reader *sgh_file_reader_take(struct sgh_file_engine *engine);
void sgh_file_reader_put(struct sgh_file_engine *engine, struct sgh_file_reader *reader);

/* Of an engine that is zero otherwise. */
void sgh_file_trash_init(struct sgh_file_engine *engine);
/* There is something in the trash, on disk: remove it some time soon. */
void sgh_file_trash_kick(struct sgh_file_engine *engine);

/* ---- a handle and its operations (file.c) ---- */

struct sgh_file {
	struct sangraha_store store; /* the first member */
	struct sgh_file_engine *engine;
	bool write_failed; /* atomic: the last write, for a reason that CHECK tells */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t idle;
		unsigned work;       /* sgh_file_op that are not free yet, */
		struct sgh_list ops; /* and these: sgh_file_op.link */
	} s;
};

/*
 * The work of one operation. It may outlive the operation, which ends at its deadline
 * whatever the disk does: so it has copies of what it needs and results of its own, which
 * are handed over at the end if somebody still waits for them.
 */
struct sgh_file_op {
	struct sgh_file *file;
	struct sgh_store_op *op; /* atomic; NULL when it has ended */
	int refs;                /* atomic: of the work and of the timer */
	enum sgh_store_verb verb;
	struct sgh_list link; /* guarded by the lock of sgh_file */
	const void *owner;
	bool given_up; /* by the owner; whoever disarmed the timer writes it */
	struct sgh_timer timer;
	struct sgh_job job;
	struct sgh_db_job change;
	/* the request */
	const char *bucket; /* with the prefix */
	const char *key;
	const char *content_type;
	const char *meta; /* name NUL value NUL … */
	size_t meta_length;
	struct sgh_bytes *body;
	struct sgh_file_taken *taken; /* instead; until its file was taken over */
	bool if_none_match;
	char sha256[SANGRAHA_SHA256_SIZE]; /* "": not known */
	int64_t modified_ms;
	uint64_t offset;
	size_t max_length;
	const char *prefix; /* NULL: all */
	const char *after;  /* NULL: from the first */
	unsigned limit;
	bool whole;
	struct sgh_bytes *room; /* NULL: memory of the budget */
	const char *upload;
	unsigned part;
	struct sgh_part *parts; /* with their texts */
	size_t part_count;
	/* of a large put, or of a part */
	bool in_file;
	struct sgh_file_body body_file;
	char digest[SANGRAHA_SHA256_SIZE]; /* of the body, where it was asked for */
	bool wrote;   /* the change was one; a key that is not there takes none */
	bool trashed; /* it put something into the trash */
	/* of a get */
	struct sgh_budget_waiter waiter;
	bool waiting;    /* atomic: in line for memory */
	size_t reserved; /* bytes that no data has taken over */
	int64_t missing; /* what the row named and was not there; INT64_MAX: nothing */
	/* the result */
	int status;
	struct sangraha_error err;
	bool ours; /* sgh_store_op.ours */
	struct sgh_arena arena;
	struct sgh_store_head head;
	struct sgh_bytes *data;
	struct sgh_store_key *keys;
	size_t key_count;
	bool more;
	const char *begun_upload;
	char *etag;
	struct sgh_part *found_parts;
	size_t found_part_count;
	const char **uploads;
	size_t upload_count;
	char text[]; /* of the request */
};

/* Nobody waits for it any more. */
bool sgh_file_abandoned(struct sgh_file_op *self);
/* The work is done, with what is in self->status and self->err. `self` is gone then. */
void sgh_file_finish(struct sgh_file_op *self);
/* Who holds on to it a while longer takes a reference by hand. */
void sgh_file_op_unref(struct sgh_file_op *self);
/* "bucket/key", shortened, for a sentence. */
#define SGH_FILE_NAME_SIZE 200
void sgh_file_name(const struct sgh_file_op *self, char text[SGH_FILE_NAME_SIZE]);

/* file_write.c: put, delete, make bucket, parts; and a write that changes nothing. */
void sgh_file_write(struct sgh_file_op *self);
void sgh_file_probe(struct sgh_file_op *self);

/* Of those that change rows, inside a transaction. 1: it is there, 0: it is not. */
struct sgh_file_row {
	int64_t id;
	bool in_file;
	int64_t file; /* negative: in pieces, sgh_file_pieces_of() */
};

int sgh_file_check_awaited(struct sgh_file_op *self, struct sangraha_error *err);
int sgh_file_find_bucket(struct sgh_file_op *self, struct sgh_db *db, int64_t *ret,
			 struct sangraha_error *err);
int sgh_file_find_row(struct sgh_file_op *self, struct sgh_db *db, int64_t bucket,
		      struct sgh_file_row *ret, struct sangraha_error *err);
int sgh_file_run_number(struct sgh_db *db, enum sgh_file_write which, int64_t number,
			struct sangraha_error *err);
int sgh_file_raise_low(struct sgh_file_op *self, struct sgh_db *db,
		       struct sangraha_error *err);
/* The row is going: what it names goes to the trash. */
int sgh_file_trash_body(struct sgh_file_op *self, struct sgh_db *db,
			const struct sgh_file_row *row, struct sangraha_error *err);
/* Have run() called in a transaction, and the operation end with what comes of it. */
void sgh_file_change(struct sgh_file_op *self,
		     int (*run)(struct sgh_db_job *job, struct sgh_db *db,
				struct sangraha_error *err));

/* A body in pieces is called by a number that no other has, in an object's row by this. */
static inline int64_t sgh_file_in_pieces(int64_t body)
{
	return -1 - body;
}

static inline int64_t sgh_file_pieces_of(int64_t file)
{
	return -1 - file;
}

/* file_upload.c: the changes of uploads; that of a part, once its file is there. */
void sgh_file_upload(struct sgh_file_op *self);
int sgh_file_put_part(struct sgh_db_job *job, struct sgh_db *db,
		      struct sangraha_error *err);

/* file_pieces.c: bodies in pieces, and what is known of uploads. */

/* As sgh_file_body_read(), from the body of that number. */
int sgh_file_pieces_read(struct sgh_file_op *self, struct sgh_file_reader *reader,
			 int64_t body, uint64_t offset, void *data, size_t length,
			 struct sangraha_error *err);
int sgh_file_list_parts(struct sgh_file_op *self, struct sgh_file_reader *reader,
			int64_t bucket, struct sangraha_error *err);
int sgh_file_list_uploads(struct sgh_file_op *self, struct sgh_file_reader *reader,
			  int64_t bucket, struct sangraha_error *err);

/* file_local.c: for the mover. A body that comes in pieces. */
struct sgh_file_taken {
	struct sgh_local_body body; /* the first member */
	struct sgh_file_engine *engine;
	struct sgh_file_body file;
	uint64_t length; /* bytes that will come */
	struct sgh_sha256 *hash;
	struct sgh_job job;
	const void *data; /* the piece in hand */
	size_t data_length;
};

extern const struct sgh_local_ops sgh_file_local;
/* The file and its digest are the operation's from now on; the rest goes. */
int sgh_file_take_over(struct sgh_file_op *self, struct sangraha_error *err);

/* file_read.c: get, head, list, check. */
void sgh_file_read(struct sgh_file_op *self);
/* The timer found it waiting for memory: leave the line, which may end the work. */
void sgh_file_read_expired(struct sgh_file_op *self);

#endif

/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "role/found.h"
#include "role/getter.h"
#include "validate/types.h"

/*
 * A page of descriptions: list the keys of one type after another and HEAD those that are
 * ids, a few at a time, until the page is full and one more id was seen or there are no
 * more, so that the last page has no cursor. Large objects have a record besides, read
 * as many at a time. The cursor is the reference of the last id that was taken.
 */

#define KEY_SIZE  1025 /* the longest key and its NUL; others put things there too */
#define CHUNK     32   /* HEADs whose answers are kept at once */
#define LIST_MIN  100  /* keys of a request: a few of others do not take one each */
#define LIST_MOST 1000
/* So many lists without an id, and it is not our bucket any more. */
#define FRUITLESS_MAX 20
#define DEADLINE_MS   30000 /* of a request that has none */
#define AFTER_IDS     "g"
/*
 * Bytes that a description takes until it is sent: as what it was made of, as itself, as
 * the text of the answer. Lists are worked on as far as there is memory for them.
 */
#define DESCRIPTION_WEIGHT 3072
#define ROOM_AGAIN_MS      20

struct page {
	struct sgh_budget *budget;      /* with `reserved` */
	size_t reserved;                /* bytes */
	struct sangraha_getter *getter; /* likewise; it counts those that have some */
	size_t type;                    /* index of the type being listed */
	bool only;                      /* no other type is wanted */
	size_t limit;                   /* descriptions at most */
	size_t key_count; /* ids taken so far; some may turn out to be gone */
	bool follows;     /* one more was seen */
	unsigned fruitless;
	char after[KEY_SIZE];                 /* where to go on */
	char cursor[SANGRAHA_REFERENCE_SIZE]; /* the last id that was taken */
	struct sgh_type_info info;
	size_t next_key; /* of those listed: the first not looked at */
	bool more;       /* keys are left in this type */
	struct sgh_store_op heads[CHUNK];
	struct sgh_found founds[CHUNK];
	char ids[CHUNK][SANGRAHA_ID_SIZE];
	size_t head_count;
};

static void list_type(struct sgh_task *task);
static void take(struct sgh_task *task);

static void heads_free(struct page *page)
{
	for (size_t i = 0; i < page->head_count; i++) {
		sgh_store_op_fini(&page->heads[i]);
		sgh_found_fini(&page->founds[i]);
	}
	page->head_count = 0;
}

static void page_free(void *state)
{
	struct page *page = state;

	heads_free(page);
	if (page->reserved) {
		sgh_budget_release(page->budget, page->reserved);
		__atomic_sub_fetch(&page->getter->lists, 1, __ATOMIC_RELAXED);
	}
	free(page);
}

static void finish(struct sgh_task *task, bool more)
{
	struct page *page = task->state;

	if (more)
		task->reply->next_cursor =
			sgh_arena_strdup(&task->reply->arena, page->cursor);
	if (more && !task->reply->next_cursor)
		sgh_task_abandon(task);
	else
		sgh_task_finish(task);
}

/* The next type, from its first key; false when there is none. */
static bool next_type(struct sgh_task *task)
{
	struct page *page = task->state;

	if (page->only ||
	    !sgh_types_at(task->service->types, page->type + 1, &page->info))
		return false;
	page->type++;
	page->after[0] = '\0';
	return true;
}

/* Who put so much between ours gets what there is up to there, or is told. */
static void give_up(struct sgh_task *task)
{
	struct page *page = task->state;

	if (page->key_count)
		finish(task, true);
	else
		sgh_task_fail(task, SANGRAHA_E_INTERNAL,
			      "the bucket of type %s has too many keys that are no "
			      "objects, after \"%.80s\"",
			      page->info.name, page->after);
}

static void go_on(struct sgh_task *task)
{
	struct page *page = task->state;

	if (page->follows)
		finish(task, true);
	else if (page->next_key < task->op.key_count)
		take(task);
	else if (page->more && page->fruitless >= FRUITLESS_MAX)
		give_up(task);
	else if (page->more || next_type(task))
		list_type(task);
	else
		finish(task, false);
}

static void described(struct sgh_task *task)
{
	struct page *page = task->state;
	struct sgh_reply *reply = task->reply;

	for (size_t i = 0; i < page->head_count; i++) {
		struct sgh_found *found = &page->founds[i];

		if (!found->status) {
			reply->objects[reply->object_count++] = sgh_take(found->object);
		} else if (sgh_status_passing(found->status) ||
			   found->status == SANGRAHA_E_UNAUTHORIZED) {
			sgh_task_fail_with(task, &found->err);
			return;
		}
		/* Otherwise deleted since, not complete, or not one of ours. */
	}
	heads_free(page);
	go_on(task);
}

static void looked(struct sgh_task *task)
{
	struct page *page = task->state;

	sgh_found_describe(task, page->founds, page->head_count, described);
}

static void add_head(struct sgh_task *task, const char *id)
{
	struct page *page = task->state;
	size_t n = page->head_count++;

	memcpy(page->ids[n], id, SANGRAHA_ID_SIZE);
	sgh_task_op_init(task, &page->heads[n], SGH_STORE_HEAD, page->info.bucket,
			 page->ids[n]);
	page->founds[n] = (struct sgh_found){
		.type = page->info.name,
		.id = page->ids[n],
		.op = &page->heads[n],
	};
	page->key_count++;
}

/* Take the next keys that are ids, and describe them. */
static void take(struct sgh_task *task)
{
	struct page *page = task->state;

	for (; page->next_key < task->op.key_count && page->head_count < CHUNK;
	     page->next_key++) {
		const char *key = task->op.keys[page->next_key].key;

		if (!sangraha_id_valid(key))
			continue;
		page->follows = page->key_count >= page->limit;
		if (page->follows)
			break;
		add_head(task, key);
	}
	if (!page->head_count) {
		go_on(task);
		return;
	}
	snprintf(page->cursor, sizeof(page->cursor), "%s/%s", page->info.name,
		 page->ids[page->head_count - 1]);
	sgh_task_run(task, page->heads, page->head_count, looked);
}

static bool is_of_id(char c, size_t place)
{
	if (place == 8 || place == 13 || place == 18 || place == 23)
		return c == '-';
	return place < SANGRAHA_ID_SIZE - 1 &&
	       ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
}

/*
 * Behind a key, and as no id begins like "da/x" behind everything that does: a folder of
 * others costs one request.
 */
static void go_behind(struct page *page, const char *key)
{
	char jump[SANGRAHA_ID_SIZE + 2];
	size_t i = 0;

	snprintf(page->after, sizeof(page->after), "%s", key);
	while (key[i] && is_of_id(key[i], i))
		i++;
	if (key[i] < ' ' || key[i] > '~')
		return;
	memcpy(jump, key, i + 1);
	strcpy(jump + i + 1, "~");
	if (strcmp(jump, key) > 0)
		strcpy(page->after, jump);
}

static void listed(struct sgh_task *task)
{
	struct page *page = task->state;
	size_t count = task->op.key_count;
	size_t ids = 0;

	SGH_FAIL_POINT("list.listed");
	/* A bucket that no receiver has made yet is an empty one. */
	if (task->op.status && task->op.status != SANGRAHA_E_NOT_FOUND) {
		sgh_task_fail_with(task, &task->op.err);
		return;
	}
	for (size_t i = 0; i < count; i++)
		ids += sangraha_id_valid(task->op.keys[i].key);
	page->fruitless += count && !ids;
	if (count)
		go_behind(page, task->op.keys[count - 1].key);
	page->more = count && task->op.more && strcmp(page->after, AFTER_IDS) < 0;
	page->next_key = 0;
	take(task);
}

static void list_type(struct sgh_task *task)
{
	struct page *page = task->state;
	size_t left = page->limit - page->key_count + 1;
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_LIST, page->info.bucket, NULL);

	op->after = page->after[0] ? page->after : NULL;
	op->limit = (unsigned)(left < LIST_MIN ? LIST_MIN : sgh_min(left, LIST_MOST));
	sgh_task_run_one(task, listed);
}

/* The index of a type; false when there is none of that name. */
static bool find_type(struct sgh_task *task, const char *name)
{
	struct page *page = task->state;

	for (page->type = 0; sgh_types_at(task->service->types, page->type, &page->info);
	     page->type++)
		if (!name || sgh_streq(page->info.name, name))
			return true;
	return false;
}

static int begin(struct sgh_task *task, struct sangraha_error *err)
{
	const struct sgh_request *request = task->request;
	struct page *page = task->state;
	char type[SANGRAHA_TYPE_SIZE];

	page->only = request->object_type != NULL;
	page->limit = request->limit ? request->limit : SGH_LIST_DEFAULT;
	if (!find_type(task, request->object_type))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "there is no type %s",
				request->object_type);
	if (!request->cursor)
		return 0;
	if (sangraha_reference_parse(request->cursor, type, page->after, err) ||
	    (page->only && !sgh_streq(type, request->object_type)) ||
	    !find_type(task, type))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the cursor is not one that an earlier page gave");
	return 0;
}

static void reserve(struct sgh_task *task);

static void reserve_again(struct sgh_timer *timer)
{
	reserve(sgh_container_of(timer, struct sgh_task, again));
}

/*
 * With half of the memory, so that there is room for the answers where they are read. What
 * others hold comes back when they are done; but those may be uploads, one after another, so
 * a list goes on whatever they hold while it is the only one.
 */
static bool may_begin(struct page *page, size_t size)
{
	size_t used = sgh_budget_used(page->budget);
	unsigned none = 0;

	if (used && used + size > sgh_budget_limit(page->budget) / 2)
		return __atomic_compare_exchange_n(&page->getter->lists, &none, 1, false,
						   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	__atomic_add_fetch(&page->getter->lists, 1, __ATOMIC_RELAXED);
	return true;
}

static void reserve(struct sgh_task *task)
{
	struct page *page = task->state;
	size_t size = page->limit * DESCRIPTION_WEIGHT;

	page->budget = task->service->context->budget;
	page->getter = task->service->role;
	if (may_begin(page, size)) {
		sgh_budget_force(page->budget, size);
		page->reserved = size;
		list_type(task);
	} else if (sgh_now_ms() >= task->deadline_ms) {
		sgh_task_fail(task, SANGRAHA_E_OVERLOADED,
			      "there was no memory for the list within the time limit");
	} else {
		task->again.fire = reserve_again;
		if (!sgh_service_wait(task->service, task, ROOM_AGAIN_MS))
			sgh_task_abandon(task);
	}
}

void sgh_list_begin(struct sgh_task *task)
{
	struct page *page = calloc(1, sizeof(*page));
	struct sgh_reply *reply = sgh_task_reply(task);
	struct sangraha_error err;

	task->state = page;
	task->state_free = page ? page_free : NULL;
	if (!page || !reply) {
		sgh_task_abandon(task);
		return;
	}
	if (begin(task, &err)) {
		sgh_task_fail_with(task, &err);
		return;
	}
	if (task->deadline_ms == SGH_NEVER)
		task->deadline_ms = sgh_now_ms() + DEADLINE_MS;
	reply->objects = calloc(page->limit, sizeof(struct sangraha_object *));
	if (reply->objects)
		reserve(task);
	else
		sgh_task_abandon(task);
}

/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "role/getter.h"
#include "role/task.h"
#include "validate/types.h"

/*
 * A page of descriptions: list the keys of one type after another until the page is full,
 * HEAD each of them, and look whether anything follows, so that the last page has no
 * cursor. The cursor is the reference of the last id that was taken.
 */

#define KEY_SIZE 1025 /* the longest key and its NUL; others put things there too */

struct page {
	size_t type;          /* index of the type being listed */
	bool only;            /* no other type is wanted */
	size_t limit;         /* descriptions at most */
	size_t key_count;     /* keys taken so far; some may turn out to be gone */
	char after[KEY_SIZE]; /* the last key that was looked at */
	char cursor[SANGRAHA_REFERENCE_SIZE]; /* the last id that was taken */
	struct sgh_type_info info;
	struct sgh_store_op *heads;
	char (*ids)[SANGRAHA_ID_SIZE];
	size_t head_count;
	bool more; /* keys are left in this type */
};

static void list_type(struct sgh_task *task);

static void heads_free(struct page *page)
{
	for (size_t i = 0; i < page->head_count; i++)
		sgh_store_op_fini(&page->heads[i]);
	free(sgh_take(page->heads));
	free(sgh_take(page->ids));
	page->head_count = 0;
}

static void page_free(void *state)
{
	heads_free(state);
	free(state);
}

static void finish(struct sgh_task *task, bool more)
{
	struct page *page = task->state;

	if (more)
		task->reply->next_cursor =
			sgh_arena_strdup(&task->reply->arena, page->cursor);
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

static void go_on(struct sgh_task *task)
{
	struct page *page = task->state;
	bool full = page->key_count >= page->limit;

	if (full && page->more)
		finish(task, true);
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
		struct sangraha_error err;
		int status =
			sgh_found_object(page->info.name, page->ids[i], &page->heads[i],
					 &reply->objects[reply->object_count], &err);

		if (!status) {
			reply->object_count++;
		} else if (sgh_status_passing(status) ||
			   status == SANGRAHA_E_UNAUTHORIZED) {
			sgh_task_fail_with(task, &err);
			return;
		}
		/* Otherwise deleted since, or not one of ours. */
	}
	heads_free(page);
	go_on(task);
}

/* Take keys that are ids, and describe them. */
static void describe(struct sgh_task *task)
{
	struct page *page = task->state;
	size_t count = task->op.key_count;

	page->heads = calloc(count, sizeof(*page->heads));
	page->ids = calloc(count, sizeof(*page->ids));
	if (!page->heads || !page->ids) {
		sgh_task_abandon(task);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const char *key = task->op.keys[i].key;
		size_t n = page->head_count;

		if (!sangraha_id_valid(key))
			continue;
		memcpy(page->ids[n], key, SANGRAHA_ID_SIZE);
		sgh_task_op_init(task, &page->heads[n], SGH_STORE_HEAD, page->info.bucket,
				 page->ids[n]);
		page->head_count++;
	}
	page->key_count += page->head_count;
	snprintf(page->after, sizeof(page->after), "%s", task->op.keys[count - 1].key);
	if (page->head_count) {
		snprintf(page->cursor, sizeof(page->cursor), "%s/%s", page->info.name,
			 page->ids[page->head_count - 1]);
		sgh_task_run(task, page->heads, page->head_count, described);
	} else {
		described(task);
	}
}

static void listed(struct sgh_task *task)
{
	struct page *page = task->state;
	bool full = page->key_count >= page->limit;

	/* A bucket that no receiver has made yet is an empty one. */
	if (task->op.status && task->op.status != SANGRAHA_E_NOT_FOUND) {
		sgh_task_fail_with(task, &task->op.err);
		return;
	}
	page->more = !task->op.status && task->op.more;
	if (full && task->op.key_count)
		finish(task, true);
	else if (task->op.key_count)
		describe(task);
	else
		go_on(task);
}

static void list_type(struct sgh_task *task)
{
	struct page *page = task->state;
	size_t left = page->limit - sgh_min(page->limit, page->key_count);
	struct sgh_store_op *op =
		sgh_task_op(task, SGH_STORE_LIST, page->info.bucket, NULL);

	op->after = page->after[0] ? page->after : NULL;
	/* A full page only wants to know whether anything follows. */
	op->limit = left ? (unsigned)left : 1;
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
	reply->objects = calloc(page->limit, sizeof(struct sangraha_object *));
	if (reply->objects)
		list_type(task);
	else
		sgh_task_abandon(task);
}

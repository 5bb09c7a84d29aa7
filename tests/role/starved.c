/* SPDX-License-Identifier: MIT */
#include <sangraha/sangraha.h>

#include "base/budget.h"
#include "base/context.h"
#include "support/memory.h"
#include "support/t.h"

/*
 * All roles on a folder, where each allocation of the whole way fails once: a call that
 * fails says that trying again may help, what it said is so, and the next one works.
 */

#define BODY "{\"a\":1}"
#define GAP  23 /* as many end with a new try, a second later */

struct stack {
	struct sangraha_context *context;
	struct sangraha_queue *queue;
	struct sangraha_store *store;
	struct sangraha_receiver *receiver;
	struct sangraha_getter *getter;
	struct sangraha_client *client;
	char *folder;
	char put[2048][SANGRAHA_ID_SIZE]; /* and acknowledged */
	size_t put_count;
};

static int stack_open(struct stack *stack)
{
	const struct sangraha_receiver_options receiver = { .size = sizeof(receiver),
							    .workers = 1 };
	const struct sangraha_getter_options getter = { .size = sizeof(getter),
							.workers = 1 };
	const struct sangraha_client_options client = { .size = sizeof(client),
							.timeout_ms = 1500 };
	char queue_url[512], store_url[512];
	int status = sangraha_context_new(NULL, &stack->context, &t_err);

	snprintf(queue_url, sizeof(queue_url), "local:%s/d", stack->folder);
	snprintf(store_url, sizeof(store_url), "file:%s/d", stack->folder);
	if (status == 0)
		status = sangraha_queue_open(stack->context, queue_url, NULL,
					     &stack->queue, &t_err);
	if (status == 0)
		status = sangraha_store_open(stack->context, store_url, NULL,
					     &stack->store, &t_err);
	if (status == 0)
		status = sangraha_receiver_start(stack->context, stack->queue,
						 stack->store, &receiver,
						 &stack->receiver, &t_err);
	if (status == 0)
		status = sangraha_getter_start(stack->context, stack->queue, stack->store,
					       &getter, &stack->getter, &t_err);
	if (status == 0)
		status = sangraha_client_new(stack->context, stack->queue, &client,
					     &stack->client, &t_err);
	return status;
}

static void stack_close(struct stack *stack)
{
	sangraha_client_free(sgh_take(stack->client));
	sangraha_getter_free(sgh_take(stack->getter));
	sangraha_receiver_free(sgh_take(stack->receiver));
	sangraha_store_unref(sgh_take(stack->store));
	sangraha_queue_unref(sgh_take(stack->queue));
	sangraha_context_unref(sgh_take(stack->context));
}

static int set_up(void **state)
{
	struct stack *stack = calloc(1, sizeof(*stack));

	assert_non_null(stack);
	*state = stack;
	stack->folder = t_folder_new();
	return 0;
}

static int set_up_open(void **state)
{
	set_up(state);
	t_ok(stack_open(*state));
	return 0;
}

static int tear_down(void **state)
{
	struct stack *stack = *state;

	stack_close(stack);
	t_folder_remove(stack->folder);
	free(stack);
	return 0;
}

static int open_and_close(void *arg)
{
	struct stack *stack = arg;
	int status = stack_open(stack);

	stack_close(stack);
	return status;
}

static void opening(void **state)
{
	t_memory_each(open_and_close, *state, 1);
}

/* With the status that a call ended with, whether it has a result or not. */
static int ended(int status, struct sangraha_result *result)
{
	sangraha_result_free(result);
	return status == SANGRAHA_E_UNAVAILABLE || status == SANGRAHA_E_TIMEOUT
		       ? SANGRAHA_E_OVERLOADED
		       : status;
}

static int put(struct stack *stack, const char *id)
{
	const struct sangraha_put_options options = { .size = sizeof(options), .id = id };
	struct sangraha_result *result = NULL;
	int status = sangraha_client_put(stack->client, BODY, sizeof(BODY) - 1, &options,
					 &result, &t_err);

	return ended(status, result);
}

static int get(struct stack *stack, const char *id)
{
	struct sangraha_result *result = NULL;
	int status =
		sangraha_client_get(stack->client, "json", id, NULL, &result, &t_err);
	size_t length = 0;

	if (status == 0) {
		assert_non_null(sangraha_result_data(result, &length));
		assert_int_equal(length, sizeof(BODY) - 1);
		assert_memory_equal(sangraha_result_data(result, NULL), BODY, length);
	}
	return ended(status, result);
}

static int drop(struct stack *stack, const char *id)
{
	struct sangraha_result *result = NULL;
	int status =
		sangraha_client_delete(stack->client, "json", id, NULL, &result, &t_err);

	return ended(status, result);
}

static int look(struct stack *stack, const char *id)
{
	struct sangraha_result *result = NULL;
	int status =
		sangraha_client_stat(stack->client, "json", id, NULL, &result, &t_err);

	if (status == 0)
		assert_string_equal(sangraha_result_id(result), id);
	return ended(status, result);
}

static int list(struct stack *stack)
{
	struct sangraha_result *result = NULL;
	int status = sangraha_client_list(stack->client, "json", 10, NULL, NULL, &result,
					  &t_err);

	if (status == 0)
		assert_non_null(sangraha_result_at(result, 0));
	return ended(status, result);
}

static void all_is_given_back(struct stack *stack)
{
	t_wait(sgh_budget_used(stack->context->budget) == 0);
}

static int put_another(void *arg)
{
	struct stack *stack = arg;
	char id[SANGRAHA_ID_SIZE];
	int status = sangraha_id_new(stack->context, id, &t_err);

	if (status == 0)
		status = put(stack, id);
	if (status == 0 && stack->put_count < SGH_COUNT(stack->put))
		strcpy(stack->put[stack->put_count++], id);
	all_is_given_back(stack);
	return status;
}

static void what_was_stored_is_there(void **state)
{
	struct stack *stack = *state;

	t_memory_each(put_another, stack, GAP);
	for (size_t i = 0; i < stack->put_count; i++)
		t_ok(get(stack, stack->put[i]));
}

static int read_all(void *arg)
{
	struct stack *stack = arg;
	int status = get(stack, stack->put[0]);

	if (status == 0)
		status = look(stack, stack->put[0]);
	if (status == 0)
		status = list(stack);
	all_is_given_back(stack);
	return status;
}

static void reads(void **state)
{
	t_ok(put_another(*state));
	t_memory_each(read_all, *state, GAP);
}

/* One that failed may have deleted it nevertheless. */
static int delete_another(void *arg)
{
	struct stack *stack = arg;
	const char *id = stack->put[0];
	int status;

	stack->put_count = 0;
	status = put_another(stack);
	if (status)
		return status;
	status = drop(stack, id);
	if (status == 0)
		status = get(stack, id);
	if (status == SANGRAHA_E_NOT_FOUND)
		status = 0;
	else
		assert_int_not_equal(status, 0);
	all_is_given_back(stack);
	return status;
}

static void deletes(void **state)
{
	t_memory_each(delete_another, *state, GAP);
}

#define CASE(function, begin) cmocka_unit_test_setup_teardown(function, begin, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(opening, set_up),
	CASE(what_was_stored_is_there, set_up_open),
	CASE(reads, set_up_open),
	CASE(deletes, set_up_open),
};

t_main(tests)

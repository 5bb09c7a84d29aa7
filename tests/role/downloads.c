/* SPDX-License-Identifier: MIT */
#include "role/downloads.h"

#define INLINE ((size_t)1000)

char *t_body;

static char *body_new(void)
{
	char *body = malloc(SIZE + 1);

	for (size_t i = 0; i < SIZE; i++)
		body[i] = (char)('a' + (i * 2654435761u >> 24) % 26);
	body[0] = '"';
	body[SIZE - 1] = '"';
	body[SIZE] = '\0';
	return body;
}

int t_downloads_begin(void **state)
{
	struct sangraha_getter_options getter = {
		.size = sizeof(getter),
		.inline_limit = INLINE,
	};
	struct t_roles *f;

	t_roles_begin(state);
	f = *state;
	t_body = body_new();
	scripted_mover_reset(t_body);
	t_start_receiver(f, NULL);
	t_start_getter(f, &getter);
	t_puts(f, 0, ID, t_body);
	return 0;
}

int t_downloads_end(void **state)
{
	t_roles_end(state);
	free(t_body);
	return 0;
}

struct sangraha_client *t_client(struct t_roles *f)
{
	struct sangraha_client_options options = {
		.size = sizeof(options),
		.idle_timeout_ms = 2000,
	};

	if (!f->client)
		t_start_client(f, &options);
	return f->client;
}

struct sangraha_client *t_small_client(struct t_roles *f, size_t limit)
{
	struct sangraha_context_options options = {
		.size = sizeof(options),
		.memory_limit = limit,
	};
	struct sangraha_context *small = NULL;

	t_ok(sangraha_context_new(&options, &small, &t_err));
	f->client_queue = memory_queue_new(f->context, f->broker, f->script);
	t_ok(sangraha_client_new(small, f->client_queue, NULL, &f->client, &t_err));
	sangraha_context_unref(small);
	t_wait(memory_broker_consumers(f->broker, SANGRAHA_RESPONSE_QUEUE ".1") == 1);
	return f->client;
}

struct sgh_budget *t_budget(struct t_roles *f)
{
	return f->client->context->budget;
}

int t_take(void *arg, const void *data, size_t length)
{
	struct t_reader *reader = arg;

	reader->bytes = realloc(reader->bytes, reader->length + length);
	memcpy(reader->bytes + reader->length, data, length);
	reader->length += length;
	return reader->give_up;
}

static void begun(void *arg, const struct sangraha_result *result)
{
	struct t_reader *reader = arg;

	assert_int_equal(sangraha_object_size(sangraha_result_object(result)), SIZE);
	reader->begun++;
}

int t_read_part(struct t_roles *f, struct t_reader *reader, uint64_t offset,
		uint64_t length)
{
	struct sangraha_get_options options = {
		.size = sizeof(options),
		.offset = offset,
		.length = length,
		.begin = begun,
	};

	return sangraha_client_get_stream(t_client(f), "json", ID, &options, t_take,
					  reader, NULL, &t_err);
}

void t_was_read(struct t_reader *reader, size_t offset, size_t length)
{
	assert_int_equal(reader->length, length);
	assert_memory_equal(reader->bytes, t_body + offset, length);
	free(reader->bytes);
}

void t_began_at(size_t count, const uint64_t *offsets)
{
	assert_int_equal(scripted_begun(), count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(scripted_offset(i), offsets[i]);
}

size_t t_questions(struct t_roles *f)
{
	return script_count(f->script, "get json: ok");
}

struct sangraha_result *t_answer_of(struct t_roles *f)
{
	struct sangraha_result *result = NULL;

	t_fails(SANGRAHA_E_TOO_LARGE,
		sangraha_client_get(f->client, "json", ID, NULL, &result, &t_err));
	return result;
}

static void ready(void *arg)
{
	__atomic_add_fetch((size_t *)arg, 1, __ATOMIC_SEQ_CST);
}

struct sangraha_download *t_download_of(struct t_roles *f, size_t *calls)
{
	struct sangraha_result *result = t_answer_of(f);
	struct sangraha_download *download = NULL;

	t_ok(sangraha_download_new(f->client, result, 0, 0, ready, calls, &download,
				   &t_err));
	sangraha_result_free(result);
	return download;
}

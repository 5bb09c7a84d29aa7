/* SPDX-License-Identifier: MIT */
#include "support/uploads.h"

#include "base/id.h"
#include "role/client.h"

const struct sangraha_put_options t_json = {
	.size = sizeof(t_json),
	.content_type = "application/json",
};

static int begin(void **state, size_t memory_limit)
{
	const struct sangraha_receiver_options receiver = {
		.size = sizeof(receiver),
		.inline_limit = T_INLINE,
	};
	const struct sangraha_client_options client = {
		.size = sizeof(client),
		.inline_limit = T_INLINE,
		.spool_limit = T_SPOOL,
		.direct = 1,
	};

	t_roles_begin_within(state, memory_limit);
	t_start_receiver(*state, &receiver);
	t_start_client(*state, &client);
	return 0;
}

int t_uploads_begin(void **state)
{
	return begin(state, 16 * T_MIB);
}

int t_uploads_begin_wide(void **state)
{
	return begin(state, 32 * T_MIB);
}

int t_uploads_begin_small(void **state)
{
	return begin(state, 4 * T_MIB);
}

char *t_json_string(size_t size)
{
	char *text = malloc(size);

	assert_non_null(text);
	/* Not the same everywhere, so that a part in the wrong place shows. */
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + (i / 4093 + i) % 26);
	text[0] = '"';
	text[size - 1] = '"';
	return text;
}

static void resumed(void *arg)
{
	struct t_sending *sending = arg;

	__atomic_add_fetch(&sending->resumed, 1, __ATOMIC_SEQ_CST);
}

static void done(void *arg, struct sangraha_result *result)
{
	struct t_sending *sending = arg;

	sending->result = result;
	__atomic_add_fetch(&sending->answered, 1, __ATOMIC_SEQ_CST);
}

void t_send_begin(struct t_sending *sending, struct t_roles *f, int64_t length,
		  const struct sangraha_put_options *options)
{
	sending->f = f;
	t_ok(sangraha_upload_new(f->client, length, options ? options : &t_json, resumed,
				 sending, &sending->upload, &t_err));
}

int t_send_bytes(struct t_sending *sending, const char *data, size_t length)
{
	while (length) {
		size_t step = sending->step ? sending->step
					    : 1 + (size_t)rand() % (300 * T_KIB);
		int before = __atomic_load_n(&sending->resumed, __ATOMIC_SEQ_CST);
		size_t taken = SIZE_MAX;
		int status;

		step = sgh_min(step, length);
		status = sangraha_upload_write(sending->upload, data, step, &taken,
					       &t_err);
		if (status)
			return status;
		assert_true(taken <= step);
		data += taken;
		length -= taken;
		if (taken < step)
			t_wait(__atomic_load_n(&sending->resumed, __ATOMIC_SEQ_CST) >
			       before);
	}
	return 0;
}

int t_send_end(struct t_sending *sending)
{
	t_ok(sangraha_upload_submit(sgh_take(sending->upload), done, sending, &t_err));
	t_wait(__atomic_load_n(&sending->answered, __ATOMIC_SEQ_CST) == 1);
	if (sangraha_result_error(sending->result))
		t_err = *sangraha_result_error(sending->result);
	return sangraha_result_status(sending->result);
}

void t_send_fini(struct t_sending *sending)
{
	sangraha_upload_free(sending->upload);
	sangraha_result_free(sending->result);
	*sending = (struct t_sending){ 0 };
}

int t_send_all(struct t_sending *sending, struct t_roles *f, const char *data,
	       size_t length, bool known)
{
	t_send_begin(sending, f, known ? (int64_t)length : -1, NULL);
	/* A refusal comes again when it is submitted. */
	(void)t_send_bytes(sending, data, length);
	return t_send_end(sending);
}

void t_stored(struct t_sending *sending, const char *data, size_t length)
{
	struct sangraha_object *object = sangraha_result_object(sending->result);
	struct sangraha_store *store = sending->f->store;
	char sha256[SANGRAHA_SHA256_SIZE];
	struct sgh_bytes *bytes;

	assert_non_null(object);
	t_ok(sgh_sha256_hex(data, length, sha256, &t_err));
	assert_int_equal(sangraha_object_size(object), length);
	assert_string_equal(sangraha_object_sha256(object), sha256);
	bytes = memory_store_body(store, "json", sangraha_object_id(object));
	assert_non_null(bytes);
	assert_int_equal(bytes->length, length);
	assert_memory_equal(bytes->data, data, length);
	sgh_bytes_unref(bytes);
	t_wait(memory_store_uploads(store, "json") <= 0);
}

void t_nothing_left(struct t_roles *f)
{
	t_wait(memory_store_uploads(f->store, "json") <= 0);
	t_wait(memory_store_count(f->store, "meta") <= 0);
	assert_true(memory_store_count(f->store, "json") <= 0);
	t_wait(sgh_metric_get(f->client->uploads_open) == 0);
	t_wait(sgh_budget_used(f->context->budget) == 0);
}

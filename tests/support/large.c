/* SPDX-License-Identifier: MIT */
#include "support/large.h"

#include "base/error.h"
#include "wire/sha256.h"

struct sgh_bytes *t_large_json(size_t size)
{
	struct sgh_bytes *bytes = sgh_bytes_new(NULL, size);

	assert_non_null(bytes);
	memset(bytes->data, 'a', size);
	bytes->data[0] = '"';
	bytes->data[size - 1] = '"';
	bytes->length = size;
	return bytes;
}

void t_upload(struct t_upload *up, struct t_roles *f, const char *id, size_t size)
{
	*up = (struct t_upload){ .f = f, .known = true, .fresh = true };
	snprintf(up->id, sizeof(up->id), "%s", id);
	up->body = t_large_json(size);
	up->created = sgh_time_ms();
	t_ok(sgh_sha256_hex(up->body->data, size, up->sha256, &t_err));
}

void t_upload_fini(struct t_upload *up)
{
	sgh_bytes_unref(up->body);
}

/* ---- requests ---- */

#define FACTS "{\"kind\":\"string\",\"depth\":0,\"values\":1}"

static struct sgh_request *step(const struct t_upload *up, enum sgh_verb verb)
{
	struct sgh_request *request = t_request(verb, "json", up->id);

	if (up->record[0])
		request->record = sgh_arena_strdup(&request->arena, up->record);
	request->created_ms = up->created;
	request->fresh = up->fresh;
	request->persistent = true;
	return request;
}

struct sgh_request *t_begins(const struct t_upload *up, enum sgh_ticket_kind transfer)
{
	struct sgh_request *request = step(up, SGH_PUT_BEGIN);
	bool put = transfer == SGH_TICKET_PUT;

	request->record = NULL;
	request->transfer = transfer;
	request->content_type = "application/json";
	request->size = up->known ? (int64_t)up->body->length : -1;
	request->sha256 = put ? sgh_arena_strdup(&request->arena, up->sha256) : NULL;
	request->facts = put ? FACTS : NULL;
	request->rules = put ? "1" : NULL;
	request->body = sgh_bytes_copy(up->body->data,
				       sgh_min(up->body->length, SGH_PREFIX_SIZE));
	return request;
}

struct sgh_request *t_extends(const struct t_upload *up, unsigned first_part)
{
	struct sgh_request *request = step(up, SGH_PUT_EXTEND);

	request->first_part = first_part;
	return request;
}

struct sgh_request *t_commits(const struct t_upload *up, enum sgh_ticket_kind transfer)
{
	struct sgh_request *request = step(up, SGH_PUT_COMMIT);
	size_t size = up->part_count * sizeof(up->parts[0]);

	request->transfer = transfer;
	request->size = (int64_t)up->body->length;
	request->sha256 = sgh_arena_strdup(&request->arena, up->sha256);
	request->facts = FACTS;
	request->rules = "1";
	if (transfer == SGH_TICKET_PUT)
		return request;
	request->parts = sgh_arena_alloc(&request->arena, size);
	memcpy(request->parts, up->parts, size);
	request->part_count = up->part_count;
	return request;
}

struct sgh_request *t_aborts(const struct t_upload *up)
{
	return step(up, SGH_PUT_ABORT);
}

/* ---- steps ---- */

void t_open(struct t_upload *up)
{
	struct sgh_reply *reply;

	script_forget(up->f->script);
	t_send(up->f, t_begins(up, SGH_TICKET_PARTS));
	reply = t_answer(up->f, 0);
	assert_non_null(reply->ticket);
	snprintf(up->record, sizeof(up->record), "%s", reply->ticket->record);
	sgh_reply_free(reply);
	t_wait(script_count(up->f->script, "ack ") >= 1);
	script_forget(up->f->script);
}

static void op_done(struct sgh_store_op *op)
{
	__atomic_store_n((bool *)op->arg, true, __ATOMIC_RELEASE);
}

int t_op(struct t_roles *f, struct sgh_store_op *op)
{
	bool done = false;

	op->deadline_ms = sgh_now_ms() + 30000;
	op->done = op_done;
	op->arg = &done;
	t_ok(sgh_store_submit(f->store, op, &t_err));
	t_wait(__atomic_load_n(&done, __ATOMIC_ACQUIRE));
	return op->status;
}

void t_store_parts(struct t_upload *up)
{
	struct sgh_record record = { 0 };
	size_t offset = 0;

	assert_true(t_upload_record(up, &record));
	up->part_count = 0;
	while (offset < up->body->length) {
		size_t length = sgh_min(up->body->length - offset, SGH_PART_MIN);
		struct sgh_part *part = &up->parts[up->part_count];
		struct sgh_store_op op = {
			.verb = SGH_STORE_UPLOAD_PART,
			.bucket = "json",
			.key = up->id,
			.upload = record.upload,
			.part = up->part_count + 1,
			.body = sgh_bytes_copy(up->body->data + offset, length),
		};

		t_ok(t_op(up->f, &op));
		snprintf(up->etags[up->part_count], sizeof(up->etags[0]), "%s", op.etag);
		*part = (struct sgh_part){
			.number = op.part,
			.size = length,
			.etag = up->etags[up->part_count],
		};
		up->part_count++;
		offset += length;
		sgh_bytes_unref(op.body);
		sgh_store_op_fini(&op);
	}
	sgh_record_fini(&record);
	script_forget(up->f->script);
}

void t_store_whole(struct t_upload *up, struct sgh_reply *begun)
{
	struct sgh_pair meta[SGH_TICKET_HEADERS_MAX];
	struct sgh_store_op op = {
		.bucket = "json",
		.key = up->id,
		.body = up->body,
		.meta = meta,
	};

	for (size_t i = 0; i < begun->ticket->header_count; i++) {
		const struct sgh_pair *header = &begun->ticket->headers[i];

		if (strncasecmp(header->name, "x-amz-meta-", 11) == 0)
			meta[op.meta_count++] = (struct sgh_pair){
				.name = header->name + 11,
				.value = header->value,
			};
		else if (strcasecmp(header->name, "content-type") == 0)
			op.content_type = header->value;
	}
	memory_store_put(up->f->store, &op);
}

void t_put_whole(struct t_upload *up)
{
	struct sgh_reply *begun;

	t_send(up->f, t_begins(up, SGH_TICKET_PUT));
	begun = t_answer(up->f, 0);
	t_store_whole(up, begun);
	sgh_reply_free(begun);
}

/* ---- what is there ---- */

bool t_upload_record(const struct t_upload *up, struct sgh_record *record)
{
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_bytes *body;

	sgh_record_key_upload(key, up->id);
	body = memory_store_body(up->f->store, "meta", key);
	if (!body)
		return false;
	t_ok(sgh_record_parse(body->data, body->length, record, &t_err));
	sgh_bytes_unref(body);
	return true;
}

void t_expire_in(const struct t_upload *up, int64_t ms)
{
	struct sgh_record record = { 0 };
	char key[SGH_RECORD_KEY_SIZE];

	assert_true(t_upload_record(up, &record));
	record.expires_ms = sgh_time_ms() + ms;
	sgh_record_key_upload(key, up->id);
	t_set_record(up->f, key, &record);
	sgh_record_fini(&record);
}

void t_expire(const struct t_upload *up)
{
	t_expire_in(up, -1);
}

unsigned t_records(struct t_roles *f, const char *prefix)
{
	unsigned count = 0;
	char *key;

	for (unsigned i = 0; (key = memory_store_key(f->store, "meta", i)); i++) {
		count += strncmp(key, prefix, strlen(prefix)) == 0;
		free(key);
	}
	return count;
}

/* Neither a record of this object's upload nor an open upload in its bucket. */
static unsigned left(const struct t_upload *up)
{
	char upload[SGH_RECORD_KEY_SIZE];

	sgh_record_key_upload(upload, up->id);
	return t_records(up->f, upload) +
	       (unsigned)memory_store_uploads(up->f->store, "json");
}

/* How many records make an object of what lies under the id. */
static unsigned object_records(const struct t_upload *up)
{
	char prefix[SGH_RECORD_KEY_SIZE];

	sgh_record_key_object(prefix, "json", up->id, "");
	return t_records(up->f, prefix);
}

/* Whether the id is claimed: a record of a failure, which is for who asks, is no claim. */
static unsigned claims(const struct t_upload *up)
{
	struct sgh_record record = { 0 };
	char key[SGH_RECORD_KEY_SIZE];
	struct sgh_bytes *body;
	bool claim;

	sgh_record_key_operation(key, up->id);
	body = memory_store_body(up->f->store, "meta", key);
	if (!body)
		return 0;
	t_ok(sgh_record_parse(body->data, body->length, &record, &t_err));
	claim = !record.code;
	sgh_record_fini(&record);
	sgh_bytes_unref(body);
	return claim;
}

bool t_is_complete(const struct t_upload *up)
{
	struct sgh_bytes *body = memory_store_body(up->f->store, "json", up->id);
	bool same = body && body->length == up->body->length &&
		    memcmp(body->data, up->body->data, body->length) == 0;

	sgh_bytes_unref(body);
	return same && object_records(up) == 1 && left(up) == 0;
}

bool t_is_nothing(const struct t_upload *up)
{
	return !memory_store_has(up->f->store, "json", up->id) &&
	       object_records(up) == 0 && claims(up) == 0 && left(up) == 0;
}

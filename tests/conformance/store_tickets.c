/* SPDX-License-Identifier: MIT */
#include "conformance/stores.h"
#include "store/mover.h"

/* What every back end of the store seam does on tickets: the mover takes them and no keys. */

#define PART    ((size_t)SGH_PART_MIN)
#define HOUR_MS 3600000

static const struct sgh_pair meta[] = {
	{ "sangraha", "1" },
	{ "sangraha-filename", "Men%C3%BC.jpg" },
};

/* One transfer, of bytes that follow from their place. */
struct transfer {
	struct sgh_mover *mover;
	struct sgh_arena arena;
	struct sgh_ticket *ticket;
	struct sgh_move move;
	struct sgh_bytes *got;
	uint64_t given;
	bool done; /* atomic */
};

static unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)(offset * 31 + (offset >> 12));
}

static struct sgh_bytes *pattern(uint64_t offset, size_t size)
{
	struct sgh_bytes *bytes = sgh_bytes_new(NULL, size);

	for (; bytes->length < size; bytes->length++)
		bytes->data[bytes->length] = byte_at(offset + bytes->length);
	return bytes;
}

static void moved(struct sgh_move *move)
{
	__atomic_store_n(&sgh_container_of(move, struct transfer, move)->done, true,
			 __ATOMIC_RELEASE);
}

static int push(struct sgh_move *move, const void *data, size_t length)
{
	struct transfer *t = sgh_container_of(move, struct transfer, move);

	return sgh_bytes_append(t->got, data, length) ? 0 : SANGRAHA_E_TOO_LARGE;
}

static int64_t pull(struct sgh_move *move, void *data, size_t size)
{
	struct transfer *t = sgh_container_of(move, struct transfer, move);
	uint64_t left = move->length - t->given;
	unsigned char *to = data;

	if (left < size)
		size = (size_t)left;
	for (size_t i = 0; i < size; i++)
		to[i] = byte_at(t->given++);
	return (int64_t)size;
}

static void transfer_init(struct fixture *f, struct transfer *t)
{
	*t = (struct transfer){ 0 };
	t_ok(sgh_mover_new(f->context, NULL, &t->mover, &t_err));
}

static void transfer_fini(struct transfer *t)
{
	sgh_mover_free(t->mover);
	sgh_arena_fini(&t->arena);
	sgh_bytes_unref(t->move.body);
	sgh_bytes_unref(t->got);
}

static int ticket(struct fixture *f, struct transfer *t,
		  const struct sgh_store_grant *grant)
{
	return sgh_store_ticket(f->store, grant, &t->arena, &t->ticket, &t_err);
}

/* Use the n-th URL of the ticket. */
static struct sgh_move *fresh_move(struct transfer *t, size_t n)
{
	sgh_bytes_unref(t->move.body);
	t->move = (struct sgh_move){
		.kind = t->ticket->kind,
		.url = t->ticket->urls[n],
		.headers = t->ticket->headers,
		.header_count = t->ticket->header_count,
		.deadline_ms = sgh_now_ms() + 30000,
		.done = moved,
	};
	t->given = 0;
	return &t->move;
}

static int run_move(struct transfer *t)
{
	int rc;

	__atomic_store_n(&t->done, false, __ATOMIC_RELEASE);
	rc = sgh_mover_submit(t->mover, &t->move, &t_err);
	if (rc)
		return rc;
	t_wait(__atomic_load_n(&t->done, __ATOMIC_ACQUIRE));
	t_err = t->move.err;
	return t->move.status;
}

static void grant_put(struct fixture *f, struct transfer *t, const char *key,
		      uint64_t size)
{
	const struct sgh_store_grant grant = {
		.kind = SGH_TICKET_PUT,
		.bucket = "image",
		.key = key,
		.expires_ms = sgh_time_ms() + HOUR_MS,
		.size = size,
		.content_type = "image/png",
		.meta = meta,
		.meta_count = SGH_COUNT(meta),
	};

	t_ok(ticket(f, t, &grant));
	assert_int_equal(t->ticket->kind, SGH_TICKET_PUT);
	assert_int_equal(t->ticket->url_count, 1);
}

static int put_bytes(struct transfer *t, size_t size)
{
	fresh_move(t, 0)->body = pattern(0, size);
	return run_move(t);
}

static int put_pulled(struct transfer *t, size_t n, uint64_t size)
{
	fresh_move(t, n)->pull = pull;
	t->move.length = size;
	return run_move(t);
}

static void grant_get(struct fixture *f, struct transfer *t, const char *key)
{
	const struct sgh_store_grant grant = {
		.kind = SGH_TICKET_GET,
		.bucket = "image",
		.key = key,
		.expires_ms = sgh_time_ms() + HOUR_MS,
		.response_type = "image/png",
		.response_disposition = "attachment; filename=\"a b.png\"",
	};

	t_ok(ticket(f, t, &grant));
	assert_int_equal(t->ticket->kind, SGH_TICKET_GET);
}

static int get_bytes(struct transfer *t, uint64_t offset, size_t length)
{
	sgh_bytes_unref(t->got);
	t->got = sgh_bytes_new(NULL, length);
	fresh_move(t, 0)->push = push;
	t->move.offset = offset;
	t->move.length = length;
	return run_move(t);
}

static void got_pattern(struct transfer *t, uint64_t offset, size_t length)
{
	struct sgh_bytes *wanted = pattern(offset, length);

	assert_int_equal(t->move.moved, length);
	assert_int_equal(t->got->length, length);
	assert_memory_equal(t->got->data, wanted->data, length);
	sgh_bytes_unref(wanted);
}

static void grant_parts(struct fixture *f, struct transfer *t, const char *key,
			unsigned first, unsigned count)
{
	const struct sgh_store_grant grant = {
		.kind = SGH_TICKET_PARTS,
		.bucket = "image",
		.key = key,
		.expires_ms = sgh_time_ms() + HOUR_MS,
		.upload = f->upload,
		.record = "0199f2c4-7d3e-7000-8000-000000000001",
		.first_part = first,
		.part_count = count,
	};

	t_ok(ticket(f, t, &grant));
	assert_int_equal(t->ticket->url_count, count);
	assert_int_equal(t->ticket->first_part, first);
	assert_string_equal(t->ticket->record, grant.record);
}

/* ---- put ---- */

static void a_put_is_an_object(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;

	transfer_init(f, &t);
	grant_put(f, &t, "a", 100000);
	t_ok(put_bytes(&t, 100000));
	t_ok(head(f, "a"));
	assert_int_equal(f->op.head.size, 100000);
	assert_string_equal(f->op.head.content_type, "image/png");
	assert_int_equal(f->op.head.meta_count, SGH_COUNT(meta));
	t_ok(get(f, "a", 99999, 1));
	assert_int_equal(f->op.data->data[0], byte_at(99999));
	transfer_fini(&t);
}

static void a_put_may_be_pulled(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;

	transfer_init(f, &t);
	grant_put(f, &t, "a", 1000001);
	t_ok(put_pulled(&t, 0, 1000001));
	grant_get(f, &t, "a");
	t_ok(get_bytes(&t, 0, 1000001));
	got_pattern(&t, 0, 1000001);
	transfer_fini(&t);
}

static void a_ticket_puts_once(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;

	transfer_init(f, &t);
	grant_put(f, &t, "a", 10);
	t_ok(put_bytes(&t, 10));
	t_fails(SANGRAHA_E_PRECONDITION, put_bytes(&t, 10));
	t_fails(SANGRAHA_E_PRECONDITION, put_pulled(&t, 0, 10));
	transfer_fini(&t);
}

static void another_size_is_refused(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;

	transfer_init(f, &t);
	grant_put(f, &t, "a", 10);
	t_fails(SANGRAHA_E_UNAUTHORIZED, put_bytes(&t, 11));
	t_fails(SANGRAHA_E_UNAUTHORIZED, put_bytes(&t, 9));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
	t_ok(put_bytes(&t, 10));
	transfer_fini(&t);
}

static void other_headers_are_refused(void **state)
{
	struct fixture *f = needed(state);
	struct sgh_pair headers[SGH_TICKET_HEADERS_MAX];
	struct transfer t;

	transfer_init(f, &t);
	grant_put(f, &t, "a", 10);
	memcpy(headers, t.ticket->headers, sizeof(headers));
	for (size_t i = 0; i < t.ticket->header_count; i++) {
		headers[i].value = "other";
		fresh_move(&t, 0)->body = pattern(0, 10);
		t.move.headers = headers;
		t_fails(SANGRAHA_E_UNAUTHORIZED, run_move(&t));
		headers[i] = t.ticket->headers[i];
	}
	fresh_move(&t, 0)->body = pattern(0, 10);
	t.move.header_count--;
	t_fails(SANGRAHA_E_UNAUTHORIZED, run_move(&t));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, "a"));
	transfer_fini(&t);
}

/* Other bytes are refused, and so is whoever keeps quiet about the digest, or has another. */
static void hello_is_demanded(struct fixture *f, const char *key, const char *crc32c)
{
	const struct sgh_store_grant grant = {
		.kind = SGH_TICKET_PUT,
		.bucket = "image",
		.key = key,
		.expires_ms = sgh_time_ms() + HOUR_MS,
		.size = 5,
		.content_type = "image/png",
		.sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e"
			  "1b161e5c1fa7425e73043362938b9824",
		.crc32c = crc32c,
	};
	struct transfer t;

	transfer_init(f, &t);
	t_ok(ticket(f, &t, &grant));
	assert_int_not_equal(put_bytes(&t, 5), 0);
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, key));
	fresh_move(&t, 0)->body = t_bytes("hello");
	t.move.header_count--;
	t_fails(SANGRAHA_E_UNAUTHORIZED, run_move(&t));
	t_fails(SANGRAHA_E_NOT_FOUND, head(f, key));
	fresh_move(&t, 0)->body = t_bytes("hello");
	t_ok(run_move(&t));
	fresh_move(&t, 0)->body = t_bytes("hello");
	t_fails(SANGRAHA_E_PRECONDITION, run_move(&t));
	holds(f, key, "hello");
	transfer_fini(&t);
}

static void a_digest_can_be_demanded(void **state)
{
	hello_is_demanded(needed(state), "a", NULL);
}

static void a_crc_can_be_demanded(void **state)
{
	hello_is_demanded(needed(state), "a", "9a71bb4c");
}

static void a_ticket_ends(void **state)
{
	struct fixture *f = needed(state);
	const struct sgh_store_grant grant = {
		.kind = SGH_TICKET_GET,
		.bucket = "image",
		.key = "a",
		.expires_ms = sgh_time_ms() + 1500,
	};
	struct transfer t;

	t_ok(put(f, "a", "hello"));
	transfer_init(f, &t);
	t_ok(ticket(f, &t, &grant));
	while (!get_bytes(&t, 0, 5))
		t_pause();
	assert_int_equal(t.move.status, SANGRAHA_E_UNAUTHORIZED);
	transfer_fini(&t);
}

static void a_changed_url_is_refused(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;
	sgh_autofree char *url = NULL;
	char *key;

	t_ok(put(f, "key-1", "one"));
	t_ok(put(f, "key-2", "two"));
	transfer_init(f, &t);
	grant_get(f, &t, "key-1");
	url = strdup(t.ticket->urls[0]);
	key = strstr(url, "key-1");
	key[4] = '2';
	t.ticket->urls[0] = url;
	t_fails(SANGRAHA_E_UNAUTHORIZED, get_bytes(&t, 0, 3));
	transfer_fini(&t);
}

/* ---- get ---- */

static void ranges_are_read(void **state)
{
	struct fixture *f = needed(state);
	const size_t size = 3000000;
	struct transfer t;

	transfer_init(f, &t);
	grant_put(f, &t, "a", size);
	t_ok(put_bytes(&t, size));
	grant_get(f, &t, "a");
	t_ok(get_bytes(&t, 0, size));
	got_pattern(&t, 0, size);
	t_ok(get_bytes(&t, 1, 1));
	got_pattern(&t, 1, 1);
	t_ok(get_bytes(&t, 262143, 524290));
	got_pattern(&t, 262143, 524290);
	t_ok(get_bytes(&t, size - 1, 1));
	got_pattern(&t, size - 1, 1);
	transfer_fini(&t);
}

static void what_is_not_there_is_not_read(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;

	transfer_init(f, &t);
	grant_get(f, &t, "nothing");
	t_fails(SANGRAHA_E_NOT_FOUND, get_bytes(&t, 0, 10));
	transfer_fini(&t);
}

/* ---- parts ---- */

static void parts_are_moved(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;

	transfer_init(f, &t);
	t_ok(begin(f, "a b"));
	grant_parts(f, &t, "a b", 1, 64);
	fresh_move(&t, 0)->body = pattern(0, PART);
	t_ok(run_move(&t));
	name_part(f, 1, PART, t.move.etag);
	t_ok(put_pulled(&t, 1, PART + 1));
	name_part(f, 2, PART + 1, t.move.etag);
	grant_parts(f, &t, "a b", 3, 2);
	t_ok(put_pulled(&t, 0, 7));
	name_part(f, 3, 7, t.move.etag);
	t_ok(list_parts(f, "a b", 0, 10));
	assert_int_equal(f->op.found_part_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(f->op.found_parts[i].etag, f->etags[i]);
		assert_int_equal(f->op.found_parts[i].size, f->parts[i].size);
	}
	t_ok(complete(f, "a b", true));
	grant_get(f, &t, "a b");
	t_ok(get_bytes(&t, 0, PART));
	got_pattern(&t, 0, PART);
	t_ok(get_bytes(&t, PART, PART + 1));
	got_pattern(&t, 0, PART + 1);
	t_ok(get_bytes(&t, PART - 3, 6));
	assert_int_equal(t.got->data[2], byte_at(PART - 1));
	assert_int_equal(t.got->data[3], byte_at(0));
	transfer_fini(&t);
}

static void a_part_of_an_upload_that_ended(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;

	transfer_init(f, &t);
	t_ok(begin(f, "a"));
	grant_parts(f, &t, "a", 1, 1);
	t_ok(abort_upload(f, "a"));
	fresh_move(&t, 0)->body = pattern(0, 100);
	t_fails(SANGRAHA_E_NOT_FOUND, run_move(&t));
	t_fails(SANGRAHA_E_NOT_FOUND, put_pulled(&t, 0, 100));
	transfer_fini(&t);
}

static void a_part_may_be_empty(void **state)
{
	struct fixture *f = needed(state);
	struct transfer t;

	transfer_init(f, &t);
	t_ok(begin(f, "a"));
	grant_parts(f, &t, "a", 1, 1);
	fresh_move(&t, 0)->body = pattern(0, 0);
	t_ok(run_move(&t));
	name_part(f, 1, 0, t.move.etag);
	t_ok(complete(f, "a", true));
	holds(f, "a", "");
	transfer_fini(&t);
}

static const struct CMUnitTest cases[] = {
	CASE(a_put_is_an_object),
	CASE(a_put_may_be_pulled),
	CASE(a_ticket_puts_once),
	CASE(another_size_is_refused),
	CASE(other_headers_are_refused),
	CASE(a_digest_can_be_demanded),
	CASE(a_crc_can_be_demanded),
	CASE(a_ticket_ends),
	CASE(a_changed_url_is_refused),
	CASE(ranges_are_read),
	CASE(what_is_not_there_is_not_read),
	CASE(parts_are_moved),
	CASE(a_part_of_an_upload_that_ended),
	CASE(a_part_may_be_empty),
};

CONFORMANCE_MAIN(cases)

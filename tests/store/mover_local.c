/* SPDX-License-Identifier: MIT */
#include "store/mover.h"

#include "store/folder.h"
#include "support/disk.h"

/* Transfers to a folder: who pauses, who gives up, and a disk that hangs. */

#define HOUR_MS 3600000
#define SIZE    ((size_t)1000000)

struct transfer;

struct local {
	struct folder *folder;
	struct sgh_mover *mover;
	struct sgh_arena arena;
	struct transfer *running[64]; /* atomic; NULL: free */
};

/* One transfer; push() and pull() say `answer` first, if it is not 0. */
struct transfer {
	struct local *local;
	struct sgh_move move;
	uint64_t given;
	int answer; /* atomic */
	int asked;  /* atomic */
	int done;   /* atomic */
};

/* Where a busy machine must not be taken for a disk that hangs: the time of a transfer. */
#define PATIENT_MS 20000
#define IDLE_MS    300

static void open_mover(struct local *l, unsigned idle_ms)
{
	const struct sgh_mover_options options = { .connections = 4,
						   .idle_timeout_ms = idle_ms };

	sgh_mover_free(sgh_take(l->mover));
	t_ok(sgh_mover_new(l->folder->context, &options, &l->mover, &t_err));
}

static int set_up(void **state)
{
	struct local *l = calloc(1, sizeof(*l));
	void *folder;

	t_disk_well();
	folder_set_up(&folder);
	l->folder = folder;
	t_ok(folder_put(l->folder, "there", 't', SIZE));
	open_mover(l, PATIENT_MS);
	*state = l;
	return 0;
}

/* A case that gave up may have left some that wait for it. */
static void cancel_running(struct local *l)
{
	for (size_t i = 0; i < SGH_COUNT(l->running); i++) {
		struct transfer *t = __atomic_load_n(&l->running[i], __ATOMIC_ACQUIRE);

		if (t)
			sgh_mover_cancel(l->mover, &t->move, SANGRAHA_E_UNAVAILABLE);
	}
}

/* Put `t` where `was` is. */
static void replace_running(struct local *l, struct transfer *was, struct transfer *t)
{
	for (size_t i = 0; i < SGH_COUNT(l->running); i++) {
		struct transfer *wanted = was;

		if (__atomic_compare_exchange_n(&l->running[i], &wanted, t, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return;
	}
}

static int tear_down(void **state)
{
	struct local *l = *state;
	void *folder = l->folder;

	t_disk_well();
	cancel_running(l);
	sgh_mover_free(l->mover);
	sgh_arena_fini(&l->arena);
	folder_tear_down(&folder);
	free(l);
	return 0;
}

static void on_done(struct sgh_move *move)
{
	struct transfer *t = sgh_container_of(move, struct transfer, move);

	replace_running(t->local, t, NULL);
	__atomic_add_fetch(&t->done, 1, __ATOMIC_RELEASE);
}

static void set_answer(struct transfer *t, int answer)
{
	__atomic_store_n(&t->answer, answer, __ATOMIC_RELEASE);
}

static int answer_of(struct transfer *t)
{
	int answer = __atomic_load_n(&t->answer, __ATOMIC_ACQUIRE);

	__atomic_add_fetch(&t->asked, 1, __ATOMIC_RELEASE);
	return answer;
}

static int push(struct sgh_move *move, const void *data, size_t length)
{
	struct transfer *t = sgh_container_of(move, struct transfer, move);
	const char *bytes = data;
	int answer = answer_of(t);

	if (!answer && (bytes[0] != 't' || memcmp(bytes, bytes + 1, length - 1) != 0))
		return SANGRAHA_E_INTERNAL;
	return answer;
}

/* Takes the first piece, and answers as it is told to the second. */
static int push_then_pause(struct sgh_move *move, const void *data, size_t length)
{
	struct transfer *t = sgh_container_of(move, struct transfer, move);

	if (move->moved)
		return push(move, data, length);
	set_answer(t, SGH_MOVE_PAUSE);
	__atomic_add_fetch(&t->asked, 1, __ATOMIC_RELEASE);
	return 0;
}

static int64_t pull(struct sgh_move *move, void *data, size_t size)
{
	struct transfer *t = sgh_container_of(move, struct transfer, move);
	int answer = answer_of(t);
	uint64_t left = move->length - t->given;

	if (answer)
		return answer;
	if (left < size)
		size = (size_t)left;
	memset(data, 'p', size);
	t->given += size;
	return (int64_t)size;
}

static struct sgh_ticket *ticket(struct local *l, enum sgh_ticket_kind kind,
				 const char *key)
{
	const struct sgh_store_grant grant = {
		.kind = kind,
		.bucket = "image",
		.key = key,
		.expires_ms = sgh_time_ms() + HOUR_MS,
		.size = SIZE,
		.content_type = "image/png",
	};
	struct sgh_ticket *made = NULL;

	t_ok(sgh_store_ticket(l->folder->store, &grant, &l->arena, &made, &t_err));
	return made;
}

static void describe(struct local *l, struct transfer *t, enum sgh_ticket_kind kind,
		     const char *key)
{
	const struct sgh_ticket *made = ticket(l, kind, key);

	*t = (struct transfer){ .local = l };
	t->move = (struct sgh_move){
		.kind = kind,
		.url = made->urls[0],
		.headers = made->headers,
		.header_count = made->header_count,
		.deadline_ms = sgh_now_ms() + HOUR_MS,
		.length = SIZE,
		.done = on_done,
	};
	if (kind == SGH_TICKET_GET)
		t->move.push = push;
	else
		t->move.pull = pull;
}

static void start(struct transfer *t)
{
	int status;

	replace_running(t->local, NULL, t);
	status = sgh_mover_submit(t->local->mover, &t->move, &t_err);
	if (status)
		replace_running(t->local, t, NULL);
	t_ok(status);
}

static int wait_done(struct transfer *t)
{
	t_wait(__atomic_load_n(&t->done, __ATOMIC_ACQUIRE));
	t_err = t->move.err;
	return t->move.status;
}

static int asked(struct transfer *t)
{
	return __atomic_load_n(&t->asked, __ATOMIC_ACQUIRE);
}

static void pauses_then_goes_on(struct local *l, enum sgh_ticket_kind kind,
				const char *key)
{
	struct transfer t;

	describe(l, &t, kind, key);
	t.answer = SGH_MOVE_PAUSE;
	start(&t);
	t_wait(asked(&t) > 0);
	set_answer(&t, 0);
	sgh_mover_resume(l->mover, &t.move);
	t_ok(wait_done(&t));
	assert_int_equal(kind == SGH_TICKET_GET ? t.move.moved : t.given, SIZE);
	sgh_mover_resume(l->mover, &t.move);
	assert_int_equal(t.done, 1);
}

static void who_pauses_is_asked_again(void **state)
{
	struct local *l = *state;

	pauses_then_goes_on(l, SGH_TICKET_GET, "there");
	pauses_then_goes_on(l, SGH_TICKET_PUT, "new");
	folder_holds(l->folder, "new", 'p', SIZE);
}

/* A pause is no idle disk: it may last longer than that is waited for. */
static void a_pause_may_last(void **state)
{
	struct local *l = *state;
	const int64_t begun_ms = sgh_now_ms();
	struct transfer t;

	open_mover(l, IDLE_MS);
	describe(l, &t, SGH_TICKET_GET, "there");
	t.answer = SGH_MOVE_PAUSE;
	start(&t);
	t_wait(sgh_now_ms() > begun_ms + 2 * IDLE_MS);
	assert_int_equal(t.done, 0);
	set_answer(&t, 0);
	sgh_mover_resume(l->mover, &t.move);
	t_ok(wait_done(&t));
}

static void a_status_ends_it(void **state)
{
	static const enum sgh_ticket_kind kinds[] = { SGH_TICKET_GET, SGH_TICKET_PUT };
	struct local *l = *state;

	for (size_t i = 0; i < SGH_COUNT(kinds); i++) {
		struct transfer t;

		describe(l, &t, kinds[i], i ? "new" : "there");
		t.answer = SANGRAHA_E_REJECTED;
		start(&t);
		t_fails(SANGRAHA_E_REJECTED, wait_done(&t));
		assert_int_equal(asked(&t), 1);
	}
	folder_lacks(l->folder, "new");
	t_wait(folder_is_tidy(l->folder));
}

static void it_can_be_cancelled(void **state)
{
	static const enum sgh_ticket_kind kinds[] = { SGH_TICKET_GET, SGH_TICKET_PUT };
	struct local *l = *state;

	for (size_t i = 0; i < SGH_COUNT(kinds); i++) {
		struct transfer t;

		describe(l, &t, kinds[i], i ? "new" : "there");
		t.answer = SGH_MOVE_PAUSE;
		start(&t);
		t_wait(asked(&t) > 0);
		sgh_mover_cancel(l->mover, &t.move, SANGRAHA_E_GONE);
		t_fails(SANGRAHA_E_GONE, wait_done(&t));
		sgh_mover_cancel(l->mover, &t.move, SANGRAHA_E_GONE);
		assert_int_equal(t.done, 1);
	}
	t_wait(folder_is_tidy(l->folder));
}

static void a_deadline_ends_it(void **state)
{
	struct local *l = *state;
	struct transfer t;

	describe(l, &t, SGH_TICKET_GET, "there");
	t.answer = SGH_MOVE_PAUSE;
	t.move.deadline_ms = sgh_now_ms() + 50;
	start(&t);
	t_fails(SANGRAHA_E_TIMEOUT, wait_done(&t));
}

/* The rest wait until one has ended, and every one gets on. */
static void more_than_can_work_at_once(void **state)
{
	enum { COUNT = 32 };
	struct local *l = *state;
	struct transfer *ts = calloc(COUNT, sizeof(*ts));

	for (int i = 0; i < COUNT; i++) {
		describe(l, &ts[i], SGH_TICKET_GET, "there");
		ts[i].answer = i < 3 ? SGH_MOVE_PAUSE : 0;
		start(&ts[i]);
	}
	for (int i = 0; i < 3; i++)
		t_wait(asked(&ts[i]) > 0);
	sgh_mover_cancel(l->mover, &ts[9].move, SANGRAHA_E_GONE);
	t_fails(SANGRAHA_E_GONE, wait_done(&ts[9]));
	assert_int_equal(asked(&ts[8]), 0);
	for (int i = 0; i < 3; i++) {
		set_answer(&ts[i], 0);
		sgh_mover_resume(l->mover, &ts[i].move);
	}
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(wait_done(&ts[i]), i == 9 ? SANGRAHA_E_GONE : 0);
	assert_int_equal(sgh_budget_used(l->folder->context->budget), 0);
	free(ts);
}

/* Whoever reads slowly, and many do, keeps nobody from writing. */
static void readers_leave_room_to_writers(void **state)
{
	enum { COUNT = 8 };
	struct local *l = *state;
	struct transfer readers[COUNT];
	struct transfer writer;

	for (int i = 0; i < COUNT; i++) {
		describe(l, &readers[i], SGH_TICKET_GET, "there");
		readers[i].answer = SGH_MOVE_PAUSE;
		start(&readers[i]);
	}
	describe(l, &writer, SGH_TICKET_PUT, "new");
	start(&writer);
	t_ok(wait_done(&writer));
	for (int i = 0; i < COUNT; i++) {
		sgh_mover_cancel(l->mover, &readers[i].move, SANGRAHA_E_GONE);
		t_fails(SANGRAHA_E_GONE, wait_done(&readers[i]));
	}
}

static void a_disk_that_hangs_costs_the_idle_time(void **state)
{
	struct local *l = *state;
	struct transfer t;

	open_mover(l, IDLE_MS);
	describe(l, &t, SGH_TICKET_PUT, "new");
	t_disk_stall(T_DISK_ALL);
	start(&t);
	t_fails(SANGRAHA_E_TIMEOUT, wait_done(&t));
	t_disk_well();
	t_wait(folder_is_tidy(l->folder));
	folder_lacks(l->folder, "new");
}

static void a_full_disk_is_said(void **state)
{
	struct local *l = *state;
	struct transfer t;

	describe(l, &t, SGH_TICKET_PUT, "new");
	t_disk_full_from(2);
	start(&t);
	t_fails(SANGRAHA_E_OVERLOADED, wait_done(&t));
	assert_true(t_disk_well());
	t_wait(folder_is_tidy(l->folder));
}

/* Neither opened, nor made, nor locked because a ticket names it. */
static void a_folder_that_is_not_open(void **state)
{
	struct local *l = *state;
	struct folder *f = l->folder;
	struct transfer t;

	describe(l, &t, SGH_TICKET_GET, "there");
	sangraha_store_unref(sgh_take(f->store));
	t_fails(SANGRAHA_E_UNAVAILABLE, sgh_mover_submit(l->mover, &t.move, &t_err));
	t_says("not open");
	t_ok(folder_try(f));
	/* The folder is open again, and a ticket of its earlier life has ended. */
	start(&t);
	t_fails(SANGRAHA_E_UNAUTHORIZED, wait_done(&t));
	describe(l, &t, SGH_TICKET_GET, "there");
	start(&t);
	t_ok(wait_done(&t));
}

static void a_transfer_keeps_its_folder_open(void **state)
{
	struct local *l = *state;
	struct transfer t;

	describe(l, &t, SGH_TICKET_PUT, "new");
	t.answer = SGH_MOVE_PAUSE;
	start(&t);
	t_wait(asked(&t) > 0);
	sangraha_store_unref(sgh_take(l->folder->store));
	set_answer(&t, 0);
	sgh_mover_resume(l->mover, &t.move);
	t_ok(wait_done(&t));
	t_ok(folder_try(l->folder));
	folder_holds(l->folder, "new", 'p', SIZE);
}

static void what_is_no_ticket(void **state)
{
	static const char *const urls[] = {
		"file:",
		"file:/nowhere",
		"file:/nowhere?",
		"file:/nowhere?kind=3&bucket=b&key=k&expires=1",
		"file:/nowhere?kind=3&mac=",
		"file:/nowhere?kind=9&bucket=b&key=k&expires=1&mac=00",
		"file:/nowhere?kind=1&bucket=b&key=k&expires=1&mac=00",
		"file:/nowhere?kind=2&bucket=b&key=k&expires=1&mac=00",
		"file:%zz?kind=3&bucket=b&key=k&expires=1&mac=00",
		"file:/nowhere?kind&mac=00",
	};
	struct local *l = *state;

	for (size_t i = 0; i < SGH_COUNT(urls); i++) {
		struct transfer t;

		describe(l, &t, SGH_TICKET_GET, "there");
		t.move.url = urls[i];
		t_fails(SANGRAHA_E_INVALID, sgh_mover_submit(l->mover, &t.move, &t_err));
	}
}

static void a_ticket_is_for_its_own_use(void **state)
{
	struct local *l = *state;
	struct transfer t;
	const struct sgh_ticket *other = ticket(l, SGH_TICKET_PUT, "there");

	describe(l, &t, SGH_TICKET_GET, "there");
	t.move.url = other->urls[0];
	start(&t);
	t_fails(SANGRAHA_E_UNAUTHORIZED, wait_done(&t));
	describe(l, &t, SGH_TICKET_GET, "there");
	t.move.length = SIZE + 1;
	start(&t);
	t_fails(SANGRAHA_E_INTERNAL, wait_done(&t));
}

/* What the MAC is not about could say that the ticket is for something else. */
static void a_ticket_cannot_be_added_to(void **state)
{
	static const char *const more[] = {
		"&key=other", "&bucket=other", "&expires=9999999999999",
		"&kind=3",    "&x=1",          "&mac=",
	};
	struct local *l = *state;
	struct transfer t;

	t_ok(folder_put(l->folder, "other", 't', SIZE));
	for (size_t i = 0; i < SGH_COUNT(more); i++) {
		sgh_autofree char *url = NULL;

		describe(l, &t, SGH_TICKET_GET, "there");
		assert_true(asprintf(&url, "%s%s", t.move.url, more[i]) > 0);
		t.move.url = url;
		t_fails(SANGRAHA_E_INVALID, sgh_mover_submit(l->mover, &t.move, &t_err));
	}
}

/* Bytes of two objects in one transfer would be those of none. */
static void an_object_that_is_replaced_meanwhile(void **state)
{
	struct local *l = *state;
	struct transfer t;

	describe(l, &t, SGH_TICKET_GET, "there");
	t.move.push = push_then_pause;
	start(&t);
	t_wait(asked(&t) > 1);
	t_ok(folder_put(l->folder, "there", 't', SIZE));
	set_answer(&t, 0);
	sgh_mover_resume(l->mover, &t.move);
	t_fails(SANGRAHA_E_UNAVAILABLE, wait_done(&t));
	t_says("replaced");
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(who_pauses_is_asked_again),
	CASE(a_pause_may_last),
	CASE(a_status_ends_it),
	CASE(it_can_be_cancelled),
	CASE(a_deadline_ends_it),
	CASE(more_than_can_work_at_once),
	CASE(readers_leave_room_to_writers),
	CASE(a_disk_that_hangs_costs_the_idle_time),
	CASE(a_full_disk_is_said),
	CASE(a_folder_that_is_not_open),
	CASE(a_transfer_keeps_its_folder_open),
	CASE(what_is_no_ticket),
	CASE(a_ticket_is_for_its_own_use),
	CASE(a_ticket_cannot_be_added_to),
	CASE(an_object_that_is_replaced_meanwhile),
};

t_main(tests)

/* SPDX-License-Identifier: MIT */
#include <sys/wait.h>
#include <unistd.h>

#include "queue/amqp_topology.h"
#include "queue/folder.h"
#include "wire/message_bytes.h"
#include "queue/local_topology.h"

static int set_up(void **state)
{
	struct folder *f = folder_new();

	folder_open(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	folder_free(*state);
	return 0;
}

/* ---- opening ---- */

static void a_url_needs_a_folder(void **state)
{
	struct folder *f = *state;
	struct sangraha_queue *queue = NULL;

	t_fails(SANGRAHA_E_INVALID,
		sangraha_queue_open(f->context, "local:", NULL, &queue, &t_err));
	t_says("local:./sangraha-data");
}

static void another_context_is_told_to_wait(void **state)
{
	struct folder *f = *state;
	struct sangraha_context *other = t_context();
	struct sangraha_queue *queue = NULL;

	t_fails(SANGRAHA_E_UNAVAILABLE,
		sangraha_queue_open(other, f->url, NULL, &queue, &t_err));
	t_says(f->path);
	folder_close(f);
	t_ok(sangraha_queue_open(other, f->url, NULL, &queue, &t_err));
	sangraha_queue_unref(queue);
	sangraha_context_unref(other);
}

static void handles_share_a_folder(void **state)
{
	struct folder *f = *state;
	struct sangraha_queue *other = NULL;

	t_ok(sangraha_queue_open(f->context, f->url, NULL, &other, &t_err));
	folder_consume(f, WRITE, 10);
	t_publish(other, WRITE, "from the other");
	sangraha_queue_unref(other);
	folder_gets(f, "from the other");
}

static void a_later_version_is_refused(void **state)
{
	struct folder *f = *state;

	folder_close(f);
	folder_sql(f, "PRAGMA user_version = 99");
	t_fails(SANGRAHA_E_INTERNAL, folder_try(f));
	t_says("queue.db");
}

/* ---- over a restart ---- */

static void messages_survive_in_order(void **state)
{
	static const size_t sizes[] = { 0, 1, 5000, (size_t)4 << 20, 3 };
	struct folder *f = *state;

	for (size_t i = 0; i < SGH_COUNT(sizes); i++) {
		struct t_sent *sent = t_sent_new(WRITE, t_message_of(sizes[i]));

		assert_true(sgh_message_add_number(sent->message, "n", (int64_t)i));
		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		t_ok(t_sent_wait(sent));
		t_sent_free(sent);
	}
	folder_reopen(f);
	assert_int_equal(t_messages(f->queue, WRITE), SGH_COUNT(sizes));
	folder_consume(f, WRITE, 10);
	for (size_t i = 0; i < SGH_COUNT(sizes); i++) {
		struct sgh_delivery *delivery = t_inbox_next(&f->inbox);
		struct sgh_message *wanted = t_message_of(sizes[i]);
		const struct sgh_bytes *body = delivery->message->body;

		assert_int_equal(sgh_message_header(delivery->message, "n")->number, i);
		assert_int_equal(body ? body->length : 0, sizes[i]);
		if (body)
			assert_memory_equal(body->data, wanted->body->data, sizes[i]);
		assert_false(delivery->redelivered);
		assert_int_equal(delivery->delivery_count, 0);
		sgh_delivery_ack(delivery);
		sgh_message_free(wanted);
	}
	folder_reopen(f);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
}

static void what_is_in_hand_comes_again(void **state)
{
	struct folder *f = *state;
	struct sgh_delivery *delivery;

	t_publish(f->queue, WRITE, "x");
	folder_consume(f, WRITE, 10);
	for (unsigned i = 0; i < 3; i++) {
		delivery = t_inbox_next(&f->inbox);
		assert_int_equal(delivery->redelivered, i > 0);
		assert_int_equal(delivery->delivery_count, i);
		/* Given back by the inbox when the queue has gone. */
		f->inbox.taken--;
		folder_reopen(f);
		folder_consume(f, WRITE, 10);
	}
	delivery = t_inbox_next(&f->inbox);
	sgh_delivery_return(delivery);
	delivery = t_inbox_next(&f->inbox);
	assert_int_equal(delivery->delivery_count, 4);
	sgh_delivery_ack(delivery);
}

static void what_is_transient_is_gone(void **state)
{
	struct folder *f = *state;
	struct t_sent *sent = t_sent_new(READ, t_message("x"));

	sent->message->persistent = false;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_sent_free(sent);
	assert_int_equal(t_messages(f->queue, READ), 1);
	folder_reopen(f);
	assert_int_equal(t_messages(f->queue, READ), 0);
}

static void a_dead_letter_says_where_it_died(void **state)
{
	struct folder *f = *state;
	struct t_sent *sent = t_sent_new(WRITE, t_message("x"));
	struct sgh_delivery *delivery;

	assert_true(sgh_message_add_text(sent->message, "filename", "a.json"));
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	folder_consume(f, WRITE, 10);
	sgh_delivery_reject(t_inbox_next(&f->inbox));
	t_wait(t_messages(f->queue, DEAD) == 1);
	folder_reopen(f);
	folder_consume(f, DEAD, 10);
	delivery = t_inbox_next(&f->inbox);
	assert_true(t_body_is(delivery, "x"));
	assert_string_equal(delivery->message->message_id, sent->message->message_id);
	assert_string_equal(sgh_message_text(delivery->message, "filename"), "a.json");
	assert_string_equal(sgh_message_text(delivery->message, "x-first-death-queue"),
			    WRITE);
	assert_string_equal(sgh_message_text(delivery->message, "x-first-death-reason"),
			    "rejected");
	sgh_delivery_ack(delivery);
	t_sent_free(sent);
}

/* Nobody works on them, so none is suspected of killing who does, and goes alone. */
static void looking_at_dead_letters_is_no_try(void **state)
{
	struct folder *f = *state;

	t_publish(f->queue, DEAD, "a");
	t_publish(f->queue, DEAD, "b");
	for (unsigned i = 0; i < 5; i++) {
		folder_consume(f, DEAD, 10);
		for (int j = 0; j < 2; j++)
			assert_int_equal(t_inbox_next(&f->inbox)->delivery_count, 0);
		/* Given back by the inbox when the queue has gone. */
		f->inbox.taken -= 2;
		folder_reopen(f);
	}
	assert_int_equal(t_messages(f->queue, DEAD), 2);
}

static void a_transient_dead_letter_is_written(void **state)
{
	struct folder *f = *state;
	struct t_sent *sent = t_sent_new(READ, t_message("x"));

	sent->message->persistent = false;
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_sent_free(sent);
	folder_consume(f, READ, 10);
	sgh_delivery_reject(t_inbox_next(&f->inbox));
	t_wait(t_messages(f->queue, READ ".dlq") == 1);
	folder_reopen(f);
	folder_consume(f, READ ".dlq", 10);
	folder_gets(f, "x");
}

/* ---- delays ---- */

static void a_delay_lasts_over_a_restart(void **state)
{
	struct folder *f = *state;
	int64_t before = sgh_time_ms();

	t_publish(f->queue, DELAY, "x");
	assert_int_equal(t_messages(f->queue, DELAY), 1);
	folder_reopen(f);
	folder_consume(f, WRITE, 10);
	folder_gets(f, "x");
	assert_true(sgh_time_ms() - before >= 1000);
	assert_true(sgh_time_ms() - before < 3000);
	assert_int_equal(t_messages(f->queue, DELAY), 0);
}

static void what_was_due_while_closed_comes_at_once(void **state)
{
	struct folder *f = *state;

	for (int i = 0; i < 250; i++) {
		char body[20];

		snprintf(body, sizeof(body), "%d", i);
		t_publish(f->queue, SANGRAHA_WRITE_QUEUE ".delay.300s", body);
	}
	folder_close(f);
	folder_sql(f, "UPDATE message SET due = 5");
	folder_open(f);
	folder_consume(f, WRITE, 10);
	for (int i = 0; i < 250; i++) {
		char body[20];

		snprintf(body, sizeof(body), "%d", i);
		folder_gets(f, body);
	}
	assert_int_equal(t_messages(f->queue, SANGRAHA_WRITE_QUEUE ".delay.300s"), 0);
}

/* The clock was put back, or the number is damaged: nothing waits for years. */
static void a_time_too_far_away_counts_as_now(void **state)
{
	struct folder *f = *state;

	t_publish(f->queue, SANGRAHA_WRITE_QUEUE ".delay.300s", "x");
	folder_close(f);
	folder_sql(f, "UPDATE message SET due = 9000000000000000000");
	folder_open(f);
	folder_consume(f, WRITE, 10);
	folder_gets(f, "x");
}

/* ---- bounds ---- */

static void a_backlog_comes_in_order(void **state)
{
	enum { BEFORE = 3000, ALL = 5000 };
	struct folder *f = *state;
	struct t_sent **sent = calloc(ALL, sizeof(*sent));
	char body[20];

	assert_non_null(sent);
	for (int i = 0; i < ALL; i++) {
		snprintf(body, sizeof(body), "%d", i);
		sent[i] = t_sent_new(WRITE, t_message(body));
		t_ok(sgh_queue_publish(f->queue, &sent[i]->publish, &t_err));
		if (i == BEFORE)
			folder_consume(f, WRITE, 100);
	}
	for (int i = 0; i < ALL; i++) {
		snprintf(body, sizeof(body), "%d", i);
		folder_gets(f, body);
		t_ok(t_sent_wait(sent[i]));
		t_sent_free(sent[i]);
	}
	free(sent);
	assert_int_equal(t_messages(f->queue, WRITE), 0);
	assert_int_equal(sgh_budget_used(f->context->budget), 0);
}

static void what_is_returned_keeps_its_place(void **state)
{
	struct folder *f = *state;
	struct sgh_delivery *held[3];

	for (int i = 0; i < 5; i++)
		t_publish(f->queue, WRITE,
			  (const char *[]){ "0", "1", "2", "3", "4" }[i]);
	folder_consume(f, WRITE, 3);
	for (int i = 0; i < 3; i++)
		held[i] = t_inbox_next(&f->inbox);
	sgh_consumer_pause(f->consumer);
	for (int i = 0; i < 3; i++)
		sgh_delivery_return(held[(i + 1) % 3]);
	sgh_consumer_resume(f->consumer);
	for (int i = 0; i < 5; i++)
		folder_gets(f, (const char *[]){ "0", "1", "2", "3", "4" }[i]);
}

/* A queue that nobody consumes must not eat the memory of those who work. */
static void bodies_wait_on_the_disk_alone(void **state)
{
	struct folder *f = *state;
	struct sgh_budget *budget = f->context->budget;

	for (int i = 0; i < 4; i++) {
		struct t_sent *sent = t_sent_new(WRITE, t_message(""));

		sgh_budget_force(budget, 1 << 20);
		sent->message->body = sgh_bytes_new(budget, 1 << 20);
		memset(sent->message->body->data, i, 1 << 20);
		sent->message->body->length = 1 << 20;
		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		t_ok(t_sent_wait(sent));
		t_sent_free(sent);
	}
	t_wait(sgh_budget_used(budget) == 0);
	folder_consume(f, WRITE, 10);
	t_wait(t_inbox_count(&f->inbox) == 4);
	assert_int_equal(sgh_budget_used(budget), 4 << 20);
	for (int i = 0; i < 4; i++)
		sgh_delivery_ack(t_inbox_next(&f->inbox));
	assert_int_equal(sgh_budget_used(budget), 0);
}

static void transient_messages_are_bounded(void **state)
{
	struct folder *f = *state;
	int status = 0, count = 0;

	for (; !status && count < 20000; count++) {
		struct t_sent *sent = t_sent_new(READ, t_message("x"));

		sent->message->persistent = false;
		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		status = t_sent_wait(sent);
		t_sent_free(sent);
	}
	assert_int_equal(status, SANGRAHA_E_OVERLOADED);
	t_says(READ);
	assert_in_range(count, 1000, 10000);
}

static void a_full_queue_refuses_and_opens_fast(void **state)
{
	struct folder *f = *state;
	int64_t before;

	t_publish(f->queue, WRITE, "x");
	folder_fill(f, 1, 1000000, 0);
	before = sgh_now_ms();
	folder_open(f);
	assert_true(sgh_now_ms() - before < 1000);
	assert_int_equal(t_messages(f->queue, WRITE), 1000000);
	t_fails(SANGRAHA_E_OVERLOADED, t_publish_status(f->queue, "", WRITE, "y", 5000));
	t_says(WRITE);
	folder_consume(f, WRITE, 10);
	folder_gets(f, "x");
	t_publish(f->queue, WRITE, "y");
}

static void the_response_queue_drops_its_head(void **state)
{
	struct folder *f = *state;

	t_publish(f->queue, SANGRAHA_RESPONSE_QUEUE, "x");
	folder_fill(f, 10, 100000, sgh_time_ms() + 3600000);
	folder_open(f);
	for (int i = 0; i < 10; i++)
		t_publish(f->queue, SANGRAHA_RESPONSE_QUEUE, "y");
	assert_in_range(t_messages(f->queue, SANGRAHA_RESPONSE_QUEUE), 99000, 100000);
}

static void the_response_queue_forgets(void **state)
{
	struct folder *f = *state;

	t_publish(f->queue, SANGRAHA_RESPONSE_QUEUE, "x");
	folder_fill(f, 10, 3000, sgh_time_ms() - 1);
	folder_open(f);
	t_wait(t_messages(f->queue, SANGRAHA_RESPONSE_QUEUE) == 0);
	folder_reopen(f);
	assert_int_equal(t_messages(f->queue, SANGRAHA_RESPONSE_QUEUE), 0);
}

/* The clock was put back: what was just answered is not old. */
static void the_response_queue_keeps_what_comes_from_the_future(void **state)
{
	struct folder *f = *state;

	t_publish(f->queue, SANGRAHA_RESPONSE_QUEUE, "x");
	folder_fill(f, 10, 10, sgh_time_ms() + 86400000 + 600000);
	folder_open(f);
	folder_consume(f, SANGRAHA_RESPONSE_QUEUE, 20);
	for (int i = 0; i < 10; i++)
		folder_gets(f, "x");
}

static void who_comes_too_late_is_told(void **state)
{
	struct folder *f = *state;

	t_fails(SANGRAHA_E_TIMEOUT, t_publish_status(f->queue, "", WRITE, "x", 0));
	assert_int_equal(t_messages(f->queue, WRITE), 0);
}

static void a_response_queue_ends_with_its_consumer(void **state)
{
	struct folder *f = *state;
	struct sgh_delivery *delivery;
	char *name;

	folder_consume(f, NULL, 10);
	name = strdup(sgh_consumer_queue(f->consumer));
	t_publish(f->queue, name, "1");
	delivery = t_inbox_next(&f->inbox);
	sgh_consumer_free(sgh_take(f->consumer));
	sgh_delivery_return(delivery);
	t_fails(SANGRAHA_E_NOT_FOUND, t_publish_status(f->queue, "", name, "2", 5000));
	free(name);
}

/* Whoever else consumes from it may just be given something. */
static void a_response_queue_ends_in_the_middle_of_a_delivery(void **state)
{
	struct folder *f = *state;
	struct t_inbox other;

	t_inbox_init(&other);
	other.acks = f->inbox.acks = true;
	for (int i = 0; i < 200; i++) {
		struct t_sent *sent[20];
		struct sgh_consumer *consumer;

		folder_consume(f, NULL, 1);
		consumer = t_consume(f->queue, &other, sgh_consumer_queue(f->consumer),
				     10, LARGE, LARGE);
		for (size_t j = 0; j < SGH_COUNT(sent); j++) {
			sent[j] =
				t_sent_new(sgh_consumer_queue(consumer), t_message("x"));
			t_ok(sgh_queue_publish(f->queue, &sent[j]->publish, &t_err));
		}
		sgh_consumer_free(sgh_take(f->consumer));
		for (size_t j = 0; j < SGH_COUNT(sent); j++) {
			t_sent_wait(sent[j]);
			t_sent_free(sent[j]);
		}
		sgh_consumer_free(consumer);
		f->inbox.attached = other.attached = -1;
	}
	t_inbox_fini(&other);
}

/* ---- damage ---- */

static void a_damaged_message_is_put_aside(void **state)
{
	static const char *const damages[] = {
		"meta = x'63'",         "meta = NULL",          "meta = 'text'",
		"meta = zeroblob(100)", "meta = zeroblob(9e6)", "body = 'Men\xc3\xbc'",
	};
	struct folder *f = *state;

	for (size_t i = 0; i < SGH_COUNT(damages); i++) {
		char sql[100];

		t_publish(f->queue, WRITE, "damaged");
		t_publish(f->queue, WRITE, "whole");
		folder_close(f);
		snprintf(sql, sizeof(sql),
			 "UPDATE message SET %s WHERE id = "
			 "(SELECT min(id) FROM message WHERE queue = 1)",
			 damages[i]);
		folder_sql(f, sql);
		folder_open(f);
		folder_consume(f, WRITE, 10);
		folder_gets(f, "whole");
		folder_reopen(f);
		assert_int_equal(t_messages(f->queue, WRITE), 0);
	}
	folder_close(f);
	assert_int_equal(folder_sql(f, "SELECT count(*) FROM message WHERE queue = 0"),
			 SGH_COUNT(damages));
}

/* A message whose body is on a damaged page, and a whole one after it. */
static void publish_damaged(struct folder *f, const char *queue)
{
	struct t_sent *sent = t_sent_new(queue, t_message_of(100000));

	memset(sent->message->body->data, 'Z', 100000);
	t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
	t_ok(t_sent_wait(sent));
	t_sent_free(sent);
	t_publish(f->queue, queue, "whole");
	folder_close(f);
	folder_damage(f, 'Z', 4092);
	folder_open(f);
}

static void a_damaged_page_stops_no_neighbour(void **state)
{
	struct folder *f = *state;

	publish_damaged(f, WRITE);
	folder_consume(f, WRITE, 10);
	folder_gets(f, "whole");
	for (int i = 0; i < 20; i++) {
		t_publish(f->queue, WRITE, "x");
		folder_gets(f, "x");
		assert_true(sgh_queue_ready(f->queue, true));
	}
}

/* What comes before the page and after it is read from the disk as well. */
static void a_damaged_page_stops_only_what_is_on_it(void **state)
{
	struct folder *f = *state;

	t_publish(f->queue, WRITE, "whole");
	for (int i = 0; i < 5; i++) {
		struct t_sent *sent = t_sent_new(WRITE, t_message_of(3500));

		memset(sent->message->body->data, i == 2 ? 'Z' : 'Y', 3500);
		t_ok(sgh_queue_publish(f->queue, &sent->publish, &t_err));
		t_ok(t_sent_wait(sent));
		t_sent_free(sent);
	}
	folder_close(f);
	folder_damage(f, 'Z', 3500);
	folder_open(f);
	folder_consume(f, WRITE, 10);
	folder_gets(f, "whole");
	for (int i = 0; i < 4; i++)
		sgh_delivery_ack(t_inbox_next(&f->inbox));
}

static void a_damaged_page_stops_no_delay(void **state)
{
	struct folder *f = *state;

	publish_damaged(f, DELAY);
	folder_consume(f, WRITE, 10);
	folder_gets(f, "whole");
	assert_true(sgh_queue_ready(f->queue, true));
}

/* Its body is not read, and so it is noticed only when it has been settled. */
static void settle_damaged(struct folder *f,
			   void (*settle)(struct sgh_delivery *delivery))
{
	publish_damaged(f, WRITE);
	f->consumer = t_consume(f->queue, &f->inbox, WRITE, 10, LARGE, 1000);
	settle(t_inbox_next(&f->inbox));
	folder_gets(f, "whole");
	t_publish(f->queue, WRITE, "x");
	folder_gets(f, "x");
	assert_true(sgh_queue_ready(f->queue, true));
	assert_int_equal(t_messages(f->queue, DEAD), 0);
	folder_reopen(f);
	assert_int_equal(t_messages(f->queue, WRITE), 1);
}

static void what_cannot_be_removed_stays(void **state)
{
	settle_damaged(*state, sgh_delivery_ack);
}

static void what_cannot_be_moved_stays(void **state)
{
	settle_damaged(*state, sgh_delivery_reject);
}

static void whatever_is_read_is_survived(void **state)
{
	struct sgh_message *message = t_message(""), *got = NULL;
	struct sgh_buf buf = SGH_BUF_INIT(SGH_MESSAGE_META_MAX);

	assert_true(sgh_message_add_text(message, "text", "\xe0\xa4\xb8"));
	assert_true(sgh_message_add_number(message, "number", -1));
	assert_true(sgh_message_add_bool(message, "bool", true));
	sgh_message_write(message, &buf);
	assert_false(buf.failed);
	t_ok(sgh_message_read(buf.data, buf.length, &got, &t_err));
	assert_int_equal(got->header_count, 3);
	sgh_message_free(sgh_take(got));
	for (size_t i = 0; i < buf.length; i++) {
		t_fails(SANGRAHA_E_INTERNAL, sgh_message_read(buf.data, i, &got, &t_err));
		for (int bit = 0; bit < 8; bit++) {
			buf.data[i] ^= (char)(1 << bit);
			if (!sgh_message_read(buf.data, buf.length, &got, &t_err))
				sgh_message_free(sgh_take(got));
			buf.data[i] ^= (char)(1 << bit);
		}
	}
	sgh_buf_fini(&buf);
	sgh_message_free(message);
}

/* ---- the process dies ---- */

static bool is_any_left(struct folder *f)
{
	return t_messages(f->queue, WRITE) > 0 ||
	       t_inbox_count(&f->inbox) > f->inbox.taken;
}

/* Consume until there is nothing left (true), or "poison" is delivered and kills. */
static bool die_of_poison(struct folder *f, unsigned *ret_count)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct sgh_delivery *delivery;

		folder_open(f);
		folder_consume(f, WRITE, 5);
		while (is_any_left(f)) {
			delivery = t_inbox_next(&f->inbox);
			if (t_body_is(delivery, "poison")) {
				if (delivery->delivery_count <= 20)
					kill(getpid(), SIGKILL);
				_exit((int)delivery->delivery_count);
			}
			sgh_delivery_ack(delivery);
		}
		_exit(255);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return false;
	*ret_count = (unsigned)WEXITSTATUS(status);
	return true;
}

/* Who kills the process is found, and those around it are not blamed. */
static void poison_is_counted(void **state)
{
	struct folder *f = *state;
	unsigned count = 0, runs = 0;

	for (int i = 0; i < 20; i++)
		t_publish(f->queue, WRITE, i == 10 ? "poison" : "innocent");
	folder_close(f);
	while (!die_of_poison(f, &count))
		assert_in_range(++runs, 1, 40);
	assert_int_equal(count, 21);
	folder_open(f);
	folder_consume(f, WRITE, 30);
	while (is_any_left(f)) {
		struct sgh_delivery *delivery = t_inbox_next(&f->inbox);

		assert_true(delivery->redelivered);
		if (!t_body_is(delivery, "poison"))
			assert_in_range(delivery->delivery_count, 0, 10);
		sgh_delivery_ack(delivery);
	}
}

/* ---- the table ---- */

static void the_queues_are_those_of_the_contract(void **state)
{
	assert_int_equal(SGH_LOCAL_QUEUES, sgh_amqp_queue_count);
	for (size_t i = 0; i < SGH_LOCAL_QUEUES; i++) {
		const struct sgh_local_row *row = &sgh_local_rows[i];
		const struct sgh_amqp_queue *amqp = sgh_amqp_queue_find(row->name);
		bool delay = row->after != NULL;

		assert_non_null(amqp);
		assert_int_equal(row->number, i + 1);
		assert_int_equal(row->bound, amqp->bound);
		assert_int_equal(row->ttl_ms, amqp->message_ttl);
		assert_true(delay || row->max_length == (size_t)amqp->max_length);
		assert_int_equal(row->drops_head, amqp->overflow != NULL);
		assert_true(sgh_streq(delay ? row->after : row->dead_letters,
				      amqp->dead_key));
	}
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	CASE(a_url_needs_a_folder),
	CASE(another_context_is_told_to_wait),
	CASE(handles_share_a_folder),
	CASE(a_later_version_is_refused),
	CASE(messages_survive_in_order),
	CASE(what_is_in_hand_comes_again),
	CASE(what_is_transient_is_gone),
	CASE(a_dead_letter_says_where_it_died),
	CASE(looking_at_dead_letters_is_no_try),
	CASE(a_transient_dead_letter_is_written),
	CASE(a_delay_lasts_over_a_restart),
	CASE(what_was_due_while_closed_comes_at_once),
	CASE(a_time_too_far_away_counts_as_now),
	CASE(a_backlog_comes_in_order),
	CASE(what_is_returned_keeps_its_place),
	CASE(bodies_wait_on_the_disk_alone),
	CASE(transient_messages_are_bounded),
	CASE(a_full_queue_refuses_and_opens_fast),
	CASE(the_response_queue_drops_its_head),
	CASE(the_response_queue_forgets),
	CASE(the_response_queue_keeps_what_comes_from_the_future),
	CASE(who_comes_too_late_is_told),
	CASE(a_response_queue_ends_with_its_consumer),
	CASE(a_response_queue_ends_in_the_middle_of_a_delivery),
	CASE(a_damaged_message_is_put_aside),
	CASE(a_damaged_page_stops_no_neighbour),
	CASE(a_damaged_page_stops_only_what_is_on_it),
	CASE(a_damaged_page_stops_no_delay),
	CASE(what_cannot_be_removed_stays),
	CASE(what_cannot_be_moved_stays),
	cmocka_unit_test(whatever_is_read_is_survived),
	CASE(poison_is_counted),
	cmocka_unit_test(the_queues_are_those_of_the_contract),
};

t_main(tests)

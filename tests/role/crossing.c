/* SPDX-License-Identifier: MIT */
#include "role/receiver.h"
#include "support/roles.h"
#include "support/samples.h"
#include "wire/record.h"

/*
 * Everything at once on one id: puts of the same and of other bytes, of two types, deletes,
 * each once more or as if it had been delivered before, some late, over two receivers of
 * which one may lose its connection, while requests to the store and publishes fail, or
 * happen and are not answered. Whatever the order was, there is one effect.
 */

#define ROUNDS   100
#define REQUESTS 6
#define FAULTS   3

enum deed {
	PUT_A,
	PUT_B,
	PUT_IMAGE,
	DELETE_JSON,
	DELETE_IMAGE,
	DEEDS,
};

static const char *const bodies[] = { "{\"a\":1}", "{\"b\":2}" };

static const char *const places[] = {
	"put-new json",
	"put-new image",
	"put-new meta/operation",
	"put-new meta/deleted",
	"get meta/operation",
	"get meta/deleted",
	"head meta/deleted",
	"head json",
	"head image",
	"delete json",
	"delete image",
	"publish sangraha.object",
	"publish replies",
	"publish object_write_queue.delay",
};

static const char *const delays[] = {
	T_WRITE ".delay.1s",  T_WRITE ".delay.5s",   T_WRITE ".delay.15s",
	T_WRITE ".delay.60s", T_WRITE ".delay.300s",
};

struct round {
	struct t_roles *f;
	struct sangraha_receiver *other;
	struct sangraha_queue *other_queue;
	unsigned seed; /* tells everything but how threads took turns */
	unsigned dice;
	const char *id;
	struct sgh_bytes *image;
	enum deed deeds[REQUESTS];
	char operations[REQUESTS][SANGRAHA_ID_SIZE];
	bool ok[REQUESTS];
	unsigned created;
	unsigned deleted;
};

static unsigned roll(struct round *round, unsigned sides)
{
	return (unsigned)rand_r(&round->dice) / 7 % sides;
}

/* ---- what is sent ---- */

static bool is_put(enum deed deed)
{
	return deed <= PUT_IMAGE;
}

static const char *type_of(enum deed deed)
{
	return deed == PUT_IMAGE || deed == DELETE_IMAGE ? "image" : "json";
}

static struct sgh_request *make(struct round *round, enum deed deed)
{
	struct sgh_request *request;

	if (!is_put(deed))
		return t_request(SGH_DELETE, type_of(deed), round->id);
	request = t_put(round->id, bodies[deed == PUT_B]);
	request->fresh = false;
	if (deed == PUT_IMAGE) {
		sgh_bytes_unref(request->body);
		request->body = sgh_bytes_ref(round->image);
		request->content_type = "image/png";
	}
	return request;
}

static void send(struct round *round, unsigned n)
{
	static const enum deed likely[] = { PUT_A,       PUT_A,       PUT_A,
					    PUT_B,       PUT_IMAGE,   DELETE_JSON,
					    DELETE_JSON, DELETE_IMAGE };
	enum deed deed = likely[roll(round, SGH_COUNT(likely))];
	struct sgh_request *request = make(round, deed);
	unsigned again = roll(round, 4) == 0;
	char correlation[8];

	snprintf(correlation, sizeof(correlation), "%u", n);
	request->correlation_id = sgh_arena_strdup(&request->arena, correlation);
	round->deeds[n] = deed;
	snprintf(round->operations[n], SANGRAHA_ID_SIZE, "%s", request->operation_id);
	if (roll(round, 3) == 0)
		request->deadline = sgh_time_ms() + 900;
	if (roll(round, 8) == 0) {
		request->deadline = sgh_time_ms() - 1;
		again = 1;
	}
	t_send_again(round->f, request, again);
}

static void break_something(struct round *round)
{
	struct script *script = round->f->script;
	const char *place = places[roll(round, SGH_COUNT(places))];
	unsigned nth = 1 + roll(round, 4);
	int status = roll(round, 2) ? SANGRAHA_E_TIMEOUT : SANGRAHA_E_UNAVAILABLE;

	switch (roll(round, 4)) {
	case 0:
		script_fail(script, place, nth, status);
		break;
	case 1:
		script_lose(script, place, nth, status);
		break;
	default:
		script_delay(script, place, nth, 1 + roll(round, 20));
	}
}

/* ---- the end of it ---- */

static bool works(struct sangraha_receiver *receiver)
{
	bool works;

	pthread_mutex_lock(&receiver->service.state.lock);
	works = receiver->service.state.task_count > 0;
	pthread_mutex_unlock(&receiver->service.state.lock);
	return works;
}

static bool waits(const struct round *round)
{
	bool waits = memory_broker_count(round->f->broker, T_WRITE) > 0;

	for (size_t i = 0; i < SGH_COUNT(delays); i++)
		waits |= memory_broker_count(round->f->broker, delays[i]) > 0;
	return waits;
}

/* Nothing waits, nobody works, and it stays so: one may be on its way between the two. */
static bool is_over(const struct round *round)
{
	for (int i = 0; i < 5; i++) {
		if (waits(round) || works(round->f->receiver) || works(round->other))
			return false;
		t_pause();
	}
	return true;
}

static void read_answers(struct round *round)
{
	while (memory_broker_count(round->f->broker, T_REPLIES) > 0) {
		struct sgh_message *message =
			memory_broker_take(round->f->broker, T_REPLIES);
		struct sgh_reply *reply = NULL;

		t_ok(sgh_reply_parse(message, NULL, &reply, &t_err));
		sgh_message_free(message);
		if (!reply->status)
			round->ok[atoi(reply->correlation_id)] = true;
		sgh_reply_free(reply);
	}
	while (memory_broker_count(round->f->broker, T_EVENTS) > 0) {
		struct sgh_message *event =
			memory_broker_take(round->f->broker, T_EVENTS);

		round->created += sgh_streq(event->type, "sangraha.object.created");
		round->deleted += sgh_streq(event->type, "sangraha.object.deleted");
		sgh_message_free(event);
	}
}

/* ---- what must be true then ---- */

#define must(round, condition)                                                   \
	do {                                                                     \
		if (!(condition))                                                \
			fail_msg("round %u: not %s", (round)->seed, #condition); \
	} while (0)

static bool is_dead(const struct round *round, const char *type)
{
	char key[SGH_RECORD_KEY_SIZE];

	sgh_record_key_deleted(key, type, round->id);
	return memory_store_has(round->f->store, "meta", key);
}

static bool is_there(const struct round *round, const char *type)
{
	return memory_store_has(round->f->store, type, round->id);
}

static bool holds(const struct round *round, enum deed deed)
{
	struct sgh_bytes *there =
		memory_store_body(round->f->store, type_of(deed), round->id);
	const char *text = bodies[deed == PUT_B];
	bool same;

	if (!there)
		return false;
	same = deed == PUT_IMAGE || (there->length == strlen(text) &&
				     !memcmp(there->data, text, there->length));
	sgh_bytes_unref(there);
	return same;
}

static void judge(const struct round *round)
{
	unsigned stored[DEEDS] = { 0 };
	bool dead = is_dead(round, "json") || is_dead(round, "image");
	bool there = is_there(round, "json") || is_there(round, "image");

	for (unsigned n = 0; n < REQUESTS; n++) {
		enum deed deed = round->deeds[n];

		if (!round->ok[n])
			continue;
		stored[deed] = 1;
		if (is_put(deed))
			must(round, holds(round, deed) || is_dead(round, type_of(deed)));
		else
			must(round, is_dead(round, type_of(deed)));
	}
	must(round, stored[PUT_A] + stored[PUT_B] + stored[PUT_IMAGE] <= 1);
	must(round, !(dead && there));
	must(round, !(is_there(round, "json") && is_there(round, "image")));
	must(round, round->created || !(there || stored[PUT_A] || stored[PUT_B] ||
					stored[PUT_IMAGE]));
	must(round, round->deleted || !dead);
	must(round, memory_broker_count(round->f->broker, T_DEAD) == 0);
}

static void play(struct round *round)
{
	struct t_roles *f = round->f;
	unsigned faults = roll(round, FAULTS + 1);

	round->id = t_id(round->seed);
	for (unsigned i = 0; i < faults; i++)
		break_something(round);
	for (unsigned n = 0; n < REQUESTS; n++) {
		send(round, n);
		if (roll(round, 3) == 0)
			t_pause();
	}
	if (roll(round, 3) == 0) {
		memory_queue_disconnect(f->queue);
		memory_queue_connect(f->queue);
	}
	t_wait(is_over(round));
	script_clear(f->script);
	read_answers(round);
	judge(round);
	script_forget(f->script);
}

static void there_is_one_effect(void **state)
{
	struct round all = { .f = *state };
	struct t_sample png = { 0 };

	t_png(&png);
	all.image = sgh_bytes_copy(png.data, png.length);
	all.other_queue = memory_queue_new(all.f->context, all.f->broker, all.f->script);
	t_ok(sangraha_receiver_start(all.f->context, all.other_queue, all.f->store, NULL,
				     &all.other, &t_err));
	for (unsigned seed = 1; seed <= ROUNDS; seed++) {
		struct round round = all;

		round.seed = seed;
		round.dice = seed;
		play(&round);
	}
	sgh_bytes_unref(all.image);
	sangraha_receiver_free(all.other);
	sangraha_queue_unref(all.other_queue);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(there_is_one_effect, t_receiver_begin,
					t_roles_end),
};

t_main(tests)

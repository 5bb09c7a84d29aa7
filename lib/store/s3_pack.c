/* SPDX-License-Identifier: MIT */
#include "store/s3.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/metrics.h"
#include "wire/sha256.h"

/*
 * Small puts that travel together. A put that finds no request of its bucket under way goes
 * at once and alone, so nobody waits for company, unless its caller has some at hand
 * (sgh_store_op.held). Beside one that is under way others go when they are as many as went
 * with it, so that archives do not fall apart into smaller and smaller ones; beside FLIGHTS
 * none do. Those that have waited go in one archive, which the server takes apart
 * (s3_extract.c). README.md tells what an answer means.
 */

#define FLIGHTS     2
#define OLD_MS      50 /* nobody is held up by one for longer */
#define MEMBERS_MAX 64
#define BYTES_MAX   ((size_t)1 << 20)
#define HELD_MAX \
	16 /* that wait for their caller's others; MinIO stores so many at once */

/* An archive on its way. Its members may leave it before, at their deadlines. */
struct pack {
	struct sgh_store_op op;
	struct sgh_s3 *s3;
	struct sgh_s3_lane *lane;
	struct sgh_list link;    /* in lane->packs */
	struct sgh_list members; /* sgh_store_op.link */
	unsigned count;          /* of them, when it went */
	char sha256[SANGRAHA_SHA256_SIZE];
};

/* Operations that end, by whether they were sent. */
struct ended {
	struct sgh_list waited;
	struct sgh_list sent;
};

static void done(struct sgh_store_op *op);

static void pack_free(struct pack *pack)
{
	sgh_store_op_fini(&pack->op);
	sgh_bytes_unref(pack->op.body);
	free(pack);
}

/* ---- the lane ---- */

/* A request with so many puts goes; `op` is what is sent. */
static void note_gone_locked(struct sgh_s3_lane *lane, struct sgh_store_op *op,
			     unsigned puts)
{
	op->gone_ms = sgh_now_ms();
	lane->flights++;
	lane->travelling += puts;
	lane->gone_ms += op->gone_ms;
}

static void note_landed_locked(struct sgh_s3_lane *lane, const struct sgh_store_op *op,
			       unsigned puts)
{
	lane->flights--;
	lane->travelling -= puts;
	lane->gone_ms -= op->gone_ms;
}

static void count_alone_locked(struct sgh_s3_lane *lane, const struct sgh_list *ops)
{
	sgh_list_for_each (link, ops)
		note_gone_locked(lane, sgh_list_entry(link, struct sgh_store_op, link),
				 1);
}

static void alone_landed(struct sgh_s3 *s3, struct sgh_s3_lane *lane,
			 const struct sgh_store_op *op)
{
	pthread_mutex_lock(&s3->packing.lock);
	note_landed_locked(lane, op, 1);
	pthread_mutex_unlock(&s3->packing.lock);
}

static void due_locked(struct sgh_s3 *s3, int64_t at_ms)
{
	if (at_ms >= s3->packing.due_ms)
		return;
	s3->packing.due_ms = at_ms;
	/* There is room for it, so it cannot fail. */
	sgh_timer_arm(s3->timers, &s3->packing.timer, at_ms);
}

/*
 * Whether those that wait, and so many more, may go. Beside one that is under way if they
 * are as many: that never takes more than MEMBERS_MAX. But whoever hangs must not hold them
 * up, so the timer looks at them when it is old.
 */
static bool may_go_locked(struct sgh_s3 *s3, const struct sgh_s3_lane *lane,
			  unsigned more)
{
	int64_t old_ms = lane->gone_ms + s3->packing.old_ms;

	if (!lane->flights || lane->flights >= FLIGHTS)
		return !lane->flights;
	if (lane->waiting_count + more >= lane->travelling ||
	    lane->waiting_bytes >= BYTES_MAX || sgh_now_ms() >= old_ms)
		return true;
	due_locked(s3, old_ms);
	return false;
}

/* ---- archives ---- */

/* Each member has its own time; the request has that of the last, and hurries for the first. */
static void note_times(struct sgh_store_op *op, const struct sgh_store_op *member)
{
	if (member->deadline_ms > op->deadline_ms)
		op->deadline_ms = member->deadline_ms;
	if (member->wanted_ms && (!op->wanted_ms || member->wanted_ms < op->wanted_ms))
		op->wanted_ms = member->wanted_ms;
}

/* Takes the members over, and is counted, unless it is NULL: there is no memory. */
static struct pack *pack_new_locked(struct sgh_s3 *s3, struct sgh_s3_lane *lane,
				    struct sgh_list *members, size_t size)
{
	struct pack *pack = calloc(1, sizeof(*pack));

	if (!pack)
		return NULL;
	pack->s3 = s3;
	pack->lane = lane;
	pack->op = (struct sgh_store_op){
		.verb = SGH_STORE_PUT,
		.bucket = lane->bucket,
		.key = "archive",
		.body = sgh_s3_archive_new(s3, members, size),
		.content_type = SGH_S3_TAR_TYPE,
		.meta = &sgh_s3_tar_meta,
		.meta_count = 1,
		.sha256 = pack->sha256,
		.tar = true,
		.done = done,
	};
	if (!pack->op.body) {
		free(pack);
		return NULL;
	}
	sgh_list_for_each (link, members) {
		note_times(&pack->op, sgh_list_entry(link, struct sgh_store_op, link));
		pack->count++;
	}
	sgh_list_init(&pack->members);
	sgh_list_splice(&pack->members, members);
	sgh_list_append(&lane->packs, &pack->link);
	note_gone_locked(lane, &pack->op, pack->count);
	return pack;
}

/* ---- ends ---- */

/* Whether the first of those that are still to end has that owner. */
static bool is_next_of(const struct sgh_list *ops, const void *owner)
{
	return owner && !sgh_list_empty(ops) &&
	       sgh_list_entry(ops->next, struct sgh_store_op, link)->owner == owner;
}

static void end(struct sgh_s3 *s3, struct sgh_list *ops, int status, bool unsent,
		long native, const char *why)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(ops))) {
		struct sgh_store_op *op = sgh_list_entry(link, struct sgh_store_op, link);

		op->status = status;
		op->unsent = unsent;
		op->goes_on = is_next_of(ops, op->owner);
		if (status)
			sgh_fail(&op->err, status, native, "PUT %s%s/%s: %s",
				 s3->store.bucket_prefix, op->bucket, op->key, why);
		sgh_store_complete(&s3->store, op);
	}
}

/* They are counted in the lane already. `unsent`: nothing was sent of them before. */
static void send_alone(struct sgh_s3 *s3, struct sgh_s3_lane *lane, struct sgh_list *ops,
		       bool unsent)
{
	struct sgh_list *link;

	while ((link = sgh_list_pop(ops))) {
		struct sgh_store_op *op = sgh_list_entry(link, struct sgh_store_op, link);
		int rc;

		op->backend = lane;
		rc = sgh_s3_put_alone(s3, op, &op->err);
		if (!rc)
			continue;
		alone_landed(s3, lane, op);
		op->status = rc;
		op->unsent = unsent;
		sgh_store_complete(&s3->store, op);
	}
}

/* It has landed, or was never sent: what is left of its members, and nothing of it. */
static void dissolve(struct pack *pack, struct sgh_list *ret_members)
{
	struct sgh_s3 *s3 = pack->s3;

	sgh_list_init(ret_members);
	pthread_mutex_lock(&s3->packing.lock);
	sgh_list_splice(ret_members, &pack->members);
	sgh_list_remove(&pack->link);
	note_landed_locked(pack->lane, &pack->op, pack->count);
	pthread_mutex_unlock(&s3->packing.lock);
	pack_free(pack);
}

static void count_alone(struct sgh_s3 *s3, struct sgh_s3_lane *lane,
			const struct sgh_list *ops)
{
	pthread_mutex_lock(&s3->packing.lock);
	count_alone_locked(lane, ops);
	pthread_mutex_unlock(&s3->packing.lock);
}

/* ---- sending ---- */

static void send_pack(struct pack *pack)
{
	struct sgh_s3 *s3 = pack->s3;
	struct sgh_s3_lane *lane = pack->lane;
	const struct sgh_bytes *body = pack->op.body;
	struct sgh_list members;
	int rc = sgh_sha256_hex(body->data, body->length, pack->sha256, NULL);

	/* It may be gone when this returns. */
	if (!rc)
		rc = sgh_s3_submit_internal(s3, &pack->op, NULL, &pack->op.err);
	if (!rc)
		return;
	dissolve(pack, &members);
	count_alone(s3, lane, &members);
	send_alone(s3, lane, &members, true);
}

/* Those that go next, the oldest; the bytes they take together. */
static size_t choose_locked(struct sgh_s3_lane *lane, struct sgh_list *chosen,
			    unsigned *ret_count)
{
	size_t bytes = 0;

	*ret_count = 0;
	while (!sgh_list_empty(&lane->waiting) && *ret_count < MEMBERS_MAX) {
		struct sgh_list *link = lane->waiting.next;
		size_t size = sgh_list_entry(link, struct sgh_store_op, link)->packed;

		if (*ret_count && bytes + size > BYTES_MAX)
			break;
		sgh_list_remove(link);
		sgh_list_append(chosen, link);
		bytes += size;
		++*ret_count;
	}
	lane->waiting_count -= *ret_count;
	lane->waiting_bytes -= bytes;
	return bytes;
}

/* What goes next: an archive, or, into `alone`, what is better off so. False: nothing. */
static bool take_locked(struct sgh_s3 *s3, struct sgh_s3_lane *lane, uint32_t avoid,
			struct pack **ret_pack, struct sgh_list *alone)
{
	unsigned count;
	size_t bytes;

	*ret_pack = NULL;
	sgh_list_init(alone);
	/* Whoever has to wait still does so for those under way, not for company. */
	lane->held = 0;
	if (sgh_list_empty(&lane->waiting) || !may_go_locked(s3, lane, 0))
		return false;
	bytes = choose_locked(lane, alone, &count);
	if (count > 1 && sgh_s3_others(s3, true, avoid))
		*ret_pack = pack_new_locked(s3, lane, alone, bytes);
	if (*ret_pack) {
		(*ret_pack)->op.avoid = avoid;
		sgh_metric_add(s3->packing.packs, 1);
		sgh_metric_add(s3->packing.objects, count);
	}
	count_alone_locked(lane, alone);
	return true;
}

static void go_on(struct sgh_s3 *s3, struct sgh_s3_lane *lane)
{
	uint32_t avoid = sgh_s3_not_extracting(s3);
	struct sgh_list alone;
	struct pack *pack;
	bool taken;

	do {
		pthread_mutex_lock(&s3->packing.lock);
		taken = take_locked(s3, lane, avoid, &pack, &alone);
		pthread_mutex_unlock(&s3->packing.lock);
		if (pack)
			send_pack(pack);
		send_alone(s3, lane, &alone, true);
	} while (taken);
}

/* Have the lanes go on of which that is so. */
static void go_on_if(struct sgh_s3 *s3,
		     bool (*is_so)(struct sgh_s3 *s3, const struct sgh_s3_lane *lane))
{
	struct sgh_s3_lane *found[SGH_S3_LANES_MAX];
	unsigned count = 0;

	pthread_mutex_lock(&s3->packing.lock);
	for (unsigned i = 0; i < s3->packing.lane_count; i++)
		if (is_so(s3, &s3->packing.lanes[i]))
			found[count++] = &s3->packing.lanes[i];
	pthread_mutex_unlock(&s3->packing.lock);
	for (unsigned i = 0; i < count; i++)
		go_on(s3, found[i]);
}

void sgh_s3_lane_landed(struct sgh_s3 *s3, struct sgh_store_op *op)
{
	struct sgh_s3_lane *lane = op->backend;

	alone_landed(s3, lane, op);
	go_on(s3, lane);
}

/* What an answer says of a member that could not be said of the whole is not known. */
static int status_of_member(int status)
{
	return !status || status == SANGRAHA_E_TIMEOUT ? status : SANGRAHA_E_UNAVAILABLE;
}

static bool is_refused(int status)
{
	return status && status != SANGRAHA_E_TIMEOUT &&
	       status != SANGRAHA_E_UNAVAILABLE && status != SANGRAHA_E_OVERLOADED;
}

static void done(struct sgh_store_op *op)
{
	struct pack *pack = sgh_container_of(op, struct pack, op);
	struct sgh_s3 *s3 = pack->s3;
	struct sgh_s3_lane *lane = pack->lane;
	struct sangraha_error err = op->err;
	bool garbled = op->status && op->garbled;
	int status = status_of_member(op->status);
	struct sgh_list members;

	SGH_FAIL_POINT("pack.answered");
	if (is_refused(op->status))
		sgh_s3_extract_refused(s3);
	dissolve(pack, &members);
	/* Nothing else can lie there than what is wrong: each is written over it. */
	if (garbled) {
		count_alone(s3, lane, &members);
		send_alone(s3, lane, &members, false);
	}
	/* Also where none of those could be sent. */
	go_on(s3, lane);
	end(s3, &members, status, false, err.native, err.message);
}

/* ---- deadlines, and other ends before their time ---- */

/* Move those out of a list whose time is over at `now`, or that have this owner. */
static void leave_locked(struct sgh_s3 *s3, struct sgh_list *ops, int64_t now,
			 const void *owner, struct sgh_list *ended)
{
	sgh_list_for_each_safe (link, ops) {
		struct sgh_store_op *op = sgh_list_entry(link, struct sgh_store_op, link);

		if (op->deadline_ms > now && (!owner || op->owner != owner)) {
			due_locked(s3, op->deadline_ms);
			continue;
		}
		sgh_list_remove(link);
		sgh_list_append(ended, link);
	}
}

/* What is left of those that wait; nobody waits for company when nobody waits. */
static void recount_locked(struct sgh_s3_lane *lane)
{
	lane->waiting_count = 0;
	lane->waiting_bytes = 0;
	sgh_list_for_each (link, &lane->waiting) {
		lane->waiting_count++;
		lane->waiting_bytes +=
			sgh_list_entry(link, struct sgh_store_op, link)->packed;
	}
	if (!lane->waiting_count)
		lane->held = 0;
}

static void leave_lanes_locked(struct sgh_s3 *s3, int64_t now, const void *owner,
			       struct ended *ended)
{
	sgh_list_init(&ended->waited);
	sgh_list_init(&ended->sent);
	for (unsigned i = 0; i < s3->packing.lane_count; i++) {
		struct sgh_s3_lane *lane = &s3->packing.lanes[i];

		leave_locked(s3, &lane->waiting, now, owner, &ended->waited);
		recount_locked(lane);
		sgh_list_for_each (link, &lane->packs)
			leave_locked(s3,
				     &sgh_list_entry(link, struct pack, link)->members,
				     now, owner, &ended->sent);
	}
}

/* Those that are held wait for something else; without a flight somebody takes them. */
static bool is_due_locked(struct sgh_s3 *s3, const struct sgh_s3_lane *lane)
{
	return lane->flights && !lane->held && !sgh_list_empty(&lane->waiting) &&
	       may_go_locked(s3, lane, 0);
}

static void expire(struct sgh_timer *timer)
{
	struct sgh_s3 *s3 = sgh_container_of(timer, struct sgh_s3, packing.timer);
	struct ended ended;

	pthread_mutex_lock(&s3->packing.lock);
	s3->packing.due_ms = SGH_NEVER;
	leave_lanes_locked(s3, sgh_now_ms(), NULL, &ended);
	pthread_mutex_unlock(&s3->packing.lock);
	end(s3, &ended.waited, SANGRAHA_E_TIMEOUT, true, 0,
	    "the deadline passed while it waited to be sent");
	end(s3, &ended.sent, SANGRAHA_E_TIMEOUT, false, 0,
	    "there was no complete answer before the deadline");
	go_on_if(s3, is_due_locked);
}

void sgh_s3_pack_cancel(struct sgh_s3 *s3, const void *owner)
{
	struct ended ended;

	pthread_mutex_lock(&s3->packing.lock);
	leave_lanes_locked(s3, INT64_MIN, owner, &ended);
	pthread_mutex_unlock(&s3->packing.lock);
	end(s3, &ended.waited, SANGRAHA_E_UNAVAILABLE, true, 0,
	    "the request was given up");
	end(s3, &ended.sent, SANGRAHA_E_UNAVAILABLE, false, 0,
	    "the request was given up");
}

/* ---- beginning ---- */

static struct sgh_s3_lane *lane_of_locked(struct sgh_s3 *s3, const char *bucket)
{
	struct sgh_s3_lane *lane;

	for (unsigned i = 0; i < s3->packing.lane_count; i++)
		if (strcmp(s3->packing.lanes[i].bucket, bucket) == 0)
			return &s3->packing.lanes[i];
	if (s3->packing.lane_count == SGH_COUNT(s3->packing.lanes))
		return NULL;
	lane = &s3->packing.lanes[s3->packing.lane_count++];
	snprintf(lane->bucket, sizeof(lane->bucket), "%s", bucket);
	sgh_list_init(&lane->waiting);
	sgh_list_init(&lane->packs);
	return lane;
}

/* It joins those that wait. Whether they go now. */
static bool join_locked(struct sgh_s3 *s3, struct sgh_s3_lane *lane,
			struct sgh_store_op *op)
{
	op->packed = sgh_s3_archive_size(op);
	sgh_list_append(&lane->waiting, &op->link);
	lane->waiting_count++;
	lane->waiting_bytes += op->packed;
	due_locked(s3, op->deadline_ms);
	if (lane->flights >= FLIGHTS || (op->held && ++lane->held < HELD_MAX))
		return false;
	lane->held = 0;
	return may_go_locked(s3, lane, 0);
}

/*
 * Whether it waits for those before it, or those behind it. Not: it goes, and is counted in
 * its lane. `go`: it waits with others whose time has come.
 */
static bool waits(struct sgh_s3 *s3, struct sgh_store_op *op, struct sgh_s3_lane **ret_go)
{
	struct sgh_s3_lane *lane;
	bool goes;

	pthread_mutex_lock(&s3->packing.lock);
	lane = lane_of_locked(s3, op->bucket);
	goes = !lane || (sgh_list_empty(&lane->waiting) && !op->held &&
			 may_go_locked(s3, lane, 1));
	if (lane && goes) {
		note_gone_locked(lane, op, 1);
		op->backend = lane;
	} else if (lane && join_locked(s3, lane, op)) {
		*ret_go = lane;
	}
	pthread_mutex_unlock(&s3->packing.lock);
	return !goes;
}

int sgh_s3_pack_submit(struct sgh_s3 *s3, struct sgh_store_op *op,
		       struct sangraha_error *err)
{
	struct sgh_s3_lane *go = NULL;
	int rc;

	if (sgh_s3_archive_fits(op) &&
	    sgh_s3_others(s3, true, sgh_s3_not_extracting(s3)) && waits(s3, op, &go)) {
		if (go)
			go_on(s3, go);
		return 0;
	}
	rc = sgh_s3_put_alone(s3, op, err);
	if (rc && op->backend)
		sgh_s3_lane_landed(s3, op);
	return rc;
}

static bool is_held_locked(struct sgh_s3 *s3, const struct sgh_s3_lane *lane)
{
	return lane->held;
}

void sgh_s3_pack_go_on(struct sgh_s3 *s3)
{
	go_on_if(s3, is_held_locked);
}

void sgh_s3_pack_init(struct sgh_s3 *s3)
{
	struct sgh_metrics *metrics = s3->store.context->metrics;

	pthread_mutex_init(&s3->packing.lock, NULL);
	s3->packing.timer.fire = expire;
	s3->packing.due_ms = SGH_NEVER;
	s3->packing.old_ms = OLD_MS;
	s3->packing.packs =
		sgh_metrics_counter(metrics, "sangraha_store_packs_total", "");
	s3->packing.objects =
		sgh_metrics_counter(metrics, "sangraha_store_packed_objects_total", "");
}

static void assert_is_empty(const struct sgh_s3_lane *lane)
{
	assert(sgh_list_empty(&lane->waiting) && sgh_list_empty(&lane->packs));
	assert(!lane->waiting_count && !lane->waiting_bytes);
	assert(!lane->flights && !lane->travelling && !lane->gone_ms);
}

void sgh_s3_pack_fini(struct sgh_s3 *s3)
{
	sgh_timers_free(s3->timers);
	for (unsigned i = 0; i < s3->packing.lane_count; i++)
		assert_is_empty(&s3->packing.lanes[i]);
	pthread_mutex_destroy(&s3->packing.lock);
}

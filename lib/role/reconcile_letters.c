/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/util.h"
#include "role/reconcile.h"
#include "wire/sha256.h"

/*
 * The dead letters of the write queue: whether what one wanted has been done meanwhile, so
 * that it may be dropped, or cannot be done any more. The others are for who replays them.
 * One look is enough: what is stored under an id stays, or is deleted. That an object is
 * not there is no proof of its delete: its put may be on its way, or a dead letter too.
 */

#define PLACE_SIZE 160

struct letters {
	struct sgh_reconcile *rec;
	struct sangraha_error *err;
	int status; /* the first failure of the store */
};

/* What a look at a letter told. */
struct verdict {
	enum sangraha_finding_kind kind; /* 0: nothing is wrong */
	const struct sgh_type_info *type;
	const char *reason;
};

/* The digest that its requester meant: of the bytes where they are there. */
static const char *digest_of(const struct sangraha_dead_letter *letter,
			     char sha256[SANGRAHA_SHA256_SIZE])
{
	if (sgh_streq(letter->operation, "put") && letter->data &&
	    !sgh_sha256_hex(letter->data, letter->length, sha256, NULL))
		return sha256;
	return letter->sha256;
}

static int look_at_tombstones(struct sgh_reconcile *rec, const char *id,
			      struct verdict *verdict, struct sangraha_error *err)
{
	bool deleted = false;
	int status = 0;

	for (unsigned i = 0; !status && !deleted && i < rec->type_count; i++) {
		status =
			sgh_reconcile_deleted(rec, rec->types[i].name, id, &deleted, err);
		if (!status && deleted)
			verdict->type = &rec->types[i];
	}
	if (!status && deleted) {
		verdict->kind = SANGRAHA_FINDING_LETTER_REFUSED;
		verdict->reason = "its id was deleted, so it would be refused";
	}
	return status;
}

static int look_at_write(struct sgh_reconcile *rec,
			 const struct sangraha_dead_letter *letter,
			 struct verdict *verdict, struct sangraha_error *err)
{
	char stored[SANGRAHA_SHA256_SIZE] = "", wanted[SANGRAHA_SHA256_SIZE];
	const char *digest = digest_of(letter, wanted);
	bool there = false;
	int status = look_at_tombstones(rec, letter->object_id, verdict, err);

	for (unsigned i = 0; !status && !verdict->kind && !there && i < rec->type_count;
	     i++) {
		verdict->type = &rec->types[i];
		status = sgh_reconcile_find(rec, verdict->type, letter->object_id, &there,
					    stored, err);
	}
	if (status || verdict->kind || !there)
		return status;
	if (digest && strcmp(stored, digest) == 0) {
		verdict->kind = SANGRAHA_FINDING_LETTER_DONE;
		verdict->reason = "the object that it wanted to write is stored";
	} else if (digest || !stored[0]) {
		verdict->kind = SANGRAHA_FINDING_LETTER_REFUSED;
		verdict->reason = "another object is stored under its id, so it would be "
				  "refused";
	}
	return 0;
}

static int look_at_delete(struct sgh_reconcile *rec,
			  const struct sangraha_dead_letter *letter,
			  struct verdict *verdict, struct sangraha_error *err)
{
	char stored[SANGRAHA_SHA256_SIZE];
	bool there = false, deleted = false;
	int status;

	verdict->type = sgh_reconcile_type(rec, letter->object_type);
	if (!verdict->type)
		return 0;
	status = sgh_reconcile_find(rec, verdict->type, letter->object_id, &there, stored,
				    err);
	if (!status && !there)
		status = sgh_reconcile_deleted(rec, verdict->type->name,
					       letter->object_id, &deleted, err);
	if (!status && deleted) {
		verdict->kind = SANGRAHA_FINDING_LETTER_DONE;
		verdict->reason = "the object that it wanted to delete was deleted";
	}
	return status;
}

static int look(struct sgh_reconcile *rec, const struct sangraha_dead_letter *letter,
		struct verdict *verdict, struct sangraha_error *err)
{
	if (!sangraha_id_valid(letter->object_id) ||
	    !sgh_reconcile_is_old(rec, letter->died_ms))
		return 0;
	if (sgh_streq(letter->operation, "delete"))
		return look_at_delete(rec, letter, verdict, err);
	if (sgh_streq(letter->operation, "put") ||
	    sgh_streq(letter->operation, "put-begin") ||
	    sgh_streq(letter->operation, "put-commit"))
		return look_at_write(rec, letter, verdict, err);
	return 0;
}

static int tell(struct sgh_reconcile *rec, const struct sangraha_dead_letter *letter,
		const struct verdict *verdict)
{
	char place[PLACE_SIZE];
	struct sangraha_finding finding = {
		.kind = verdict->kind,
		.place = place,
		.type = verdict->type ? verdict->type->name : NULL,
		.id = letter->object_id,
		.reason = verdict->reason,
		.remedy = sgh_reconcile_remedy(verdict->kind),
		.age_ms = sgh_time_ms() - letter->died_ms,
	};
	bool drops = finding.remedy && rec->repair;

	snprintf(place, sizeof(place), "%s.dlq/%s", SANGRAHA_WRITE_QUEUE, letter->id);
	if (drops)
		finding.action = SANGRAHA_FINDING_DID;
	else if (finding.remedy)
		finding.action = SANGRAHA_FINDING_WOULD;
	sgh_reconcile_tell(rec, &finding);
	return drops ? SANGRAHA_DEAD_LETTER_DROP : SANGRAHA_DEAD_LETTER_KEEP;
}

static int visit(void *arg, const struct sangraha_dead_letter *letter)
{
	struct letters *letters = arg;
	struct sgh_reconcile *rec = letters->rec;
	struct verdict verdict = { 0 };
	int fate = SANGRAHA_DEAD_LETTER_KEEP;

	rec->counts.letters++;
	letters->status = look(rec, letter, &verdict, letters->err);
	SGH_FAIL_POINT("reconcile.letter-looked");
	if (!letters->status && verdict.kind)
		fate = tell(rec, letter, &verdict);
	if (letters->status || rec->stopped)
		fate |= SANGRAHA_DEAD_LETTER_STOP;
	return fate;
}

int sgh_reconcile_letters(struct sgh_reconcile *rec, struct sangraha_error *err)
{
	struct letters letters = { .rec = rec, .err = err };
	struct sangraha_dead_letter_options options = {
		.size = sizeof(options),
		.max = SANGRAHA_DEAD_LETTERS_MAX,
	};
	struct sangraha_error why = { 0 };
	int status;

	if (!rec->queue)
		return 0;
	status = sangraha_admin_visit_dead_letters(rec->queue, SANGRAHA_WRITE_QUEUE,
						   &options, visit, &letters, NULL, &why);
	if (letters.status)
		return letters.status;
	return status ? sgh_fail_with(err, status, &why) : 0;
}

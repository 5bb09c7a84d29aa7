/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "store/folder.h"
#include "support/disk.h"

/*
 * A process that is killed at any of its system calls, and the order of calls that a power
 * cut needs.
 */

/* ---- killed ---- */

struct step {
	int (*run)(struct folder *f, const char *key, char byte, size_t size);
	const char *key;
	char byte; /* '\0': it is not there afterwards */
	size_t size;
};

static int make_bucket(struct folder *f, const char *key, char byte, size_t size)
{
	return sangraha_store_make_bucket(f->store, "image", 0, &t_err);
}

static int erase(struct folder *f, const char *key, char byte, size_t size)
{
	return folder_delete(f, key);
}

/* In two parts, of which one comes twice. */
static int put_parts(struct folder *f, const char *key, char byte, size_t size)
{
	sgh_autofree char *upload = folder_begin(f, key);
	struct folder_part parts[2];

	return !upload || folder_part(f, key, upload, 2, '-', 3, NULL) ||
	       folder_part(f, key, upload, 1, byte, SGH_PART_MIN, &parts[0]) ||
	       folder_part(f, key, upload, 2, byte, size - SGH_PART_MIN, &parts[1]) ||
	       folder_complete(f, key, upload, parts, 2);
}

static int give_up(struct folder *f, const char *key, char byte, size_t size)
{
	sgh_autofree char *upload = folder_begin(f, key);

	return !upload || folder_part(f, key, upload, 1, '-', 10, NULL) ||
	       folder_abort(f, key, upload);
}

#define PARTS (SGH_PART_MIN + 10)

static const struct step objects[] = {
	{ make_bucket, "-", '\0', 0 },           { folder_put, "a", 'a', 100 },
	{ folder_put, "b", 'b', LARGE },         { folder_put, "a", 'A', LARGE + 5 },
	{ folder_put, "b", 'B', LARGE + 6 },     { folder_put, "b", 'c', 7 },
	{ folder_put_new, "c", 'd', LARGE + 8 }, { erase, "a", '\0', 0 },
	{ folder_put_new, "a", 'e', 9 },         { erase, "c", '\0', 0 },
};

static const struct step uploads[] = {
	{ make_bucket, "-", '\0', 0 },  { give_up, "-", '\0', 0 },
	{ put_parts, "a", 'a', PARTS }, { put_parts, "a", 'b', PARTS + 1 },
	{ erase, "a", '\0', 0 },
};

/* The steps of the case. */
static const struct step *steps;
static size_t step_count;

/* What the process that dies leaves to the one that looks. */
struct report {
	unsigned done;
};

static void run_steps(struct folder *f, struct report *report)
{
	if (folder_try(f))
		_exit(2);
	for (unsigned i = 0; i < step_count; i++) {
		const struct step *step = &steps[i];

		if (step->run(f, step->key, step->byte, step->size))
			_exit(3);
		__atomic_store_n(&report->done, i + 1, __ATOMIC_RELEASE);
	}
	folder_close(f);
	_exit(0);
}

/* True when it came to its end before its n-th call. */
static bool die_at(struct folder *f, unsigned n, struct report *report)
{
	int status;
	pid_t pid;

	report->done = 0;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		t_disk_kill_at(n);
		run_steps(f, report);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return !WIFSIGNALED(status);
}

/* Whether a key is as the first `count` steps leave it. */
static bool is_as_after(struct folder *f, const char *key, unsigned count)
{
	const struct step *last = NULL;
	char byte = '\0';
	size_t size = 0;
	int rc = folder_get(f, key, &byte, &size);

	for (unsigned i = 0; i < count; i++)
		if (strcmp(steps[i].key, key) == 0)
			last = &steps[i];
	if (!last || !last->byte)
		return rc == SANGRAHA_E_NOT_FOUND;
	return rc == 0 && byte == last->byte && size == last->size;
}

/* What was done stays; what was under way is there as a whole, or not at all. */
static void check_objects(struct folder *f, unsigned done)
{
	static const char *const keys[] = { "a", "b", "c" };
	const struct step *doing = done < step_count ? &steps[done] : NULL;

	for (size_t i = 0; i < SGH_COUNT(keys); i++)
		assert_true(is_as_after(f, keys[i], done) ||
			    (doing && strcmp(doing->key, keys[i]) == 0 &&
			     is_as_after(f, keys[i], done + 1)));
}

/* In memory where there is such a folder: it is processes that die here, not disks. */
static char *new_folder(void)
{
	char *path;

	if (access("/dev/shm", W_OK))
		return t_folder_new();
	path = t_path("/dev/shm", "sangraha-test-XXXXXX");
	assert_non_null(mkdtemp(path));
	return path;
}

static void check_service(struct folder *f)
{
	t_ok(sangraha_store_make_bucket(f->store, "image", 0, &t_err));
	t_ok(folder_put(f, "next", 'n', LARGE));
	folder_holds(f, "next", 'n', LARGE);
}

/* At each `stride`-th; with `made` the folder has been open before. */
static void kill_at_any_call(bool made, unsigned stride)
{
	struct report *report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool survived = false;

	for (unsigned n = 1; !survived; n += stride) {
		struct folder f = { .path = new_folder() };

		if (made) {
			folder_open(&f);
			folder_close(&f);
		}
		survived = die_at(&f, n, report);
		folder_open(&f);
		check_objects(&f, report->done);
		t_wait(folder_is_tidy(&f));
		if (n % 4 == 0)
			check_service(&f);
		folder_close(&f);
		t_folder_remove(f.path);
		assert_in_range(n, 0, 1000);
	}
	munmap(report, sizeof(*report));
}

static void killed_at_any_call(void **state)
{
	steps = objects;
	step_count = SGH_COUNT(objects);
	kill_at_any_call(true, 1);
}

/* Most of its calls write zeros, for later. */
static void killed_at_some_call_of_the_first_time(void **state)
{
	steps = objects;
	step_count = SGH_COUNT(objects);
	kill_at_any_call(false, 7);
}

static void killed_at_any_call_of_an_upload(void **state)
{
	steps = uploads;
	step_count = SGH_COUNT(uploads);
	kill_at_any_call(true, 1);
}

/* ---- the order of calls ---- */

struct call {
	char name[12];
	char path[160];
};

static struct {
	pthread_mutex_t lock;
	struct call calls[200];
	size_t count;
} list = { PTHREAD_MUTEX_INITIALIZER };

static void note(const char *name, const char *path)
{
	pthread_mutex_lock(&list.lock);
	if (list.count < SGH_COUNT(list.calls)) {
		struct call *call = &list.calls[list.count++];

		snprintf(call->name, sizeof(call->name), "%s", name);
		snprintf(call->path, sizeof(call->path), "%s", path);
	}
	pthread_mutex_unlock(&list.lock);
}

static void write_down(void)
{
	pthread_mutex_lock(&list.lock);
	list.count = 0;
	pthread_mutex_unlock(&list.lock);
	t_disk_watch(note);
}

static bool is_call(size_t i, const char *name, const char *path)
{
	size_t length = strlen(list.calls[i].path);
	size_t wanted = strlen(path);

	return strcmp(list.calls[i].name, name) == 0 && length >= wanted &&
	       strcmp(list.calls[i].path + length - wanted, path) == 0;
}

/* The place of the first such call behind `from`; a path is known by its end. */
static size_t call_behind(size_t from, const char *name, const char *path)
{
	size_t found = 0;

	pthread_mutex_lock(&list.lock);
	for (size_t i = from; i < list.count && !found; i++)
		if (is_call(i, name, path))
			found = i + 1;
	for (size_t i = 0; i < list.count && !found; i++)
		print_error("%s %s\n", list.calls[i].name, list.calls[i].path);
	pthread_mutex_unlock(&list.lock);
	if (!found)
		fail_msg("no %s of %s behind call %zu", name, path, from);
	return found;
}

/* The file, its name, the name of its folder; then the row, synced; then the answer. */
static void a_body_is_on_disk_before_its_row(void **state)
{
	struct folder *f = *state;
	size_t row;

	write_down();
	t_ok(folder_put(f, "a", 'a', LARGE));
	note("answer", "");
	row = call_behind(0, "pwrite", "store.db-wal");
	assert_true(call_behind(call_behind(call_behind(0, "open", "0/0"), "write",
					    "objects/0/0"),
				"fdatasync", "objects/0/0") < row);
	assert_true(call_behind(call_behind(0, "fdatasync", "objects/0/0"), "fsync",
				"objects/0") < row);
	assert_true(call_behind(call_behind(0, "mkdir", "0"), "fsync", "objects") < row);
	call_behind(call_behind(row, "fdatasync", "store.db-wal"), "answer", "");
	t_disk_watch(NULL);
}

/* The row that goes, synced; then the file, its name; only then the trash forgets it. */
static void a_row_goes_before_its_file(void **state)
{
	struct folder *f = *state;
	size_t gone;

	t_ok(folder_put(f, "a", 'a', LARGE));
	write_down();
	t_ok(folder_delete(f, "a"));
	t_wait(folder_is_tidy(f));
	gone = call_behind(call_behind(call_behind(0, "pwrite", "store.db-wal"),
				       "fdatasync", "store.db-wal"),
			   "unlink", "0/0");
	assert_true(call_behind(0, "unlink", "0/0") == gone);
	call_behind(call_behind(gone, "fsync", "objects/0"), "pwrite", "store.db-wal");
	t_disk_watch(NULL);
}

/* Who made it may have been killed before he could sync its name. */
static void a_folder_that_is_there_is_made_durable(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *parent =
		strndup(f->path, (size_t)(strrchr(f->path, '/') - f->path));

	folder_close(f);
	write_down();
	folder_open(f);
	assert_true(call_behind(0, "fsync", parent) <
		    call_behind(0, "open", "store.lock"));
	t_disk_watch(NULL);
}

/* A part as a large body; the whole needs one more sync. */
static void a_part_is_on_disk_before_its_row(void **state)
{
	struct folder *f = *state;
	sgh_autofree char *upload = folder_begin(f, "a");
	struct folder_part part;
	size_t row;

	write_down();
	t_ok(folder_part(f, "a", upload, 1, 'a', 10, &part));
	note("answer", "");
	row = call_behind(0, "pwrite", "store.db-wal");
	assert_true(call_behind(call_behind(0, "write", "objects/0/0"), "fdatasync",
				"objects/0/0") < row);
	assert_true(call_behind(call_behind(0, "fdatasync", "objects/0/0"), "fsync",
				"objects/0") < row);
	call_behind(call_behind(row, "fdatasync", "store.db-wal"), "answer", "");
	write_down();
	t_ok(folder_complete(f, "a", upload, &part, 1));
	note("answer", "");
	call_behind(call_behind(call_behind(0, "pwrite", "store.db-wal"), "fdatasync",
				"store.db-wal"),
		    "answer", "");
	t_disk_watch(NULL);
}

/* What fails with the answer already given is worse than what is slow. */
static void a_small_body_is_synced_before_the_answer(void **state)
{
	struct folder *f = *state;

	write_down();
	t_ok(folder_put(f, "a", 'a', 10));
	note("answer", "");
	call_behind(call_behind(call_behind(0, "pwrite", "store.db-wal"), "fdatasync",
				"store.db-wal"),
		    "answer", "");
	t_disk_watch(NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(killed_at_any_call),
	cmocka_unit_test(killed_at_some_call_of_the_first_time),
	cmocka_unit_test(killed_at_any_call_of_an_upload),
	FOLDER_CASE(a_body_is_on_disk_before_its_row),
	FOLDER_CASE(a_row_goes_before_its_file),
	FOLDER_CASE(a_folder_that_is_there_is_made_durable),
	FOLDER_CASE(a_part_is_on_disk_before_its_row),
	FOLDER_CASE(a_small_body_is_synced_before_the_answer),
};

t_main(tests)

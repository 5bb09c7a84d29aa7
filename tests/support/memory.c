/* SPDX-License-Identifier: MIT */
#include "support/memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OWN_FRAMES 5 /* of the program itself, that tell places apart */
#define PLACES     16384
#define MODULES    128

/* ---- modules ---- */

enum kind {
	OWN,     /* the program under test */
	LIBRARY, /* allocates on its behalf */
	FRAGILE, /* a library, but not all of it */
	THROUGH, /* libc: it matters who called it */
	PASSED,  /* neither counted nor failed */
};

/* None of these is what is tested; each ends the process, as told, where memory ends. */
static const char *const passed_over[] = {
	"ld-linux",  /* "cannot allocate memory for thread-local data: ABORT" */
	"libcmocka", /* it is the test's */
};

/*
 * libmagic 5.44 only in magic_buffer(), and where it allocates by itself: it frees a text
 * twice when the second vasprintf() of file_vprintf() fails, glibc's regcomp() loses what
 * it had, and magic_load() does not look at what mlist_alloc() returned.
 */
static const char *const fragile[] = { "libmagic" };

static const char *const through[] = { "libc.so", "libasan", "libubsan", "liblsan" };

struct module {
	uintptr_t from, to;
	uintptr_t base;
	uint64_t name_hash;
	enum kind kind;
	const char *name;
};

static struct {
	pthread_mutex_t lock;
	struct module modules[MODULES]; /* written before the count is */
	size_t count;                   /* atomic */
} loaded = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ (hash >> 29);
}

static bool among(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(names[i], name, strlen(names[i])) == 0)
			return true;
	return false;
}

static enum kind kind_of(const char *name)
{
	if (!*name)
		return OWN;
	if (among(passed_over, COUNT(passed_over), name))
		return PASSED;
	if (among(fragile, COUNT(fragile), name))
		return FRAGILE;
	return among(through, COUNT(through), name) ? THROUGH : LIBRARY;
}

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct module *module = &loaded.modules[loaded.count];
	const char *slash = strrchr(info->dlpi_name, '/');
	const char *name = slash ? slash + 1 : info->dlpi_name;

	for (size_t i = 0; i < loaded.count; i++)
		if (loaded.modules[i].base == info->dlpi_addr)
			return 0;
	if (loaded.count == MODULES)
		return 1;
	*module = (struct module){
		.from = UINTPTR_MAX,
		.base = info->dlpi_addr,
		.kind = kind_of(name),
		.name = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe",
	};
	for (const char *at = name; *at; at++)
		module->name_hash = mix(module->name_hash, (unsigned char)*at);
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + part->p_vaddr;

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		module->from = from < module->from ? from : module->from;
		module->to = from + part->p_memsz > module->to ? from + part->p_memsz
							       : module->to;
	}
	__atomic_add_fetch(&loaded.count, 1, __ATOMIC_RELEASE);
	return 0;
}

static const struct module *find_module(uintptr_t address)
{
	for (int again = 0; again < 2; again++) {
		size_t count = __atomic_load_n(&loaded.count, __ATOMIC_ACQUIRE);

		for (size_t i = 0; i < count; i++)
			if (address >= loaded.modules[i].from &&
			    address < loaded.modules[i].to)
				return &loaded.modules[i];
		pthread_mutex_lock(&loaded.lock);
		dl_iterate_phdr(add_module, NULL);
		pthread_mutex_unlock(&loaded.lock);
	}
	return NULL;
}

const char *t_memory_module(uintptr_t address, uintptr_t *ret_base)
{
	const struct module *module = find_module(address);

	if (!module)
		return NULL;
	*ret_base = module->base;
	return module->name;
}

/* ---- places ---- */

struct walk {
	uintptr_t caller; /* of the allocator: what is further in is this file */
	bool begun;
	enum kind kind; /* of the innermost that is not libc */
	unsigned own;
	struct t_memory_place *place;
};

static bool is_in(uintptr_t at, const char *function)
{
	Dl_info info;

	return dladdr((void *)at, &info) && info.dli_sname &&
	       strcmp(info.dli_sname, function) == 0;
}

/* What is `kind` so far, and went on through so many functions to `at`. */
static enum kind judge(enum kind kind, const struct module *module, uintptr_t at,
		       unsigned within)
{
	if (kind == FRAGILE && is_in(at, "magic_buffer"))
		return LIBRARY;
	if (kind != THROUGH)
		return kind;
	return module->kind == FRAGILE && within ? PASSED : module->kind;
}

static _Unwind_Reason_Code step(struct _Unwind_Context *context, void *arg)
{
	struct walk *walk = arg;
	struct t_memory_place *place = walk->place;
	uintptr_t at = _Unwind_GetIP(context);
	const struct module *module;

	walk->begun = walk->begun || at == walk->caller;
	if (!walk->begun)
		return _URC_NO_REASON;
	module = find_module(at);
	if (module)
		walk->kind = judge(walk->kind, module, at, place->frame_count);
	place->frames[place->frame_count++] = at;
	place->id =
		mix(place->id, module ? mix(module->name_hash, at - module->base) : 1);
	walk->own += module && module->kind == OWN;
	return walk->own == OWN_FRAMES || place->frame_count == T_MEMORY_FRAMES
		       ? _URC_END_OF_STACK
		       : _URC_NO_REASON;
}

/* False for what is passed over. */
static bool find_place(void *caller, struct t_memory_place *place)
{
	struct walk walk = { .caller = (uintptr_t)caller, .kind = THROUGH };

	*place = (struct t_memory_place){ .id = 1, .calls = 1 };
	walk.place = place;
	_Unwind_Backtrace(step, &walk);
	return walk.kind == OWN || walk.kind == LIBRARY;
}

/* ---- verdicts ---- */

static struct {
	pthread_mutex_t lock;
	bool active; /* atomic: something of what follows is wanted */
	bool noting;
	uint64_t place; /* 0: any */
	unsigned n;     /* that fails; 0: none */
	bool on;
	unsigned calls; /* that came to the place */
	bool struck;
	struct t_memory_place places[PLACES]; /* by id, those of id 0 are free */
	size_t place_count;
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What is looked up on behalf of an allocation must not come here again. */
static __thread bool inside __attribute__((tls_model("initial-exec")));
static __thread bool quiet __attribute__((tls_model("initial-exec")));

static void decide(uint64_t place, unsigned n, bool on)
{
	pthread_mutex_lock(&memory.lock);
	memory.place = place;
	memory.n = n;
	memory.on = on;
	memory.calls = 0;
	__atomic_store_n(&memory.active, n > 0 || memory.noting, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&memory.lock);
}

void t_memory_fail_at(unsigned n, bool on)
{
	decide(0, n, on);
}

void t_memory_fail_place(uint64_t id, unsigned n, bool on)
{
	decide(id, n, on);
}

bool t_memory_well(void)
{
	bool struck;

	decide(0, 0, false);
	pthread_mutex_lock(&memory.lock);
	struck = memory.struck;
	memory.struck = false;
	pthread_mutex_unlock(&memory.lock);
	return struck;
}

void t_memory_quiet(bool on)
{
	quiet = on;
}

void t_memory_note(void)
{
	pthread_mutex_lock(&memory.lock);
	memory.noting = true;
	pthread_mutex_unlock(&memory.lock);
	decide(0, 0, false);
}

const struct t_memory_place *t_memory_noted(size_t *ret_count)
{
	size_t count = 0;

	pthread_mutex_lock(&memory.lock);
	memory.noting = false;
	for (size_t i = 0; i < PLACES; i++)
		if (memory.places[i].id)
			memory.places[count++] = memory.places[i];
	pthread_mutex_unlock(&memory.lock);
	decide(0, 0, false);
	*ret_count = count;
	return memory.places;
}

static void note_locked(const struct t_memory_place *place)
{
	size_t at = place->id % PLACES;

	if (memory.place_count > PLACES / 2)
		return;
	while (memory.places[at].id && memory.places[at].id != place->id)
		at = (at + 1) % PLACES;
	if (memory.places[at].id) {
		memory.places[at].calls++;
		return;
	}
	memory.places[at] = *place;
	memory.place_count++;
}

static bool fails_locked(const struct t_memory_place *place)
{
	if (memory.noting)
		note_locked(place);
	if (memory.on && memory.n && memory.calls >= memory.n)
		return true;
	if (!memory.n || (memory.place && memory.place != place->id))
		return false;
	return ++memory.calls == memory.n;
}

static bool fails(void *caller)
{
	struct t_memory_place place;
	bool failing = false;

	if (!__atomic_load_n(&memory.active, __ATOMIC_ACQUIRE) || inside || quiet)
		return false;
	inside = true;
	if (find_place(caller, &place)) {
		pthread_mutex_lock(&memory.lock);
		failing = fails_locked(&place);
		memory.struck = memory.struck || failing;
		pthread_mutex_unlock(&memory.lock);
	}
	inside = false;
	if (failing)
		errno = ENOMEM;
	return failing;
}

/* ---- in libc's place ---- */

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *was, size_t size);
	void *(*memalign)(size_t alignment, size_t size);
	void (*free)(void *was);
} next;

/* What the loader asks for while it looks up the others. */
static char early[65536] __attribute__((aligned(16)));
static size_t early_used;

static void *take_early(size_t size)
{
	void *at = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	if (early_used > sizeof(early))
		abort();
	return at;
}

static bool is_early(const void *was)
{
	return (const char *)was >= early && (const char *)was < early + sizeof(early);
}

/* False while that is under way. */
static bool look_up(void)
{
	static bool busy;

	if (next.free)
		return true;
	if (busy)
		return false;
	busy = true;
	next.malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	next.calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	next.realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	next.memalign = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "memalign");
	next.free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	return true;
}

void *malloc(size_t size)
{
	if (!look_up())
		return take_early(size);
	return fails(__builtin_return_address(0)) ? NULL : next.malloc(size);
}

void *calloc(size_t count, size_t size)
{
	if (!look_up())
		return take_early(count * size);
	return fails(__builtin_return_address(0)) ? NULL : next.calloc(count, size);
}

static void *move_early(void *was, size_t size)
{
	size_t left = (size_t)(early + sizeof(early) - (char *)was);
	void *copy = next.malloc(size);

	if (copy)
		memcpy(copy, was, size < left ? size : left);
	return copy;
}

void *realloc(void *was, size_t size)
{
	if (!look_up())
		return take_early(size);
	/* With nothing to give but back it cannot fail. */
	if (size && fails(__builtin_return_address(0)))
		return NULL;
	return is_early(was) ? move_early(was, size) : next.realloc(was, size);
}

void *reallocarray(void *was, size_t count, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(count, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	if (!look_up() || fails(__builtin_return_address(0)))
		return NULL;
	return next.realloc(was, all);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	if (!look_up() || fails(__builtin_return_address(0)))
		return NULL;
	return next.memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
	if (!look_up() || fails(__builtin_return_address(0)))
		return NULL;
	return next.memalign(alignment, size);
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *at = NULL;

	if (look_up() && !fails(__builtin_return_address(0)))
		at = next.memalign(alignment, size);
	if (!at)
		return ENOMEM;
	*ret = at;
	return 0;
}

void free(void *was)
{
	if (was && !is_early(was) && look_up())
		next.free(was);
}

static char *copy_text(const char *text, size_t length, void *caller)
{
	char *copy = look_up() && !fails(caller) ? next.malloc(length + 1) : NULL;

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

/* A sanitizer's own would not come by here. */
#undef strdup
char *strdup(const char *text)
{
	return copy_text(text, strlen(text), __builtin_return_address(0));
}

#undef strndup
char *strndup(const char *text, size_t size)
{
	return copy_text(text, strnlen(text, size), __builtin_return_address(0));
}

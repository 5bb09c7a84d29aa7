/* SPDX-License-Identifier: MIT */
#ifndef T_MEMORY_H
#define T_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An allocator that can fail. It takes the place of libc's, and so of what libraries
 * allocate too, in a program that links it and exports it (memory_dep), or before which it
 * is loaded (tests/memory). It goes on to the next one in line, which may be a sanitizer's.
 *
 * What is counted is what any thread allocates but by t_memory_quiet(), cmocka, the loader,
 * and libraries known to crash for want of memory (`passed_over` in memory.c).
 */

/* The nth allocation from now on fails, counted from 1; with `on` all that follow too. */
void t_memory_fail_at(unsigned n, bool on);

/* All is well again; true when an allocation has failed since the last of these calls. */
bool t_memory_well(void);

/* What the calling thread allocates while this is on neither counts nor fails. */
void t_memory_quiet(bool on);

/*
 * Let the first allocation of `run` fail, then the one that comes `gap` later, and so on
 * until there are no more; after the first hundreds more are left out. Fewer are when
 * SANGRAHA_TEST_MEMORY is "all". Each time `run` must return 0 or SANGRAHA_E_OVERLOADED,
 * and 0 when nothing fails after that. It cleans up behind itself.
 */
void t_memory_each(int (*run)(void *arg), void *arg, unsigned gap);

/*
 * Where something was allocated: return addresses, the innermost first, as far out as to
 * the fifth in the program itself. `id` is the same in all that were forked from one
 * process; `calls` are those from here.
 */
#define T_MEMORY_FRAMES 40
struct t_memory_place {
	uint64_t id;
	unsigned calls;
	unsigned frame_count;
	uintptr_t frames[T_MEMORY_FRAMES];
};

/* The nth allocation from that place fails; with `on` all that follow anywhere too. */
void t_memory_fail_place(uint64_t id, unsigned n, bool on);

/* Note the places of all allocations from now on; those of them so far, until forever. */
void t_memory_note(void);
const struct t_memory_place *t_memory_noted(size_t *ret_count);

/* The program or library that an address is in, and where it begins; NULL for none. */
const char *t_memory_module(uintptr_t address, uintptr_t *ret_base);

#endif

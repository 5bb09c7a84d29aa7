/* SPDX-License-Identifier: MIT */
#include "support/memory.h"
#include "support/t.h"

#define ALL 200 /* without a gap */

static unsigned next_after(unsigned n, unsigned gap)
{
	const char *set = getenv("SANGRAHA_TEST_MEMORY");

	if (set && strcmp(set, "all") == 0)
		return n + 1 + gap / 8;
	return n < ALL || gap > n / 32 ? n + gap : n + n / 32;
}

void t_memory_each(int (*run)(void *arg), void *arg, unsigned gap)
{
	bool struck = true;

	t_ok(run(arg)); /* and what is made once in a process is made */
	for (unsigned n = 1; struck; n = next_after(n, gap)) {
		int status;

		t_memory_fail_at(n, false);
		status = run(arg);
		struck = t_memory_well();
		if (status && status != SANGRAHA_E_OVERLOADED)
			fail_msg("without allocation %u: %s: %s", n,
				 sangraha_status_name(status), t_err.message);
		t_ok(run(arg));
	}
}

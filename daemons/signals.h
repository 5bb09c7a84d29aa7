/* SPDX-License-Identifier: MIT */
#ifndef SGH_DAEMONS_SIGNALS_H
#define SGH_DAEMONS_SIGNALS_H

/*
 * Block SIGTERM and SIGINT, which sgh_signals_wait() collects, and ignore SIGPIPE. Before
 * any thread exists, as threads inherit what is blocked.
 */
void sgh_signals_block(void);

/* The signal that came; 0 when `timeout_ms` passed first. */
int sgh_signals_wait(unsigned timeout_ms);

/*
 * End the process, successfully, when it has not ended by itself in so many seconds: what
 * waits for a peer that is stopped would wait for long.
 */
void sgh_signals_end_within(unsigned seconds);

/* From here on another SIGINT ends the process at once: somebody is impatient. */
void sgh_signals_let_interrupt(void);

#endif

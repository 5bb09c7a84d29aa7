/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_FAILPOINT_H
#define SGH_BASE_FAILPOINT_H

/*
 * Places between two steps of what must not be lost, where a test may kill or stop the
 * process: SGH_FAIL_POINT("put.stored"). A label is written once in the whole library, as
 * "operation.step that was just done". Empty unless built with -Dfail_points=true.
 *
 * Who wants a process to die or stop at a label names a folder in SANGRAHA_FAIL_POINTS of
 * its environment and puts a file of the label's name there that says "kill" or "stop".
 * The first process to come by renames the file to "<label>.hit", so that it happens once,
 * appends a line with its id, and sends itself SIGKILL or SIGSTOP. It is dead, or stands
 * still, some time after that. Any thread.
 */
#ifdef SGH_WITH_FAIL_POINTS
#define SGH_FAIL_POINT(label) sgh_fail_point(label)
void sgh_fail_point(const char *label);
#else
#define SGH_FAIL_POINT(label) ((void)0)
#endif

#endif

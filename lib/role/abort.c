/* SPDX-License-Identifier: MIT */
#include "role/large.h"

#include "base/failpoint.h"

/*
 * A put-abort: nothing is left of the upload that the request names. One that has ended
 * already, by whatever end, is none to abort, and the answer is the same.
 */

static void upload_read(struct sgh_task *task)
{
	SGH_FAIL_POINT("put-abort.record-read");
	if (sgh_large_is_ours(task))
		sgh_large_clear(task, false, sgh_task_finish);
	else
		sgh_task_finish(task);
}

void sgh_large_abort(struct sgh_task *task)
{
	if (sgh_large_new(task) && sgh_large_find_type(task))
		sgh_large_read_upload(task, upload_read);
}

/* SPDX-License-Identifier: MIT */
#include "role/large.h"

#include "base/failpoint.h"

/* A put-extend: more time, and URLs for more parts. */

static void extended(struct sgh_task *task)
{
	SGH_FAIL_POINT("put-extend.renewed");
	sgh_large_answer_parts(task, task->request->first_part);
}

static void upload_read(struct sgh_task *task)
{
	SGH_FAIL_POINT("put-extend.record-read");
	if (!sgh_large_is_ours(task) || !sgh_large_of(task)->upload.upload)
		sgh_task_fail(task, SANGRAHA_E_NOT_FOUND, "the upload of %s has ended",
			      task->request->object_id);
	else
		sgh_large_write_upload(task, false, extended);
}

void sgh_large_extend(struct sgh_task *task)
{
	if (sgh_large_new(task) && sgh_large_find_type(task))
		sgh_large_read_upload(task, upload_read);
}

/* SPDX-License-Identifier: MIT */
#ifndef SGH_ROLE_UPLOAD_H
#define SGH_ROLE_UPLOAD_H

#include <stdbool.h>

#include <sangraha/client.h>

/*
 * As sangraha_upload_submit(); `timeout_ms` and `direct` as of sgh_call_start(), 0: as the
 * options of the upload say.
 */
int sgh_upload_submit(struct sangraha_upload *upload, unsigned timeout_ms, bool direct,
		      sangraha_done_fn *done, void *arg, struct sangraha_error *err);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_DATADIR_H
#define SGH_BASE_DATADIR_H

#include <sangraha/error.h>

/*
 * A folder that one process at a time keeps things in. Zero-initialised it holds nothing,
 * but for the descriptors, which are -1 then: SGH_DATADIR_INIT.
 */
struct sgh_datadir {
	char *path; /* absolute, without symbolic links */
	int fd;     /* the folder */
	int lock;   /* its lock file, locked for as long as this is open */
};

#define SGH_DATADIR_INIT     \
	{                    \
		NULL, -1, -1 \
	}

/*
 * The absolute path of a folder, which is made when it is missing, with its parents, durably
 * and for the owner only (mode 0700). *ret is yours: free().
 */
int sgh_datadir_make(const char *path, char **ret, struct sangraha_error *err);

/*
 * Open the folder at `path`, as sgh_datadir_make() gave it, and take "<name>.lock" in it.
 * SANGRAHA_E_UNAVAILABLE when somebody else has it, with the process id. The lock ends with
 * the process, however that ends. On failure `dir` holds nothing.
 */
int sgh_datadir_open(const char *path, const char *name, struct sgh_datadir *dir,
		     struct sangraha_error *err);
void sgh_datadir_fini(struct sgh_datadir *dir);

/* Make the names in a folder durable: files that were made, renamed or removed in it. */
int sgh_folder_sync(int fd, const char *path, struct sangraha_error *err);

#endif

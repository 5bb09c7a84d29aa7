/* SPDX-License-Identifier: MIT */
#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the file says, once it is ours; it tells from then on whose. */
static int wanted_signal(const char *path)
{
	char text[8] = "";
	int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	ssize_t length = -1;

	if (fd >= 0) {
		length = read(fd, text, sizeof(text) - 1);
		dprintf(fd, "\n%d\n", getpid());
		close(fd);
	}
	if (length >= 4 && strncmp(text, "kill", 4) == 0)
		return SIGKILL;
	if (length >= 4 && strncmp(text, "stop", 4) == 0)
		return SIGSTOP;
	return 0;
}

static void come_by(const char *folder, const char *label)
{
	char path[PATH_MAX];
	char hit[PATH_MAX + 4];
	int number;

	if (snprintf(path, sizeof(path), "%s/%s", folder, label) >= PATH_MAX)
		return;
	snprintf(hit, sizeof(hit), "%s.hit", path);
	if (rename(path, hit))
		return;
	number = wanted_signal(hit);
	if (number)
		kill(getpid(), number);
}

/* Steps are apart from how they are judged, which errno may be part of. */
void sgh_fail_point(const char *label)
{
	const char *folder = secure_getenv("SANGRAHA_FAIL_POINTS");
	int errnum = errno;

	if (folder)
		come_by(folder, label);
	errno = errnum;
}

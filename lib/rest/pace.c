/* SPDX-License-Identifier: MIT */
#include "rest/pace.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MEASURE_MS 1000
/* Who looks so late has been held up, as perhaps everybody was. */
#define LATE_MS (3 * MEASURE_MS)
/* Who waits for less is no reason to end anybody. */
#define PATIENCE_MS 1000
/* For each second that somebody has waited, bytes a second. */
#define STEP 8192
/* Whose memory is less than such a part of what is wanted would be ended for nothing. */
#define PART 64

void sgh_pace_begin(struct sgh_pace *pace, int64_t now, uint64_t count)
{
	*pace = (struct sgh_pace){ .at_ms = now, .count = count, .rate = -1 };
}

void sgh_pace_count(struct sgh_pace *pace, int64_t now, uint64_t count)
{
	int64_t passed = now - pace->at_ms;

	if (passed < MEASURE_MS)
		return;
	if (passed > LATE_MS) {
		sgh_pace_begin(pace, now, count);
		return;
	}
	pace->rate = (int64_t)((count - pace->count) * 1000 / (uint64_t)passed);
	pace->at_ms = now;
	pace->count = count;
}

struct sgh_shortage sgh_pace_shortage(int64_t waited_ms, size_t size)
{
	struct sgh_shortage shortage = { .size = size / PART };

	if (waited_ms >= PATIENCE_MS)
		shortage.rate = waited_ms * STEP / 1000;
	return shortage;
}

bool sgh_pace_is_behind(const struct sgh_pace *pace, const struct sgh_shortage *shortage,
			size_t holds)
{
	return shortage->rate && holds && holds >= shortage->size && pace->rate >= 0 &&
	       pace->rate < shortage->rate;
}

bool sgh_pace_acknowledged(int fd, uint64_t *ret_count, bool *ret_waits)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);
	int waits = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ||
	    length < offsetof(struct tcp_info, tcpi_bytes_acked) +
			     sizeof(info.tcpi_bytes_acked) ||
	    ioctl(fd, SIOCOUTQ, &waits))
		return false;
	*ret_count = info.tcpi_bytes_acked;
	*ret_waits = waits > 0;
	return true;
}

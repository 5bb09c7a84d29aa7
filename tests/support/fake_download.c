/* SPDX-License-Identifier: MIT */
#include "support/fake_parts.h"

struct sangraha_download {
	struct sangraha_client *fake;
	struct sgh_list link;
	void (*ready)(void *arg);
	void *ready_arg;
	char *data;
	size_t length;
	size_t given;
	struct fake_call call;
	bool wanted;
	bool called; /* its call is in the list */
};

static bool has_news_locked(const struct sangraha_download *download)
{
	const struct sangraha_client *fake = download->fake;

	return fake->state.brought > download->given || fake->state.broken ||
	       download->given == download->length;
}

static void tell_ready(struct fake_call *call)
{
	struct sangraha_download *download =
		sgh_container_of(call, struct sangraha_download, call);

	download->called = false;
	download->ready(download->ready_arg);
}

/* Have the fake's thread call those that wait in vain no longer. */
static void call_ready_locked(struct sangraha_client *fake)
{
	sgh_list_for_each (link, &fake->state.downloads) {
		struct sangraha_download *download =
			sgh_list_entry(link, struct sangraha_download, link);

		if (!download->wanted || download->called || !has_news_locked(download))
			continue;
		download->called = true;
		download->wanted = false;
		sgh_list_append(&fake->state.calls, &download->call.link);
	}
	pthread_cond_broadcast(&fake->state.changed);
}

void fake_bring(struct sangraha_client *fake, size_t bytes, int status)
{
	FAKE_LOCKED(fake, fake->state.brought = bytes; fake->state.broken = status;
		    call_ready_locked(fake));
}

void fake_download_part(struct sangraha_client *fake, uint64_t *ret_offset,
			uint64_t *ret_length)
{
	FAKE_LOCKED(fake, *ret_offset = fake->state.part_offset;
		    *ret_length = fake->state.part_length);
}

static size_t count_downloads(struct sangraha_client *fake, bool all)
{
	size_t n = 0;

	pthread_mutex_lock(&fake->state.lock);
	sgh_list_for_each (link, &fake->state.downloads)
		n += all || sgh_list_entry(link, struct sangraha_download, link)->wanted;
	pthread_mutex_unlock(&fake->state.lock);
	return n;
}

size_t fake_downloads_open(struct sangraha_client *fake)
{
	return count_downloads(fake, true);
}

size_t fake_downloads_waiting(struct sangraha_client *fake)
{
	return count_downloads(fake, false);
}

int sangraha_download_new(struct sangraha_client *fake,
			  const struct sangraha_result *result, uint64_t offset,
			  uint64_t length, void (*ready)(void *arg), void *ready_arg,
			  struct sangraha_download **ret, struct sangraha_error *err)
{
	struct sangraha_download *download = calloc(1, sizeof(*download));

	download->fake = fake;
	download->ready = ready;
	download->ready_arg = ready_arg;
	download->length = (size_t)length;
	download->data = malloc((size_t)length + 1);
	memcpy(download->data, result->data + offset, (size_t)length);
	download->call.instead = tell_ready;
	FAKE_LOCKED(fake, sgh_list_append(&fake->state.downloads, &download->link);
		    fake->state.part_offset = offset; fake->state.part_length = length);
	*ret = download;
	return 0;
}

int sangraha_download_read(struct sangraha_download *download, void *data, size_t size,
			   size_t *ret_got, struct sangraha_error *err)
{
	struct sangraha_client *fake = download->fake;
	int status = 0;
	size_t there;

	pthread_mutex_lock(&fake->state.lock);
	there = sgh_min(fake->state.brought, download->length) - download->given;
	*ret_got = sgh_min(there, size);
	memcpy(data, download->data + download->given, *ret_got);
	download->given += *ret_got;
	download->wanted = !*ret_got && download->given < download->length;
	if (download->wanted && fake->state.broken)
		status = sgh_fail(err, fake->state.broken, 0, "Broken off");
	pthread_mutex_unlock(&fake->state.lock);
	return status;
}

int sangraha_download_poll(struct sangraha_download *download, struct sangraha_error *err)
{
	struct sangraha_client *fake = download->fake;
	int status;

	pthread_mutex_lock(&fake->state.lock);
	status = has_news_locked(download);
	download->wanted = !status;
	if (fake->state.broken && fake->state.brought <= download->given)
		status = sgh_fail(err, fake->state.broken, 0, "Broken off");
	pthread_mutex_unlock(&fake->state.lock);
	return status;
}

void sangraha_download_free(struct sangraha_download *download)
{
	struct sangraha_client *fake;

	if (!download)
		return;
	fake = download->fake;
	pthread_mutex_lock(&fake->state.lock);
	if (download->called)
		sgh_list_remove(&download->call.link);
	sgh_list_remove(&download->link);
	pthread_mutex_unlock(&fake->state.lock);
	free(download->data);
	free(download);
}

/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_URL_H
#define SGH_QUEUE_AMQP_URL_H

#include <stdbool.h>
#include <stddef.h>

#include <sangraha/error.h>

#define SGH_AMQP_URLS_MAX 32

/* One broker: amqp(s)://user:password@host:port/vhost, percent-decoded. */
struct sgh_amqp_url {
	bool tls;
	char *user;
	char *password;
	char *host; /* an IPv6 address without its brackets */
	char *vhost;
	unsigned port;
	char *name; /* "host:port", for people: no secret in it */
};

/*
 * Parse a comma-separated list (a comma inside a part is written %2C). What a URL leaves
 * out is guest, guest, 5672 or 5671, and the vhost "/"; "/%2F" is the vhost "/" and a
 * lone "/" is it too. On success *ret is yours: sgh_amqp_urls_free(). A message about a
 * URL never repeats the URL, which holds a password.
 */
int sgh_amqp_urls_parse(const char *text, struct sgh_amqp_url **ret, size_t *ret_count,
			struct sangraha_error *err);
/* One of them again, with memory of its own: sgh_amqp_urls_free(url, 1). NULL: no memory. */
struct sgh_amqp_url *sgh_amqp_url_copy(const struct sgh_amqp_url *url);
void sgh_amqp_urls_free(struct sgh_amqp_url *urls, size_t count);

#endif

/* SPDX-License-Identifier: MIT */
#include "queue/amqp_url.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

/* What is between two places of the text. */
struct span {
	const char *from;
	const char *to;
};

/* Percent-decode; NUL bytes and half escapes are refused. */
static int decode(struct span span, const char *what, char **ret,
		  struct sangraha_error *err)
{
	char *text = malloc((size_t)(span.to - span.from) + 1);
	char *out = text;

	if (!text)
		return sgh_fail_memory(err);
	for (const char *in = span.from; in < span.to; in++) {
		int high = -1, low = -1;

		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		if (span.to - in > 2) {
			high = sgh_hex_value(in[1]);
			low = sgh_hex_value(in[2]);
		}
		if (high < 0 || low < 0 || high + low == 0) {
			free(text);
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the %s in the queue URL has a bad %%-escape",
					what);
		}
		*out++ = (char)(high << 4 | low);
		in += 2;
	}
	*out = '\0';
	*ret = text;
	return 0;
}

static const char *find(struct span span, char c)
{
	const char *at = memchr(span.from, c, (size_t)(span.to - span.from));

	return at ? at : span.to;
}

static int parse_port(struct span span, unsigned *ret, struct sangraha_error *err)
{
	unsigned port = 0;

	for (const char *c = span.from; c < span.to; c++) {
		if (*c < '0' || *c > '9' || port > 65535)
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the port in the queue URL is no number");
		port = port * 10 + (unsigned)(*c - '0');
	}
	if (port == 0 || port > 65535)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the port in the queue URL is not in 1-65535");
	*ret = port;
	return 0;
}

/* "user", "user:password" */
static int parse_user(struct span span, struct sgh_amqp_url *url,
		      struct sangraha_error *err)
{
	struct span user = { span.from, find(span, ':') };
	struct span password = { user.to < span.to ? user.to + 1 : span.to, span.to };
	int rc = decode(user, "user", &url->user, err);

	return rc ? rc : decode(password, "password", &url->password, err);
}

/* "host", "host:port", "[v6]:port" */
static int parse_host(struct span span, struct sgh_amqp_url *url,
		      struct sangraha_error *err)
{
	struct span host = span;
	const char *rest;

	if (span.from < span.to && *span.from == '[') {
		host.from = span.from + 1;
		host.to = find(span, ']');
		if (host.to == span.to)
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the queue URL has a '[' without ']'");
		rest = host.to + 1;
	} else {
		host.to = find(span, ':');
		rest = host.to;
	}
	if (host.from == host.to)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "the queue URL has no host");
	if (rest < span.to) {
		int rc;

		if (*rest != ':')
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"the queue URL has no ':' after its host");
		rc = parse_port((struct span){ rest + 1, span.to }, &url->port, err);
		if (rc)
			return rc;
	}
	return decode(host, "host", &url->host, err);
}

static int parse_vhost(struct span span, struct sgh_amqp_url *url,
		       struct sangraha_error *err)
{
	struct span vhost = { span.from, span.to };

	if (memchr(span.from, '/', (size_t)(span.to - span.from)) ||
	    memchr(span.from, '?', (size_t)(span.to - span.from)))
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the queue URL has more after its vhost");
	if (vhost.from == vhost.to)
		return sgh_strdup("/", &url->vhost) ? 0 : sgh_fail_memory(err);
	return decode(vhost, "vhost", &url->vhost, err);
}

/* Credentials and a vhost travel in AMQP fields of at most 255 bytes. */
static int check(struct sgh_amqp_url *url, struct sangraha_error *err)
{
	if (!url->user &&
	    (!sgh_strdup("guest", &url->user) || !sgh_strdup("guest", &url->password)))
		return sgh_fail_memory(err);
	if (strlen(url->vhost) > 255 || strlen(url->host) > 255 ||
	    strlen(url->user) > 255 || strlen(url->password) > 1024)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"a part of the queue URL is too long");
	if (asprintf(&url->name, strchr(url->host, ':') ? "[%s]:%u" : "%s:%u", url->host,
		     url->port) < 0) {
		url->name = NULL;
		return sgh_fail_memory(err);
	}
	return 0;
}

static int parse_one(struct span span, struct sgh_amqp_url *url,
		     struct sangraha_error *err)
{
	struct span authority = span;
	const char *at;
	int rc;

	if (span.to - span.from > 8 && strncmp(span.from, "amqps://", 8) == 0)
		url->tls = true;
	else if (span.to - span.from <= 7 || strncmp(span.from, "amqp://", 7) != 0)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"the queue URL does not begin with amqp://host or "
				"amqps://host");
	url->port = url->tls ? 5671 : 5672;
	authority.from += url->tls ? 8 : 7;
	authority.to = find(authority, '/');

	rc = parse_vhost(
		(struct span){ authority.to < span.to ? authority.to + 1 : span.to,
			       span.to },
		url, err);
	/* A raw '@' in a password is common; the last one ends the credentials. */
	at = memrchr(authority.from, '@', (size_t)(authority.to - authority.from));
	if (!rc && at) {
		rc = parse_user((struct span){ authority.from, at }, url, err);
		authority.from = at + 1;
	}
	if (!rc)
		rc = parse_host(authority, url, err);
	return rc ? rc : check(url, err);
}

int sgh_amqp_urls_parse(const char *text, struct sgh_amqp_url **ret, size_t *ret_count,
			struct sangraha_error *err)
{
	struct span all = { text, text + strlen(text) };
	struct sgh_amqp_url *urls;
	size_t count = 1;
	int rc = 0;

	for (const char *c = text; *c; c++)
		count += *c == ',';
	if (count > SGH_AMQP_URLS_MAX)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0, "more than %d queue URLs",
				SGH_AMQP_URLS_MAX);
	urls = calloc(count, sizeof(*urls));
	if (!urls)
		return sgh_fail_memory(err);
	for (size_t i = 0; i < count && !rc; i++) {
		struct span one = { all.from, find(all, ',') };

		while (one.from < one.to && *one.from == ' ')
			one.from++;
		while (one.to > one.from && one.to[-1] == ' ')
			one.to--;
		rc = parse_one(one, &urls[i], err);
		all.from = find(all, ',');
		all.from += all.from < all.to;
	}
	if (rc) {
		sgh_amqp_urls_free(urls, count);
		return rc;
	}
	*ret = urls;
	*ret_count = count;
	return 0;
}

struct sgh_amqp_url *sgh_amqp_url_copy(const struct sgh_amqp_url *url)
{
	struct sgh_amqp_url *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->tls = url->tls;
	copy->port = url->port;
	if (!sgh_strdup(url->user, &copy->user) ||
	    !sgh_strdup(url->password, &copy->password) ||
	    !sgh_strdup(url->host, &copy->host) ||
	    !sgh_strdup(url->vhost, &copy->vhost) ||
	    !sgh_strdup(url->name, &copy->name)) {
		sgh_amqp_urls_free(copy, 1);
		return NULL;
	}
	return copy;
}

void sgh_amqp_urls_free(struct sgh_amqp_url *urls, size_t count)
{
	for (size_t i = 0; urls && i < count; i++) {
		free(urls[i].user);
		if (urls[i].password)
			explicit_bzero(urls[i].password, strlen(urls[i].password));
		free(urls[i].password);
		free(urls[i].host);
		free(urls[i].vhost);
		free(urls[i].name);
	}
	free(urls);
}

/* SPDX-License-Identifier: MIT */
#include "support/web.h"

#include "support/t.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "wire/object.h"

struct sangraha_object *web_object(const char *type, const char *content_type,
				   const char *filename)
{
	struct sgh_pair meta[] = { { "colour", "blå" } };
	struct sgh_object_parts parts = {
		.id = WEB_ID,
		.type = type,
		.filename = filename,
		.content_type = content_type,
		.sha256 = WEB_SHA256,
		.created_ms = 1767323045678, /* 2026-01-02T03:04:05.678Z */
		.size = strlen(WEB_BYTES),
		.facts = "{\"width\":1}",
		.meta = meta,
		.meta_count = 1,
	};
	struct sangraha_object *object = NULL;

	t_ok(sgh_object_new(&parts, &object, &t_err));
	return object;
}

struct web *web_new(struct sangraha_rest_options *options)
{
	struct web *web = calloc(1, sizeof(*web));

	options->size = sizeof(*options);
	if (!options->listen)
		options->listen = "127.0.0.1:0";
	web->context = t_context();
	web->fake = fake_new();
	web->object = web_object("image", "image/png", "Menü.png");
	t_ok(sangraha_rest_start(web->context, web->fake, options, &web->rest, &t_err));
	web_answers_object(web);
	return web;
}

void web_free(struct web *web)
{
	sangraha_rest_free(web->rest);
	sangraha_client_free(web->fake);
	sangraha_object_unref(web->object);
	sangraha_context_unref(web->context);
	free(web);
}

int web_set_up(void **state)
{
	struct sangraha_rest_options options = { .threads = 2 };

	*state = web_new(&options);
	return 0;
}

int web_tear_down(void **state)
{
	web_free(*state);
	return 0;
}

void web_answers_object(struct web *web)
{
	struct fake_answer answer = {
		.object = web->object,
		.data = WEB_BYTES,
		.length = strlen(WEB_BYTES),
	};

	fake_answer(web->fake, &answer);
}

void web_answers(struct web *web, int status)
{
	struct fake_answer answer = { .status = status };

	fake_answer(web->fake, &answer);
}

int web_connect(const struct web *web)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)sangraha_rest_port(web->rest)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct timeval limit = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* A peer that closes early is what many cases are about: no failure here. */
void web_send_bytes(int fd, const void *data, size_t length)
{
	const char *bytes = data;

	while (length) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		bytes += sent;
		length -= (size_t)sent;
	}
}

void web_send(int fd, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		fail_msg("out of memory");
	va_end(arguments);
	web_send_bytes(fd, text, strlen(text));
	free(text);
}

static bool read_head(int fd, struct answer *answer)
{
	size_t length = 0;

	while (length < sizeof(answer->head) - 1) {
		if (recv(fd, answer->head + length, 1, 0) != 1)
			return false;
		answer->head[++length] = '\0';
		if (length >= 4 && strcmp(answer->head + length - 4, "\r\n\r\n") == 0)
			return sscanf(answer->head, "HTTP/1.1 %d", &answer->status) == 1;
	}
	return false;
}

void web_receive(int fd, bool no_body, struct answer *answer)
{
	const char *length;
	size_t have = 0;

	memset(answer, 0, sizeof(*answer));
	do {
		if (!read_head(fd, answer)) {
			answer->status = 0;
			answer->body = strdup("");
			return;
		}
	} while (answer->status == 100);
	length = answer_header(answer, "Content-Length");
	if (!no_body && answer->status != 204 && answer->status != 304 && length)
		answer->length = strtoul(length, NULL, 10);
	answer->body = calloc(1, answer->length + 1);
	while (have < answer->length) {
		ssize_t n = recv(fd, answer->body + have, answer->length - have, 0);

		if (n <= 0)
			fail_msg("the answer was cut: %s", strerror(errno));
		have += (size_t)n;
	}
}

void answer_free(struct answer *answer)
{
	free(answer->body);
	answer->body = NULL;
}

const char *answer_header(struct answer *answer, const char *name)
{
	static __thread char value[4096];
	const char *line = answer->head;
	size_t length = strlen(name);

	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, name, length) != 0 || line[length] != ':')
			continue;
		line += length + 1 + strspn(line + length + 1, " ");
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"), line);
		return value;
	}
	return NULL;
}

bool web_closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

struct answer web_do(const struct web *web, const char *method, const char *target,
		     const char *headers, const void *body, size_t length)
{
	struct answer answer;
	int fd = web_connect(web);

	web_send(fd, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s", method,
		 target, headers);
	if (body)
		web_send(fd, "Content-Length: %zu\r\n", length);
	web_send(fd, "\r\n");
	if (body)
		web_send_bytes(fd, body, length);
	web_receive(fd, strcmp(method, "HEAD") == 0, &answer);
	close(fd);
	return answer;
}

struct answer web_get(const struct web *web, const char *target)
{
	return web_do(web, "GET", target, "", NULL, 0);
}

struct answer web_post(const struct web *web, const char *target, const char *headers,
		       const char *body)
{
	return web_do(web, "POST", target, headers, body, strlen(body));
}

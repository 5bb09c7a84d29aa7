/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STUB_SERVER_H
#define BENCH_STUB_SERVER_H

#include <stdint.h>

/*
 * A store that speaks S3 and only answers: it keeps no object, but says of those that it
 * was given last how large they are. HTTP/1.1 on 127.0.0.1, one request after another on
 * each connection; who does not keep to that may be cut off. One thread.
 */
struct server;

struct server_options {
	uint16_t port;        /* 0: any */
	unsigned delay_ms;    /* until a whole request is answered */
	unsigned connections; /* at most, more are closed at once; 0: 512 */
};

/* NULL with errno. It listens already. */
struct server *server_new(const struct server_options *options);
uint16_t server_port(const struct server *server);
/* Serve until server_stop() is called, from any thread. */
void server_run(struct server *server);
void server_stop(struct server *server);
void server_free(struct server *server);

#endif

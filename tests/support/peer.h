/* SPDX-License-Identifier: MIT */
#ifndef T_PEER_H
#define T_PEER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A scripted HTTP server on 127.0.0.1: the n-th request gets the n-th answer, on whatever
 * connection it comes; the last answer is for all that follow. Answers with `match` come
 * first in the script and are for all requests with that text, which then do not count.
 */
struct t_answer {
	const char *match;   /* NULL: the next one in turn */
	bool aside;          /* its requests are neither counted nor kept */
	const char *bytes;   /* sent as they are */
	size_t cut;          /* send only so many of them, then reset the connection */
	const char *endless; /* then this, over and over, until the connection breaks */
	bool reset;          /* then reset the connection (with `cut` for itself) */
	bool close;          /* then close it */
	bool stall;          /* then keep it open and say nothing until the peer ends */
	bool hold;           /* first wait for t_peer_release() */
	bool deaf;           /* do not even read the request; it is not counted */
	bool early;          /* answer as soon as the header is there; read no body */
	bool swallow;        /* then read whatever comes, and count it, until it ends */
	bool go_on;          /* first "100 Continue", as soon as the header is there */
	unsigned trickle_ms; /* send a byte, wait so long, and so on */
};

struct t_peer;

/* The answers are copied, what they point to is not. */
struct t_peer *t_peer_new(const struct t_answer *answers, size_t count);
/* T_PEER({ .bytes = … }, …): one that gives these. */
#define T_PEER(...)                                                   \
	t_peer_new((const struct t_answer[]){ __VA_ARGS__ },          \
		   sizeof((const struct t_answer[]){ __VA_ARGS__ }) / \
			   sizeof(struct t_answer))
void t_peer_free(struct t_peer *peer);

/* "http://127.0.0.1:PORT", "s3+http://127.0.0.1:PORT": valid as long as the peer. */
const char *t_peer_url(struct t_peer *peer);
const char *t_peer_s3_url(struct t_peer *peer);

unsigned t_peer_requests(struct t_peer *peer);
unsigned t_peer_connections(struct t_peer *peer);
size_t t_peer_sent(struct t_peer *peer);
size_t t_peer_swallowed(struct t_peer *peer);
/* The n-th request, header and body, NUL-terminated; the first 16 are kept. */
const char *t_peer_request(struct t_peer *peer, unsigned n);
/* Let one answer that is held go on, now or when it comes to that. */
void t_peer_release(struct t_peer *peer);
/* From here on nobody can connect to it any more. */
void t_peer_deafen(struct t_peer *peer);
/* From here on it takes requests and says nothing, like a process that is stopped; and on. */
void t_peer_stop(struct t_peer *peer);
void t_peer_continue(struct t_peer *peer);

/* A port of 127.0.0.1 that nobody listens on, as a URL; free it. */
char *t_refusing_url(const char *scheme);

/* "HTTP/1.1 200 OK" and the like with a body and its length, in static memory. */
#define T_HTTP(status, headers, length, body) \
	"HTTP/1.1 " status "\r\nContent-Length: " #length "\r\n" headers "\r\n" body

#endif

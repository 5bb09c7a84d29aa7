/* SPDX-License-Identifier: MIT */
#ifndef BENCH_ENDPOINT_H
#define BENCH_ENDPOINT_H

#include <netinet/in.h>

/* A server, as in "http://127.0.0.1:9000". */
struct endpoint {
	char host[128]; /* "127.0.0.1:9000", as the Host header has it */
	struct sockaddr_in address;
};

/*
 * Read what `url` begins with; *ret_path is where its path stands in it ("" when it has
 * none). 0 when it is not of the form http://ADDRESS[:PORT], with an IPv4 address.
 */
int endpoint_parse(struct endpoint *endpoint, const char *url, const char **ret_path);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_LISTEN_H
#define SGH_REST_LISTEN_H

#include <stdbool.h>

#include <sangraha/error.h>

/* Connections that wait to be accepted, at most. */
#define SGH_BACKLOG 1024

/*
 * Bind and listen at "host:port" or "[v6]:port"; an empty host is every address. The
 * socket is non-blocking and close-on-exec. With `loopback_only` an address that is not
 * loopback is SANGRAHA_E_INVALID; one that cannot be bound is SANGRAHA_E_UNAVAILABLE.
 */
int sgh_listen(const char *address, bool loopback_only, int *ret_fd, unsigned *ret_port,
	       struct sangraha_error *err);

/*
 * Let no more clients begin to connect: their SYN is not answered, and they try again
 * after a second, when the socket is closed, and refused. Who has begun gets through, so
 * that all of them can be accepted before the socket is closed, which resets those that
 * are not. False where the system cannot do that.
 */
bool sgh_listen_hush(int fd);

#endif

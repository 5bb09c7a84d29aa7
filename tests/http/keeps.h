/* SPDX-License-Identifier: MIT */
#ifndef HTTP_KEEPS_H
#define HTTP_KEEPS_H

#include "support/peer.h"
#include "support/t.h"

/*
 * Cases that run over a connection that curl makes, and over one that was kept. Who uses
 * this has play(), keep_one(), which makes it keep one for the peer first, and tear_down().
 */

/* What a connection is made with that is kept then. */
#define KEPT_ANSWER                                                                   \
	{                                                                             \
		.match = "/kept", .aside = true, .bytes = T_HTTP("200 OK", "", 0, "") \
	}
#define PEER(...) play(T_PEER(KEPT_ANSWER, __VA_ARGS__))

#define CASE(name) cmocka_unit_test_teardown(name, tear_down)
#define KEPT(name)                                               \
	{                                                        \
#name " (kept)", name, keep_one, tear_down, NULL \
	}
/* Over a connection that curl makes, and over one that was kept. */
#define BOTH(name) CASE(name), KEPT(name)

#endif

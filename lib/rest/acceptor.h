/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_ACCEPTOR_H
#define SGH_REST_ACCEPTOR_H

#include "rest/server.h"

/*
 * The thread that accepts connections and hands them to MHD's threads, and that watches
 * over slow ones. A thread of our own, because MHD's workers abort the process when they
 * meet MHD_quiesce_daemon() at the wrong moment, and because a connection over the bound
 * gets an answer here.
 */
int sgh_acceptor_start(struct sangraha_rest *rest, struct sangraha_error *err);
/* Close the listening socket; connections go on. Returns when it is closed. */
void sgh_acceptor_stop_listening(struct sangraha_rest *rest);
void sgh_acceptor_stop(struct sangraha_rest *rest);

#endif

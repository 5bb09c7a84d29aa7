/* SPDX-License-Identifier: MIT */
#ifndef SGH_QUEUE_AMQP_LIBRARY_H
#define SGH_QUEUE_AMQP_LIBRARY_H

/* rabbitmq-c, whose headers moved with 0.12: the old places warn, the new ones were not there. */
#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

#endif

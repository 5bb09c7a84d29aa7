/* SPDX-License-Identifier: MIT */
#ifndef T_BROKER_H
#define T_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/amqp_library.h"

/* A live RabbitMQ from the outside: its control program, and a plain AMQP client. */

/*
 * Run SANGRAHA_TEST_RABBITMQCTL with the arguments; fails the case unless it succeeds.
 * The output is yours to free.
 */
char *t_ctl(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* SANGRAHA_TEST_AMQP_URL (or another) with that vhost instead; yours to free. */
char *t_broker_url(const char *url, const char *vhost);

/* A vhost of this process, made or removed by t_ctl(). */
void t_vhost_make(const char *vhost);
void t_vhost_remove(const char *vhost);

/* A connection with channel 1 open. */
amqp_connection_state_t t_amqp_open(const char *url);
void t_amqp_close(amqp_connection_state_t amqp);
/* Declare, delete, empty. Failures end the case, except for queues that do not exist. */
void t_amqp_declare(const char *url, const char *queue, const char *type);
void t_amqp_delete(const char *url, const char *queue);
void t_amqp_purge_all(const char *url);
/* Publish to a queue; `properties` may be NULL. */
void t_amqp_publish(const char *url, const char *queue, const char *body,
		    const amqp_basic_properties_t *properties);

/*
 * A TCP peer that accepts and never says a word - or, with `target_port`, passes bytes on
 * to there until it is told to stall or to cut.
 */
struct t_proxy;
struct t_proxy *t_proxy_new(unsigned target_port);
/* One that says `size` bytes to whoever comes, and nothing after. */
struct t_proxy *t_proxy_saying(const void *data, size_t size);
unsigned t_proxy_port(const struct t_proxy *proxy);
void t_proxy_stall(struct t_proxy *proxy, bool stalled); /* read no more, keep open */
void t_proxy_cut(struct t_proxy *proxy); /* close what is open; new ones are accepted */
unsigned t_proxy_accepted(struct t_proxy *proxy);
void t_proxy_free(struct t_proxy *proxy);

#endif

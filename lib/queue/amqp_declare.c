/* SPDX-License-Identifier: MIT */
#include <sangraha/queue.h>

#include "base/error.h"
#include "base/util.h"
#include "queue/amqp_conn.h"
#include "queue/amqp_topology.h"

void sgh_amqp_log_refused(struct sgh_amqp_conn *conn, const char *queue,
			  const char *wanted, const char *reason)
{
	sgh_log(conn->settings->context, SANGRAHA_LOG_ERROR, "queue", "mismatch",
		"the broker refuses the declaration of %s with %s and says: %s; going on "
		"with what is there",
		queue, *wanted ? wanted : "no arguments", reason);
}

/* One declaration on a channel that it closes when the broker does not like it. */
static int declare_one(struct sgh_amqp_conn *conn, unsigned channel,
		       amqp_method_number_t id, void *method, amqp_method_number_t answer,
		       const char *what, const char *wanted, bool tell,
		       struct sangraha_error *err)
{
	amqp_channel_open_t open = { 0 };
	struct sangraha_error why;
	int rc = sgh_amqp_call(conn, channel, id, method, answer, NULL, &why);

	if (!rc)
		return 0;
	if (conn->failed)
		return sgh_fail_with(err, rc, &why);
	if (tell)
		sgh_amqp_log_refused(conn, what, wanted, why.message);
	rc = sgh_amqp_call(conn, channel, AMQP_CHANNEL_OPEN_METHOD, &open,
			   AMQP_CHANNEL_OPEN_OK_METHOD, NULL, err);
	return rc ? rc : 1;
}

static int declare_exchange(struct sgh_amqp_conn *conn, unsigned channel,
			    const char *name, const char *type, bool tell,
			    struct sangraha_error *err)
{
	amqp_exchange_declare_t method = { .exchange = amqp_cstring_bytes(name),
					   .type = amqp_cstring_bytes(type),
					   .durable = 1 };

	return declare_one(conn, channel, AMQP_EXCHANGE_DECLARE_METHOD, &method,
			   AMQP_EXCHANGE_DECLARE_OK_METHOD, name, type, tell, err);
}

static int declare_queue(struct sgh_amqp_conn *conn, unsigned channel,
			 const struct sgh_amqp_queue *queue, bool tell,
			 struct sangraha_error *err)
{
	amqp_queue_bind_t bind = {
		.queue = amqp_cstring_bytes(queue->name),
		.exchange = amqp_cstring_bytes(SANGRAHA_DEAD_LETTER_EXCHANGE),
		.routing_key = amqp_cstring_bytes(queue->name),
	};
	struct sgh_amqp_declare declare;
	char wanted[300];
	int rc, bound = 0;

	sgh_amqp_declare_fill(&declare, queue, queue->name, conn->settings->quorum);
	sgh_amqp_declare_text(&declare, wanted, sizeof(wanted));
	rc = declare_one(conn, channel, AMQP_QUEUE_DECLARE_METHOD, &declare.method,
			 AMQP_QUEUE_DECLARE_OK_METHOD, queue->name, wanted, tell, err);
	if (rc >= 0 && queue->bound)
		bound = declare_one(conn, channel, AMQP_QUEUE_BIND_METHOD, &bind,
				    AMQP_QUEUE_BIND_OK_METHOD, queue->name,
				    "its binding to " SANGRAHA_DEAD_LETTER_EXCHANGE, tell,
				    err);
	return bound < 0 ? bound : rc;
}

int sgh_amqp_declare_all(struct sgh_amqp_conn *conn, unsigned channel,
			 uint32_t *complained, struct sangraha_error *err)
{
	static const char *const exchanges[][2] = {
		{ SANGRAHA_DEAD_LETTER_EXCHANGE, "direct" },
		{ SANGRAHA_EVENT_EXCHANGE, "topic" },
	};
	size_t count = SGH_COUNT(exchanges);

	for (size_t i = 0; i < count + sgh_amqp_queue_count; i++) {
		bool tell = !(*complained & 1u << i);
		int rc = i < count
				 ? declare_exchange(conn, channel, exchanges[i][0],
						    exchanges[i][1], tell, err)
				 : declare_queue(conn, channel,
						 &sgh_amqp_queues[i - count], tell, err);

		if (rc < 0)
			return rc;
		if (rc > 0)
			*complained |= 1u << i;
		else
			*complained &= ~(1u << i);
	}
	return 0;
}

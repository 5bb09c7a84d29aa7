/* SPDX-License-Identifier: MIT */
#include "support/requester.h"

void t_box_put(void *arg, struct sangraha_result *result)
{
	struct t_box *box = arg;

	box->result = result;
	__atomic_add_fetch(&box->calls, 1, __ATOMIC_SEQ_CST);
}

int t_box_calls(struct t_box *box)
{
	return __atomic_load_n(&box->calls, __ATOMIC_SEQ_CST);
}

void t_box_empty(struct t_box *box)
{
	sangraha_result_free(box->result);
	*box = (struct t_box){ 0 };
}

int t_box_ended(struct t_roles *f, struct t_box *box)
{
	int status;

	t_wait((sangraha_client_dispatch(f->client), t_box_calls(box)));
	assert_int_equal(t_box_calls(box), 1);
	status = sangraha_result_status(box->result);
	if (status)
		t_err = *sangraha_result_error(box->result);
	return status;
}

int t_submit_put(struct t_roles *f, const struct sangraha_put_options *options,
		 struct t_box *box)
{
	return sangraha_client_submit_put(f->client, T_BODY, strlen(T_BODY), options,
					  t_box_put, box, &t_err);
}

struct sgh_request *t_taken(struct t_roles *f, const char *queue)
{
	struct sgh_message *message = memory_broker_take(f->broker, queue);
	struct sgh_request *request = NULL;

	t_ok(sgh_request_parse(message, NULL, &request, NULL, &t_err));
	sgh_message_free(message);
	return request;
}

void t_reply_to(struct t_roles *f, const char *reply_to, struct sgh_reply *reply)
{
	struct sgh_message *message = NULL;

	t_ok(sgh_reply_message(reply, &message, &t_err));
	memory_broker_put(f->broker, reply_to, message);
	sgh_reply_free(reply);
}

static struct sgh_reply *reply_to(const struct sgh_request *request)
{
	struct sgh_reply *reply = sgh_reply_new();

	reply->correlation_id = request->correlation_id;
	return reply;
}

static struct sangraha_object *object_of(const struct sgh_request *request, size_t size)
{
	struct sgh_object_parts parts = {
		.id = request->object_id,
		.type = "json",
		.content_type = "application/json",
		.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a"
			  "08",
		.created_ms = 1,
		.size = size,
	};
	struct sangraha_object *object = NULL;

	t_ok(sgh_object_new(&parts, &object, &t_err));
	return object;
}

void t_answer_to(struct t_roles *f, const struct sgh_request *request, int status)
{
	struct sgh_reply *reply = reply_to(request);

	reply->status = status;
	if (status)
		reply->message = "for a test";
	else
		reply->object = object_of(request, 0);
	t_reply_to(f, request->reply_to, reply);
}

void t_answer_together(struct t_roles *f, const struct sgh_request *request)
{
	struct sgh_reply *reply = reply_to(request);
	struct sgh_message *message = NULL;

	reply->object = object_of(request, 0);
	t_ok(sgh_reply_message(reply, &message, &t_err));
	memory_broker_put_batched(f->broker, request->reply_to, message, 0);
	sgh_reply_free(reply);
}

void t_answer_bytes(struct t_roles *f, const struct sgh_request *request, size_t size)
{
	struct sgh_reply *reply = reply_to(request);

	reply->body = sgh_bytes_new(NULL, size);
	memset(reply->body->data, 'x', size);
	reply->body->length = size;
	reply->object = object_of(request, size);
	t_reply_to(f, request->reply_to, reply);
}

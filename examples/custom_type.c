/* SPDX-License-Identifier: MIT */
/*
 * A type of object of the program's own, "csv" (RFC 4180 in UTF-8), with receiver, getter
 * and client in this one process:
 *
 *	custom_type [QUEUE-URL [STORE-URL]]
 *
 * Without URLs everything is kept in the folder csv-data and no server is needed. Note
 * that every receiver on a queue must know the types of what is sent to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sangraha/sangraha.h>

/* The checks: one state for each object, fed in any split. */

struct csv {
	enum {
		RECORD_START,
		FIELD_START,
		PLAIN,
		QUOTED,
		AFTER_QUOTE, /* the end of a quoted field, or the first of two quotes */
		AFTER_CR
	} place;
	unsigned long records;
	unsigned long fields; /* of this record that have ended */
	unsigned long wanted; /* of each record: what the first one has */
	int more;             /* bytes that the UTF-8 character still lacks */
	unsigned low, high;   /* between which its next byte must be */
};

static int refuse(struct sangraha_error *err, const char *why)
{
	return sangraha_error_set(err, SANGRAHA_E_REJECTED, "%s", why);
}

static int end_record(struct csv *csv, struct sangraha_error *err)
{
	csv->fields++;
	csv->records++;
	if (csv->records == 1)
		csv->wanted = csv->fields;
	if (csv->fields != csv->wanted)
		return sangraha_error_set(err, SANGRAHA_E_REJECTED,
					  "record %lu has %lu fields, the first one %lu",
					  csv->records, csv->fields, csv->wanted);
	csv->fields = 0;
	csv->place = RECORD_START;
	return 0;
}

/* What may follow a whole field: a comma, or the end of the record. */
static int after_field(struct csv *csv, unsigned char byte, struct sangraha_error *err)
{
	if (byte == '\n')
		return end_record(csv, err);
	if (byte == '\r') {
		csv->place = AFTER_CR;
		return 0;
	}
	if (byte != ',')
		return refuse(err, "text follows a closing quote");
	csv->fields++;
	csv->place = FIELD_START;
	return 0;
}

static int check_structure(struct csv *csv, unsigned char byte,
			   struct sangraha_error *err)
{
	switch (csv->place) {
	case RECORD_START:
	case FIELD_START:
	case PLAIN:
		if (byte == ',' || byte == '\r' || byte == '\n')
			return after_field(csv, byte, err);
		if (byte == '"' && csv->place == PLAIN)
			return refuse(err,
				      "a quote in a field that does not begin with one");
		csv->place = byte == '"' ? QUOTED : PLAIN;
		return 0;
	case QUOTED:
		if (byte == '"')
			csv->place = AFTER_QUOTE;
		return 0;
	case AFTER_QUOTE:
		if (byte != '"')
			return after_field(csv, byte, err);
		csv->place = QUOTED;
		return 0;
	case AFTER_CR:
		if (byte == '\n')
			return end_record(csv, err);
		break;
	}
	return refuse(err, "a carriage return without its line feed");
}

/* RFC 3629: no byte that cannot be there, nothing overlong, no surrogates. */
static int check_utf8(struct csv *csv, unsigned char byte, struct sangraha_error *err)
{
	if (csv->more > 0) {
		if (byte < csv->low || byte > csv->high)
			return refuse(err, "not UTF-8");
		csv->more--;
		csv->low = 0x80;
		csv->high = 0xbf;
		return 0;
	}
	if (byte >= 0x80 && (byte < 0xc2 || byte > 0xf4))
		return refuse(err, "not UTF-8");
	csv->more = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
	csv->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	csv->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	return byte == '\0' ? refuse(err, "a NUL byte") : 0;
}

static int csv_begin(void *arg, void **ret_state, struct sangraha_error *err)
{
	(void)arg;
	*ret_state = calloc(1, sizeof(struct csv));
	return *ret_state
		       ? 0
		       : sangraha_error_set(err, SANGRAHA_E_OVERLOADED, "out of memory");
}

static int csv_feed(void *arg, void *state, const void *data, size_t length,
		    size_t *ret_bad, struct sangraha_error *err)
{
	struct csv *csv = state;
	const unsigned char *bytes = data;
	int status = 0;

	(void)arg;
	for (size_t i = 0; i < length && status == 0; i++) {
		status = check_utf8(csv, bytes[i], err);
		if (status == 0)
			status = check_structure(csv, bytes[i], err);
		*ret_bad = i; /* only looked at after a refusal */
	}
	return status;
}

/* All was fed: is it whole? The facts are stored with the object. */
static int csv_finish(void *arg, void *state, char facts[257], struct sangraha_error *err)
{
	struct csv *csv = state;

	(void)arg;
	if (csv->more > 0 || csv->place == QUOTED || csv->place == AFTER_CR)
		return refuse(err, "it ends in the middle of a field");
	if (csv->place != RECORD_START && end_record(csv, err))
		return SANGRAHA_E_REJECTED; /* the last line may lack its end */
	snprintf(facts, 257, "{\"records\":%lu,\"fields\":%lu}", csv->records,
		 csv->wanted);
	return 0;
}

static void csv_end(void *arg, void *state)
{
	(void)arg;
	free(state);
}

static int add_csv(struct sangraha_types *types, struct sangraha_error *err)
{
	static const char *const mime_types[] = { "text/csv", NULL };
	struct sangraha_type_checks checks = { .size = sizeof(checks),
					       .begin = csv_begin,
					       .feed = csv_feed,
					       .finish = csv_finish,
					       .end = csv_end };
	struct sangraha_type csv = { .size = sizeof(csv),
				     .name = "csv",
				     .extension = "csv",
				     .mime_types = mime_types,
				     .checks = &checks };

	return sangraha_types_add(types, &csv, err);
}

/* The three roles in one process. */

struct service {
	struct sangraha_context *context;
	struct sangraha_types *types;
	struct sangraha_queue *queue;
	struct sangraha_store *store;
	struct sangraha_receiver *receiver;
	struct sangraha_getter *getter;
	struct sangraha_client *client;
};

static int start(struct service *s, const char *queue_url, const char *store_url,
		 struct sangraha_error *err)
{
	struct sangraha_store_options keys = {
		.size = sizeof(keys),
		.access_key = getenv("SANGRAHA_STORE_ACCESS_KEY"), /* not for "file:" */
		.secret_key = getenv("SANGRAHA_STORE_SECRET_KEY"),
	};
	struct sangraha_receiver_options receiver = { .size = sizeof(receiver) };
	struct sangraha_getter_options getter = { .size = sizeof(getter) };
	struct sangraha_client_options client = { .size = sizeof(client) };

	if (sangraha_types_new(NULL, &s->types, err) || add_csv(s->types, err))
		return 1;
	receiver.types = getter.types = client.types = s->types;
	return sangraha_context_new(NULL, &s->context, err) ||
	       sangraha_queue_open(s->context, queue_url, NULL, &s->queue, err) ||
	       sangraha_store_open(s->context, store_url, &keys, &s->store, err) ||
	       sangraha_receiver_start(s->context, s->queue, s->store, &receiver,
				       &s->receiver, err) ||
	       sangraha_getter_start(s->context, s->queue, s->store, &getter, &s->getter,
				     err) ||
	       sangraha_queue_wait_ready(s->queue, 5000, err) ||
	       sangraha_client_new(s->context, s->queue, &client, &s->client, err);
}

static void stop(struct service *s)
{
	sangraha_client_free(s->client);
	sangraha_getter_free(s->getter);
	sangraha_receiver_free(s->receiver);
	sangraha_store_unref(s->store);
	sangraha_queue_unref(s->queue);
	sangraha_context_unref(s->context);
	sangraha_types_unref(s->types);
}

/* Store a text and say what became of it; a refusal is an answer, too. */
static int put(struct service *service, const char *name, const char *text,
	       struct sangraha_error *err)
{
	struct sangraha_put_options options = { .size = sizeof(options),
						.filename = name,
						.content_type = "text/csv" };
	struct sangraha_result *result = NULL;
	int status = sangraha_client_put(service->client, text, strlen(text), &options,
					 &result, err);
	struct sangraha_object *object = sangraha_result_object(result);

	if (status == 0)
		printf("%s is %s, %s\n", name, sangraha_object_reference(object),
		       sangraha_object_facts(object));
	if (status == SANGRAHA_E_REJECTED) {
		printf("%s is refused by rule %s at byte %ld: %s\n", name,
		       sangraha_result_rule(result), (long)sangraha_result_offset(result),
		       err->message);
		status = 0;
	}
	sangraha_result_free(result);
	return status;
}

int main(int argc, char **argv)
{
	struct service service = { 0 };
	struct sangraha_error err;
	int failed = start(&service, argc > 1 ? argv[1] : "local:csv-data",
			   argc > 2 ? argv[2] : "file:csv-data", &err) ||
		     put(&service, "good.csv",
			 "name,pet\r\nMüller,\"cat, \"\"Tom\"\"\"\r\n", &err) ||
		     put(&service, "bad.csv", "name,pet\r\nMüller,cat,dog\r\n", &err);

	if (failed)
		fprintf(stderr, "custom_type: %s\n", err.message);
	stop(&service);
	return failed ? 1 : 0;
}

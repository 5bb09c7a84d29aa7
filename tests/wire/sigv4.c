/* SPDX-License-Identifier: MIT */
#include "wire/sigv4.h"

#include <dirent.h>

#include "support/t.h"
#include "wire/sha256.h"

/* Each folder of the published vectors is one request, signed in both ways. */
struct vector {
	const char *name;
	char *folder;
	char *context;
	char *text; /* the request, cut into pieces */
	struct sgh_pair headers[16];
	struct sgh_pair query[16];
	struct sgh_sigv4_request request;
	struct sgh_sigv4_scope scope;
	struct sgh_sigv4_key key;
	char payload[65];
	char date[SGH_SIGV4_DATE_SIZE];
	struct sgh_sigv4_work work;
};

static char *slurp(const char *folder, const char *name)
{
	char *path = NULL;
	char *text;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	struct sgh_bytes *bytes = t_file(path);
	text = strndup((const char *)bytes->data, bytes->length);
	sgh_bytes_unref(bytes);
	free(path);
	return text;
}

static void percent_decode(char *text)
{
	char *out = text;

	for (; *text; text++) {
		if (*text == '%') {
			char hex[] = { text[1], text[2], '\0' };

			*out++ = (char)strtoul(hex, NULL, 16);
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

/* The string after `"name": "` in the context, or NULL. */
static char *context_text(const struct vector *v, const char *name)
{
	char pattern[64];
	const char *at;

	snprintf(pattern, sizeof(pattern), "\"%s\": \"", name);
	at = strstr(v->context, pattern);
	if (!at)
		return NULL;
	at += strlen(pattern);
	return strndup(at, strcspn(at, "\""));
}

static bool context_true(const struct vector *v, const char *name)
{
	char pattern[64];

	snprintf(pattern, sizeof(pattern), "\"%s\": true", name);
	return strstr(v->context, pattern);
}

static void parse_query(struct vector *v, char *text)
{
	char *pair;

	while ((pair = strsep(&text, "&"))) {
		char *value = strchr(pair, '=');

		*value++ = '\0';
		percent_decode(pair);
		percent_decode(value);
		v->query[v->request.query_count++] = (struct sgh_pair){ pair, value };
	}
}

static void parse_request(struct vector *v)
{
	char *rest = v->text;
	char *line = strsep(&rest, "\n");
	char *target;

	v->request.method = strsep(&line, " ");
	target = line;
	*strrchr(target, ' ') = '\0'; /* the version; targets here have raw spaces */
	v->request.path = strsep(&target, "?");
	if (target)
		parse_query(v, target);
	while ((line = strsep(&rest, "\n")) && *line) {
		while (rest && *rest == ' ')
			rest[-1] = ' ', rest += strcspn(rest, "\n"),
			*rest ? *rest++ = 0 : 0;
		char *name = strsep(&line, ":");

		v->headers[v->request.header_count++] = (struct sgh_pair){ name, line };
	}
	t_ok(sgh_sha256_hex(rest ? rest : "", rest ? strlen(rest) : 0, v->payload,
			    &t_err));
	v->request.payload = v->payload;
}

static void load(struct vector *v, const char *folder)
{
	static const char *const names[] = { "access_key_id", "secret_access_key",
					     "region", "service" };
	const char **fields[] = { &v->scope.access_key, &v->scope.secret_key,
				  &v->scope.region, &v->scope.service };

	*v = (struct vector){ .folder = strdup(folder) };
	v->context = slurp(folder, "context.json");
	v->text = slurp(folder, "request.txt");
	v->request.headers = v->headers;
	v->request.query = v->query;
	parse_request(v);
	v->request.normalise = context_true(v, "normalize");
	for (size_t i = 0; i < SGH_COUNT(names); i++)
		*fields[i] = context_text(v, names[i]);
	/* All vectors are of one time. */
	assert_non_null(strstr(v->context, "2015-08-30T12:36:00Z"));
	sgh_sigv4_date(1440938160000, v->date);
	assert_string_equal(v->date, "20150830T123600Z");
	t_ok(sgh_sigv4_derive(&v->scope, v->date, &v->key, &t_err));
}

static void unload(struct vector *v)
{
	sgh_sigv4_work_fini(&v->work);
	free((char *)v->scope.access_key);
	free((char *)v->scope.secret_key);
	free((char *)v->scope.region);
	free((char *)v->scope.service);
	free(v->folder);
	free(v->context);
	free(v->text);
}

static void same_as_file(struct vector *v, const char *got, const char *name)
{
	char *wanted = slurp(v->folder, name);

	wanted[strcspn(wanted, "\r")] = '\0';
	if (strcmp(got, wanted))
		print_error("%s/%s\n", v->folder, name);
	assert_string_equal(got, wanted);
	free(wanted);
}

static void add_header(struct vector *v, const char *name, const char *value)
{
	v->headers[v->request.header_count++] = (struct sgh_pair){ name, value };
}

static void check_header(struct vector *v)
{
	sgh_autobuf struct sgh_buf text = SGH_BUF_INIT(0);
	char *token = context_text(v, "token");
	size_t count = v->request.header_count;

	add_header(v, "X-Amz-Date", v->date);
	if (token && !context_true(v, "omit_session_token"))
		add_header(v, "X-Amz-Security-Token", token);
	if (context_true(v, "sign_body"))
		add_header(v, "x-amz-content-sha256", v->payload);
	t_ok(sgh_sigv4_sign(&v->request, &v->scope, &v->key, v->date, &v->work, &text,
			    &t_err));
	same_as_file(v, v->work.canonical.data, "header-canonical-request.txt");
	same_as_file(v, v->work.to_sign.data, "header-string-to-sign.txt");
	same_as_file(v, v->work.signature, "header-signature.txt");
	v->request.header_count = count;
	free(token);
}

static void check_query(struct vector *v)
{
	sgh_autobuf struct sgh_buf text = SGH_BUF_INIT(0);
	char *token = context_text(v, "token");

	if (token && !context_true(v, "omit_session_token"))
		v->query[v->request.query_count++] =
			(struct sgh_pair){ "X-Amz-Security-Token", token };
	t_ok(sgh_sigv4_presign(&v->request, &v->scope, &v->key, v->date, 3600, &v->work,
			       &text, &t_err));
	same_as_file(v, v->work.canonical.data, "query-canonical-request.txt");
	same_as_file(v, v->work.to_sign.data, "query-string-to-sign.txt");
	same_as_file(v, v->work.signature, "query-signature.txt");
	assert_non_null(strstr(text.data, v->work.signature));
	free(token);
}

static void published_vectors_pass(void **state)
{
	char *root = t_vectors("sigv4");
	DIR *dir = opendir(root);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char folder[1024];
		struct vector v;

		if (!strchr(entry->d_name, '-'))
			continue;
		snprintf(folder, sizeof(folder), "%s/%s", root, entry->d_name);
		load(&v, folder);
		check_header(&v);
		check_query(&v);
		unload(&v);
		count++;
	}
	assert_true(count >= 38);
	closedir(dir);
	free(root);
}

static const struct sgh_sigv4_scope scope = { "access", "secret", "us-east-1", "s3" };
static const struct sgh_pair host[] = { { "Host", "127.0.0.1:9000" } };

static void presign(const struct sgh_sigv4_request *request, struct sgh_buf *target)
{
	struct sgh_sigv4_work work = { { 0 } };
	struct sgh_sigv4_key key;

	t_ok(sgh_sigv4_derive(&scope, "20260102T030405Z", &key, &t_err));
	t_ok(sgh_sigv4_presign(request, &scope, &key, "20260102T030405Z", 60, &work,
			       target, &t_err));
	sgh_sigv4_work_fini(&work);
}

static void keys_are_encoded_once(void **state)
{
	sgh_autobuf struct sgh_buf target = SGH_BUF_INIT(0);
	struct sgh_sigv4_request request = {
		.method = "GET",
		.path = "/b/a=b c+d%/../\xc3\xbc",
		.headers = host,
		.header_count = 1,
		.payload = SGH_SIGV4_UNSIGNED,
	};

	presign(&request, &target);
	assert_ptr_equal(strstr(target.data, "/b/a%3Db%20c%2Bd%25/../%C3%BC?X-Amz-"),
			 target.data);
}

static void presigning_pins_further_headers(void **state)
{
	static const struct sgh_pair headers[] = {
		{ "If-None-Match", "*" },
		{ "Host", "127.0.0.1:9000" },
		{ "Content-Length", "12" },
	};
	sgh_autobuf struct sgh_buf target = SGH_BUF_INIT(0);
	struct sgh_sigv4_request request = {
		.method = "PUT",
		.path = "/b/k",
		.headers = headers,
		.header_count = SGH_COUNT(headers),
		.payload = SGH_SIGV4_UNSIGNED,
	};

	presign(&request, &target);
	assert_non_null(strstr(target.data, "X-Amz-SignedHeaders=content-length%3Bhost%3B"
					    "if-none-match&"));
}

static void too_much_to_sign_is_refused(void **state)
{
	static struct sgh_pair pairs[SGH_SIGV4_PAIRS_MAX + 1];
	struct sgh_sigv4_request request = {
		.method = "GET",
		.path = "/",
		.headers = pairs,
		.header_count = SGH_COUNT(pairs),
		.payload = SGH_SIGV4_EMPTY,
	};
	struct sgh_sigv4_work work = { { 0 } };
	struct sgh_sigv4_key key = { "20260102" };
	struct sgh_buf text = SGH_BUF_INIT(0);

	t_fails(SANGRAHA_E_INVALID,
		sgh_sigv4_sign(&request, &scope, &key, "20260102T030405Z", &work, &text,
			       &t_err));
}

static void a_huge_secret_is_refused(void **state)
{
	char secret[4000];
	struct sgh_sigv4_scope huge = scope;
	struct sgh_sigv4_key key;

	memset(secret, 'x', sizeof(secret));
	secret[sizeof(secret) - 1] = '\0';
	huge.secret_key = secret;
	t_fails(SANGRAHA_E_INVALID,
		sgh_sigv4_derive(&huge, "20260102T030405Z", &key, &t_err));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(published_vectors_pass),
	cmocka_unit_test(keys_are_encoded_once),
	cmocka_unit_test(presigning_pins_further_headers),
	cmocka_unit_test(too_much_to_sign_is_refused),
	cmocka_unit_test(a_huge_secret_is_refused),
};

t_main(tests)

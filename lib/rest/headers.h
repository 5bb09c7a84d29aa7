/* SPDX-License-Identifier: MIT */
#ifndef SGH_REST_HEADERS_H
#define SGH_REST_HEADERS_H

#include "rest/request.h"

/*
 * The headers that go with an object's bytes: what it is, what it is called, and what a
 * browser must not do with it. To a 304 only those that RFC 9110, section 15.4.5 asks for.
 */
void sgh_object_headers(struct sgh_web_request *request,
			const struct sangraha_object *object, unsigned http,
			bool download);

/*
 * Those of an answer that sends the client to the store at `url`, and tells what it will
 * find there. The address is a secret that ends: nobody is to keep it.
 */
void sgh_redirect_headers(struct sgh_web_request *request,
			  const struct sangraha_object *object, const char *url,
			  bool download);

#endif

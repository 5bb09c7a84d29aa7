/* SPDX-License-Identifier: MIT */
#include "endpoint.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define SCHEME "http://"

int endpoint_parse(struct endpoint *endpoint, const char *url, const char **ret_path)
{
	char address[sizeof(endpoint->host)];
	unsigned long port = 80;
	size_t length;
	char *colon;

	if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
		return 0;
	url += strlen(SCHEME);
	length = strcspn(url, "/?");
	if (length >= sizeof(address))
		return 0;
	*endpoint = (struct endpoint){ .address.sin_family = AF_INET };
	memcpy(endpoint->host, url, length);
	memcpy(address, url, length);
	address[length] = '\0';
	colon = strchr(address, ':');
	if (colon) {
		*colon = '\0';
		port = strtoul(colon + 1, NULL, 10);
	}
	endpoint->address.sin_port = htons((uint16_t)port);
	*ret_path = url + length;
	return port > 0 && port < 65536 &&
	       inet_pton(AF_INET, address, &endpoint->address.sin_addr) == 1;
}

/* SPDX-License-Identifier: MIT */
#include "rest/listen.h"

#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/util.h"

static int split(const char *address, char **ret_host, const char **ret_port,
		 struct sangraha_error *err)
{
	const char *colon = strrchr(address, ':');
	const char *host = address;
	size_t length;
	char *copy;

	if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")] ||
	    strlen(colon + 1) > 5 || atoi(colon + 1) > 65535)
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The address to listen at, \"%s\", is not host:port or "
				"[IPv6]:port",
				address);
	length = (size_t)(colon - address);
	if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	} else if (memchr(host, ':', length)) {
		return sgh_fail(err, SANGRAHA_E_INVALID, 0,
				"The address to listen at, \"%s\", needs [ and ] around "
				"the IPv6 address",
				address);
	}
	copy = strndup(host, length);
	if (!copy)
		return sgh_fail_memory(err);
	*ret_host = copy;
	*ret_port = colon + 1;
	return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;

		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)address;

		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
			v6->sin6_addr.s6_addr[12] == 127);
	}
	return false;
}

/* -1 with errno. */
static int bind_one(const struct addrinfo *info)
{
	int yes = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
	    listen(fd, SGH_BACKLOG) == 0)
		return fd;
	yes = errno;
	close(fd);
	errno = yes;
	return -1;
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static int bind_any(const char *address, const struct addrinfo *list, bool loopback_only,
		    int *ret_fd, struct sangraha_error *err)
{
	int errnum = 0;
	int fd = -1;

	for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next) {
		if (loopback_only && !is_loopback(info->ai_addr))
			return sgh_fail(err, SANGRAHA_E_INVALID, 0,
					"Listening at %s lets everybody on the network "
					"in: set api-token-file, or insecure if that is "
					"meant, or listen at 127.0.0.1",
					address);
		fd = bind_one(info);
		errnum = errno;
	}
	if (fd < 0)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, errnum,
				"Cannot listen at %s: %s", address,
				strerrordesc_np(errnum));
	*ret_fd = fd;
	return 0;
}

int sgh_listen(const char *address, bool loopback_only, int *ret_fd, unsigned *ret_port,
	       struct sangraha_error *err)
{
	struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *list = NULL;
	sgh_autofree char *host = NULL;
	const char *port = NULL;
	int status = split(address, &host, &port, err);
	int failure;

	if (status)
		return status;
	failure = getaddrinfo(*host ? host : NULL, port, &hints, &list);
	if (failure)
		return sgh_fail(err, SANGRAHA_E_UNAVAILABLE, 0, "Cannot listen at %s: %s",
				address, gai_strerror(failure));
	status = bind_any(address, list, loopback_only, ret_fd, err);
	freeaddrinfo(list);
	if (status == 0)
		*ret_port = port_of(*ret_fd);
	return status;
}

bool sgh_listen_hush(int fd)
{
	/* Byte 13 of a TCP header has the flags; SYN without ACK begins a connection. */
	struct sock_filter no_syn[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { SGH_COUNT(no_syn), no_syn };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ==
	       0;
}

/* SPDX-License-Identifier: MIT */
#ifndef SGH_WIRE_UTF8_H
#define SGH_WIRE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * The character that begins at `text`, of which `length` bytes are there: its length in
 * bytes and its code point; 0 when it is no UTF-8 (RFC 3629) or cut.
 */
size_t sgh_utf8_next(const void *text, size_t length, uint32_t *ret);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SANGRAHA_VERSION_H
#define SANGRAHA_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers; sangraha_version() is the library's that is linked. */
#define SANGRAHA_VERSION_MAJOR 0
#define SANGRAHA_VERSION_MINOR 1
#define SANGRAHA_VERSION_PATCH 0
#define SANGRAHA_VERSION       "0.1.0"

/* "major.minor.patch", static. Since: 0.1 */
const char *sangraha_version(void);

#ifdef __cplusplus
}
#endif

#endif

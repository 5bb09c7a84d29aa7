/* SPDX-License-Identifier: MIT */
/* The version, of the headers and of the library. */
#ifndef SANGRAHA_VERSION_H
#define SANGRAHA_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

/* Of these headers; sangraha_version() is that of the library which is linked. */
#define SANGRAHA_VERSION_MAJOR 0
#define SANGRAHA_VERSION_MINOR 1       /* raised by what is new */
#define SANGRAHA_VERSION_PATCH 0       /* raised by what is mended */
#define SANGRAHA_VERSION       "0.1.0" /* all three */

/* The library's version, "major.minor.patch". Static. Since: 0.1 */
const char *sangraha_version(void);

#ifdef __cplusplus
}
#endif

#endif

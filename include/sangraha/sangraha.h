/* SPDX-License-Identifier: MIT */
#ifndef SANGRAHA_SANGRAHA_H
#define SANGRAHA_SANGRAHA_H

/* Includes everything in libsangraha; <sangraha/rest.h> belongs to libsangraha-rest. */
#include <sangraha/admin.h>
#include <sangraha/client.h>
#include <sangraha/context.h>
#include <sangraha/error.h>
#include <sangraha/getter.h>
#include <sangraha/object.h>
#include <sangraha/queue.h>
#include <sangraha/receiver.h>
#include <sangraha/store.h>
#include <sangraha/validate.h>
#include <sangraha/version.h>

#endif

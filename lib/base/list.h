/* SPDX-License-Identifier: MIT */
#ifndef SGH_BASE_LIST_H
#define SGH_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/* A doubly linked list of members inside other structs; the head is a link too. */
struct sgh_list {
	struct sgh_list *next;
	struct sgh_list *prev;
};

static inline void sgh_list_init(struct sgh_list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool sgh_list_empty(const struct sgh_list *list)
{
	return list->next == list;
}

static inline void sgh_list_append(struct sgh_list *list, struct sgh_list *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

/* Unlink, and leave the link empty so that removing it again does nothing. */
static inline void sgh_list_remove(struct sgh_list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	sgh_list_init(link);
}

/* The first link, removed; NULL when empty. */
static inline struct sgh_list *sgh_list_pop(struct sgh_list *list)
{
	struct sgh_list *link = list->next;

	if (link == list)
		return NULL;
	sgh_list_remove(link);
	return link;
}

/* Move everything in `from` to the end of `to`. */
static inline void sgh_list_splice(struct sgh_list *to, struct sgh_list *from)
{
	if (sgh_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	sgh_list_init(from);
}

#define sgh_list_entry(link, type, member) sgh_container_of(link, type, member)

#define sgh_list_for_each(link, list) \
	for (struct sgh_list *link = (list)->next; link != (list); link = link->next)

/* The same, and `link` may be removed in the body. */
#define sgh_list_for_each_safe(link, list)                                    \
	for (struct sgh_list *link = (list)->next, *link##_next = link->next; \
	     link != (list); link = link##_next, link##_next = link->next)

#endif

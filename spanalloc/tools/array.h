/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arrays that grow.
 */
#ifndef _SPANCTL_ARRAY_H
#define _SPANCTL_ARRAY_H

#include <stddef.h>

/**
 * array_room() - make room for one entry more
 * @entries: the array, or NULL
 * @nentries: entries that are in use
 * @room: how many it has room for; updated
 * @size: of an entry, in bytes
 *
 * Return: the array, which may have moved, or NULL without memory; then it is as it was.
 */
void *array_room(void *entries, size_t nentries, size_t *room, size_t size);

#endif /* _SPANCTL_ARRAY_H */

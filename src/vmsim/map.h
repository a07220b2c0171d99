/* SPDX-License-Identifier: MIT */
/* map.h - from a number to another one: open addressing, no order. Ends the program when memory runs out. */
#ifndef VM_VMSIM_MAP_H
#define VM_VMSIM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
    uint64_t key;
    uint32_t value; /* 0: the entry is empty */
};

struct map {
    struct map_entry *entries;
    size_t n_entries, n_used; /* n_entries: 0 or a power of two */
};

/* Needs: value is not 0, and the key is not there. */
void map_add(struct map *map, uint64_t key, uint32_t value);

/* The value, or 0. */
uint32_t map_find(const struct map *map, uint64_t key);

/* The value, which goes; or 0. */
uint32_t map_take(struct map *map, uint64_t key);

void map_free(struct map *map);

/* As realloc of n elements, or the end of the program. */
void *grow_array(void *array, size_t n, size_t element_bytes);

#endif

/* SPDX-License-Identifier: MIT */
/* map.c - see map.h. An entry lies at its key's place or behind it, with no empty entry between. */
#include "vmsim/map.h"
#include <stdio.h>
#include <stdlib.h>

void *grow_array(void *array, size_t n, size_t element_bytes)
{
    void *const grown = reallocarray(array, n, element_bytes);
    if (grown || n == 0)
        return grown;
    fputs("vmsim: out of memory\n", stderr);
    exit(1);
}

static size_t place_of(const struct map *map, uint64_t key)
{
    return (size_t)(key * 0x9e3779b97f4a7c15 >> 20) & (map->n_entries - 1);
}

static struct map_entry *find(const struct map *map, uint64_t key)
{
    size_t i = place_of(map, key);
    while (map->entries[i].value && map->entries[i].key != key)
        i = (i + 1) & (map->n_entries - 1);
    return &map->entries[i];
}

static void grow(struct map *map)
{
    const struct map old = *map;
    map->n_entries = old.n_entries ? 2 * old.n_entries : 1024;
    map->entries = grow_array(NULL, map->n_entries, sizeof *map->entries);
    for (size_t i = 0; i < map->n_entries; i++)
        map->entries[i] = (struct map_entry){0};
    for (size_t i = 0; i < old.n_entries; i++)
        if (old.entries[i].value)
            *find(map, old.entries[i].key) = old.entries[i];
    free(old.entries);
}

void map_add(struct map *map, uint64_t key, uint32_t value)
{
    if (2 * (map->n_used + 1) > map->n_entries)
        grow(map);
    *find(map, key) = (struct map_entry){key, value};
    map->n_used++;
}

uint32_t map_find(const struct map *map, uint64_t key)
{
    return map->n_entries ? find(map, key)->value : 0;
}

uint32_t map_take(struct map *map, uint64_t key)
{
    if (!map_find(map, key))
        return 0;
    const size_t mask = map->n_entries - 1;
    size_t hole = (size_t)(find(map, key) - map->entries);
    const uint32_t value = map->entries[hole].value;
    for (size_t i = (hole + 1) & mask; map->entries[i].value; i = (i + 1) & mask) {
        const size_t place = place_of(map, map->entries[i].key);
        if (((i - place) & mask) >= ((i - hole) & mask)) { /* it may lie in the hole */
            map->entries[hole] = map->entries[i];
            hole = i;
        }
    }
    map->entries[hole].value = 0;
    map->n_used--;
    return value;
}

void map_free(struct map *map)
{
    free(map->entries);
    *map = (struct map){0};
}

/* SPDX-License-Identifier: MIT */
/*
 * maps.h - where an address lies, for the demo programs: one look into /proc/self/maps. Allocates nothing and
 * uses no stdio, so that looking changes nothing.
 */
#ifndef VMALLOC_EXAMPLES_MAPS_H
#define VMALLOC_EXAMPLES_MAPS_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct range {
    uintptr_t start, end;
};

/* Reads a file of /proc into `text`, which it ends with a zero. */
static inline void read_proc(const char *path, char *text, size_t size)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got;
    while (file >= 0 && length < size - 1 && (got = read(file, text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    if (file >= 0)
        close(file);
    text[length] = '\0';
}

/* The line of /proc/self/maps that ends with `name`: "[heap]", "[stack]". Empty if there is none. */
static inline struct range range_of(const char *name)
{
    static char text[64 * 1024];
    read_proc("/proc/self/maps", text, sizeof text);
    struct range range = {0, 0};
    const char *at = strstr(text, name);
    if (!at)
        return range;
    while (at > text && at[-1] != '\n')
        at--;
    char *dash;
    range.start = (uintptr_t)strtoull(at, &dash, 16);
    range.end = (uintptr_t)strtoull(dash + 1, NULL, 16);
    return range;
}

/* Whether the address lies in memory that came by moving the break. */
static inline const char *place_of(const void *address)
{
    const struct range heap = range_of("[heap]");
    return (uintptr_t)address >= heap.start && (uintptr_t)address < heap.end ? "heap" : "mapping";
}

#endif

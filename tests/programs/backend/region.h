/* SPDX-License-Identifier: MIT */
/*
 * region.h - with TEST_ON_SIM in its environment, the program stands on a simulated kernel of its own, whose break begins
 * and whose mappings end where Linux has them, by the GiB: what depends on where things lie is the same on both.
 */
#ifndef TESTS_PROGRAMS_BACKEND_REGION_H
#define TESTS_PROGRAMS_BACKEND_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a program asks of the kernel it stands on: its sbrk, a page exactly there if nothing is, and maps. */
void *region_sbrk(ptrdiff_t bytes);
bool region_map_at(void *start);
void region_print_maps(void);

#endif

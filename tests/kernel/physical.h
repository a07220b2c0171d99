/* SPDX-License-Identifier: MIT */
/* physical.h - what the tests of the machine below an address space share: its physical memory over the host's. */
#ifndef TESTS_KERNEL_PHYSICAL_H
#define TESTS_KERNEL_PHYSICAL_H

#include "maps.h"
#include "sim/phys.h"

enum { KIB = 1024, MIB = 1024 * 1024, PAGE = 4096, PAGE_SHIFT = 12 };

/* Memory of the host for a machine; all of it is given back by host_free, and at the end of a test that host_teardown ends. */
void *host_more(void *context, size_t bytes);
void host_free(void);
int host_teardown(void **state);

/* One zone of so much memory, nothing of which is taken at boot; processors have no lists. */
struct vk_phys_config plain_config(uint64_t ram_bytes);

/* x86 with 32 bits: DMA below 16 MiB, NORMAL below 896 MiB, HIGHMEM above; the first MiB is never free. */
struct vk_phys_config x86_config(uint64_t ram_bytes);

/* Starts the machine; asserts that it can be. */
void physical_start(struct vk_phys *phys, const struct vk_phys_config *config);

void text_of_zones(const struct vk_phys *phys, struct text *text); /* buddyinfo */
void text_of_zoneinfo(const struct vk_phys *phys, struct text *text);

/* Free frames of all zones; the largest order of a free block. */
uint32_t physical_free(const struct vk_phys *phys);
unsigned physical_largest(const struct vk_phys *phys);

#endif

/* SPDX-License-Identifier: MIT */
/* physical.c - see physical.h. */
#include "physical.h"
#include <stdlib.h>
#include <string.h>

struct host_block {
    struct host_block *next;
    max_align_t memory[];
};

static struct host_block *host_blocks;

/* What it held before is nobody's zero. */
void *host_more(void *context, size_t bytes)
{
    (void)context;
    struct host_block *const block = malloc(sizeof *block + bytes);
    UNIT_REQUIRE(block);
    memset(block->memory, 0xa5, bytes);
    block->next = host_blocks;
    host_blocks = block;
    return block->memory;
}

void host_free(void)
{
    for (struct host_block *block; (block = host_blocks);) {
        host_blocks = block->next;
        free(block);
    }
}

int host_teardown(void **state)
{
    (void)state;
    host_free();
    return 0;
}

struct vk_phys_config plain_config(uint64_t ram_bytes)
{
    return (struct vk_phys_config){
        .page_shift = PAGE_SHIFT,
        .ram_bytes = ram_bytes,
        .zone_end = {[VK_ZONE_NORMAL] = UINT64_MAX},
        .cpu_batch = VK_CPU_LISTS_OFF,
        .more = host_more,
    };
}

struct vk_phys_config x86_config(uint64_t ram_bytes)
{
    return (struct vk_phys_config){
        .page_shift = PAGE_SHIFT,
        .ram_bytes = ram_bytes,
        .zone_end =
            {
                [VK_ZONE_DMA] = 16 * MIB,
                [VK_ZONE_NORMAL] = 896 * (uint64_t)MIB,
                [VK_ZONE_HIGHMEM] = (uint64_t)1 << 32,
            },
        .boot_bytes = 1 * MIB,
        .more = host_more,
    };
}

void physical_start(struct vk_phys *phys, const struct vk_phys_config *config)
{
    host_free();
    assert_int_equal(vk_phys_init(phys, config), 0);
    vk_phys_check(phys);
}

void text_of_zones(const struct vk_phys *phys, struct text *text)
{
    const struct vk_writer writer = text_writer(text);
    vk_phys_report_buddyinfo(phys, &writer);
}

void text_of_zoneinfo(const struct vk_phys *phys, struct text *text)
{
    const struct vk_writer writer = text_writer(text);
    vk_phys_report_zoneinfo(phys, &writer);
}

uint32_t physical_free(const struct vk_phys *phys)
{
    uint32_t n = 0;
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++)
        n += vk_zone_free(&phys->zone[kind]);
    return n;
}

unsigned physical_largest(const struct vk_phys *phys)
{
    for (unsigned order = VM_N_ORDERS; order-- > 0;)
        for (unsigned kind = 0; kind < VK_N_ZONES; kind++)
            for (unsigned mobility = 0; mobility < VK_N_MOBILITIES; mobility++)
                if (phys->zone[kind].buddy[mobility].list[order].count)
                    return order;
    return 0;
}

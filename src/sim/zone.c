/* SPDX-License-Identifier: MIT */
/*
 * zone.c - a machine's description becomes frames, zones and their marks. The rules are Linux's (mm/page_alloc.c):
 * what is kept free grows with the root of the memory, and zones that few requests can use are kept from those that
 * could have had another.
 */
#include "base/bits.h"
#include "base/check.h"
#include "sim/phys.h"

enum {
    FRAMES_MOST = INT32_MAX,
    MIN_FREE_KIB_LEAST = 128,
    MIN_FREE_KIB_MOST = 256 * 1024,
    HIGHMEM_MIN_LEAST = 32, /* frames */
    HIGHMEM_MIN_MOST = 128,
    MARK_SCALE = 10, /* of 10,000 frames, between two marks at least */
    CPU_HIGH_BATCHES = 6
};

/* How many frames of the zones above cost one that is kept in this. */
static const uint32_t reserve_ratio[VK_N_ZONES] = {256, 256, 32, 1};

static uint64_t root(uint64_t square)
{
    uint64_t low = 0, high = (uint64_t)1 << 32;
    while (high - low > 1) {
        const uint64_t middle = (low + high) / 2;
        *(middle * middle <= square ? &low : &high) = middle;
    }
    return low;
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* --- marks ------------------------------------------------------------------------------------------------ */

static uint32_t n_direct(const struct vk_phys *phys)
{
    uint32_t n = 0;
    for (unsigned kind = 0; kind < VK_ZONE_HIGHMEM; kind++)
        n += phys->zone[kind].n_managed;
    return n;
}

static void set_marks(struct vk_phys *phys)
{
    const unsigned kib_shift = phys->config.page_shift - 10;
    const uint64_t direct_kib = (uint64_t)n_direct(phys) << kib_shift;
    const uint64_t by_rule = clamp(root(direct_kib * 16), MIN_FREE_KIB_LEAST, MIN_FREE_KIB_MOST);
    const uint64_t min_frames =
        (phys->config.min_free_kib ? phys->config.min_free_kib : by_rule) >> kib_shift;
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++) {
        struct vk_zone *const zone = &phys->zone[kind];
        const uint64_t share = n_direct(phys) ? min_frames * zone->n_managed / n_direct(phys) : 0;
        zone->mark_min = (uint32_t)(kind == VK_ZONE_HIGHMEM
                                        ? clamp(zone->n_managed / 1024, HIGHMEM_MIN_LEAST, HIGHMEM_MIN_MOST)
                                        : share);
        const uint64_t scaled = (uint64_t)zone->n_managed * MARK_SCALE / 10000;
        const uint32_t step = (uint32_t)(share / 4 > scaled ? share / 4 : scaled);
        zone->mark_low = zone->mark_min + step;
        zone->mark_high = zone->mark_low + step;
    }
}

/* For a request that could have had zone `highest`: a share of all that is between. */
static void set_reserves(struct vk_phys *phys)
{
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++) {
        uint32_t n_above = 0;
        for (unsigned highest = kind + 1; highest < VK_N_ZONES; highest++) {
            n_above += phys->zone[highest].n_managed;
            phys->zone[kind].reserve[highest] = n_above / reserve_ratio[kind];
        }
    }
}

/* Linux's zone_batchsize: a thousandth of the zone, at most 1 MiB, a quarter of that; one less than a power of two. */
static uint32_t batch_by_rule(const struct vk_phys *phys)
{
    uint32_t n_managed = 0;
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++)
        n_managed = (uint32_t)vm_max_size(n_managed, phys->zone[kind].n_managed);
    const uint64_t most = ((uint64_t)1 << 20) >> phys->config.page_shift;
    const size_t batch = (size_t)clamp(clamp(n_managed / 1024, 0, most) / 4, 1, UINT16_MAX);
    return (uint32_t)vm_max_size(((size_t)1 << vm_floor_log2(batch + batch / 2)) - 1, 1);
}

/* --- frames ----------------------------------------------------------------------------------------------- */

static void *host_memory(const struct vk_phys *phys, size_t bytes)
{
    void *const memory = phys->config.more(phys->config.context, bytes);
    if (memory)
        __builtin_memset(memory, 0, bytes);
    return memory;
}

static bool make_zone(struct vk_phys *phys, enum vk_zone_kind kind, uint32_t start, uint32_t end)
{
    struct vk_zone *const zone = &phys->zone[kind];
    *zone = (struct vk_zone){.start = start, .end = end};
    for (unsigned cpu = 0; cpu < VK_N_CPUS_MAX; cpu++)
        for (unsigned mobility = 0; mobility < VK_ISOLATED; mobility++)
            vk_frames_init(&zone->cpu[cpu].list[mobility]);
    if (start == end)
        return true;
    zone->base = start & ~(uint32_t)(VK_PAGEBLOCK_FRAMES - 1);
    const size_t n = end - zone->base, n_blocks = (n + VK_PAGEBLOCK_FRAMES - 1) >> VK_PAGEBLOCK_ORDER;
    zone->records = host_memory(phys, n * sizeof *zone->records);
    zone->mobility = host_memory(phys, n_blocks);
    if (!zone->records || !zone->mobility)
        return false;
    __builtin_memset(zone->mobility, VK_MOVABLE, n_blocks);
    for (unsigned mobility = 0; mobility < VK_N_MOBILITIES; mobility++) {
        vm_buddy_init(&zone->buddy[mobility], zone->records);
        vm_buddy_resize(&zone->buddy[mobility], (uint32_t)n);
    }
    for (uint32_t pfn = start; pfn < end; pfn++)
        phys->frame[pfn].zone = (uint8_t)kind;
    return true;
}

/* CMA's pageblocks: as many as asked for, below the end of the memory that is mapped directly. */
static bool reserve_cma(struct vk_phys *phys)
{
    const uint64_t n = phys->config.cma_bytes >> phys->config.page_shift;
    if (n == 0)
        return true;
    unsigned kind = VK_ZONE_NORMAL;
    while (kind > 0 && phys->zone[kind].start == phys->zone[kind].end)
        kind--;
    struct vk_zone *const zone = &phys->zone[kind];
    const uint32_t boot_end = (uint32_t)(phys->config.boot_bytes >> phys->config.page_shift);
    phys->cma_end = zone->end & ~(uint32_t)(VK_PAGEBLOCK_FRAMES - 1);
    if (n % VK_PAGEBLOCK_FRAMES || n > phys->cma_end ||
        phys->cma_end - n < vm_max_size(zone->start, boot_end))
        return false;
    phys->cma_start = phys->cma_end - (uint32_t)n;
    for (uint32_t pfn = phys->cma_start; pfn < phys->cma_end; pfn += VK_PAGEBLOCK_FRAMES)
        zone->mobility[(pfn - zone->base) >> VK_PAGEBLOCK_ORDER] = VK_CMA;
    return true;
}

/* At boot all that is not taken is freed, pageblock by pageblock, so that low frames are taken first. */
static void free_all(struct vk_phys *phys)
{
    const uint64_t page_bytes = (uint64_t)1 << phys->config.page_shift;
    const uint64_t n_boot = (phys->config.boot_bytes + page_bytes - 1) >> phys->config.page_shift;
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++) {
        struct vk_zone *const zone = &phys->zone[kind];
        for (uint32_t pfn = (uint32_t)clamp(n_boot, zone->start, zone->end), end; pfn < zone->end;
             pfn = end) {
            end = (uint32_t)vm_min_size((pfn | (VK_PAGEBLOCK_FRAMES - 1)) + 1, zone->end);
            for (uint32_t i = pfn; i < end; i++)
                phys->frame[i].kind = VK_FRAME_FREE;
            vm_buddy_give(&zone->buddy[vk_pageblock_mobility(zone, pfn)], pfn - zone->base, end - pfn,
                          BUDDY_BACK);
            zone->n_managed += end - pfn;
        }
    }
}

static bool is_valid(const struct vk_phys_config *config)
{
    if (config->page_shift < VM_PAGE_SHIFT_MIN || config->page_shift > VM_PAGE_SHIFT_MAX ||
        config->n_cpus > VK_N_CPUS_MAX || !config->more)
        return false;
    const uint64_t n = config->ram_bytes >> config->page_shift;
    return n > 0 && n <= FRAMES_MOST && config->boot_bytes < config->ram_bytes;
}

static bool make_zones(struct vk_phys *phys)
{
    uint32_t start = 0;
    for (unsigned kind = 0; kind < VK_N_ZONES; kind++) {
        const uint64_t end = phys->config.zone_end[kind] >> phys->config.page_shift;
        const uint32_t until = (uint32_t)clamp(end, start, phys->n_frames);
        if (!make_zone(phys, (enum vk_zone_kind)kind, start, until))
            return false;
        start = until;
    }
    phys->n_frames = start; /* what is above all zones cannot be reached */
    return true;
}

int vk_phys_init(struct vk_phys *phys, const struct vk_phys_config *config)
{
    if (!is_valid(config))
        return VK_EINVAL;
    *phys = (struct vk_phys){
        .config = *config,
        .n_frames = (uint32_t)(config->ram_bytes >> config->page_shift),
    };
    if (!config->n_cpus)
        phys->config.n_cpus = 1;
    phys->frame = host_memory(phys, phys->n_frames * sizeof *phys->frame);
    if (!phys->frame || !make_zones(phys))
        return VK_ENOMEM;
    if (!reserve_cma(phys))
        return VK_EINVAL;
    free_all(phys);
    set_marks(phys);
    set_reserves(phys);
    if (!phys->config.cpu_batch)
        phys->config.cpu_batch = batch_by_rule(phys);
    if (!phys->config.cpu_high)
        phys->config.cpu_high = CPU_HIGH_BATCHES * phys->config.cpu_batch;
    return 0;
}

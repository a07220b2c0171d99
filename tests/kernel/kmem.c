/* SPDX-License-Identifier: MIT */
/* kmem.c - the kernel's small memory: caches (check B18), kmalloc (B13's part, B17's), and its shadow (B25). */
#include "sim/kmem.h"
#include <string.h>
#include "physical.h"
#include "sim/reclaim.h"
#include "sim/shadow.h"

static const uint64_t direct_base = 0xc0000000;

static struct vk_phys phys;
static struct vk_kmem kmem;
static struct text text;

static void start(const struct vk_phys_config *config)
{
    physical_start(&phys, config);
    vk_kmem_init(&kmem, &phys, direct_base);
}

static void check(void)
{
    vk_phys_check(&phys);
    vk_kmem_check(&kmem);
}

static void assert_lists(const struct vk_cache *cache, uint32_t full, uint32_t partial, uint32_t free)
{
    assert_int_equal(cache->full.n, full);
    assert_int_equal(cache->partial.n, partial);
    assert_int_equal(cache->free.n, free);
    check();
}

/* --- caches ----------------------------------------------------------------------------------------------- */

enum { THING_BYTES = 248, THING_MARK = 0x5a5a5a5a };

static unsigned n_constructed;

static void construct(void *context, struct vk_kmem *its_kmem, uint64_t object)
{
    const uint32_t mark = THING_MARK;
    (void)context;
    n_constructed++;
    assert_int_equal(vk_kernel_write(its_kmem, object, &mark, sizeof mark), 0);
}

static uint32_t mark_of(uint64_t object)
{
    uint32_t mark = 0;
    assert_int_equal(vk_kernel_read(&kmem, object, &mark, sizeof mark), 0);
    return mark;
}

/* B18: 17 objects of 16 a slab. */
static void slabs_are_full_partial_free(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    const uint32_t n_free = physical_free(&phys);
    struct vk_cache things;
    n_constructed = 0;
    assert_int_equal(vk_cache_create(&kmem, &things,
                                     &(struct vk_cache_plan){
                                         .name = "thing", .bytes = THING_BYTES, .construct = construct}),
                     0);
    assert_int_equal(things.n_in_slab, 16);
    uint64_t objects[17];
    for (unsigned i = 0; i < 17; i++) {
        objects[i] = vk_cache_alloc(&things, VK_GFP_KERNEL);
        assert_int_equal(objects[i] % 8, 0);
        assert_int_equal(mark_of(objects[i]), THING_MARK);
        for (unsigned k = 0; k < i; k++)
            assert_true(objects[i] >= objects[k] + THING_BYTES || objects[k] >= objects[i] + THING_BYTES);
    }
    assert_lists(&things, 1, 1, 0);
    assert_int_equal(n_constructed, 32);
    assert_int_equal(vk_cache_free(&things, objects[3]), 0);
    assert_lists(&things, 0, 2, 0);
    for (unsigned i = 0; i < 17; i++)
        assert_int_equal(vk_cache_free(&things, objects[i]), i == 3 ? VK_EINVAL : 0);
    assert_lists(&things, 0, 0, 2);
    for (unsigned i = 0; i < 32; i++) /* made once, however often they are taken */
        assert_int_equal(mark_of(objects[i % 17] = vk_cache_alloc(&things, VK_GFP_KERNEL)), THING_MARK);
    assert_int_equal(n_constructed, 32);
    assert_int_equal(things.n_taken, 49);
    assert_int_equal(vk_cache_destroy(&things), VK_EBUSY);
    assert_lists(&things, 2, 0, 0);
    start(&config); /* again, for what comes back */
    vk_cache_create(&kmem, &things, &(struct vk_cache_plan){.name = "thing", .bytes = THING_BYTES});
    for (unsigned i = 0; i < 17; i++)
        objects[i] = vk_cache_alloc(&things, VK_GFP_KERNEL);
    assert_int_equal(physical_free(&phys), n_free - 2);
    for (unsigned i = 0; i < 17; i++)
        vk_cache_free(&things, objects[i]);
    assert_int_equal(vk_cache_reap(&things), 2);
    assert_lists(&things, 0, 0, 0);
    assert_int_equal(physical_free(&phys), n_free);
    assert_int_equal(vk_cache_destroy(&things), 0);
}

/* B18: the first objects of slabs begin at different cache lines, by turns. */
static void slabs_have_colours(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    struct vk_cache cache;
    vk_cache_create(&kmem, &cache, &(struct vk_cache_plan){.name = "coloured", .bytes = 424});
    assert_true(cache.n_colours >= 4);
    uint64_t first[16];
    for (uint32_t slab = 0; slab < 2 * cache.n_colours; slab++)
        for (uint32_t i = 0; i < cache.n_in_slab; i++) {
            const uint64_t object = vk_cache_alloc(&cache, VK_GFP_KERNEL);
            if (i == 0)
                first[slab] = object % PAGE;
        }
    for (uint32_t slab = 0; slab < 2 * cache.n_colours; slab++)
        assert_int_equal(first[slab], first[0] + slab % cache.n_colours * 64);
    check();
}

/* A slab's record lies elsewhere if it would cost an object. */
static void records_of_large_objects_lie_elsewhere(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    struct vk_cache *const cache = vk_general_cache(&kmem, 1024);
    assert_true(cache->is_off_slab);
    assert_int_equal(cache->n_in_slab, 4);
    uint64_t objects[5];
    for (unsigned i = 0; i < 5; i++) {
        objects[i] = vk_kmalloc(&kmem, 1000, VK_GFP_KERNEL);
        assert_int_equal(objects[i] % 1024, 0);
    }
    assert_lists(cache, 1, 1, 0);
    assert_int_equal(vk_general_cache(&kmem, 28)->n_used, 2); /* the records */
    const uint64_t record = direct_base + phys.frame[cache->partial.first].vpn;
    char bytes[8] = {0};
    assert_int_equal(vk_kfree(&kmem, record), VK_EINVAL);
    assert_int_equal(vk_kernel_write(&kmem, record, bytes, sizeof bytes), VK_EFAULT);
    assert_int_equal(vk_kernel_write(&kmem, record & ~(uint64_t)(PAGE - 1), bytes, 1),
                     VK_EFAULT); /* its slab's own */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(vk_kfree(&kmem, objects[i]), 0);
    const uint32_t n_free = physical_free(&phys);
    assert_int_equal(vk_kmem_reap(&kmem), 3);
    assert_int_equal(physical_free(&phys), n_free + 3);
    check();
}

/* 2 objects of 1500 bytes would waste a quarter of a frame; 5 in two frames do not. */
static void slabs_waste_an_eighth_at_most(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    struct vk_cache cache;
    vk_cache_create(&kmem, &cache, &(struct vk_cache_plan){.name = "wide", .bytes = 1500});
    assert_int_equal(cache.order, 1);
    assert_int_equal(cache.n_in_slab, 5);
    for (unsigned i = 0; i < 6; i++)
        assert_int_not_equal(vk_cache_alloc(&cache, VK_GFP_KERNEL), VK_NO_ADDRESS);
    assert_lists(&cache, 1, 1, 0);
}

/* What was not given out is not accessed: free frames, page tables and others' frames. */
static void only_what_was_given_out_is_accessed(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    const uint32_t given = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL),
                   table = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL);
    phys.frame[given].owner = &phys;
    phys.frame[table].owner = &kmem;
    kmem.frames_owner = &phys;
    uint64_t value = 5;
    assert_int_equal(vk_kernel_write(&kmem, vk_direct_address(&kmem, given), &value, sizeof value), 0);
    assert_int_equal(vk_kernel_write(&kmem, vk_direct_address(&kmem, table), &value, sizeof value),
                     VK_EFAULT);
    vk_free_pages(&phys, given);
    assert_int_equal(vk_kernel_read(&kmem, vk_direct_address(&kmem, given), &value, sizeof value), VK_EFAULT);
    assert_int_equal(vk_kernel_read(&kmem, direct_base - 4, &value, sizeof value), VK_EFAULT);
    check();
}

static void caches_that_cannot_be(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    struct vk_cache cache;
    const struct vk_cache_plan plans[] = {
        {.name = "none"},
        {.name = "three", .bytes = 8, .align = 3},
        {.name = "wide", .bytes = 8, .align = 2 * PAGE},
        {.name = "large", .bytes = 8 * PAGE + 1},
    };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        assert_int_equal(vk_cache_create(&kmem, &cache, &plans[i]), VK_EINVAL);
    const struct vk_cache_plan most = {.name = "most", .bytes = 8 * PAGE, .align = PAGE};
    assert_int_equal(vk_cache_create(&kmem, &cache, &most), 0);
    assert_int_equal(vk_cache_alloc(&cache, VK_GFP_KERNEL) % PAGE, 0);
    check();
}

/* --- kmalloc ---------------------------------------------------------------------------------------------- */

static void kmalloc_takes_the_next_size(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    assert_string_equal(vk_general_cache(&kmem, 100)->plan.name, "size-128");
    assert_string_equal(vk_general_cache(&kmem, 8192)->plan.name, "size-8192");
    assert_null(vk_general_cache(&kmem, 8193));
    const uint64_t small = vk_kmalloc(&kmem, 100, VK_GFP_KERNEL);
    assert_int_equal(vk_general_cache(&kmem, 100)->n_used, 1);
    const uint32_t n_free = physical_free(&phys);
    const uint64_t large = vk_kmalloc(&kmem, 8193, VK_GFP_KERNEL);
    assert_int_equal(physical_free(&phys), n_free - 4);
    assert_int_equal(vk_kmalloc(&kmem, 0, VK_GFP_KERNEL), VK_NO_ADDRESS);
    assert_int_equal(vk_kmalloc(&kmem, 4 * MIB + 1, VK_GFP_KERNEL), VK_NO_ADDRESS);
    assert_int_equal(vk_kmalloc(&kmem, 100, VK_GFP_HIGHMEM), VK_NO_ADDRESS);
    const struct vk_writer writer = text_writer(&text);
    vk_kmem_report(&kmem, &writer);
    assert_non_null(strstr(text.bytes,
                           "size-128               1     30    128   30    1 : tunables    0    0"
                           "    0 : slabdata      1      1      0 : lists      0      1      0\n"));
    assert_int_equal(vk_kfree(&kmem, small), 0);
    assert_int_equal(vk_kfree(&kmem, large), 0);
    assert_int_equal(physical_free(&phys), n_free);
    check();
}

/* B18: what is no object in use is refused and nothing changes. */
static void wrong_frees_are_refused(void **state)
{
    (void)state;
    const struct vk_phys_config config = x86_config(64 * MIB);
    start(&config);
    struct vk_cache cache;
    vk_cache_create(&kmem, &cache, &(struct vk_cache_plan){.name = "other", .bytes = 128});
    const uint64_t object = vk_kmalloc(&kmem, 128, VK_GFP_KERNEL), large = vk_kmalloc(&kmem, 5 * PAGE, 0);
    const uint32_t page = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL);
    const uint64_t wrong[] = {object + 8,      object - 1,
                              object + 128,    large + PAGE,
                              large + 8,       vk_direct_address(&kmem, page),
                              direct_base - 8, 0,
                              UINT64_MAX,      direct_base + 64 * MIB};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(vk_kfree(&kmem, wrong[i]), VK_EINVAL);
    assert_int_equal(vk_cache_free(&cache, object), VK_EINVAL);
    check();
    assert_int_equal(vk_kfree(&kmem, object), 0);
    assert_int_equal(vk_kfree(&kmem, object), VK_EINVAL);
    assert_int_equal(vk_kfree(&kmem, large), 0);
    assert_int_equal(vk_kfree(&kmem, large), VK_EINVAL);
    assert_int_equal(kmem.n_refused, 13);
    check();
}

/* B13: addresses are 3 GiB above the physical ones, all below HIGHMEM. */
static void kmalloc_is_in_the_direct_mapping(void **state)
{
    (void)state;
    const struct vk_phys_config config = x86_config(2048 * (uint64_t)MIB);
    start(&config);
    for (size_t bytes = 1; bytes <= 4 * MIB; bytes *= 2) {
        const uint64_t address = vk_kmalloc(&kmem, bytes, VK_GFP_KERNEL);
        assert_in_range(address, direct_base + 16 * MIB, direct_base + 896 * (uint64_t)MIB - bytes);
        const uint32_t pfn = (uint32_t)((address - direct_base) / PAGE);
        assert_true(phys.frame[pfn].kind == VK_FRAME_SLAB || phys.frame[pfn].kind == VK_FRAME_LARGE);
        const uint64_t dma = vk_kmalloc(&kmem, bytes, VK_GFP_DMA);
        assert_in_range(dma, direct_base + 1 * MIB, direct_base + 16 * MIB - bytes);
    }
    check();
}

/* Slabs that nobody uses are memory that a request gets before it is refused. */
static void requests_reap(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    struct vk_reclaim reclaim;
    struct vk_shrinker shrinker = {.shrink = vk_kmem_reap, .context = &kmem};
    assert_int_equal(vk_reclaim_init(&reclaim, &phys, 0), 0);
    vk_shrinker_add(&reclaim, &shrinker);
    static uint64_t objects[16384];
    uint32_t n = 0;
    while (n < 16384 && (objects[n] = vk_kmalloc(&kmem, 4096, VK_GFP_KERNEL)) != VK_NO_ADDRESS)
        n++;
    assert_in_range(n, 3800, 4096);
    assert_int_equal(vk_alloc_pages(&phys, 0, VK_GFP_KERNEL), VK_NO_FRAME);
    for (uint32_t i = 0; i < n; i++)
        vk_kfree(&kmem, objects[i]);
    assert_int_not_equal(vk_alloc_pages(&phys, 9, VK_GFP_KERNEL), VK_NO_FRAME);
    assert_int_equal(vk_general_cache(&kmem, 4096)->free.n, 0);
    check();
}

static void random_objects(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct vk_phys_config config = plain_config(16 * MIB);
    config.cpu_batch = 3;
    start(&config);
    struct vk_shadow shadow = {0};
    assert_int_equal(vk_shadow_start(&kmem, &shadow), 0);
    const uint32_t n_free = physical_free(&phys);
    static struct {
        uint64_t address;
        uint32_t bytes;
        unsigned char fill;
    } objects[N];
    static unsigned char bytes[3 * PAGE];
    uint32_t n = 0;
    uint64_t seed = 18;
    for (unsigned i = 0; i < (unit_is_slow() ? 2000 : 30000); i++) {
        if (n < N && unit_below(&seed, 100) < 52) {
            const size_t wanted = 1 + unit_below(&seed, unit_below(&seed, 8) ? 600 : sizeof bytes);
            const uint64_t address = vk_kmalloc(&kmem, wanted, VK_GFP_KERNEL);
            if (address == VK_NO_ADDRESS)
                continue;
            objects[n].address = address;
            objects[n].bytes = (uint32_t)wanted;
            objects[n].fill = (unsigned char)i;
            memset(bytes, objects[n].fill, wanted);
            assert_int_equal(vk_kernel_write(&kmem, address, bytes, wanted), 0);
            n++;
        } else if (n > 0) {
            const size_t at = unit_below(&seed, n);
            assert_int_equal(vk_kernel_read(&kmem, objects[at].address, bytes, objects[at].bytes), 0);
            assert_true(unit_is_filled(bytes, objects[at].bytes, objects[at].fill));
            assert_int_equal(vk_kfree(&kmem, objects[at].address), 0);
            objects[at] = objects[--n];
        }
        if (i % 200 == 0)
            check();
        if (i % 1000 == 0)
            vk_kmem_reap(&kmem);
    }
    assert_int_equal(shadow.n_findings, 0);
    while (n > 0)
        assert_int_equal(vk_kfree(&kmem, objects[--n].address), 0);
    vk_kmem_reap(&kmem);
    vk_phys_drain(&phys);
    assert_int_equal(physical_free(&phys), n_free);
    check();
}

/* --- the shadow ------------------------------------------------------------------------------------------- */

static struct vk_shadow_finding finding;

static void note(void *context, const struct vk_shadow_finding *found)
{
    (void)context;
    finding = *found;
}

static const char *said(void)
{
    const struct vk_writer writer = text_writer(&text);
    vk_shadow_report(&finding, &writer);
    return text.bytes;
}

/* B25 */
static void the_shadow_finds_misuse(void **state)
{
    (void)state;
    const struct vk_phys_config config = x86_config(32 * MIB);
    start(&config);
    struct vk_shadow shadow = {.found = note};
    assert_int_equal(vk_shadow_start(&kmem, &shadow), 0);
    assert_int_equal(shadow.n_bytes, 32 * MIB / 8);
    const uint64_t object = vk_kmalloc(&kmem, 13, VK_GFP_KERNEL);
    char bytes[64] = {0};
    assert_int_equal(vk_kernel_write(&kmem, object, bytes, 13), 0);
    assert_int_equal(shadow.n_findings, 0);
    vk_kernel_write(&kmem, object + 13, bytes, 1);
    assert_int_equal(shadow.n_findings, 1);
    assert_int_equal(finding.object.start, object);
    assert_int_equal(finding.object.bytes, 13);
    assert_int_equal(finding.offset, 13);
    assert_false(finding.is_freed);
    assert_memory_equal(said(), "slab-out-of-bounds: write of size 1 at 0xc", 42);
    assert_non_null(strstr(text.bytes, ", 13 bytes into the object of 13 at 0xc"));
    assert_non_null(strstr(text.bytes, " of size-16\n"));
    vk_kernel_read(&kmem, object + 5, bytes, 9); /* its last byte */
    assert_int_equal(shadow.n_findings, 2);
    assert_int_equal(finding.offset, 13);
    vk_kfree(&kmem, object);
    vk_kernel_read(&kmem, object + 4, bytes, 2);
    assert_int_equal(shadow.n_findings, 3);
    assert_true(finding.is_freed);
    assert_int_equal(finding.object.start, object);
    assert_int_equal(finding.offset, 4);
    assert_memory_equal(said(), "use-after-free: read of size 2 at 0xc", 37);
    const uint64_t large = vk_kmalloc(&kmem, 3 * PAGE - 5, VK_GFP_KERNEL);
    vk_kernel_write(&kmem, large + 3 * PAGE - 6, bytes, 1);
    assert_int_equal(shadow.n_findings, 3);
    vk_kernel_write(&kmem, large + 3 * PAGE - 5, bytes, 1);
    assert_int_equal(shadow.n_findings, 4);
    assert_int_equal(finding.offset, 3 * PAGE - 5);
    assert_non_null(strstr(said(), "into the object of 12283 at 0xc"));
    vk_kfree(&kmem, large);
    vk_kernel_write(&kmem, large + 1, bytes, 1);
    assert_int_equal(shadow.n_findings, 5);
    assert_true(finding.is_freed);
    assert_int_equal(vk_kernel_read(&kmem, direct_base - 1, bytes, 1), VK_EFAULT);
    assert_int_equal(vk_kernel_read(&kmem, direct_base + 32 * MIB - 1, bytes, 2), VK_EFAULT);
    check();
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slabs_are_full_partial_free),
        cmocka_unit_test(slabs_have_colours),
        cmocka_unit_test(records_of_large_objects_lie_elsewhere),
        cmocka_unit_test(slabs_waste_an_eighth_at_most),
        cmocka_unit_test(only_what_was_given_out_is_accessed),
        cmocka_unit_test(caches_that_cannot_be),
        cmocka_unit_test(kmalloc_takes_the_next_size),
        cmocka_unit_test(wrong_frees_are_refused),
        cmocka_unit_test(kmalloc_is_in_the_direct_mapping),
        cmocka_unit_test(requests_reap),
        cmocka_unit_test(random_objects),
        cmocka_unit_test(the_shadow_finds_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, host_teardown);
}

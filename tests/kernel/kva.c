/* SPDX-License-Identifier: MIT */
/* kva.c - the kernel's own addresses: vmalloc (check B17), kmap and its places for moments (B24). */
#include "sim/kva.h"
#include <string.h>
#include "pager.h"

/* Of x86 with 32 bits. */
static const uint64_t direct_base = 0xc0000000, vmalloc_low = 0xf8800000, vmalloc_high = 0xff7fe000,
                      kmap_base = 0xff800000, atomic_top = 0xfffff000;
enum { N_SLOTS = 512, ALL_PAGES = 1 << 20 };

static struct vk_phys phys;
static struct vk_reclaim reclaim;
static struct vk_kmem kmem;
static struct vk_kva kva;
static struct vk_kmap kmap;
static struct pager kernel;
static struct text text;

static void start(const struct vk_phys_config *config)
{
    physical_start(&phys, config);
    assert_int_equal(vk_reclaim_init(&reclaim, &phys, 0), 0);
    vk_kmem_init(&kmem, &phys, direct_base);
    pager_start(&kernel, &reclaim, NULL, ALL_PAGES);
    kernel.space.kill_adjust = -1000;
    assert_int_equal(vk_kva_init(&kva, &phys, &kernel.space, vmalloc_low, vmalloc_high), 0);
    vk_kmap_init(&kmap, &kmem, &kernel.space, kmap_base, N_SLOTS, atomic_top);
}

/* The entries are the kernel's own, not user pages. */
static void stop(void)
{
    memset(kernel.entry, 0, ALL_PAGES * sizeof *kernel.entry);
    pager_end(&kernel);
}

static void check(void)
{
    vk_phys_check(&phys);
    vk_kva_check(&kva);
}

static int read_byte(uint64_t at)
{
    unsigned char byte;
    const int result = vk_mapped_read(&phys, &kernel.space, at, &byte, 1);
    return result ? result : byte;
}

static uint32_t frame_of(uint64_t address)
{
    return kernel.space.ops->frame_of(&kernel.space, address >> PAGE_SHIFT);
}

/* B17: memory in pieces serves vmalloc, not kmalloc. */
static void pieces_serve_vmalloc(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    static uint32_t frames[4097];
    uint32_t n = 0;
    while ((frames[n] = vk_alloc_pages(&phys, 0, VK_GFP_ATOMIC)) != VK_NO_FRAME)
        n++;
    for (uint32_t i = 0; i < n; i++)
        if (frames[i] % 2)
            vk_free_pages(&phys, frames[i]);
    assert_int_equal(physical_largest(&phys), 0);
    assert_int_equal(vk_kmalloc(&kmem, 32 * KIB, VK_GFP_KERNEL), VK_NO_ADDRESS);
    const uint64_t area = vk_vmalloc(&kva, 32 * KIB);
    assert_int_equal(area, vmalloc_low);
    unsigned n_in_a_row = 0;
    for (unsigned i = 1; i < 8; i++)
        n_in_a_row += frame_of(area + i * PAGE) == frame_of(area + (i - 1) * PAGE) + 1;
    assert_int_equal(n_in_a_row, 0);
    static unsigned char bytes[32 * KIB], back[32 * KIB];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / PAGE);
    assert_int_equal(vk_mapped_write(&phys, &kernel.space, area, bytes, sizeof bytes), 0);
    assert_int_equal(vk_mapped_read(&phys, &kernel.space, area, back, sizeof back), 0);
    assert_memory_equal(bytes, back, sizeof bytes);
    assert_int_equal(read_byte(area + 32 * KIB), VK_EFAULT); /* the guard page */
    assert_int_equal(vk_mapped_write(&phys, &kernel.space, area + 32 * KIB - 4, "12345678", 8), VK_EFAULT);
    assert_int_equal(read_byte(area + 32 * KIB - 1), bytes[sizeof bytes - 1]); /* nothing was written */
    for (uint64_t at = 0xf8000000; at < vmalloc_low; at += PAGE)
        assert_int_equal(read_byte(at), VK_EFAULT); /* the hole */
    check();
    stop();
}

/* Areas follow each other with one page between; what is freed is used again, at the lowest address. */
static void areas_have_guards(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    const uint32_t n_free = physical_free(&phys);
    const uint64_t a = vk_vmalloc(&kva, 3 * PAGE), b = vk_vmalloc(&kva, 1), c = vk_vmalloc(&kva, 2 * PAGE);
    assert_int_equal(a, vmalloc_low);
    assert_int_equal(b, a + 4 * PAGE);
    assert_int_equal(c, b + 2 * PAGE);
    assert_int_equal(physical_free(&phys), n_free - 6);
    const struct vk_writer writer = text_writer(&text);
    vk_kva_report(&kva, &writer);
    assert_string_equal(text.bytes, "0xf8800000-0xf8804000   16384 pages=3 vmalloc\n"
                                    "0xf8804000-0xf8806000    8192 pages=1 vmalloc\n"
                                    "0xf8806000-0xf8809000   12288 pages=2 vmalloc\n");
    assert_int_equal(vk_vfree(&kva, b + PAGE), VK_EINVAL); /* the guard page, the middle, nothing */
    assert_int_equal(vk_vfree(&kva, a + PAGE), VK_EINVAL);
    assert_int_equal(vk_vfree(&kva, c + 16 * PAGE), VK_EINVAL);
    assert_int_equal(vk_vfree(&kva, UINT64_MAX - 4095), VK_EINVAL);
    assert_int_equal(vk_vfree(&kva, a), 0);
    assert_int_equal(vk_vfree(&kva, a), VK_EINVAL);
    assert_int_equal(read_byte(a), VK_EFAULT);
    check();
    assert_int_equal(vk_vmalloc(&kva, 4 * PAGE), c + 3 * PAGE); /* with its guard it does not fit there */
    assert_int_equal(vk_vmalloc(&kva, 3 * PAGE), a);
    check();
    assert_int_equal(vk_vmalloc(&kva, 0), VK_NO_ADDRESS);
    assert_int_equal(vk_vmalloc(&kva, SIZE_MAX), VK_NO_ADDRESS);
    const uint32_t n_before = physical_free(&phys);
    assert_int_equal(vk_vmalloc(&kva, 17 * MIB), VK_NO_ADDRESS); /* more than there is: all given back */
    assert_int_equal(physical_free(&phys), n_before);
    check();
    stop();
}

/* B17: of 300 MiB between the direct mapping and the end of the window, 292 are left for areas. */
static void the_hole_takes_8_mib(void **state)
{
    (void)state;
    const struct vk_phys_config config = plain_config(512 * (uint64_t)MIB);
    start(&config);
    const uint64_t direct_end = 0xe0000000, window_end = direct_end + 300 * (uint64_t)MIB;
    struct vk_kva area;
    assert_int_equal(
        vk_kva_init(&area, &phys, &kernel.space, vk_vmalloc_start(direct_end), (vk_va)window_end), 0);
    assert_int_equal(area.areas.high - area.areas.low, 292 * (uint64_t)MIB);
    assert_int_equal(vk_vmalloc_start(0xf8000000), vmalloc_low);
    assert_int_equal(vk_vmalloc(&area, 292 * (uint64_t)MIB), VK_NO_ADDRESS); /* no room for the guard page */
    assert_int_equal(vk_vmalloc(&area, 292 * (uint64_t)MIB - PAGE), direct_end + 8 * (uint64_t)MIB);
    vk_kva_check(&area);
    stop();
}

/* HIGHMEM serves vmalloc before anything else does. */
static void vmalloc_takes_high_memory(void **state)
{
    (void)state;
    const struct vk_phys_config config = x86_config(1024 * (uint64_t)MIB);
    start(&config);
    const uint64_t area = vk_vmalloc(&kva, 64 * KIB);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(phys.frame[frame_of(area + i * PAGE)].zone, VK_ZONE_HIGHMEM);
    check();
    stop();
}

static void random_areas(void **state)
{
    (void)state;
    enum { N = 64 };
    const struct vk_phys_config config = plain_config(16 * MIB);
    start(&config);
    const uint32_t n_free = physical_free(&phys);
    uint64_t areas[N] = {0}, seed = 58;
    for (unsigned i = 0; i < 3000; i++) {
        const size_t which = unit_below(&seed, N), bytes = 1 + unit_below(&seed, 40 * PAGE);
        if (areas[which]) {
            uint64_t back = 0;
            assert_int_equal(vk_mapped_read(&phys, &kernel.space, areas[which], &back, sizeof back), 0);
            assert_int_equal(back, areas[which] * 3);
            assert_int_equal(vk_vfree(&kva, areas[which]), 0);
            areas[which] = 0;
        } else {
            areas[which] = vk_vmalloc(&kva, bytes + sizeof areas[which]);
            const uint64_t value = areas[which] * 3;
            assert_int_equal(vk_mapped_write(&phys, &kernel.space, areas[which], &value, sizeof value), 0);
        }
        if (i % 50 == 0)
            check();
    }
    for (unsigned i = 0; i < N; i++)
        if (areas[i])
            vk_vfree(&kva, areas[i]);
    assert_int_equal(physical_free(&phys), n_free);
    assert_int_equal(kva.areas.n_areas, 0);
    check();
    stop();
}

/* --- kmap ------------------------------------------------------------------------------------------------- */

/* B24 */
static void high_frames_have_slots(void **state)
{
    (void)state;
    const struct vk_phys_config config = x86_config(1024 * (uint64_t)MIB);
    start(&config);
    const uint32_t low = vk_alloc_pages(&phys, 0, VK_GFP_KERNEL),
                   high = vk_alloc_pages(&phys, 0, VK_GFP_HIGHMEM);
    assert_int_equal(vk_kmap(&kmap, low), direct_base + (uint64_t)low * PAGE);
    const uint64_t at = vk_kmap(&kmap, high);
    assert_in_range(at, kmap_base, kmap_base + N_SLOTS * PAGE - 1);
    assert_int_equal(frame_of(at), high);
    assert_int_equal(vk_mapped_write(&phys, &kernel.space, at + 10, "high", 5), 0);
    char bytes[5];
    vk_phys_read(&phys, (uint64_t)high * PAGE + 10, bytes, sizeof bytes);
    assert_string_equal(bytes, "high");
    assert_int_equal(vk_kmap(&kmap, high), at); /* again: the same slot, for two users */
    assert_int_equal(vk_kunmap(&kmap, at), 0);
    assert_int_equal(vk_kunmap(&kmap, at), 0);
    assert_int_equal(vk_kunmap(&kmap, at), VK_EINVAL);
    assert_int_equal(vk_kunmap(&kmap, kmap_base - PAGE), VK_EINVAL);
    assert_int_equal(vk_kunmap(&kmap, direct_base + (uint64_t)low * PAGE), 0);
    assert_int_equal(frame_of(at), high); /* not forgotten yet */
    stop();
}

/* B24: when all slots are in use there is none; those without users are flushed together. */
static void slots_run_out(void **state)
{
    (void)state;
    const struct vk_phys_config config = x86_config(1024 * (uint64_t)MIB);
    start(&config);
    uint64_t at[N_SLOTS];
    for (unsigned i = 0; i < N_SLOTS; i++) {
        at[i] = vk_kmap(&kmap, vk_alloc_pages(&phys, 0, VK_GFP_HIGHMEM));
        assert_int_not_equal(at[i], VK_NO_ADDRESS);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(at[i], at[k]);
    }
    const uint32_t one_more = vk_alloc_pages(&phys, 0, VK_GFP_HIGHMEM);
    assert_int_equal(vk_kmap(&kmap, one_more), VK_NO_ADDRESS);
    const uint32_t n_flushes = kmap.n_flushes;
    for (unsigned i = 100; i < 200; i++)
        assert_int_equal(vk_kunmap(&kmap, at[i]), 0);
    for (unsigned i = 100; i < 200; i++)
        assert_int_not_equal(frame_of(at[i]), VK_NO_FRAME);
    for (unsigned i = 0; i < 100; i++)
        assert_int_not_equal(vk_kmap(&kmap, i ? vk_alloc_pages(&phys, 0, VK_GFP_HIGHMEM) : one_more),
                             VK_NO_ADDRESS);
    assert_int_equal(kmap.n_flushes, n_flushes + 1);
    assert_int_equal(vk_kmap(&kmap, vk_alloc_pages(&phys, 0, VK_GFP_HIGHMEM)), VK_NO_ADDRESS);
    stop();
}

/* B24: each processor has places of its own, the latest is given back first. */
static void places_for_moments(void **state)
{
    (void)state;
    struct vk_phys_config config = x86_config(1024 * (uint64_t)MIB);
    config.n_cpus = 2;
    start(&config);
    const uint32_t frame = vk_alloc_pages(&phys, 0, VK_GFP_HIGHMEM);
    const uint64_t first = vk_kmap_atomic(&kmap, frame), second = vk_kmap_atomic(&kmap, frame);
    assert_int_equal(first, atomic_top - PAGE);
    assert_int_equal(second, atomic_top - 2 * PAGE);
    phys.cpu = 1;
    const uint64_t other = vk_kmap_atomic(&kmap, frame);
    assert_int_equal(other, first - VK_ATOMIC_SLOTS * PAGE);
    assert_int_equal(vk_kunmap_atomic(&kmap, first), VK_EINVAL); /* of another processor */
    assert_int_equal(vk_kunmap_atomic(&kmap, other), 0);
    assert_int_equal(frame_of(other), VK_NO_FRAME);
    phys.cpu = 0;
    assert_int_equal(vk_kunmap_atomic(&kmap, first), VK_EINVAL); /* not the latest */
    assert_int_equal(vk_kunmap_atomic(&kmap, second), 0);
    assert_int_equal(vk_kunmap_atomic(&kmap, first), 0);
    assert_int_equal(vk_kunmap_atomic(&kmap, first), VK_EINVAL);
    for (unsigned i = 0; i < VK_ATOMIC_SLOTS; i++)
        assert_int_not_equal(vk_kmap_atomic(&kmap, frame), VK_NO_ADDRESS);
    assert_int_equal(vk_kmap_atomic(&kmap, frame), VK_NO_ADDRESS);
    stop();
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_serve_vmalloc), cmocka_unit_test(areas_have_guards),
        cmocka_unit_test(the_hole_takes_8_mib), cmocka_unit_test(vmalloc_takes_high_memory),
        cmocka_unit_test(random_areas),         cmocka_unit_test(high_frames_have_slots),
        cmocka_unit_test(slots_run_out),        cmocka_unit_test(places_for_moments),
    };
    return cmocka_run_group_tests(tests, NULL, host_teardown);
}

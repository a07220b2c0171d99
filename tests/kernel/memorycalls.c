/* SPDX-License-Identifier: MIT */
/* memorycalls.c - the public calls on the kernel's memory: what they refuse, and that the digest sees all of it. */
#include "physical.h"
#include "vmalloc/memory.h"

static struct vk_machine *make(const char *layout, uint64_t ram_bytes)
{
    static struct vk_preset preset;
    struct vk_machine *machine;
    assert_true(vk_preset_find(layout, &preset));
    const struct vk_machine_config config = {
        .preset = &preset,
        .ram_bytes = ram_bytes,
        .swap_bytes = 4 * MIB,
        .cma_bytes = 4 * MIB,
        .hooks.more = host_more,
    };
    assert_int_equal(vk_machine_create(&config, &machine), 0);
    return machine;
}

/* Writes 18 MiB, of which some go to swap, and takes some memory for the kernel; `which` of the steps is left out or
   done otherwise. */
static uint64_t digest_without(unsigned which)
{
    struct vk_machine *const machine = make("x86-64", 16 * MIB);
    struct vk_mm *mm;
    struct vk_group *group;
    struct vk_cache *cache;
    uint64_t address, frame;
    vk_va start;
    assert_int_equal(vk_group_create(machine, which == 1 ? 17 * MIB : 16 * MIB, &group), 0);
    assert_int_equal(vk_mm_create(machine, &mm), 0);
    assert_int_equal(vk_mm_join(mm, group), 0);
    const struct vk_map wanted = {.bytes = 17 * MIB, .prot = VK_PROT_READ | VK_PROT_WRITE};
    assert_int_equal(vk_map(mm, &wanted, &start), 0);
    for (uint64_t i = 0; i < 17 * MIB / PAGE; i++) {
        uint64_t value = which == 2 && i == 0 ? 99 : i + 1; /* the first page is in swap in the end */
        const struct vk_access store = {start + i * PAGE, sizeof value, VK_PROT_WRITE, &value};
        assert_int_equal(vk_access(mm, &store), VK_FAULT_MINOR);
    }
    assert_false(vk_frame_of(mm, start, &frame));
    const struct vk_cache_wanted things = {.name = "thing", .bytes = 100};
    assert_int_equal(vk_objects_create(machine, &things, &cache), 0);
    for (unsigned i = 0; i < (which == 3 ? 4 : 5); i++)
        assert_int_equal(vk_object_take(machine, cache, &address), 0);
    assert_int_equal(vk_pages_alloc(machine, which == 4 ? 3 * PAGE : 4 * PAGE, &address), 0);
    vk_machine_check(machine);
    const uint64_t digest = vk_machine_digest(machine);
    host_free();
    return digest;
}

static void the_digest_sees_all(void **state)
{
    (void)state;
    const uint64_t digest = digest_without(0);
    assert_int_equal(digest_without(0), digest);
    for (unsigned which = 1; which <= 4; which++)
        assert_int_not_equal(digest_without(which), digest);
}

static void what_is_refused(void **state)
{
    (void)state;
    struct vk_machine *const machine = make("x86-64", 16 * MIB);
    struct vk_mm *mm;
    struct vk_group *group;
    uint64_t address, frame;
    vk_va start;
    assert_int_equal(vk_mm_create(machine, &mm), 0);
    assert_int_equal(vk_group_create(machine, UINT64_MAX, &group), 0);
    const struct vk_map wanted = {.bytes = PAGE, .prot = VK_PROT_READ | VK_PROT_WRITE};
    assert_int_equal(vk_map(mm, &wanted, &start), 0);
    assert_int_equal(vk_page_pin(mm, start, &frame), VK_EFAULT); /* mapped, but not there */
    assert_int_equal(vk_page_pin(mm, UINTPTR_MAX, &frame), VK_EFAULT);
    assert_int_equal(vk_access(mm, &(struct vk_access){start, 1, VK_PROT_WRITE, NULL}), VK_FAULT_MINOR);
    assert_int_equal(vk_mm_join(mm, group), VK_EBUSY);
    for (unsigned i = 0; i < UINT16_MAX; i++)
        assert_int_equal(vk_page_pin(mm, start, &frame), 0);
    assert_int_equal(vk_page_pin(mm, start, &frame), VK_EAGAIN);
    for (unsigned i = 0; i < UINT16_MAX; i++)
        assert_int_equal(vk_page_unpin(machine, vk_frame_of(mm, start, &frame) ? frame : 0), 0);
    assert_int_equal(vk_page_unpin(machine, frame), VK_EFAULT);
    assert_int_equal(vk_page_unpin(machine, UINT64_MAX), VK_EFAULT);

    assert_int_equal(vk_range_take(machine, 0, &frame), VK_EINVAL);
    assert_int_equal(vk_range_take(machine, UINT64_MAX, &frame), VK_ENOMEM);
    assert_int_equal(vk_range_take(machine, 100, &frame), 0);
    assert_int_equal(vk_range_give(machine, frame, 101), VK_EINVAL);
    assert_int_equal(vk_range_give(machine, frame - 1, 1), VK_EINVAL);
    assert_int_equal(vk_range_give(machine, frame, 100), 0);
    assert_int_equal(vk_range_give(machine, frame, 100), VK_EINVAL);
    assert_int_equal(vk_frames_compact(machine, 11), VK_ENOMEM);

    assert_int_equal(vk_pages_free(machine, 4096), VK_EINVAL); /* before there are any */
    assert_int_equal(vk_frame_unmap(machine, 4096), VK_EINVAL);
    assert_int_equal(vk_frame_map(machine, UINT64_MAX, &address), VK_EINVAL);
    assert_int_equal(vk_kernel_alloc(machine, 10, VK_FROM_HIGHMEM, &address), VK_EINVAL);
    uint64_t word = 1;
    assert_int_equal(vk_kernel_access(machine, 0, 8, VK_PROT_WRITE, &word), VK_EFAULT);
    assert_int_equal(vk_kernel_access(machine, start, 8, VK_PROT_READ, &word),
                     VK_EFAULT); /* not the kernel's */
    assert_int_equal(
        vk_kernel_access(machine, vk_paging(mm).root + 0xffff880000000000, 8, VK_PROT_WRITE, &word),
        VK_EFAULT); /* a page table */
    vk_machine_check(machine);
}

int main(void)
{
    unit_report_to_stderr();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digest_sees_all),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, host_teardown);
}

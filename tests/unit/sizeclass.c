/* SPDX-License-Identifier: MIT */
/* sizeclass.c - the rule of the size classes, for every size that slabs serve. */
#include "slab/sizeclass.h"
#include "kernel/kernel.h"
#include "unit.h"

static void every_size(void **state)
{
    (void)state;
    unsigned last = 1;
    for (size_t size = 1; size <= VM_SLAB_BLOCK_MAX; size++) {
        const unsigned class_index = vm_class_of(size);
        const size_t bytes = vm_class_bytes(class_index);
        assert_true(class_index > 0 && class_index < VM_N_CLASSES);
        assert_true(class_index == last || class_index == last + 1); /* rises, and leaves no class out */
        assert_true(bytes >= size);
        assert_true(class_index == 1 || vm_class_bytes(class_index - 1) < size); /* the least that serves */
        assert_int_equal(bytes % VM_BLOCK_ALIGN, 0);
        assert_true(size <= VM_EVEN_MAX ? bytes - size < VM_BLOCK_ALIGN : (bytes - size) * 8 < size);
        last = class_index;
    }
    assert_int_equal(last, VM_N_CLASSES - 1);
}

/* The bin to which the fast path comes is one of its class's, and they share nothing. */
static void every_bin(void **state)
{
    (void)state;
    for (size_t size = 1; size <= VM_SLAB_BLOCK_MAX; size++) {
        const unsigned class_index = vm_class_of(size);
        const size_t bin = size <= VM_SMALL_MAX ? (size + VM_BLOCK_ALIGN - 1) / VM_BLOCK_ALIGN
                                                : vm_bin_of_middle(class_index);
        assert_true(bin <= vm_last_bin[class_index] &&
                    bin > vm_last_bin[class_index] - vm_n_bins(class_index));
    }
    assert_int_equal(vm_last_bin[0], 0);
    assert_int_equal(vm_last_bin[VM_N_CLASSES - 1], VM_N_BINS - 1);
    assert_int_equal(vm_class_of(VM_SMALL_MAX), VM_CLASS_OF_SMALL_MAX);
}

static void every_class(void **state)
{
    (void)state;
    for (unsigned class_index = 1; class_index < VM_N_CLASSES; class_index++)
        assert_int_equal(vm_class_of(vm_class_bytes(class_index)), class_index);
    assert_int_equal(vm_class_bytes(VM_N_CLASSES - 1), VM_SLAB_BLOCK_MAX);
    for (size_t power = VM_BLOCK_ALIGN; power <= VM_SLAB_BLOCK_MAX; power *= 2)
        assert_int_equal(vm_class_bytes(vm_class_of(power)), power); /* what alignment relies on */
}

static void slab_bytes(void **state)
{
    (void)state;
    const size_t page_sizes[] = {4096, 16384, 65536};
    vm_kernel_start(&vm_linux_backend);
    for (size_t i = 0; i < 3; i++) {
        vm_kernel.page_bytes = page_sizes[i];
        for (unsigned class_index = 1; class_index < VM_N_CLASSES; class_index++) {
            const size_t bytes = vm_class_slab_bytes(class_index), block_bytes = vm_class_bytes(class_index);
            const size_t doublings_bytes = vm_class_slab_bytes_least(class_index) << VM_SLAB_DOUBLINGS_MAX;
            assert_true(vm_is_power_of_two(bytes));
            assert_true(bytes >= 16 * VM_KIB && bytes <= VM_MIB && bytes >= page_sizes[i]);
            assert_true(bytes / block_bytes >= VM_SLAB_BLOCKS || bytes == doublings_bytes);
            assert_true(bytes / block_bytes >= VM_SLAB_BLOCKS / 2 && bytes <= doublings_bytes);
            if (bytes > 16 * VM_KIB && bytes > page_sizes[i]) /* the smallest that does */
                assert_true(bytes / 2 / block_bytes < VM_SLAB_BLOCKS);
        }
    }
    vm_kernel_start(&vm_linux_backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size),
        cmocka_unit_test(every_bin),
        cmocka_unit_test(every_class),
        cmocka_unit_test(slab_bytes),
    };
    return cmocka_run_group_tests_name("sizeclass", tests, NULL, NULL);
}

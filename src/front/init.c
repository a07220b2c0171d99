/* SPDX-License-Identifier: MIT */
/*
 * init.c - setting up and, at exit, reporting.
 *
 * The first call of any function that needs more than the fast path sets the allocator up, whichever thread
 * it comes from and however early: in the loader, before constructors, before the C library has an
 * environment. Nothing here allocates, opens a file (but for an operation log) or looks up a symbol. States
 * of x_state: 0 -> 1 by the thread that wins the exchange, 1 -> 2 by the same thread (release, pairs with the
 * acquire in vm_heap_first_call); others wait for 2.
 *
 * Nothing is torn down at exit: other libraries' destructors and detached threads go on allocating.
 */
#include "base/atomic.h"
#include "front/front.h"
#include "front/print.h"
#include "heap/heap_fast.h"
#include "heap/perturb.h"
#include "heap/thread.h"
#include "kernel/fault.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/arena.h"
#include "vmalloc/vmalloc.h"

/*
 * A thread ends. Which heap it has, its own word says; the argument may be another copy's of this library: the C
 * libraries of two loader namespaces (dlmopen) number their keys alike and keep the values in the same place.
 */
static void thread_ended(void *argument)
{
    (void)argument;
    if (vm_heap_self != &vm_heap_none && vm_heap_self != &vm_heap_ended)
        vm_thread_end(vm_heap_self);
}

static uint32_t x_state;
static uintptr_t x_starter;
static bool has_environment;

/*
 * Loaded beside another malloc, by a plug-in that is linked with us, we leave the break to that: sbrk has no lock,
 * and two mallocs that move the break at the same moment get the same memory. (The core library of the unit
 * tests, which has no C library names, shares it with the C library's malloc on purpose.)
 */
static void leave_break_to_other_malloc(void)
{
#ifdef VM_LIBC_NAMES
    if (!vm_front_is_process_malloc())
        vm_kernel.has_break = false;
#endif
}

/* Where memory is little, less of it is kept, and slabs serve small sizes alone. Settings may change that. */
static void fit_to_memory(void)
{
    vm_arena_policy.x_top_pad = vm_kernel_share(VM_DEFAULT_TOP_PAD, 6);
    vm_arena_policy.x_trim_threshold = vm_kernel_share(VM_DEFAULT_TRIM_THRESHOLD, 4);
    vm_heap_policy.retired_bytes_max = vm_kernel_share(VM_RETIRED_BYTES_MAX, 5);
    vm_large_set_threshold(VM_DEFAULT_MMAP_THRESHOLD);
}

VM_COLD static void set_up(void)
{
    uint32_t expected = 0;
    if (!vm_compare_exchange(&x_state, &expected, 1)) {
        while (vm_load_acquire(&x_state) == 1 && vm_load_relaxed(&x_starter) != vm_thread_id())
            vm_cpu_relax();
        return;
    }
    vm_store_relaxed(&x_starter, vm_thread_id());
    vm_process_start_reports();
    vm_kernel_start(vm_backend_choose());
    vm_process_start(thread_ended);
    vm_lock_waiter.forked = vm_fork_repair;
    fit_to_memory();
    has_environment = vm_tune_read_environment();
    leave_break_to_other_malloc();
    vm_store_release(&x_state, 2);
}

void vm_heap_first_call(void)
{
    if (VM_UNLIKELY(vm_load_acquire(&x_state) != 2))
        set_up();
}

static void add_identity(struct message *message)
{
    vm_message_text(message, "version " VMALLOC_VERSION ", backend ");
    vm_message_text(message, vm_kernel.name);
    vm_message_text(message, ", page size ");
    vm_message_unsigned(message, vm_kernel.page_bytes);
    const struct vm_kernel_region region = vm_kernel_describe();
    if (region.bytes)
        vm_message_text(message, ", ");
    vm_message_region(message, &region);
}

/*
 * The main thread's heap, the first arena on the process's break and what else a first block needs, before the
 * program begins: so nobody takes it for the program's own memory, and a program that moves the break itself
 * finds ours below.
 */
static void make_first_blocks(void)
{
    vm_free(VM_OPAQUE(vm_malloc(1)));
    vm_free(VM_OPAQUE(vm_malloc(vm_large_policy.x_slab_max + 1)));
}

VM_CONSTRUCTOR static void start(void)
{
    vm_heap_first_call();
    if (!has_environment) /* another library's constructor allocated before the C library was set up */
        has_environment = vm_tune_read_environment();
    make_first_blocks();
    vm_process_at_fork(vm_fork_in_child);
    struct message message = {0};
    vm_message_text(&message, "vmalloc: ");
    if (vm_front_settings.is_check) {
        const bool in_effect = vm_front_is_process_malloc();
        vm_message_text(&message,
                        in_effect ? "in effect: " : "not in effect: malloc of the process is another one's");
        if (in_effect)
            add_identity(&message);
        vm_message_text(&message, ", pid ");
        vm_message_unsigned(&message, (uint64_t)vm_process_id());
        vm_message_text(&message, "\n");
        vm_report_send(&message);
        vm_process_exit_now(in_effect ? 0 : 1);
    }
    if (vm_front_settings.stats != STATS_NONE || vm_fault_plan.n_rules)
        vm_process_keep_error_file();
    if (vm_front_settings.is_verbose) {
        add_identity(&message);
        vm_message_text(&message, "\n");
        vm_report_send(&message);
        vm_tune_report();
    }
}

VM_DESTRUCTOR static void stop(void)
{
    if (vm_front_settings.stats != STATS_NONE)
        vm_stats_report((enum stats_format)vm_front_settings.stats);
    vm_fault_report();
}

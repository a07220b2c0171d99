/* SPDX-License-Identifier: MIT */
/*
 * start.c - the allocator in a process: what setting up does there, what is done before the program begins, and at its
 * exit the reports.
 *
 * Nothing is torn down at exit: other libraries' destructors and detached threads go on allocating.
 */
#include "base/atomic.h"
#include "front/front.h"
#include "front/print.h"
#include "front/trace.h"
#include "front/tune.h"
#include "heap/heap_fast.h"
#include "heap/thread.h"
#include "kernel/fault.h"
#include "kernel/kernel.h"
#include "vmalloc/vmalloc.h"

static bool has_environment;

/* The argument may be another copy's of this library: the C libraries of two loader namespaces (dlmopen) number their
   keys alike and keep the values in the same place. */
static void thread_ended(void *argument)
{
    (void)argument;
    vm_kernel_thread_ended();
}

/* Asked once, and early: a wrapper of malloc before us would see a call of free within its own. */
bool vm_front_is_process_malloc(void)
{
    static enum { UNKNOWN, IS_NOT, IS } answer;
    if (answer == UNKNOWN) {
        vm_store_relaxed(&vm_front_x_null_was_freed, false);
        vm_process_have_null_freed();
        answer = vm_load_relaxed(&vm_front_x_null_was_freed) ? IS : IS_NOT;
    }
    return answer == IS;
}

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

void vm_front_set_up(void)
{
    vm_process_start_reports();
    vm_kernel_start(vm_backend_choose());
    vm_process_start(thread_ended);
    vm_lock_waiter.forked = vm_fork_repair;
    vm_front_fit_to_memory();
    has_environment = vm_tune_read_environment();
    leave_break_to_other_malloc();
    const char *const trace = has_environment ? vm_tune_text(TUNE_KEY_TRACE) : NULL;
    if (trace) /* what few processes call, few should have in memory: src/meson.build */
        vm_trace_start(trace);
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

VM_NORETURN static void end_by_check(void)
{
    const bool in_effect = vm_front_is_process_malloc();
    struct message message = {0};
    vm_message_text(&message, "vmalloc: ");
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

static void introduce(void)
{
    struct message message = {0};
    vm_message_text(&message, "vmalloc: ");
    add_identity(&message);
    vm_message_text(&message, "\n");
    vm_report_send(&message);
    vm_tune_report();
}

void vm_heap_expect_threads(void)
{
    static uint32_t x_is_done;
    if (!vm_load_relaxed(&x_is_done) && !vm_exchange(&x_is_done, 1))
        vm_process_at_fork(vm_fork_in_child);
}

/*
 * Whether the first call can set up, and the first calloc expect threads, so that a program pays for what it uses
 * (tests/lint/start-pages, docs/decisions/0034). There must be one thread until then: another could fork meanwhile, and its
 * child would wait for a set-up that nobody goes on with.
 */
static bool can_wait_for_calls(void)
{
    return vm_process_threads_allocate() && vm_front_is_process_malloc();
}

VM_CONSTRUCTOR static void start(void)
{
    if (!vm_tune_is_spoken_to() && can_wait_for_calls()) {
        vm_process_ignore_environment(); /* what the program makes of it is no setting */
        return;
    }
    vm_heap_first_call();
    vm_heap_expect_threads();
    if (!has_environment) /* another library's constructor allocated before the C library was set up */
        has_environment = vm_tune_read_environment();
    if (vm_front_settings.is_check)
        end_by_check();
    if (vm_front_settings.stats != STATS_NONE || vm_fault_plan.n_rules)
        vm_process_keep_error_file();
    if (vm_front_settings.is_verbose)
        introduce();
}

VM_DESTRUCTOR static void stop(void)
{
    if (vm_front_settings.stats != STATS_NONE)
        vm_stats_report((enum stats_format)vm_front_settings.stats);
    if (vm_fault_plan.n_rules)
        vm_fault_report();
    if (vm_heap_none.taker)
        vm_trace_stop();
}

/* SPDX-License-Identifier: MIT */
/*
 * backend.c - which kernel serves, and what stands between it and us: VMALLOC_BACKEND, VMALLOC_FAULT and
 * VMALLOC_OPLOG. They are read before all other settings, as the allocator cannot be set up without a kernel.
 */
#include "base/atomic.h"
#include "front/front.h"
#include "front/tune.h"
#include "kernel/fault.h"
#include "kernel/oplog.h"
#include "kernel/sim.h"

/*
 * VMALLOC_BACKEND=NAME, or NAME:SIZE[,page=SIZE] for one that serves from a region of its own.
 */
struct region {
    size_t bytes, page_bytes; /* page_bytes 0: not given */
};

/* One row a backend. `open` gives the backend, or NULL: it cannot be had, for want of memory for the
   region. */
struct backend_row {
    struct vm_kernel_backend *(*open)(const struct region *region);
    bool has_region;
};

static struct vm_kernel_backend *open_linux(const struct region *region)
{
    (void)region;
    return &vm_linux_backend;
}

static struct vm_kernel_backend *open_posix(const struct region *region)
{
    (void)region;
    return vm_posix_open();
}

static struct vm_kernel_backend *open_sim(const struct region *region)
{
    return vm_sim_open(region->bytes, region->page_bytes);
}

static const struct backend_row backends[] = {
    {.open = open_linux}, {.open = open_posix}, {.open = open_sim, .has_region = true}};
static const char *const backend_words[] = {"linux", "posix", "sim", NULL};
static const char *const region_words[] = {"page", NULL};

static bool read_size(struct scan *scan, size_t *bytes)
{
    uint64_t value;
    if (!vm_scan_number(scan, 1, PTRDIFF_MAX, "a size (a number, then K, M, G or nothing)", &value))
        return false;
    *bytes = (size_t)value;
    return true;
}

static bool read_region(struct scan *scan, struct region *region)
{
    unsigned word;
    if (!vm_scan_sign(scan, ':', ": and the size of its region") || !read_size(scan, &region->bytes))
        return false;
    return !vm_scan_skip_sign(scan, ',') ||
           (vm_scan_word(scan, region_words, "page", &word) && vm_scan_sign(scan, '=', "=") &&
            read_size(scan, &region->page_bytes));
}

static struct vm_kernel_backend *read_backend(struct scan *scan)
{
    unsigned index;
    struct region region = {0};
    if (!vm_scan_word(scan, backend_words, "linux, posix or sim", &index) ||
        (backends[index].has_region && !read_region(scan, &region)) ||
        (!vm_scan_is_at_end(scan) && !vm_scan_fail(scan, "the end")))
        return NULL;
    struct vm_kernel_backend *const backend = backends[index].open(&region);
    if (!backend) {
        scan->rest = scan->text;
        vm_scan_fail(scan, "a backend that can be had here");
    }
    return backend;
}

/* --- the three settings --------------------------------------------------------------------------------- */

static bool was_read;

bool vm_backend_was_read(void)
{
    return was_read;
}

static struct vm_kernel_backend *choose(void)
{
    const char *const text = vm_tune_text(TUNE_KEY_BACKEND);
    if (!text)
        return &vm_linux_backend;
    struct scan scan = vm_scan_begin(vm_piece_of(text));
    struct vm_kernel_backend *const backend = read_backend(&scan);
    if (backend)
        vm_tune_take_text(TUNE_KEY_BACKEND);
    else
        vm_tune_refuse_text(TUNE_KEY_BACKEND, &scan.complaint);
    return backend ? backend : &vm_linux_backend;
}

static void read_plan(void)
{
    const char *const text = vm_tune_text(TUNE_KEY_FAULT);
    struct scan_complaint complaint;
    if (!text)
        return;
    if (vm_faultplan_parse(&vm_fault_plan, vm_piece_of(text), &complaint))
        vm_tune_take_text(TUNE_KEY_FAULT);
    else
        vm_tune_refuse_text(TUNE_KEY_FAULT, &complaint);
}

/* Whether there is a log. */
static bool open_log(void)
{
    static const struct scan_complaint complaint = {
        1, 1, "a file that can be written, or the number of an open one"};
    const char *const text = vm_tune_text(TUNE_KEY_OPLOG);
    if (!text)
        return false;
    const bool is_open = vm_oplog_open(text);
    if (is_open)
        vm_tune_take_text(TUNE_KEY_OPLOG);
    else
        vm_tune_refuse_text(TUNE_KEY_OPLOG, &complaint);
    return is_open;
}

struct vm_kernel_backend *vm_backend_choose(void)
{
    if (vm_kernel_before_start)
        vm_kernel_before_start();
    was_read = vm_process_entries() != NULL;
    struct vm_kernel_backend *const backend = vm_kernel_installed() ? vm_kernel_installed() : choose();
    read_plan();
    const bool has_log = open_log();
    return vm_fault_plan.n_rules || has_log ? vm_fault_interpose(backend) : backend;
}

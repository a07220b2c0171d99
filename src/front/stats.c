/* SPDX-License-Identifier: MIT */
/* stats.c - mallinfo, mallinfo2 and malloc_stats as glibc has them. Owns nothing; the figures are figures.c's. */
#include "front/stats.h"
#include "base/bits.h"
#include "front/front.h"
#include "vmalloc/vmalloc.h"

struct vm_mallinfo2 vm_mallinfo2(void)
{
    const struct sums sums = vm_figures_sum();
    return (struct vm_mallinfo2){
        .arena = sums.system_bytes,
        .ordblks = vm_max_size(sums.n_free, 1),
        .hblks = sums.large.n_large,
        .hblkhd = sums.large.large_bytes,
        .uordblks = sums.in_use_bytes,
        .fordblks = sums.free_bytes,
        .keepcost = sums.top_free_bytes,
    };
}

struct vm_mallinfo vm_mallinfo(void)
{
    const struct vm_mallinfo2 info = vm_mallinfo2();
    return (struct vm_mallinfo){
        .arena = (int)info.arena,
        .ordblks = (int)info.ordblks,
        .hblks = (int)info.hblks,
        .hblkhd = (int)info.hblkhd,
        .uordblks = (int)info.uordblks,
        .fordblks = (int)info.fordblks,
        .keepcost = (int)info.keepcost,
    };
}

static void print_line(struct printer *printer, const char *label, uint64_t value)
{
    vm_print_text(printer, label);
    vm_print_number(printer, value, 10);
    vm_print_text(printer, "\n");
}

/* All but the last as glibc prints them: unsigned int, whatever the value. */
static void print_totals(struct printer *printer, const struct sums *sums)
{
    const struct large_totals *const large = &sums->large;
    vm_print_text(printer, "Total (incl. mmap):\n");
    print_line(printer, "system bytes     = ", (uint32_t)(sums->system_bytes + large->large_bytes));
    print_line(printer, "in use bytes     = ", (uint32_t)(sums->in_use_bytes + large->large_bytes));
    print_line(printer, "max mmap regions = ", (uint32_t)large->n_large_max);
    print_line(printer, "max mmap bytes   = ", large->large_bytes_max);
}

/* The one line that glibc's report does not have, and only where memory is not the operating system's. */
static void print_backend(struct printer *printer, const struct vm_kernel_region *region)
{
    if (!region->bytes)
        return;
    vm_print_text(printer, "Backend ");
    vm_print_text(printer, vm_kernel.name);
    vm_print_region(printer, ": ", region);
}

void vm_stats_print(struct printer *printer, const struct figures *figures)
{
    print_backend(printer, &figures->region);
    for (size_t i = 0; i < figures->sums.n_arenas; i++) {
        const struct arena_figures *const arena = &figures->arena[i];
        vm_print_text(printer, "Arena ");
        vm_print_number(printer, i, 0);
        vm_print_text(printer, ":\n");
        print_line(printer, "system bytes     = ", (uint32_t)arena->totals.system_bytes);
        print_line(printer, "in use bytes     = ", (uint32_t)arena->in_use_bytes);
    }
    print_totals(printer, &figures->sums);
}

void vm_stats_glibc(void)
{
    struct figures *const figures = vm_figures_take();
    struct printer printer;
    vm_print_begin(&printer, stderr);
    if (figures) {
        vm_stats_print(&printer, figures);
    } else {
        const struct sums sums = vm_figures_sum();
        const struct vm_kernel_region region = vm_kernel_describe();
        print_backend(&printer, &region);
        print_totals(&printer, &sums);
    }
    vm_print_end(&printer);
    if (figures)
        vm_figures_drop(figures);
}

VM_LIBC_NAME(mallinfo2, vm_mallinfo2);
VM_LIBC_NAME(mallinfo, vm_mallinfo);
VM_LIBC_NAME(__libc_mallinfo, vm_mallinfo);
VM_LIBC_NAME(malloc_stats, vm_stats_glibc);

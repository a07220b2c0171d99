/* SPDX-License-Identifier: MIT */
/*
 * info.c - malloc_info: glibc's XML, version 1, line by line, as there are readers that count lines. Under <sizes>
 * stand the free blocks of each class ("from" and "to" are the requests that they serve), then the free spans of
 * each order of the page pool, then as "unsorted" what is left: remainders of slabs, and middle blocks that wait for the next
 * of their length, as glibc's do in the list of that name. "rest" is their sum.
 */
#include <errno.h>
#include "base/bits.h"
#include "front/figures.h"
#include "front/print.h"
#include "slab/sizeclass.h"
#include "vmalloc/vmalloc.h"

static void print_attribute(struct printer *printer, const char *before, uint64_t value)
{
    vm_print_text(printer, before);
    vm_print_number(printer, value, 0);
}

struct free_line {
    size_t from, to, bytes, count;
};

static void print_free_line(struct printer *printer, const char *element, const struct free_line *line)
{
    if (line->count == 0)
        return;
    vm_print_text(printer, element);
    print_attribute(printer, " from=\"", line->from);
    print_attribute(printer, "\" to=\"", line->to);
    print_attribute(printer, "\" total=\"", line->bytes);
    print_attribute(printer, "\" count=\"", line->count);
    vm_print_text(printer, "\"/>\n");
}

/* The lines of an arena's free pieces. Returns how many pieces they are. */
static size_t print_sizes(struct printer *printer, const struct arena_figures *arena)
{
    size_t listed_bytes = 0, n_listed = 0;
    for (unsigned i = 1; i < VM_N_CLASSES + VM_N_ORDERS; i++) {
        const bool is_class = i < VM_N_CLASSES;
        const size_t each = is_class ? vm_class_bytes(i) : vm_pages_to_bytes((size_t)1 << (i - VM_N_CLASSES));
        const size_t count =
            is_class ? arena->n_free_of_class[i] : arena->totals.n_free_of_order[i - VM_N_CLASSES];
        print_free_line(printer, "  <size",
                        &(struct free_line){.from = is_class ? vm_class_bytes(i - 1) + 1 : each,
                                            .to = each,
                                            .bytes = each * count,
                                            .count = count});
        listed_bytes += each * count;
        n_listed += count;
    }
    const size_t free_bytes = vm_figures_free_bytes(arena);
    const size_t rest = free_bytes - vm_min_size(listed_bytes, free_bytes);
    const struct quick_totals *const quick = &arena->totals.quick;
    const struct free_line unsorted = {
        .from = 1,
        .to = vm_max_size(vm_max_size(arena->remainder_bytes_max, quick->bytes_max), 1),
        .bytes = rest,
        .count = rest ? vm_max_size(arena->n_remainders + quick->n, 1) : 0,
    };
    print_free_line(printer, "  <unsorted", &unsorted);
    return n_listed + unsorted.count;
}

static void print_free(struct printer *printer, size_t n_free, size_t free_bytes)
{
    vm_print_text(printer, "<total type=\"fast\" count=\"0\" size=\"0\"/>\n");
    print_attribute(printer, "<total type=\"rest\" count=\"", n_free);
    print_attribute(printer, "\" size=\"", free_bytes);
    vm_print_text(printer, "\"/>\n");
}

static void print_system(struct printer *printer, size_t system_bytes, size_t system_bytes_max)
{
    print_attribute(printer, "<system type=\"current\" size=\"", system_bytes);
    print_attribute(printer, "\"/>\n<system type=\"max\" size=\"", system_bytes_max);
    print_attribute(printer, "\"/>\n<aspace type=\"total\" size=\"", system_bytes);
    print_attribute(printer, "\"/>\n<aspace type=\"mprotect\" size=\"", system_bytes);
    vm_print_text(printer, "\"/>\n");
}

/* Returns how many free pieces the arena has. */
static size_t print_arena(struct printer *printer, const struct arena_figures *arena, size_t index)
{
    print_attribute(printer, "<heap nr=\"", index);
    vm_print_text(printer, "\">\n<sizes>\n");
    const size_t n_free = print_sizes(printer, arena);
    vm_print_text(printer, "</sizes>\n");
    print_free(printer, n_free, vm_figures_free_bytes(arena));
    print_system(printer, arena->totals.system_bytes, arena->totals.system_bytes_max);
    if (index > 0)
        vm_print_text(printer, "<aspace type=\"subheaps\" size=\"1\"/>\n");
    vm_print_text(printer, "</heap>\n");
    return n_free;
}

static void print_info(struct printer *printer, const struct figures *figures)
{
    const struct sums *const sums = &figures->sums;
    size_t n_free = 0;
    vm_print_text(printer, "<malloc version=\"1\">\n");
    for (size_t i = 0; i < sums->n_arenas; i++)
        n_free += print_arena(printer, &figures->arena[i], i);
    print_free(printer, n_free, sums->free_bytes);
    print_attribute(printer, "<total type=\"mmap\" count=\"", sums->large.n_large);
    print_attribute(printer, "\" size=\"", sums->large.large_bytes);
    vm_print_text(printer, "\"/>\n");
    print_system(printer, sums->system_bytes, sums->system_bytes_max);
    vm_print_text(printer, "</malloc>\n");
}

int vm_malloc_info(int options, FILE *stream)
{
    if (options != 0)
        return EINVAL;
    struct figures *const figures = vm_figures_take();
    if (!figures)
        return ENOMEM;
    struct printer printer;
    vm_print_begin(&printer, stream);
    print_info(&printer, figures);
    vm_print_end(&printer);
    vm_figures_drop(figures);
    return 0;
}

VM_LIBC_NAME(malloc_info, vm_malloc_info);

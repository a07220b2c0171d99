/* SPDX-License-Identifier: MIT */
/*
 * stats.c - mallinfo, malloc_stats, malloc_info. Every figure is counted by the one who changes
 * it and summed up here; a snapshot is taken first and printed after, with no lock held, as the stream may
 * allocate.
 */
#include <errno.h>
#include <pthread.h>
#include "base/bits.h"
#include "front/front.h"
#include "heap/heap_fast.h"
#include "heap/thread.h"
#include "kernel/kernel.h"
#include "large/large.h"
#include "pool/pool.h"
#include "vmalloc/vmalloc.h"

struct arena_figures {
    size_t system_bytes, system_bytes_max, free_bytes, n_free_spans;
    size_t slab_bytes, slab_live_bytes; /* of the slabs in this arena: all, and in live blocks */
};

struct figures {
    size_t n_arenas;
    struct arena_figures arena[VM_N_ARENAS_MAX];
    struct large_totals large;
    size_t top_free_bytes;
};

static void count_slab(struct figures *figures, const struct slab *slab)
{
    struct arena_figures *const arena = &figures->arena[slab->span.arena->index];
    arena->slab_bytes += slab->span.bytes;
    arena->slab_live_bytes += (size_t)(slab->n_blocks - vm_slab_count_free(slab)) * slab->block_bytes;
}

static void count_list(struct figures *figures, const struct list *slabs)
{
    for (struct list_node *node = slabs->first; node; node = node->next)
        count_slab(figures, VM_CONTAINER(node, struct slab, span.node));
}

static void count_heap(struct figures *figures, struct heap *heap)
{
    if (vm_load_relaxed(&heap->x_state) == HEAP_FROZEN)
        return;
    vm_lock_acquire(&heap->lock);
    for (unsigned i = 0; i < VM_N_CLASSES; i++) {
        count_list(figures, &heap->slabs[i]);
        if (heap->current[i])
            count_slab(figures, heap->current[i]);
    }
    vm_lock_release(&heap->lock);
}

static void take_figures(struct figures *figures)
{
    vm_heap_first_call();
    *figures = (struct figures){0};
    for (struct heap *heap = vm_thread_heaps(); heap; heap = heap->x_next)
        count_heap(figures, heap);
    struct arena *arena;
    for (; (arena = vm_pool_arena(figures->n_arenas)); figures->n_arenas++) {
        struct arena_figures *const to = &figures->arena[figures->n_arenas];
        to->system_bytes = vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_pages));
        to->system_bytes_max = vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_pages_max));
        to->free_bytes = vm_min_size(vm_pages_to_bytes(vm_load_relaxed(&arena->x_n_free)), to->system_bytes);
    }
    figures->large = vm_large_totals();
    figures->top_free_bytes = figures->n_arenas ? vm_arena_top_free_bytes(vm_pool_arena(0), SIZE_MAX / 2) : 0;
}

/* Live bytes of an arena: its taken pages, but of those in slabs only the live blocks. */
static size_t used_bytes(const struct arena_figures *arena)
{
    const size_t taken = arena->system_bytes - arena->free_bytes;
    return arena->slab_bytes <= taken ? taken - arena->slab_bytes + arena->slab_live_bytes
                                      : vm_min_size(arena->slab_live_bytes, taken);
}

struct vm_mallinfo2 vm_mallinfo2(void)
{
    struct figures figures;
    take_figures(&figures);
    struct vm_mallinfo2 info = {
        .hblks = figures.large.n_large,
        .hblkhd = figures.large.large_bytes,
        .keepcost = figures.top_free_bytes,
        .ordblks = vm_max_size(vm_pool_totals().n_free_spans, 1),
    };
    for (size_t i = 0; i < figures.n_arenas; i++) {
        info.arena += figures.arena[i].system_bytes;
        info.uordblks += used_bytes(&figures.arena[i]);
    }
    info.fordblks = info.arena - info.uordblks;
    return info;
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

/* --- malloc_stats: glibc's text ------------------------------------------------------------------------- */

static void add_line(struct message *message, const char *label, size_t value)
{
    vm_message_text(message, label);
    vm_message_padded(message, value, 10);
    vm_message_text(message, "\n");
}

static void print_stats(void (*print)(const struct message *message))
{
    struct figures figures;
    take_figures(&figures);
    size_t system_bytes = figures.large.large_bytes, in_use_bytes = figures.large.large_bytes;
    for (size_t i = 0; i < figures.n_arenas; i++) {
        const struct arena_figures *const arena = &figures.arena[i];
        struct message message = {0};
        vm_message_text(&message, "Arena ");
        vm_message_unsigned(&message, i);
        vm_message_text(&message, ":\n");
        add_line(&message, "system bytes     = ", (uint32_t)arena->system_bytes);
        add_line(&message, "in use bytes     = ", (uint32_t)used_bytes(arena));
        print(&message);
        system_bytes += arena->system_bytes;
        in_use_bytes += used_bytes(arena);
    }
    struct message message = {0};
    vm_message_text(&message, "Total (incl. mmap):\n");
    add_line(&message, "system bytes     = ", (uint32_t)system_bytes);
    add_line(&message, "in use bytes     = ", (uint32_t)in_use_bytes);
    add_line(&message, "max mmap regions = ", (uint32_t)figures.large.n_large_max);
    add_line(&message, "max mmap bytes   = ", figures.large.large_bytes_max);
    print(&message);
}

static void print_to_stream(const struct message *message)
{
    fwrite(message->text, 1, message->length, stderr);
}

void vm_stats_report(enum stats_format format)
{
    (void)format;
    print_stats(vm_report_send);
}

/* The statistics are no cancellation point, though writing is one. */
static int forbid_cancellation(void)
{
    int before = PTHREAD_CANCEL_ENABLE;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static void allow_cancellation(int before)
{
    int ignored;
    pthread_setcancelstate(before, &ignored);
}

void vm_malloc_stats(void)
{
    const int saved_errno = errno, before = forbid_cancellation();
    flockfile(stderr);
    print_stats(print_to_stream);
    funlockfile(stderr);
    allow_cancellation(before);
    errno = saved_errno;
}

/* --- malloc_info: glibc's XML --------------------------------------------------------------------------- */

static void print_free(FILE *stream, size_t n_free, size_t free_bytes)
{
    fprintf(stream,
            "<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
            "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n",
            n_free, free_bytes);
}

static void print_system(FILE *stream, size_t system_bytes, size_t system_bytes_max)
{
    fprintf(stream,
            "<system type=\"current\" size=\"%zu\"/>\n"
            "<system type=\"max\" size=\"%zu\"/>\n"
            "<aspace type=\"total\" size=\"%zu\"/>\n"
            "<aspace type=\"mprotect\" size=\"%zu\"/>\n",
            system_bytes, system_bytes_max, system_bytes, system_bytes);
}

int vm_malloc_info(int options, FILE *stream)
{
    if (options != 0)
        return EINVAL;
    struct figures figures;
    take_figures(&figures);
    const int saved_errno = errno, before = forbid_cancellation();
    size_t free_bytes = 0, system_bytes = 0, system_bytes_max = 0;
    fputs("<malloc version=\"1\">\n", stream);
    for (size_t i = 0; i < figures.n_arenas; i++) {
        const struct arena_figures *const arena = &figures.arena[i];
        const size_t arena_free = arena->system_bytes - used_bytes(arena);
        fprintf(stream, "<heap nr=\"%zu\">\n<sizes>\n</sizes>\n", i);
        print_free(stream, arena_free != 0, arena_free);
        print_system(stream, arena->system_bytes, arena->system_bytes_max);
        fputs("</heap>\n", stream);
        free_bytes += arena_free;
        system_bytes += arena->system_bytes;
        system_bytes_max += arena->system_bytes_max;
    }
    print_free(stream, figures.n_arenas, free_bytes);
    fprintf(stream, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n", figures.large.n_large,
            figures.large.large_bytes);
    print_system(stream, system_bytes, system_bytes_max);
    fputs("</malloc>\n", stream);
    allow_cancellation(before);
    errno = saved_errno;
    return 0;
}

VM_LIBC_NAME(mallinfo2, vm_mallinfo2);
VM_LIBC_NAME(mallinfo, vm_mallinfo);
VM_LIBC_NAME(__libc_mallinfo, vm_mallinfo);
VM_LIBC_NAME(malloc_stats, vm_malloc_stats);
VM_LIBC_NAME(malloc_info, vm_malloc_info);

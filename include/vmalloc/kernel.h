/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - the kernel wall: all that vmalloc asks of an operating system. A new target is one filled-in
 * struct vm_kernel_backend; src/kernel/linux.c is the one for Linux.
 *
 * Blanket contract: pointers are non-null and page-aligned, sizes are positive multiples of the page size;
 * failure is NULL or false, and the only reason that a caller distinguishes is "not to be had"; an error that
 * can only mean a bug of vmalloc ends the process in the backend; errno is free to be changed (the caller
 * restores it). Every operation may be called by several threads at once, except break_grow and break_trim,
 * which are serialised.
 */
#ifndef VMALLOC_KERNEL_H
#define VMALLOC_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a range of addresses may be used for. */
enum vm_access {
    VM_ACCESS_NONE,      /* addresses only: touching them is an error, and they cost no memory */
    VM_ACCESS_READ_WRITE /* ordinary memory */
};

/* What a backend has to give, for the statistics. used_bytes + free_bytes = bytes. */
struct vm_kernel_region {
    void *start; /* of the lowest part, if there are several */
    size_t bytes;
    size_t used_bytes, free_bytes; /* mapped, and not */
    size_t used_bytes_max;         /* the most ever */
};

struct vm_kernel_backend {
    const char *name;
    void *context; /* handed to every operation */

    /* Facts, valid after `start`. */
    size_t page_size;   /* bytes, a power of two */
    bool has_break;     /* break_grow and break_trim may work */
    bool has_remap;     /* resize and move may work */
    bool fresh_is_zero; /* break_grow and map return zeroed memory */
    bool purge_zeroes;  /* after purge the range reads as zero */

    /* All that break_grow and map ever return, if it is bounded and lies together: tables are then made for it alone,
       and what is kept for later is a part of it. memory_bytes 0: as much as anybody wants, anywhere. */
    void *memory;
    size_t memory_bytes;

    /* The memory is made longer when more of it is asked for, addresses without memory included: no more is
       reserved than will be used soon. */
    bool grows_on_demand;

    /* Called once, before all else: finds out the facts. NULL: they stand already. */
    void (*start)(struct vm_kernel_backend *self);

    /* Moves the break up by `bytes`, any number, and returns where it was: not always where we left it, and
       not always page-aligned, as the program may move it too. */
    void *(*break_grow)(void *context, size_t bytes);

    /* Moves the break down by `bytes`, but only if it still is at `end`. On failure nothing happened. */
    bool (*break_trim)(void *context, void *end, size_t bytes);

    /* Where the break is now, NULL if there is none. */
    void *(*break_now)(void *context);

    /* New memory (or, with VM_ACCESS_NONE, addresses), aligned to `alignment`, a power of two >=
       page_size. */
    void *(*map)(void *context, size_t bytes, size_t alignment, enum vm_access access);

    /* Gives a mapping, or a part of one, back. False if the kernel refuses: the range then stays usable. */
    bool (*unmap)(void *context, void *start, size_t bytes);

    /* Makes a whole mapping longer or shorter where it is. False: nothing changed. */
    bool (*resize)(void *context, void *start, size_t old_bytes, size_t new_bytes);

    /* Moves the pages of a whole mapping, without copying, to where another mapping of new_bytes starts,
       which it replaces: the old addresses are gone. False: nothing changed. */
    bool (*move)(void *context, void *start, size_t old_bytes, void *target, size_t new_bytes);

    /* Changes the access of a part of a mapping; with VM_ACCESS_NONE its contents are lost. */
    bool (*protect)(void *context, void *start, size_t bytes, enum vm_access access);

    /* Gives the pages' contents back, keeping the addresses usable. Failure is silent: nothing is lost by
       it. */
    void (*purge)(void *context, void *start, size_t bytes);

    /* Asks the kernel not to use pages larger than page_size here. May do nothing. */
    void (*no_huge_pages)(void *context, void *start, size_t bytes);

    /* Whether this address, which can be read, is one that the backend has and nobody does: for what is said of a
       pointer that is freed twice. NULL: what can be read is somebody's. */
    bool (*is_unused)(void *context, const void *address);

    /* Describes the region that it serves from. NULL: it has none. */
    void (*describe)(void *context, struct vm_kernel_region *region);
};

enum vm_kernel_result {
    VM_KERNEL_OK,
    VM_KERNEL_TOO_LATE,   /* the allocator has been set up: something has been allocated */
    VM_KERNEL_INCOMPLETE, /* an operation is missing that the facts promise */
    VM_KERNEL_PAGE_SIZE   /* page_size is none that vmalloc can serve: a power of two, 1 to 64 KiB */
};

#ifdef __ELF__
#define VM_KERNEL_API __attribute__((visibility("default")))
#else
#define VM_KERNEL_API
#endif

/*
 * Has the allocator take its memory from this backend, which stays the caller's and must last, instead of the
 * default or the one that VMALLOC_BACKEND names. To be called by one thread before anything is allocated. Of
 * two calls the later counts. On failure nothing changes.
 */
VM_KERNEL_API enum vm_kernel_result vm_kernel_install(struct vm_kernel_backend *backend);

/*
 * Not in the library: if the program defines this function, it is called once, when the allocator is about to
 * be set up. The place for vm_kernel_install where something allocates before the program could: the C
 * library, constructors. It runs very early, and must not allocate.
 */
VM_KERNEL_API __attribute__((weak)) void vm_kernel_before_start(void);

/*
 * Only in a library that was built for a bare target, with threads: to be called by each thread that allocated or
 * freed, as the last thing it does. What its heap keeps for it then serves others.
 */
void vm_kernel_thread_ended(void);

/*
 * Only in such a library: the calling thread goes on as another one, for a scheduler of the program's own that has no
 * thread-local storage. Returns what stands for the thread that it was; NULL: it becomes a new one. Between two calls of
 * vmalloc, of one thread of the machine.
 */
void *vm_kernel_thread_switch(void *to);

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/*
 * vmalloc.h - the public interface of vmalloc, a replacement of glibc's malloc.
 *
 * Every function below is also exported under its C library name (malloc, free, ...) by libvmalloc.so and
 * libvmalloc.a; the vm_ names are for programs that want to name this allocator explicitly. A block may be
 * given to either family.
 *
 * Blanket contract. Sizes and alignments are in bytes. Every block is aligned to VM_ALIGNMENT at least. A
 * request that cannot be met returns NULL and sets errno to ENOMEM; so does any size above PTRDIFF_MAX. On
 * success, and in the freeing functions always, errno is left as it was. All functions may be called from any
 * thread at any time after the loader relocated the library, and none is a cancellation point; none may be
 * called from a signal handler that interrupted one of them. A pointer that was not obtained from this
 * allocator, or that was freed before, ends the process with a message (see docs/misuse.md). Sources: ISO C11
 * 7.22.3, C23 7.24.3, POSIX.1-2024, the glibc manual ("Allocating Storage for Program Data").
 */
#ifndef VMALLOC_VMALLOC_H
#define VMALLOC_VMALLOC_H

#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMALLOC_VERSION_MAJOR 0
#define VMALLOC_VERSION_MINOR 1
#define VMALLOC_VERSION_PATCH 0
#define VMALLOC_VERSION "0.1.0"

/* Least alignment of every block, in bytes, whatever its size. */
#define VM_ALIGNMENT 16

#if defined(__GNUC__)
#ifdef __ELF__
#define VM_API_DATA __attribute__((visibility("default")))
#else
#define VM_API_DATA
#endif
#define VM_API VM_API_DATA __attribute__((nothrow))
#define VM_API_ALLOC(...) VM_API __attribute__((malloc, warn_unused_result, alloc_size(__VA_ARGS__)))
#else
#define VM_API
#define VM_API_DATA
#define VM_API_ALLOC(...)
#endif

/* Numbers for vm_mallopt; the same values as glibc's <malloc.h>. */
enum vm_mallopt_parameter {
    VM_M_MXFAST = 1,          /* accepted from 0 to 160 (64-bit), without effect: there are no fastbins */
    VM_M_TRIM_THRESHOLD = -1, /* bytes free at the end of the break that make it move down */
    VM_M_TOP_PAD = -2,        /* bytes added to each growth of an arena */
    VM_M_MMAP_THRESHOLD = -3, /* requests of this many bytes or more get a mapping of their own */
    VM_M_MMAP_MAX = -4,       /* most such mappings at a time; 0 for none */
    VM_M_CHECK_ACTION = -5,   /* accepted, without effect: misuse always ends the process */
    VM_M_PERTURB = -6,    /* freed blocks are filled with this byte, new ones with its complement; 0: not */
    VM_M_ARENA_TEST = -7, /* accepted, without effect */
    VM_M_ARENA_MAX = -8   /* most threads that have a heap of their own; later ones share */
};

/* What vm_mallinfo2 returns; field by field the struct mallinfo2 of glibc 2.33 and later. Bytes, except
   counts. */
struct vm_mallinfo2 {
    size_t arena;    /* obtained from the kernel for arenas, mappings of large blocks excluded */
    size_t ordblks;  /* count of free pieces: blocks, spans, remainders of slabs; at least 1 */
    size_t smblks;   /* 0: there are no fastbins */
    size_t hblks;    /* count of large blocks that have their own mapping */
    size_t hblkhd;   /* bytes of those mappings */
    size_t usmblks;  /* 0 */
    size_t fsmblks;  /* 0 */
    size_t uordblks; /* in live blocks of the arenas */
    size_t fordblks; /* all other bytes of the arenas: arena - uordblks */
    size_t keepcost; /* free at the end of the break: what vm_malloc_trim could give back there */
};

/* The older struct with int fields: each is the field of vm_mallinfo2 cut to int. */
struct vm_mallinfo {
    int arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks, fordblks, keepcost;
};

/* A block of at least `size` bytes, uninitialised. Size 0 gives a unique block. */
VM_API_ALLOC(1) void *vm_malloc(size_t size);

/* A block for `count` members of `size` bytes, all its usable bytes zero. ENOMEM if the product overflows. */
VM_API_ALLOC(1, 2) void *vm_calloc(size_t count, size_t size);

/*
 * Resizes the block at `block`, keeping its first min(old, new) bytes; returns where it is now. NULL as
 * `block` is vm_malloc(size). Size 0 with a block frees it and returns NULL with errno unchanged. On failure
 * the block stays as it was. The new block is aligned to VM_ALIGNMENT only.
 */
VM_API void *vm_realloc(void *block, size_t size);

/* vm_realloc(block, count * size), with ENOMEM and the block untouched if the product overflows. */
VM_API void *vm_reallocarray(void *block, size_t count, size_t size);

/* Ends the life of a block. NULL does nothing. Keeps errno. */
VM_API void vm_free(void *block);

/* C23: vm_free; the sizes and the alignment are hints and never trusted. */
VM_API void vm_free_sized(void *block, size_t size);
VM_API void vm_free_aligned_sized(void *block, size_t alignment, size_t size);

/* The name that old binaries use for vm_free. */
VM_API void vm_cfree(void *block);

/* A block aligned to `alignment`: 0 counts as VM_ALIGNMENT, other values are rounded up to a power of two;
   NULL and EINVAL above SIZE_MAX / 2 + 1. */
VM_API void *vm_memalign(size_t alignment, size_t size);

/* As vm_memalign, but NULL and EINVAL unless `alignment` is a power of two. `size` need not be a multiple. */
VM_API void *vm_aligned_alloc(size_t alignment, size_t size);

/* Stores a block aligned to `alignment` in *result and returns 0; returns EINVAL unless `alignment` is a
   power of two and a multiple of sizeof(void *), ENOMEM without memory. Errno and, on failure, *result stay
   as they were. */
VM_API int vm_posix_memalign(void **result, size_t alignment, size_t size);

/* A block aligned to the page; vm_pvalloc also rounds the size up to whole pages. */
VM_API void *vm_valloc(size_t size);
VM_API void *vm_pvalloc(size_t size);

/* Bytes that may be used in the block: at least the request, and the same as long as it lives. NULL gives
   0. */
VM_API size_t vm_malloc_usable_size(void *block);

/* Sets a vm_mallopt_parameter. 1, or 0 for a value that is refused. Unknown parameters give 1, as in
   glibc. */
VM_API int vm_mallopt(int parameter, int value);

/*
 * Statistics. All say the same of the same moment, exactly if nothing allocates meanwhile; else each is off by the
 * calls in flight and no more, and no figure wraps. None of these functions allocates or prints with a lock held,
 * and all may be called from a thread with the smallest stack. Cost: one pass over the descriptors of all slabs
 * (128 bytes and more a slab), and over each arena's free lists; docs/statistics.md has the details.
 */
VM_API struct vm_mallinfo2 vm_mallinfo2(void);
VM_API struct vm_mallinfo vm_mallinfo(void);

/* Writes the state of every arena to `stream` as glibc's XML (version 1). 0; EINVAL unless `options` is 0, ENOMEM
   if there is no memory for a second picture while another thread prints one: then nothing was written. */
VM_API int vm_malloc_info(int options, FILE *stream);

/* The forms of our own report. */
enum vm_stats_format {
    VM_STATS_TEXT = 1, /* for people; ends with the lines of glibc's malloc_stats */
    VM_STATS_JSON = 2  /* one object, as docs/statistics.schema.json describes it; its "schema" is 1 */
};

/* Writes our own report to `stream`: what the process has from the kernel, by arenas, size classes, large blocks and
   metadata. 0; EINVAL for another format, ENOMEM as vm_malloc_info: then nothing was written. */
VM_API int vm_malloc_stats_print(FILE *stream, enum vm_stats_format format);

/* vm_malloc_stats_print(stderr, VM_STATS_TEXT). The C library's name malloc_stats prints glibc's shorter text. */
VM_API void vm_malloc_stats(void);

/*
 * Gives every page that holds no live block back to the kernel, at once, whichever thread's it is, keeping `pad` bytes
 * at the break. Only what other threads take their next blocks from stays: a slab a class with live blocks, and
 * at most 2 MiB of empty ones a thread. 1 if any page went back, else 0. Cost: one pass over all blocks, a
 * kernel call for each run of free pages.
 */
VM_API int vm_malloc_trim(size_t pad);

/*
 * The message that the process died with, both lines, ended by a zero byte; empty while none was given. For
 * debuggers, on a process or its core: gdb -batch -ex 'x/s (char *)&vm_abort_message' PROGRAM CORE.
 */
enum { VM_ABORT_MESSAGE_BYTES = 512 };
extern VM_API_DATA char vm_abort_message[VM_ABORT_MESSAGE_BYTES];

#ifdef __cplusplus
}
#endif

#endif

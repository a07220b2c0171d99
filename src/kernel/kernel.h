/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - the wall as the layers above see it: the backend in force behind one wrapper an operation.
 * Wrappers keep errno, count calls and check their arguments. The blanket contract is that of
 * <vmalloc/kernel.h>.
 */
#ifndef VM_KERNEL_KERNEL_H
#define VM_KERNEL_KERNEL_H

#include "base/bits.h"
#include "base/compiler.h"
#include "base/config.h"
#include "vmalloc/kernel.h"

/* Facts of the backend in force, constant once the allocator is set up: front/start.c may take has_break away. */
struct kernel_facts {
    size_t page_bytes;
    unsigned page_shift;
    bool has_break, has_remap, fresh_is_zero, purge_zeroes, grows_on_demand;
    const char *name;
    char *memory; /* whole pages around what the backend calls its memory */
    size_t memory_bytes;
};
extern struct kernel_facts vm_kernel;

/* Calls so far, for the statistics and for tests. Read them with vm_load_relaxed. */
struct kernel_counts {
    uint64_t x_break_grow, x_break_refused, x_break_trim, x_map, x_map_refused, x_unmap, x_unmap_refused,
        x_resize, x_move, x_protect, x_purge;
};
extern struct kernel_counts vm_kernel_counts;

extern struct vm_kernel_backend vm_linux_backend;

/*
 * For backends whose kernel maps pages, but does not align: maps more than is needed and cuts the ends off.
 * `map` returns NULL on failure.
 */
void *vm_kernel_cut_aligned(void *(*map)(size_t bytes, enum vm_access access),
                            bool (*unmap)(void *context, void *start, size_t bytes), size_t bytes,
                            size_t alignment, enum vm_access access);

/* The backend that the program installed, or NULL. */
struct vm_kernel_backend *vm_kernel_installed(void);

/* Where the process's break was when the Linux backend started; NULL if another one did. */
extern void *vm_linux_first_break;

/* The page of Linux, whatever backend is in force. No call of the kernel. */
size_t vm_linux_page_bytes(void);

/* Puts a backend in force and starts it. Called once, by front/start.c or bare.c; by tests with a backend of their
   own. */
void vm_kernel_start(struct vm_kernel_backend *backend);

void *vm_kernel_break_grow(size_t bytes);
bool vm_kernel_break_trim(void *end, size_t bytes);
void *vm_kernel_break_now(void);
void *vm_kernel_map(size_t bytes, size_t alignment, enum vm_access access);

/* Zeroed memory for records of our own, of which a small part will be touched: no huge pages. */
void *vm_kernel_map_table(size_t bytes);

bool vm_kernel_unmap(void *start, size_t bytes);
bool vm_kernel_resize(void *start, size_t old_bytes, size_t new_bytes);
bool vm_kernel_move(void *start, size_t old_bytes, void *target, size_t new_bytes);
bool vm_kernel_protect(void *start, size_t bytes, enum vm_access access);
void vm_kernel_purge(void *start, size_t bytes);
void vm_kernel_no_huge_pages(void *start, size_t bytes);

/* Any address; no call of the operating system. */
bool vm_kernel_is_unused(const void *address);

/* The region that the backend serves from; all zero: there is none. */
struct vm_kernel_region vm_kernel_describe(void);

VM_INLINE size_t vm_pages_to_bytes(size_t n_pages)
{
    return n_pages << vm_kernel.page_shift;
}

/* Whole pages that hold `bytes`. Needs bytes <= SIZE_MAX - page. */
VM_INLINE size_t vm_bytes_to_pages(size_t bytes)
{
    return (bytes + vm_kernel.page_bytes - 1) >> vm_kernel.page_shift;
}

/* Below it a few pages are worth care. */
VM_INLINE bool vm_kernel_is_memory_little(void)
{
    return vm_kernel.memory_bytes && vm_kernel.memory_bytes < 16 * (size_t)VM_MIB;
}

/* What is `most` bytes where there is as much memory as anybody wants, elsewhere 2^-shift of the memory there is, if
   that is less, a power of two. */
VM_INLINE size_t vm_kernel_share(size_t most, unsigned shift)
{
    const size_t part = vm_kernel.memory_bytes >> shift;
    if (VM_LIKELY(vm_kernel.memory_bytes == 0) || part >= most)
        return most;
    return (size_t)1 << vm_floor_log2(vm_max_size(part, 1));
}

/*
 * The process around the allocator (process.c). The environment is only looked at before main, by one thread.
 */

/* The entries NAME=VALUE of the environment, up to NULL: none in set-user-id programs and others with raised
   rights. NULL: the C library has no environment yet. */
char *const *vm_process_entries(void);

/* From now on there are no entries. */
void vm_process_ignore_environment(void);

/* A value of the environment, or NULL; always NULL in set-user-id programs. The text belongs to the
   environment. */
const char *vm_process_environment(const char *name);

/* Whether the C library calls calloc for each thread that begins: before the first call there is one thread. */
bool vm_process_threads_allocate(void);

/* What the program's file is called, as it was started: the last part of its path. */
const char *vm_process_program(void);

/* Has the function that vm_process_start was given called with `argument` when the calling thread ends. May
   allocate. False: it will not be called. */
bool vm_process_at_thread_exit(void *argument);

/* Calls `in_child` in the child after each fork, and makes the mark by which vm_process_is_fresh_child tells. Called once. The
   C library may allocate, and waits for a fork that is under way in another thread, but not in the same one. */
void vm_process_at_fork(void (*in_child)(void));

/* True once in each fork child: the process was copied since the last call, or since vm_process_at_fork. Threads that only
   share memory under another process number (vfork, clone) are not taken for one. False for ever where the kernel cannot tell. */
bool vm_process_is_fresh_child(void);
bool vm_process_can_tell_child(void);

/* The page by which it tells, or NULL; 0 is in it in a child that did not look yet. It is a mapping, or, where memory is
   bounded, of the library's own data (mark.c). */
extern uint32_t *vm_process_x_copied_mark;
enum { VM_OWN_MARK_BYTES = 4 * VM_KIB };
extern char vm_process_own_mark[VM_OWN_MARK_BYTES];

/* The page size that programs know. */
size_t vm_process_page_bytes(void);

/* Bytes of the mapping by which it tells. */
size_t vm_process_mark_bytes(void);

/* Whether no other thread can be running. False where the C library does not say. */
bool vm_process_is_single_threaded(void);

/* Has the C library call free(NULL), and do nothing else: does that arrive here? */
void vm_process_have_null_freed(void);

/* Number of this process, straight from the kernel. */
long vm_process_id(void);

/*
 * Files of the process, by number; -1: it cannot be had. keep: a copy of an open one under a high number,
 * which programs that close or reuse the low ones leave alone. write: false if not all could be written.
 */
long vm_process_keep_file(int number);
long vm_process_open_to_append(const char *path);
bool vm_process_write(long file, const char *text, size_t length);

/* Keeps standard error's file open under another number, for a report at exit: programs close number 2
   before. */
void vm_process_keep_error_file(void);

/* Ends the process at once, without running anything of it. */
VM_NORETURN void vm_process_exit_now(int status);

/* Puts standard error behind vm_report_sink. */
void vm_process_start_reports(void);

/* Does that, puts the futex behind vm_lock_waiter, and prepares for calling
   on_exit at each thread's end. Called once, after vm_kernel_start. */
void vm_process_start(void (*on_exit)(void *argument));

#endif

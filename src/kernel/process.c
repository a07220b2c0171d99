/* SPDX-License-Identifier: MIT */
/*
 * process.c - the process around the allocator, on POSIX threads over Linux: environment, standard error,
 * threads, fork. Nothing here allocates, but for what vm_process_at_thread_exit and vm_process_at_fork say.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* hdestroy_r */
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/lock.h"
#include "base/report.h"
#include "kernel/kernel.h"

extern char **environ;

/* From Linux's <linux/futex.h>, which not every C library comes with. */
#define FUTEX_WAIT_PRIVATE 128L
#define FUTEX_WAKE_PRIVATE 129L

static bool ignores_environment;

void vm_process_ignore_environment(void)
{
    ignores_environment = true;
}

char *const *vm_process_entries(void)
{
    static char *none[1]; /* not const: among the constants nothing else is looked at */
    return ignores_environment || getauxval(AT_SECURE) ? none : environ;
}

const char *vm_process_environment(const char *name)
{
    for (char *const *entry = vm_process_entries(); entry && *entry; entry++) {
        size_t i = 0;
        while (name[i] && (*entry)[i] == name[i])
            i++;
        if (!name[i] && (*entry)[i] == '=')
            return *entry + i + 1;
    }
    return NULL;
}

const char *vm_process_program(void)
{
    const char *const path = (const char *)getauxval(AT_EXECFN), *name = path;
    for (const char *at = path; at && *at; at++)
        if (*at == '/')
            name = at + 1;
    return name ? name : "";
}

static pthread_key_t thread_exit_key;
static bool has_thread_exit_key;

bool vm_process_at_thread_exit(void *argument)
{
    const int saved_errno = errno;
    const bool done = has_thread_exit_key && pthread_setspecific(thread_exit_key, argument) == 0;
    errno = saved_errno;
    return done;
}

#ifdef __GLIBC__
/* What its pthread_atfork is (Linux Standard Base, libc interfaces): that is a static function, which the linker puts behind
   all of our code, and each start would map the page there and its neighbours. */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso_handle);
extern void *__dso_handle;
#define REGISTER_AT_FORK(child) __register_atfork(NULL, NULL, child, __dso_handle)
#else
#define REGISTER_AT_FORK(child) pthread_atfork(NULL, NULL, child)
#endif

bool vm_process_threads_allocate(void)
{
#ifdef __GLIBC__ /* the vector of its thread-local storage */
    return true;
#else
    return false;
#endif
}

/* One page that a fork leaves empty in the child. */
uint32_t *vm_process_x_copied_mark;
static size_t mark_mapped_bytes;

static void make_copied_mark(void)
{
    const size_t bytes = vm_max_size(vm_kernel.page_bytes, vm_process_page_bytes()); /* wiped are those */
    const bool is_own = vm_kernel.memory_bytes && bytes == VM_OWN_MARK_BYTES;
    uint32_t *const mark =
        is_own ? (void *)vm_process_own_mark : vm_kernel_map(bytes, bytes, VM_ACCESS_READ_WRITE);
    if (!mark)
        return;
    if (syscall(SYS_madvise, mark, bytes, 18L /* MADV_WIPEONFORK, Linux 4.14 */) == 0) {
        *mark = 1;
        vm_process_x_copied_mark = mark;
        mark_mapped_bytes = is_own ? 0 : bytes;
    } else if (!is_own) {
        vm_kernel_unmap(mark, bytes);
    }
}

void vm_process_at_fork(void (*in_child)(void))
{
    const int saved_errno = errno;
    make_copied_mark();
    REGISTER_AT_FORK(in_child);
    errno = saved_errno;
}

size_t vm_process_mark_bytes(void)
{
    return mark_mapped_bytes;
}

size_t vm_process_page_bytes(void)
{
    return getauxval(AT_PAGESZ);
}

bool vm_process_can_tell_child(void)
{
    return vm_process_x_copied_mark != NULL;
}

bool vm_process_is_fresh_child(void)
{
    return vm_process_x_copied_mark && vm_load_relaxed(vm_process_x_copied_mark) == 0 &&
           vm_exchange(vm_process_x_copied_mark, 1) == 0;
}

extern char __libc_single_threaded VM_WEAK; /* glibc 2.32, musl 1.2.3 */

bool vm_process_is_single_threaded(void)
{
    return &__libc_single_threaded && __libc_single_threaded;
}

void vm_process_have_null_freed(void)
{
    struct hsearch_data nothing = {0};
    hdestroy_r(&nothing); /* frees its table, which is NULL, and nothing else */
}

long vm_process_id(void)
{
    return syscall(SYS_getpid);
}

void vm_process_exit_now(int status)
{
    _exit(status);
}

long vm_process_keep_file(int number)
{
    const int saved_errno = errno;
    const long file = fcntl(number, F_DUPFD_CLOEXEC, 100);
    errno = saved_errno;
    return file;
}

long vm_process_open_to_append(const char *path)
{
    const long flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY;
    const int saved_errno = errno;
    const long opened = syscall(SYS_openat, (long)AT_FDCWD, path, flags, 0666L);
    const long file = opened < 0 ? -1 : vm_process_keep_file((int)opened);
    if (opened >= 0)
        syscall(SYS_close, opened);
    errno = saved_errno;
    return file;
}

bool vm_process_write(long file, const char *text, size_t length)
{
    while (length) {
        const long written = syscall(SYS_write, file, text, length);
        if (written <= 0 && errno != EINTR)
            return false;
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return true;
}

static long error_file = 2;

void vm_process_keep_error_file(void)
{
    const long copy = vm_process_keep_file(2);
    if (copy >= 0)
        error_file = copy;
}

static void write_error(const char *text, size_t length)
{
    const int saved_errno = errno;
    if (!vm_process_write(error_file, text, length) && errno == EBADF && error_file != 2) {
        error_file = 2; /* the program closed all files that it did not know */
        vm_process_write(error_file, text, length);
    }
    errno = saved_errno;
}

static void wait_on(uint32_t *word, uint32_t expected)
{
    const int saved_errno = errno;
    const long at_most[2] = {0, 1000000}; /* seconds, nanoseconds, as the kernel's own struct has them */
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, (long)expected, at_most, NULL, 0L);
    errno = saved_errno;
}

static void wake_one(uint32_t *word)
{
    const int saved_errno = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1L, NULL, NULL, 0L);
    errno = saved_errno;
}

void vm_process_start_reports(void)
{
    vm_report_sink = (struct report_sink){.write = write_error, .abort = abort};
}

void vm_process_start(void (*on_exit)(void *argument))
{
    const int saved_errno = errno;
    vm_process_start_reports();
    vm_lock_waiter.wait = wait_on;
    vm_lock_waiter.wake = wake_one;
    has_thread_exit_key = pthread_key_create(&thread_exit_key, on_exit) == 0;
    errno = saved_errno;
}

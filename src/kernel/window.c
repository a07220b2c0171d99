/* SPDX-License-Identifier: MIT */
/* window.c - see window.h. Owns nothing. System calls: openat, close, read, write, lseek, ftruncate, fallocate, mmap,
   madvise, getcwd, kill. */
#include "kernel/window.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kernel/kernel.h"

bool vm_window_path(char path[VM_PATH_BYTES], const char *name)
{
    const int saved_errno = errno;
    size_t length = 0, i = 0;
    if (name[0] != '/') {
        const long n = syscall(SYS_getcwd, path, (long)VM_PATH_BYTES); /* with the 0 at the end */
        errno = saved_errno;
        if (n < 2 || path[0] != '/')
            return false;
        length = (size_t)n - 1;
        path[length++] = '/';
    }
    for (; name[i] && length < VM_PATH_BYTES; i++)
        path[length++] = name[i];
    if (length >= VM_PATH_BYTES)
        return false;
    path[length] = '\0';
    return true;
}

static long open_file(const char *path, long flags)
{
    return syscall(SYS_openat, (long)AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOCTTY | flags, 0666L);
}

static bool cut(long file)
{
    return syscall(SYS_ftruncate, file, 0L) == 0;
}

long vm_window_read(const char *path, void *head, size_t bytes)
{
    const int saved_errno = errno;
    const long file = open_file(path, O_CREAT);
    long n = -1;
    if (file >= 0) {
        n = syscall(SYS_read, file, head, bytes);
        if (n == 0 && !cut(file)) /* a device, or the like */
            n = -1;
        syscall(SYS_close, file);
    }
    errno = saved_errno;
    return n;
}

bool vm_window_clear(const char *path)
{
    const int saved_errno = errno;
    const long file = open_file(path, 0);
    const bool done = file >= 0 && cut(file);
    if (file >= 0)
        syscall(SYS_close, file);
    errno = saved_errno;
    return done;
}

/* Where the file system cannot reserve room, zeros do. */
static bool write_zeros(long file, uint64_t offset, size_t bytes)
{
    static const char zeros[4 * VM_KIB];
    if (syscall(SYS_lseek, file, (long)offset, (long)SEEK_SET) != (long)offset)
        return false;
    for (; bytes; bytes -= sizeof zeros)
        if (!vm_process_write(file, zeros, sizeof zeros))
            return false;
    return true;
}

static bool reserve(long file, uint64_t offset, size_t bytes)
{
#ifdef SYS_mmap2 /* 32 bits: numbers of 64 go in two */
    const long done = syscall(SYS_fallocate, file, 0L, (long)offset, (long)(offset >> 32), (long)bytes, 0L);
#else
    const long done = syscall(SYS_fallocate, file, 0L, offset, bytes);
#endif
    return done == 0 || (errno == EOPNOTSUPP && write_zeros(file, offset, bytes));
}

void *vm_window_map(const char *path, uint64_t offset, size_t bytes, void *old)
{
    const int saved_errno = errno;
    const long file = open_file(path, 0);
    long start = -1;
    if (file >= 0 && reserve(file, offset, bytes)) {
        const long access = PROT_READ | PROT_WRITE, flags = MAP_SHARED | (old ? MAP_FIXED : 0);
#ifdef SYS_mmap2
        start = syscall(SYS_mmap2, old, bytes, access, flags, file, (long)(offset >> 12));
#else
        start = syscall(SYS_mmap, old, bytes, access, flags, file, offset);
#endif
    }
    if (file >= 0)
        syscall(SYS_close, file);
    if (start != -1)
        syscall(SYS_madvise, start, bytes,
                23L /* MADV_POPULATE_WRITE, Linux 5.14: one fault instead of sixteen */);
    errno = saved_errno;
    return start == -1 ? NULL : (void *)start;
}

bool vm_window_is_process(long process)
{
    const int saved_errno = errno;
    const bool is = process > 0 && (syscall(SYS_kill, process, 0L) == 0 || errno == EPERM);
    errno = saved_errno;
    return is;
}

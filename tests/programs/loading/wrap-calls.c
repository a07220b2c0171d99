/* SPDX-License-Identifier: MIT */
/*
 * wrap-calls.c - a preloaded library that wraps system call functions, and in each of them allocates and
 * calls dlsym, as fakeroot, faketime and proxies do. An allocator that calls these functions by their public
 * names would call itself without end or wait for its own lock.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT unsigned long wrap_n_calls;

static void *next(const char *name)
{
    __atomic_add_fetch(&wrap_n_calls, 1, __ATOMIC_RELAXED);
    char *copy = malloc(strlen(name) + 1);
    if (copy == NULL)
        abort();
    strcpy(copy, name);
    void *found = dlsym(RTLD_NEXT, copy);
    free(copy);
    free(malloc(100000));
    if (found == NULL)
        abort();
    return found;
}

#define NEXT(function, name)                                                                                 \
    void *found = next(name);                                                                                \
    memcpy(&(function), &found, sizeof found)

EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
    void *(*function)(void *, size_t, int, int, int, off_t);
    NEXT(function, "mmap");
    return function(address, length, protection, flags, fd, offset);
}

EXPORT int munmap(void *address, size_t length)
{
    int (*function)(void *, size_t);
    NEXT(function, "munmap");
    return function(address, length);
}

EXPORT void *mremap(void *old, size_t old_length, size_t new_length, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    void *new_address = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
    va_end(arguments);
    void *(*function)(void *, size_t, size_t, int, ...);
    NEXT(function, "mremap");
    return function(old, old_length, new_length, flags, new_address);
}

EXPORT int mprotect(void *address, size_t length, int protection)
{
    int (*function)(void *, size_t, int);
    NEXT(function, "mprotect");
    return function(address, length, protection);
}

EXPORT int madvise(void *address, size_t length, int advice)
{
    int (*function)(void *, size_t, int);
    NEXT(function, "madvise");
    return function(address, length, advice);
}

EXPORT int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    int (*function)(const char *, int, ...);
    NEXT(function, "open");
    return function(path, flags, mode);
}

EXPORT ssize_t read(int fd, void *buffer, size_t length)
{
    ssize_t (*function)(int, void *, size_t);
    NEXT(function, "read");
    return function(fd, buffer, length);
}

EXPORT ssize_t write(int fd, const void *buffer, size_t length)
{
    ssize_t (*function)(int, const void *, size_t);
    NEXT(function, "write");
    return function(fd, buffer, length);
}

EXPORT int close(int fd)
{
    int (*function)(int);
    NEXT(function, "close");
    return function(fd);
}

EXPORT char *getenv(const char *name)
{
    char *(*function)(const char *);
    NEXT(function, "getenv");
    return function(name);
}

EXPORT char *secure_getenv(const char *name)
{
    char *(*function)(const char *);
    NEXT(function, "secure_getenv");
    return function(name);
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *now)
{
    int (*function)(clockid_t, struct timespec *);
    NEXT(function, "clock_gettime");
    return function(clock, now);
}

EXPORT long sysconf(int name)
{
    long (*function)(int);
    NEXT(function, "sysconf");
    return function(name);
}

EXPORT int getpagesize(void)
{
    int (*function)(void);
    NEXT(function, "getpagesize");
    return function();
}

/* SPDX-License-Identifier: MIT */
/*
 * nodeepbind.c - a dlopen that drops RTLD_DEEPBIND and is otherwise the C library's; docs/deepbind.md tells what for.
 *
 * The C library's dlopen looks at its return address: the module that the call comes from tells which RUNPATH and
 * $ORIGIN to search, and which namespace to load into. So the call is passed on by a jump: the stack is the caller's
 * own, and we are never seen. That takes optimisation, which preload's build asks for whatever the build type.
 *
 * Owns: one word. No lock: threads that come first together find the same address. No constructor and no memory, so
 * that the first call may come from anywhere, also before any constructor has run.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT, RTLD_DEEPBIND */
#endif
#include <dlfcn.h>
#include <stddef.h>

/* A promise where the compiler can give it; elsewhere the optimiser's habit, held by tests/programs/deepbind. */
#ifdef __has_attribute
#if __has_attribute(musttail)
#define VM_TAIL_CALL __attribute__((musttail))
#endif
#endif
#ifndef VM_TAIL_CALL
#define VM_TAIL_CALL
#endif

typedef void *dlopen_function(const char *file, int mode);

static dlopen_function *x_next_dlopen; /* NULL until the first call */

/* The dlopen behind ours in the order of search: the C library's, or that of another wrapper. */
__attribute__((noinline, cold)) static dlopen_function *find_next_dlopen(void)
{
    /* ISO C knows no way from what dlsym returns to a function; POSIX wants this one. */
    union {
        void *address;
        dlopen_function *function;
    } found = {.address = dlsym(RTLD_NEXT, "dlopen")};
    __atomic_store_n(&x_next_dlopen, found.function, __ATOMIC_RELAXED);
    return found.function;
}

__attribute__((visibility("default"))) void *dlopen(const char *file, int mode)
{
    dlopen_function *next_dlopen = __atomic_load_n(&x_next_dlopen, __ATOMIC_RELAXED);
    if (__builtin_expect(next_dlopen == NULL, 0)) {
        next_dlopen = find_next_dlopen();
        if (next_dlopen == NULL) {
            return NULL; /* dlsym left its reason to dlerror */
        }
    }
    VM_TAIL_CALL return next_dlopen(file, mode & ~RTLD_DEEPBIND);
}

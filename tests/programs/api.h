/* SPDX-License-Identifier: MIT */
/*
 * api.h - the allocator under test by one set of names, api_malloc ... api_malloc_trim. Three ways to build:
 *   as is           api_malloc is malloc; the program runs with LD_PRELOAD=libvmalloc.so or is linked with
 *                   the library;
 *   -DUSE_VM_NAMES  api_malloc is vm_malloc of the core library, which leaves libc's malloc alone: for
 *                   sanitizers;
 *   -DAPI_STATIC_LINK  as is, but without dlsym: the program is linked statically with libvmalloc.a.
 * api_assert_served() proves that malloc is vmalloc's; every program calls it. VMTEST_ON_GLIBC=1 in the
 * environment lifts that, to see what a test says about glibc's own malloc.
 */
#ifndef VMALLOC_TESTS_PROGRAMS_API_H
#define VMALLOC_TESTS_PROGRAMS_API_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "expect.h"

#ifdef USE_VM_NAMES

#include <vmalloc/vmalloc.h>

#define API(name) vm_##name
typedef struct vm_mallinfo2 api_mallinfo2_struct;
typedef struct vm_mallinfo api_mallinfo_struct;

#else

#define API(name) name

#ifdef __GLIBC__

#include <malloc.h>

typedef struct mallinfo2 api_mallinfo2_struct;
typedef struct mallinfo api_mallinfo_struct;

#else

#include <vmalloc/vmalloc.h>

/* Other C libraries have neither these functions nor their types; the library under test has. */
typedef struct vm_mallinfo2 api_mallinfo2_struct;
typedef struct vm_mallinfo api_mallinfo_struct;
extern api_mallinfo2_struct mallinfo2(void);
extern api_mallinfo_struct mallinfo(void);
extern void *memalign(size_t alignment, size_t size);
extern void *valloc(size_t size);
extern void *pvalloc(size_t size);
extern size_t malloc_usable_size(void *block);
extern int mallopt(int parameter, int value);
extern void malloc_stats(void);
extern int malloc_info(int options, FILE *stream);
extern int malloc_trim(size_t pad);

#endif

/* C libraries before C23 do not declare these; with the preload library they are there. */
extern void free_sized(void *block, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));
extern void cfree(void *block) __attribute__((weak));

#endif

#define api_malloc API(malloc)
#define api_calloc API(calloc)
#define api_realloc API(realloc)
#define api_reallocarray API(reallocarray)
#define api_free API(free)
#define api_free_sized API(free_sized)
#define api_free_aligned_sized API(free_aligned_sized)
#define api_cfree API(cfree)
#define api_memalign API(memalign)
#define api_aligned_alloc API(aligned_alloc)
#define api_posix_memalign API(posix_memalign)
#define api_valloc API(valloc)
#define api_pvalloc API(pvalloc)
#define api_malloc_usable_size API(malloc_usable_size)
#define api_mallopt API(mallopt)
#define api_mallinfo2 API(mallinfo2)
#define api_mallinfo API(mallinfo)
#define api_malloc_stats API(malloc_stats)
#define api_malloc_info API(malloc_info)
#define api_malloc_trim API(malloc_trim)

/* True if the environment says that glibc's own malloc is to be looked at, for comparison. */
static inline bool api_on_glibc(void)
{
    const char *value = getenv("VMTEST_ON_GLIBC");
    return value != NULL && strcmp(value, "1") == 0;
}

/* 1 under the thread or address sanitizer, of gcc or clang, else 0; also for the preprocessor. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define API_UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define API_UNDER_SANITIZER 1
#endif
#endif
#ifndef API_UNDER_SANITIZER
#define API_UNDER_SANITIZER 0
#endif

#if defined(USE_VM_NAMES)

static inline void api_assert_served(void)
{
}

#elif defined(API_STATIC_LINK)

extern size_t vm_malloc_usable_size(void *block);

/* A block of another malloc would end the program here. */
static inline void api_assert_served(void)
{
    void *block = malloc(10);
    REQUIRE(block != NULL && vm_malloc_usable_size(block) >= 10);
    free(block);
}

#else

/* Ends the program with a failure unless malloc and free of this process are those of the library with
   vm_malloc. */
static inline void api_assert_served(void)
{
    if (api_on_glibc())
        return;
    static const char *const names[] = {"malloc", "free"};
    void *ours = dlsym(RTLD_DEFAULT, "vm_malloc");
    if (ours == NULL) {
        expect_say(
            "vmalloc is not in this process: there is no vm_malloc; run it with LD_PRELOAD=libvmalloc.so\n");
        _exit(1);
    }
    Dl_info info_ours;
    REQUIRE(dladdr(ours, &info_ours) != 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        Dl_info info;
        REQUIRE(dladdr(dlsym(RTLD_DEFAULT, names[i]), &info) != 0);
        if (info.dli_fbase != info_ours.dli_fbase) {
            expect_say("%s comes from %s, vm_malloc from %s\n", names[i], info.dli_fname,
                       info_ours.dli_fname);
            _exit(1);
        }
    }
    /* What this program itself is bound to, symbol version included. */
    void *(*bound)(size_t) = malloc;
    void *address;
    memcpy(&address, &bound, sizeof address);
    if (address != dlsym(RTLD_DEFAULT, "malloc")) {
        expect_say("this program's malloc is bound to %p, not to vmalloc's\n", address);
        _exit(1);
    }
}

#endif

#endif

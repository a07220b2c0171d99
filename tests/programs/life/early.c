/* SPDX-License-Identifier: MIT */
/*
 * early.c - contract 8 and 10.9: the allocator is used before main by preinit functions, which run before all
 * libraries' constructors but the C library's, by constructors, and by a thread that a constructor starts; blocks of
 * each are resized and freed by the next, and the last of them in a destructor.
 */
#include <pthread.h>

#include "api.h"
#include "tools.h"

enum { N_BYTES = 5000 };

static void *from_preinit, *resized, *from_constructor, *from_thread;

static void preinit(void)
{
    from_preinit = api_calloc(1, N_BYTES);
    resized = api_malloc(N_BYTES);
    REQUIRE(from_preinit != NULL && resized != NULL);
    memset(resized, 7, N_BYTES);
}

__attribute__((section(".preinit_array"), used)) static void (*preinit_entry)(void) = preinit;

static void *in_thread(void *block)
{
    api_free(block);
    return api_malloc(N_BYTES);
}

__attribute__((constructor)) static void start(void)
{
    pthread_t thread;
    from_constructor = api_memalign(4096, N_BYTES);
    resized = api_realloc(resized, 2 * N_BYTES);
    REQUIRE(pthread_create(&thread, NULL, in_thread, from_preinit) == 0);
    REQUIRE(pthread_join(thread, &from_thread) == 0);
}

__attribute__((destructor)) static void end(void)
{
    api_free(from_constructor);
    api_free(api_malloc(N_BYTES));
    if (expect_result() != 0)
        _exit(1);
}

int main(void)
{
    watchdog_start(30);
    api_assert_served();
    REQUIRE(resized != NULL && from_constructor != NULL && from_thread != NULL);
    for (size_t i = 0; i < N_BYTES; i++)
        EXPECT_EQ(((char *)resized)[i], 7);
    EXPECT(api_malloc_usable_size(resized) >= 2 * N_BYTES);
    EXPECT_EQ((uintptr_t)from_constructor % 4096, 0);
    api_free(resized);
    api_free(from_thread);
    return expect_result();
}

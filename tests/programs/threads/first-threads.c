/* SPDX-License-Identifier: MIT */
/*
 * first-threads.c - many threads of a fresh process make its first calls at once, each another one. Their
 * stacks are ready and they wait at a barrier before. Many processes: the program runs itself.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "crew.h"

extern char **environ;

enum { N_THREADS = 8 };

static pthread_barrier_t barrier;

static void *first(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;
    void *block = NULL;
    pthread_barrier_wait(&barrier);
    switch (self % N_THREADS) {
    case 0:
        block = api_malloc(100);
        break;
    case 1:
        block = api_calloc(10, 10);
        EXPECT_EQ(zero_bytes(block, 100), 100);
        break;
    case 2:
        block = api_realloc(NULL, 100);
        break;
    case 3:
        block = api_memalign(4096, 100);
        break;
    case 4:
        block = api_malloc(50000);
        break;
    case 5:
        block = api_malloc(3000000);
        break;
    case 6:
        api_free(NULL);
        block = api_malloc(100);
        break;
    default:
        EXPECT_EQ(api_mallopt(-2, 65536), 1);
        block = api_malloc(100);
        break;
    }
    REQUIRE(block != NULL);
    stamp_fill(block, 100, self);
    pthread_barrier_wait(&barrier);
    EXPECT_STAMP(block, 100, self);
    struct rng rng = {.state = self};
    for (size_t i = 0; i < 50; i++)
        item_end(item_new(&rng, i));
    api_free(block);
    return NULL;
}

static int run_once(void)
{
    static char stacks[N_THREADS][256 * 1024] __attribute__((aligned(4096)));
    pthread_t threads[N_THREADS];
    alarm(20);
    pthread_barrier_init(&barrier, NULL, N_THREADS);
    for (uintptr_t i = 0; i < N_THREADS; i++) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        REQUIRE(pthread_attr_setstack(&attributes, stacks[i], sizeof stacks[i]) == 0);
        REQUIRE(pthread_create(&threads[i], &attributes, first, (void *)i) == 0);
    }
    for (size_t i = 0; i < N_THREADS; i++)
        crew_join(threads[i]);
    api_assert_served();
    return expect_result();
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "once") == 0)
        return run_once();
    watchdog_start(240);
    size_t scale = scale_argument(argc, argv, 1);
    char once[] = "once";
    char *arguments[] = {argv[0], once, NULL};
    for (size_t round = 0; round < (API_UNDER_SANITIZER ? 20 : 200) * scale; round++) {
        pid_t child;
        REQUIRE(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) == 0);
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        EXPECT_NOTE(status == 0, "process %zu: wait status 0x%x", round, status);
    }
    return expect_result();
}

/* SPDX-License-Identifier: MIT */
/*
 * exit-while.c - the process ends while other threads, detached ones too, go on allocating: by exit, by
 * returning from main, by _exit, by the main thread's pthread_exit. Many processes, one way each; every one
 * must end with status 0.
 */
#include <sys/wait.h>

#include "crew.h"

static void *forever(void *argument)
{
    struct rng rng = {.state = (uintptr_t)argument};
    struct item items[64] = {{.block = NULL}};
    for (uint64_t id = 0;; id++) {
        struct item *item = &items[rng_between(&rng, 0, 63)];
        if (item->block != NULL)
            item_end(*item);
        *item = item_new(&rng, id);
    }
    return NULL;
}

static void *blocks_for_exit[100];

static void free_at_exit(void)
{
    for (size_t i = 0; i < 100; i++)
        api_free(blocks_for_exit[i]);
    void *again = api_malloc(1000);
    REQUIRE(again != NULL);
    memset(again, 1, 1000);
    api_free(again);
}

__attribute__((destructor)) static void free_in_destructor(void)
{
    void *block = api_malloc(50000);
    REQUIRE(block != NULL);
    memset(block, 1, 50000);
    api_free(block);
}

static void *exit_soon(void *argument)
{
    usleep(2000);
    exit(expect_result());
    return argument;
}

static void child(size_t way)
{
    alarm(20);
    for (size_t i = 0; i < 100; i++)
        blocks_for_exit[i] = api_malloc(i * 100);
    atexit(free_at_exit);
    for (uintptr_t i = 0; i < 3; i++) {
        pthread_t thread = crew_start(forever, (void *)(i + way));
        if (i == 1)
            pthread_detach(thread);
    }
    usleep((useconds_t)(way * 311 % 3000));
    switch (way % 3) {
    case 0:
        exit(expect_result());
    case 1:
        _exit(expect_result());
    default:
        crew_start(exit_soon, NULL);
        pthread_exit(NULL);
    }
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    api_assert_served();
    size_t scale = scale_argument(argc, argv, 1);
    for (size_t round = 0; round < (API_UNDER_SANITIZER ? 9 : 60) * scale; round++) {
        pid_t pid = fork();
        REQUIRE(pid >= 0);
        if (pid == 0)
            child(round);
        int status = 0;
        REQUIRE(waitpid(pid, &status, 0) == pid);
        EXPECT_NOTE(status == 0, "round %zu: wait status 0x%x", round, status);
    }
    return expect_result();
}

/* SPDX-License-Identifier: MIT */
/*
 * fork-raw.c - contract 7.c, 7.e: children for which no fork handler runs, made while four threads allocate and
 * free each other's blocks: by _Fork, by clone(SIGCHLD) past the C library, and by vfork and posix_spawn in
 * between. Children of the first two free the blocks of all threads and allocate, which is more than glibc
 * promises there; the parent's heap is not disturbed by any of them. The grandchild by fork of such a child,
 * for which handlers do run, allocates as well.
 */
#include <sched.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "threads/crew.h"

extern pid_t _Fork(void) __attribute__((weak));
extern char **environ;

enum { N_THREADS = 4, N_SLOTS = 200, N_WAYS = 5 };

static struct item *board[N_SLOTS];
static int stop, rest;

static struct item *item_on_heap(struct rng *rng, uint64_t id)
{
    struct item *item = api_malloc(sizeof *item);
    REQUIRE(item != NULL);
    *item = item_new(rng, id);
    return item;
}

static void board_put(size_t at, struct item *item)
{
    struct item *found = __atomic_exchange_n(&board[at], item, __ATOMIC_ACQ_REL);
    if (found != NULL) {
        item_end(*found);
        api_free(found);
    }
}

static void *allocate(void *seed)
{
    struct rng rng = {.state = (uintptr_t)seed};
    for (uint64_t id = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); id++) {
        while (__atomic_load_n(&rest, __ATOMIC_RELAXED))
            usleep(300);
        board_put(rng_between(&rng, 0, N_SLOTS - 1), item_on_heap(&rng, id));
    }
    return NULL;
}

/* Straight system calls only: the C library does not know that this is another process. */
static void child_work(uint64_t round)
{
    for (size_t at = 0; at < N_SLOTS; at++)
        board_put(at, NULL);
    struct rng rng = {.state = round};
    for (uint64_t id = 0; id < 600; id++)
        board_put(rng_between(&rng, 0, N_SLOTS - 1), item_on_heap(&rng, id));
    void *large = api_malloc(3 * MIB);
    REQUIRE(large != NULL);
    api_free(large);
    api_malloc_trim(0);
}

static void end_well(pid_t child, const char *way)
{
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT_NOTE(status == 0, "%s: wait status 0x%x", way, (unsigned)status);
}

static void child_by_clone(uint64_t round)
{
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(30);
        child_work(round);
        syscall(SYS_exit_group, expect_result());
    }
    __atomic_store_n(&rest, 1, __ATOMIC_RELAXED);
    end_well(child, "clone");
}

/* The child forks as usual after it allocated. */
static void child_by_plain_fork(uint64_t round)
{
    pid_t child = _Fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(30);
        child_work(round);
        pid_t grandchild = round % 2 ? _Fork() : fork();
        REQUIRE(grandchild >= 0);
        child_work(round + 1);
        if (grandchild > 0)
            end_well(grandchild, "a child of _Fork's child");
        _exit(expect_result());
    }
    __atomic_store_n(&rest, 1, __ATOMIC_RELAXED);
    end_well(child, "_Fork");
}

static void child_by_vfork(void)
{
    pid_t child = vfork();
    REQUIRE(child >= 0);
    if (child == 0)
        _exit(0);
    end_well(child, "vfork");
}

static void child_by_spawn(void)
{
    char program[] = "true";
    char *arguments[] = {program, NULL};
    pid_t child;
    REQUIRE(posix_spawnp(&child, program, NULL, NULL, arguments, environ) == 0);
    end_well(child, "posix_spawn");
}

int main(int argc, char **argv)
{
    watchdog_start(100);
    signal(SIGALRM, watchdog_bite);
    api_assert_served();
    size_t n_rounds = 150 * scale_argument(argc, argv, 1);
    pthread_t threads[N_THREADS];
    for (uintptr_t i = 0; i < N_THREADS; i++)
        threads[i] = crew_start(allocate, (void *)i);
    for (uint64_t round = 0; round < n_rounds; round++) {
        __atomic_store_n(&rest, 0, __ATOMIC_RELAXED);
        usleep(1000);
        switch (round % N_WAYS) {
        case 0:
            child_by_vfork();
            break;
        case 1:
            child_by_spawn();
            break;
        case 2:
            if (_Fork != NULL && !api_on_glibc()) { /* glibc's child hangs on the lock of an arena */
                child_by_plain_fork(round);
                break;
            }
            /* fall through */
        default:
            if (!api_on_glibc())
                child_by_clone(round);
            break;
        }
    }
    __atomic_store_n(&rest, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < N_THREADS; i++)
        crew_join(threads[i]);
    for (size_t at = 0; at < N_SLOTS; at++)
        board_put(at, NULL);
    return expect_result();
}

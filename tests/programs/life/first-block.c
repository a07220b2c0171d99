/* SPDX-License-Identifier: MIT */
/*
 * first-block.c - contract 0.2, 7, 8: what a process may do before its first block, each in a child that was forked before there
 * was one: take the break for itself, ask for figures and trims, fork again, allocate first in a thread while the main thread
 * never does, or in two threads at once; write settings into its environment, which is too late; register so many handlers for
 * forks that the C library allocates for them, with its lock for forks held, and allocate first in such a handler, or in
 * a thread that a handler waits for.
 */
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>

#include "api.h"
#include "tools.h"

enum { N_BYTES = 3000, N_SMALL = 1000, N_FORKS = 3 }; /* N_SMALL: never a mapping of its own */

static void use_some(void)
{
    static const size_t sizes[] = {1, 100, 5000, 100 * KIB, MIB};
    char *blocks[sizeof sizes / sizeof *sizes];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        blocks[i] = api_malloc(sizes[i]);
        REQUIRE(blocks[i] != NULL);
        memset(blocks[i], (int)i, sizes[i]);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        EXPECT_EQ(blocks[i][sizes[i] - 1], (char)i);
        api_free(blocks[i]);
    }
}

/* What the program takes stays its own. */
static void own_break(void)
{
    char *const mine = sbrk(N_BYTES);
    if (mine == (void *)-1)
        return; /* there is none here */
    memset(mine, 77, N_BYTES);
    use_some();
    for (size_t i = 0; i < N_BYTES; i++)
        EXPECT_EQ(mine[i], 77);
}

static void figures(void)
{
    api_malloc_trim(0);
    const size_t in_use = api_mallinfo2().uordblks;
    EXPECT_EQ(api_malloc_usable_size(NULL), 0);
    api_free(NULL);
    char *const block = api_malloc(N_SMALL);
    EXPECT(api_mallinfo2().uordblks >= in_use + N_SMALL);
    EXPECT(api_mallinfo2().arena >= N_SMALL);
    api_free(block);
    use_some();
}

static void end_well(void (*check)(void))
{
    pid_t pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        check();
        _exit(expect_result());
    }
    int status = -1;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    EXPECT_EQ(status, 0);
}

static void fork_again(void)
{
    static int n_forks;
    if (++n_forks < N_FORKS)
        end_well(fork_again);
    use_some();
    end_well(use_some);
}

static void *in_thread(void *argument)
{
    use_some();
    return argument;
}

static void threads(void)
{
    pthread_t first, second;
    REQUIRE(pthread_create(&first, NULL, in_thread, NULL) == 0);
    REQUIRE(pthread_create(&second, NULL, in_thread, NULL) == 0);
    REQUIRE(pthread_join(first, NULL) == 0);
    end_well(use_some); /* the main thread's first block is the child's */
    REQUIRE(pthread_join(second, NULL) == 0);
}

static void settings_come_too_late(void)
{
    static char perturb[] = "MALLOC_PERTURB_=85", own[] = "VMALLOC_PERTURB=85",
                backend[] = "VMALLOC_BACKEND=none", *late[] = {perturb, own, backend, NULL};
    const char *const set = getenv("MALLOC_PERTURB_");
    if (set && strcmp(set, "85") == 0)
        return;
    environ = late;
    unsigned char *const block = api_malloc(N_SMALL);
    size_t n_filled = 0;
    for (size_t i = 0; block && i < N_SMALL; i++)
        n_filled += block[i] == (85 ^ 0xFF);
    EXPECT(block && n_filled < N_SMALL);
    api_free(block);
    use_some();
}

static void do_nothing(void)
{
}

static void many_handlers(void)
{
    enum { N_HANDLERS = 200 };
    for (unsigned i = 0; i < N_HANDLERS; i++)
        REQUIRE(pthread_atfork(do_nothing, do_nothing, do_nothing) == 0);
    end_well(use_some);
    threads();
}

static void handlers_allocate(void)
{
    REQUIRE(pthread_atfork(use_some, use_some, use_some) == 0);
    end_well(threads);
    threads();
}

static void calloc_in_handler(void)
{
    api_free(api_calloc(N_SMALL, 1));
}

static void handlers_calloc(void)
{
    REQUIRE(pthread_atfork(NULL, NULL, calloc_in_handler) == 0);
    REQUIRE(pthread_atfork(calloc_in_handler, calloc_in_handler, do_nothing) == 0);
    end_well(threads);
    threads();
}

static sem_t may_go, has_gone;

static void *go_when_told(void *argument)
{
    sem_wait(&may_go);
    use_some();
    sem_post(&has_gone);
    for (unsigned i = 0; i < 1000; i++)
        use_some(); /* with our locks, while the main thread forks */
    return argument;
}

static void let_go_and_wait(void)
{
    sem_post(&may_go);
    sem_wait(&has_gone);
}

/* The thread's first block comes while the fork of the main thread, which has none, is under way. */
static void handler_waits(void)
{
    pthread_t thread;
    REQUIRE(sem_init(&may_go, 0, 0) == 0 && sem_init(&has_gone, 0, 0) == 0);
    REQUIRE(pthread_create(&thread, NULL, go_when_told, NULL) == 0);
    REQUIRE(pthread_atfork(let_go_and_wait, NULL, NULL) == 0);
    end_well(use_some);
    REQUIRE(pthread_join(thread, NULL) == 0);
}

int main(void)
{
    static void (*const checks[])(void) = {
        own_break,     figures,           fork_again,      threads,      settings_come_too_late,
        many_handlers, handlers_allocate, handlers_calloc, handler_waits};
    alarm(60);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        end_well(checks[i]);
    api_assert_served();
    return expect_result();
}

/* SPDX-License-Identifier: MIT */
/*
 * first-block.c - contract 0.2, 7, 8: what a process may do before its first block, each in a child that was forked before there
 * was one: take the break for itself, ask for figures and trims, fork again, allocate first in a thread while the main thread
 * never does, or in two threads at once.
 */
#include <pthread.h>
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

int main(void)
{
    static void (*const checks[])(void) = {own_break, figures, fork_again, threads};
    alarm(60);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        end_well(checks[i]);
    api_assert_served();
    return expect_result();
}

/* SPDX-License-Identifier: MIT */
/*
 * work.c - one thread that asks the kernel for everything, in the same order in each run: small, middle and
 * large blocks that come, grow and go. Requests may be refused; contents may not change. Prints how many were
 * refused. getppid() marks for strace where that begins and ends. The argument "fork" has a child do it once
 * more.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include "api.h"
#include "tools.h"

enum { N_BLOCKS = 200, N_STEPS = 4000 };

static unsigned char *blocks[N_BLOCKS];
static size_t sizes[N_BLOCKS];
static unsigned n_refused;

static void put(size_t i, unsigned char *block, size_t size)
{
    if (block == NULL) {
        EXPECT_EQ(errno, ENOMEM);
        n_refused++;
        return;
    }
    blocks[i] = block;
    sizes[i] = size;
    stamp_fill(block, size, i);
}

static void work(void)
{
    struct rng rng = {20};
    for (size_t step = 0; step < N_STEPS; step++) {
        const size_t i = rng_between(&rng, 0, N_BLOCKS - 1), size = rng_size(&rng) * rng_between(&rng, 1, 8);
        if (blocks[i] != NULL)
            EXPECT_STAMP(blocks[i], sizes[i], i);
        if (blocks[i] == NULL) {
            put(i, api_malloc(size), size);
        } else if (step % 3 == 0) {
            put(i, api_realloc(blocks[i], size), size);
        } else {
            api_free(blocks[i]);
            blocks[i] = NULL;
        }
    }
    for (size_t i = 0; i < N_BLOCKS; i++) {
        if (blocks[i] != NULL)
            EXPECT_STAMP(blocks[i], sizes[i], i);
        api_free(blocks[i]);
        blocks[i] = NULL;
    }
    api_malloc_trim(0);
}

int main(int argc, char **argv)
{
    getppid();
    work();
    getppid();
    if (argc > 1 && strcmp(argv[1], "fork") == 0) {
        const pid_t child = fork();
        if (child == 0) {
            work();
            _exit(expect_result());
        }
        int status = -1;
        REQUIRE(waitpid(child, &status, 0) == child && status == 0);
    }
    char line[40];
    const int length = snprintf(line, sizeof line, "%u refused\n", n_refused);
    REQUIRE(write(1, line, (size_t)length) == length);
    return expect_result();
}

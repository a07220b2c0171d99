/* SPDX-License-Identifier: MIT */
/*
 * wrapped.c - a program with another preloaded library before the allocator (wrap-malloc.c or wrap-calls.c):
 * the wrapper is called, the blocks are vmalloc's all the same, nothing hangs, and with wrap-malloc nothing
 * comes back from inside the allocator through the wrapper.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

#include "tools.h"

static size_t (*vm_usable)(void *);

static void *work(void *argument)
{
    enum { COUNT = 200 };
    struct rng rng = {.state = (uintptr_t)argument};
    void *blocks[COUNT];
    size_t lengths[COUNT];
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            lengths[i] = rng_size(&rng);
            blocks[i] = i % 3 == 0 ? calloc(1, lengths[i]) : malloc(lengths[i]);
            REQUIRE(blocks[i] != NULL);
            EXPECT(vm_usable(blocks[i]) >=
                   lengths[i]); /* ends the process if the block is another allocator's */
            stamp_fill(blocks[i], lengths[i], i);
        }
        for (size_t i = 0; i < COUNT; i++) {
            EXPECT_STAMP(blocks[i], lengths[i], i);
            if (i % 4 == 0) {
                blocks[i] = realloc(blocks[i], lengths[i] * 3);
                REQUIRE(blocks[i] != NULL);
                EXPECT_STAMP(blocks[i], lengths[i], i);
            }
            free(blocks[i]);
        }
    }
    return NULL;
}

int main(void)
{
    watchdog_start(60);
    void *found = dlsym(RTLD_DEFAULT, "vm_malloc_usable_size");
    REQUIRE(found != NULL);
    memcpy(&vm_usable, &found, sizeof found);
    unsigned long *n_calls = dlsym(RTLD_DEFAULT, "wrap_n_calls"),
                  *n_nested = dlsym(RTLD_DEFAULT, "wrap_n_nested");
    REQUIRE(n_calls != NULL);
    work(NULL);
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
    void *mapping = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(mapping != MAP_FAILED && munmap(mapping, 4096) == 0);
    char *line = strdup("a line");
    REQUIRE(line != NULL);
    EXPECT(vm_usable(line) >= 7);
    free(line);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        work(NULL);
        _exit(expect_result());
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT_EQ(status, 0);
    EXPECT(*n_calls > 0);
    expect_figure("wrapped: %lu calls through the wrapper, %lu of them nested\n", *n_calls,
                  n_nested == NULL ? 0 : *n_nested);
    if (n_nested != NULL) {
        EXPECT(*n_calls > 10000);
        EXPECT_EQ(*n_nested, 0);
    }
    return expect_result();
}

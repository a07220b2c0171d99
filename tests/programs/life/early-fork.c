/* SPDX-License-Identifier: MIT */
/*
 * early-fork.c - a library whose constructor runs before the allocator's (it is named after it in LD_PRELOAD):
 * allocates, registers fork handlers that allocate, and forks, all before the allocator's constructor ran. Its
 * destructor runs after the allocator's, and allocates, too.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "fork-handlers.h"

__attribute__((visibility("default"))) struct held early_held;
__attribute__((visibility("default"))) int early_child_status = -1;

static void prepare(void)
{
    held_take(&early_held);
}

static void in_parent(void)
{
    early_held.n_in_parent++;
    held_give(&early_held);
}

static void in_child(void)
{
    early_held.n_in_child++;
    held_give(&early_held);
}

static void *kept;

__attribute__((destructor)) static void end(void)
{
    free(kept);
    for (size_t n_bytes = 1; n_bytes < 1000000; n_bytes = n_bytes * 3 + 1)
        free(held_block(n_bytes));
}

__attribute__((constructor)) static void start(void)
{
    kept = held_block(500);
    void *before = held_block(1000);
    if (pthread_atfork(prepare, in_parent, in_child) != 0)
        abort();
    pid_t child = fork();
    if (child < 0)
        abort();
    if (child == 0) {
        free(before);
        for (size_t n_bytes = 1; n_bytes < 1000000; n_bytes = n_bytes * 3 + 1)
            free(held_block(n_bytes));
        _exit(early_held.n_in_child == 1 ? 0 : 1);
    }
    free(before);
    if (waitpid(child, &early_child_status, 0) != child)
        abort();
}

/* SPDX-License-Identifier: MIT */
/*
 * forks.c - a process with a heap that forks again and again.
 *
 * Snapshots of a database, as redis describes its persistence; servers with a child a request; runtimes that
 * fork their workers. A child replaces blocks that it has from its parent and allocates some of its own,
 * checks them, and ends. The pages that either writes are copied by the kernel: an allocator that writes
 * beside the blocks pays for it, in time: the resident memory that is reported is the parent's alone.
 */
#include "common.h"
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_BLOCKS = 60000, REPLACED = 400, AT_ONCE = 2, LEAST_BYTES = 16, N_DOUBLINGS = 7 };

static struct slot slots[N_BLOCKS];
static uint64_t *sums; /* shared: what each child that is alive adds to the checksum and to the operations */

static size_t size_of(uint64_t key)
{
    return skewed(key, LEAST_BYTES, N_DOUBLINGS);
}

static void replace(struct worker *worker, struct slot *slot)
{
    uint64_t key = next_random(&worker->rng);
    empty_slot(worker, slot, size_of(slot->key));
    fill_slot(worker, slot, key, size_of(key));
}

static void replace_some(struct worker *worker)
{
    for (int i = 0; i < REPLACED; i++) {
        replace(worker, &slots[below(&worker->rng, N_BLOCKS)]);
    }
}

/* A child: its parent's blocks and its own. It looks at some that nobody replaced since the fork, too. */
static _Noreturn void live(struct worker *worker, uint64_t *sum)
{
    static struct slot own[REPLACED];
    worker->checksum = worker->n_ops = 0;
    replace_some(worker);
    for (int i = 0; i < REPLACED; i++) {
        replace(worker, &own[i]);
    }
    for (int i = 0; i < REPLACED; i++) {
        empty_slot(worker, &own[i], size_of(own[i].key));
        const struct slot *slot = &slots[below(&worker->rng, N_BLOCKS)];
        check_stamp(worker, slot->block, size_of(slot->key), slot->key);
    }
    sum[0] = worker->checksum;
    sum[1] = worker->n_ops;
    _exit(0);
}

static void await(struct worker *worker, pid_t child, const uint64_t *sum)
{
    int status;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail("a child failed");
    }
    worker->checksum += sum[0];
    worker->n_ops += sum[1];
}

static void run(void)
{
    static pid_t children[AT_ONCE];
    struct worker *worker = &workers[0];
    sums =
        mmap(NULL, sizeof(uint64_t[AT_ONCE][2]), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sums == MAP_FAILED) {
        fail("no memory that is shared with children");
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        replace(worker, &slots[i]);
    }
    uint64_t n_children = steps_of(400);
    for (uint64_t i = 0; i < n_children + AT_ONCE; i++) {
        uint64_t place = i % AT_ONCE;
        if (i >= AT_ONCE) {
            await(worker, children[place], &sums[2 * place]);
        }
        if (i < n_children) {
            children[place] = fork();
            if (children[place] < 0) {
                fail("cannot fork");
            } else if (children[place] == 0) {
                live(worker, &sums[2 * place]);
            }
        }
        replace_some(worker);
        watch();
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        empty_slot(worker, &slots[i], size_of(slots[i].key));
    }
}

const struct workload workload = {
    .name = "forks",
    .imitates = "A process with 16 MiB of small blocks that forks 400 times; parent and child replace some "
                "of the blocks, the child allocates others",
    .why = "fork with what the allocator does around it, and how many pages it writes that are shared with "
           "the child",
    .after = "redis, its documentation of persistence: snapshots by a forked child",
    .run = run,
};

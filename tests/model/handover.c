/* SPDX-License-Identifier: MIT */
/*
 * handover.c - the model with threads: each has a model of its own and hands blocks to the next one's
 * mailbox, which frees them. The threads of a round die with their blocks live; those of the next round go
 * on with the models. At the end of each round nobody runs: all blocks are compared with each other, and
 * the whole heap is checked. Usage: handover [STEPS [SEED...]]; the steps are those of one thread in all
 * rounds.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "front/front.h"
#include "model.h"
#include "vmalloc/vmalloc.h"

enum { N_THREADS = 4, N_ROUNDS = 12, MAILBOX_SIZE = 64 };

/* Blocks on their way to a thread. */
struct mailbox {
    pthread_mutex_t mutex;
    struct model_block block[MAILBOX_SIZE];
    size_t n_blocks;
};

static struct mailbox mailboxes[N_THREADS];
static struct model models[N_THREADS];
static unsigned n_steps_a_round;

static bool hand_over(struct model *model, const struct model_block *block)
{
    const size_t me = (size_t)(model - models);
    struct mailbox *const to = &mailboxes[(me + 1 + model_below(model, N_THREADS - 1)) % N_THREADS];
    pthread_mutex_lock(&to->mutex);
    const bool has_room = to->n_blocks < MAILBOX_SIZE;
    if (has_room)
        to->block[to->n_blocks++] = *block;
    pthread_mutex_unlock(&to->mutex);
    return has_room;
}

static bool take_over(struct model *model, struct model_block *block)
{
    struct mailbox *const mine = model->context;
    pthread_mutex_lock(&mine->mutex);
    const bool has_mail = mine->n_blocks > 0;
    if (has_mail)
        *block = mine->block[--mine->n_blocks];
    pthread_mutex_unlock(&mine->mutex);
    return has_mail;
}

static void *live(void *argument)
{
    struct model *const model = argument;
    for (unsigned step = 0; step < n_steps_a_round; step++)
        model_step(model);
    return NULL;
}

static int by_address(const void *a, const void *b)
{
    const struct model_block *const left = a, *const right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

/* Nobody runs: blocks of different threads do not overlap either, and the figures are those of all models. */
static void compare_all(void)
{
    static struct model_block all[N_THREADS * (MODEL_BLOCKS_MAX + MAILBOX_SIZE)];
    size_t n_all = 0, live_bytes = 0;
    for (unsigned i = 0; i < N_THREADS; i++) {
        models[i].doing = "the end of a round";
        model_compare(&models[i]);
        for (size_t k = 0; k < models[i].n_blocks; k++)
            all[n_all++] = models[i].block[k];
        for (size_t k = 0; k < mailboxes[i].n_blocks; k++)
            all[n_all++] = mailboxes[i].block[k];
    }
    qsort(all, n_all, sizeof *all, by_address);
    for (size_t i = 0; i < n_all; i++) {
        live_bytes += all[i].usable;
        if (i > 0 && all[i - 1].start + all[i - 1].usable > all[i].start)
            model_fail(&models[0], "the blocks at %p and %p overlap", (void *)all[i - 1].start,
                       (void *)all[i].start);
    }
    vm_check_all();
    const struct vm_mallinfo2 info = vm_mallinfo2();
    if (info.uordblks + info.hblkhd != live_bytes)
        model_fail(&models[0], "%zu bytes in the arenas and %zu in mappings are in use, but %zu are live",
                   info.uordblks, info.hblkhd, live_bytes);
}

static void hand_blocks_over(uint64_t seed, unsigned n_steps)
{
    pthread_t thread[N_THREADS];
    n_steps_a_round = n_steps / N_ROUNDS + 1;
    for (unsigned i = 0; i < N_THREADS; i++) {
        model_init(&models[i], seed + i * 1000003);
        models[i].hand_over = hand_over;
        models[i].take_over = take_over;
        models[i].context = &mailboxes[i];
        models[i].live_bytes_max /= N_THREADS;
        pthread_mutex_init(&mailboxes[i].mutex, NULL);
    }
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        for (unsigned i = 0; i < N_THREADS; i++)
            if (pthread_create(&thread[i], NULL, live, &models[(i + round) % N_THREADS]) != 0)
                model_fail(&models[i], "no thread");
        for (unsigned i = 0; i < N_THREADS; i++)
            pthread_join(thread[i], NULL);
        compare_all();
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        for (size_t k = 0; k < mailboxes[i].n_blocks; k++)
            vm_free(mailboxes[i].block[k].start);
        model_free_all(&models[i]);
    }
    vm_check_all();
    vm_malloc_trim(0);
    vm_check_all();
    if (vm_mallinfo2().uordblks != 0 || vm_mallinfo2().hblkhd != 0)
        model_fail(&models[0], "something is in use that nobody has");
}

/* The same, but most large blocks are mappings, whose addresses go from thread to thread without a lock of ours. */
static void hand_mappings_over(uint64_t seed, unsigned n_steps)
{
    if (!vm_mallopt(VM_M_MMAP_THRESHOLD, 64 << 10))
        model_fail(&models[0], "no threshold");
    hand_blocks_over(seed, n_steps);
}

int main(int argc, char **argv)
{
    static const uint64_t seeds[] = {20240601, 2, 78, 2718281828};
    enum { N_SEEDS = sizeof seeds / sizeof *seeds };
    const unsigned n_steps = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 60000;
    const unsigned n_cases = argc > 2 ? (unsigned)(argc - 2) : N_SEEDS;
    bool is_ok = true;
    printf("1..%u\n", 2 * n_cases);
    for (unsigned i = 0; i < n_cases; i++) {
        const uint64_t seed = argc > 2 ? strtoull(argv[i + 2], NULL, 0) : seeds[i];
        is_ok &= model_run_case(2 * i + 1, "handover", hand_blocks_over, seed, n_steps);
        is_ok &= model_run_case(2 * i + 2, "handover of mappings", hand_mappings_over, seed, n_steps);
    }
    return is_ok ? 0 : 1;
}

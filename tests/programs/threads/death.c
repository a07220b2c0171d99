/* SPDX-License-Identifier: MIT */
/*
 * death.c - threads die and leave live blocks; the main thread, other threads and the heirs of their heaps
 * use them, resize them and free them. Content stays; nothing is lost.
 */
#include "crew.h"

enum { N_LEFT = 400, N_KEPT_GROUPS = 32 };

struct estate {
    struct item items[N_LEFT];
    size_t seed;
    struct estate *other; /* freed by this thread before it makes its own */
};

static struct estate *estates[N_KEPT_GROUPS];

static void *leave(void *argument)
{
    struct estate *estate = argument;
    struct rng rng = {.state = estate->seed};
    if (estate->other != NULL) {
        for (size_t i = 0; i < N_LEFT; i++)
            item_end(estate->other->items[i]);
    }
    for (size_t i = 0; i < N_LEFT; i++)
        estate->items[i] = item_new(&rng, estate->seed * N_LEFT + i);
    /* Holes, so that the heap dies with partly used slabs. */
    for (size_t i = 0; i < N_LEFT; i += 3) {
        item_end(estate->items[i]);
        estate->items[i] = item_new(&rng, estate->seed * N_LEFT + i);
    }
    return NULL;
}

static void *inherit(void *argument)
{
    struct estate *estate = argument;
    for (size_t i = 0; i < N_LEFT; i += 2) {
        struct item *item = &estate->items[i];
        EXPECT_STAMP(item->block, item->n_bytes, item->id);
        void *moved = api_realloc(item->block, item->n_bytes + 100);
        REQUIRE(moved != NULL);
        EXPECT_STAMP(moved, item->n_bytes, item->id);
        item->block = moved;
    }
    for (size_t i = 0; i < N_LEFT; i++)
        item_end(estate->items[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    api_assert_served();
    size_t scale = scale_argument(argc, argv, 1);
    struct estate *all = table_map(N_KEPT_GROUPS * sizeof *all);
    for (size_t i = 0; i < N_KEPT_GROUPS; i++)
        estates[i] = &all[i];
    size_t before = api_mallinfo2().uordblks;
    for (size_t round = 0; round < 4 * scale; round++) {
        /* one after another: each inherits the heap of one that died */
        for (size_t i = 0; i < N_KEPT_GROUPS; i++) {
            estates[i]->seed = round * N_KEPT_GROUPS + i + 1;
            estates[i]->other = NULL;
            crew_join(crew_start(leave, estates[i]));
        }
        /* the main thread ends a quarter */
        for (size_t i = 0; i < N_KEPT_GROUPS; i += 4)
            for (size_t k = 0; k < N_LEFT; k++)
                item_end(estates[i]->items[k]);
        /* new threads end a quarter and leave blocks themselves */
        for (size_t i = 1; i < N_KEPT_GROUPS; i += 4) {
            estates[i - 1]->other = estates[i];
            estates[i - 1]->seed = 7777 + i;
            crew_join(crew_start(leave, estates[i - 1]));
        }
        /* pairs of new threads at once end the rest */
        for (size_t i = 2; i < N_KEPT_GROUPS; i += 4) {
            pthread_t one = crew_start(inherit, estates[i]), two = crew_start(inherit, estates[i + 1]);
            pthread_t three = crew_start(inherit, estates[i - 2]);
            crew_join(one);
            crew_join(two);
            crew_join(three);
        }
    }
    if (!api_on_glibc())
        expect_returned(before, 256 * KIB);
    return expect_result();
}

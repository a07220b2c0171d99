/* SPDX-License-Identifier: MIT */
/*
 * resize.c - threads resize their own blocks, large ones too, while others do the same and one keeps on
 * asking for statistics and trimming.
 */
#include "crew.h"

enum { N_THREADS = 3, N_OWN = 60 };

static size_t scale;
static int stop;

static void *resize(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;
    struct rng rng = {.state = 500 + self};
    struct item items[N_OWN];
    for (size_t i = 0; i < N_OWN; i++)
        items[i] = item_new(&rng, i);
    for (size_t step = 0; step < 12000 * scale; step++) {
        struct item *item = &items[rng_between(&rng, 0, N_OWN - 1)];
        size_t n_bytes = step % 200 == 0 ? rng_between(&rng, 1, 3 * MIB) : rng_size(&rng);
        void *moved =
            step % 7 == 0 ? api_reallocarray(item->block, n_bytes, 1) : api_realloc(item->block, n_bytes);
        REQUIRE(moved != NULL);
        size_t kept = n_bytes < item->n_bytes ? n_bytes : item->n_bytes;
        EXPECT_STAMP(moved, kept, item->id);
        *item = (struct item){.block = moved, .n_bytes = n_bytes, .id = step};
        stamp_fill(moved, n_bytes, step);
    }
    for (size_t i = 0; i < N_OWN; i++)
        item_end(items[i]);
    return NULL;
}

static void *look(void *argument)
{
    size_t n_looks = 0;
    FILE *stream = fopen("/dev/null", "w");
    REQUIRE(stream != NULL);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        api_mallinfo2_struct info = api_mallinfo2();
        EXPECT_NOTE(info.arena == info.uordblks + info.fordblks, "arena %zu, in use %zu, free %zu",
                    info.arena, info.uordblks, info.fordblks);
        int result = api_malloc_trim(n_looks % 3 == 0 ? 0 : 100000);
        EXPECT(result == 0 || result == 1);
        if (n_looks++ % 5 == 0)
            EXPECT_EQ(api_malloc_info(0, stream), 0);
        struct rng rng = {.state = n_looks};
        item_end(item_new(&rng, n_looks));
        usleep(200);
    }
    fclose(stream);
    EXPECT(n_looks > 0);
    return argument;
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    api_assert_served();
    scale = scale_argument(argc, argv, 1);
    size_t before = api_mallinfo2().uordblks;
    pthread_t threads[N_THREADS], looker = crew_start(look, NULL);
    for (size_t i = 0; i < N_THREADS; i++)
        threads[i] = crew_start(resize, (void *)(uintptr_t)i);
    for (size_t i = 0; i < N_THREADS; i++)
        crew_join(threads[i]);
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    crew_join(looker);
    if (!api_on_glibc())
        expect_returned(before, 256 * KIB);
    return expect_result();
}

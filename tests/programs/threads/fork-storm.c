/* SPDX-License-Identifier: MIT */
/*
 * fork-storm.c - the process forks again and again while other threads allocate, free blocks of each other,
 * read lines, open streams and flush them. Each child checks and frees the blocks of all threads, allocates,
 * and ends. A child that hangs is killed by its own alarm; a parent that hangs by the watchdog.
 */
#include <sys/wait.h>

#include "crew.h"

enum { N_ALLOCATORS = 2, N_SLOTS = 300 };

/* A slot's pointer goes in after the stamp and comes out before the free, so a child sees only live whole
   blocks. */
struct slot {
    void *block;
    size_t n_bytes;
    uint64_t id;
};

static struct slot *slots[N_ALLOCATORS][N_SLOTS];
static int stop;

static struct slot *slot_new(struct rng *rng, uint64_t id)
{
    struct slot *slot = api_malloc(sizeof *slot);
    REQUIRE(slot != NULL);
    struct item item = item_new(rng, id);
    *slot = (struct slot){.block = item.block, .n_bytes = item.n_bytes, .id = item.id};
    return slot;
}

static void slot_end(struct slot *slot)
{
    EXPECT_STAMP(slot->block, slot->n_bytes, slot->id);
    api_free(slot->block);
    api_free(slot);
}

static void *allocate(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;
    struct rng rng = {.state = 900 + self};
    for (uint64_t id = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); id++) {
        size_t lane = rng_between(&rng, 0, N_ALLOCATORS - 1); /* frees of other threads' blocks, too */
        size_t at = rng_between(&rng, 0, N_SLOTS - 1);
        struct slot *made = slot_new(&rng, id);
        struct slot *found = __atomic_exchange_n(&slots[lane][at], made, __ATOMIC_ACQ_REL);
        if (found != NULL)
            slot_end(found);
    }
    return NULL;
}

/* The thread sanitizer's own malloc waits for its lock with a stream locked, and so hangs here. */
#if !API_UNDER_SANITIZER
static void *read_lines(void *argument)
{
    (void)argument;
    FILE *stream = tmpfile();
    REQUIRE(stream != NULL);
    for (int i = 0; i < 100; i++)
        fprintf(stream, "line %d %*d\n", i, i * 5 + 1, i);
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        rewind(stream);
        char *line = NULL;
        size_t room = 0;
        int n_lines = 0;
        while (getline(&line, &room, stream) > 0) {
            EXPECT(strncmp(line, "line ", 5) == 0);
            if (++n_lines % 7 == 0) {
                free(line);
                line = NULL;
                room = 0;
            }
        }
        EXPECT_EQ(n_lines, 100);
        free(line);
    }
    fclose(stream);
    return NULL;
}

static void *flush_all(void *argument)
{
    (void)argument;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        fflush(NULL);
        FILE *stream = fopen("/dev/null", "w");
        REQUIRE(stream != NULL);
        fprintf(stream, "%d", 5);
        fclose(stream);
    }
    return NULL;
}
#endif

static void child_work(size_t round)
{
    alarm(20);
    signal(SIGALRM, SIG_DFL);
    for (size_t lane = 0; lane < N_ALLOCATORS; lane++) {
        for (size_t at = 0; at < N_SLOTS; at++) {
            struct slot *slot = __atomic_load_n(&slots[lane][at], __ATOMIC_ACQUIRE);
            if (slot != NULL)
                slot_end(slot);
        }
    }
    struct rng rng = {.state = round};
    enum { COUNT = 500 };
    struct item items[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        items[i] = item_new(&rng, i);
    for (size_t i = 0; i < COUNT; i++)
        item_end(items[i]);
    api_mallinfo2_struct info = api_mallinfo2();
    EXPECT_EQ(info.arena, info.uordblks + info.fordblks);
    api_malloc_trim(0);
#if !API_UNDER_SANITIZER
    if (round % 4 == 0) { /* the child's own threads, and its own child */
        static struct slot *child_slot;
        stop = 1;
        crew_join(crew_start(allocate, (void *)(uintptr_t)0));
        child_slot = slot_new(&rng, 1);
        pid_t grandchild = fork();
        REQUIRE(grandchild >= 0);
        if (grandchild == 0) {
            slot_end(child_slot);
            _exit(expect_result());
        }
        int status = 0;
        REQUIRE(waitpid(grandchild, &status, 0) == grandchild);
        EXPECT_NOTE(status == 0, "grandchild's wait status 0x%x", status);
        slot_end(child_slot);
    }
#endif
}

int main(int argc, char **argv)
{
    watchdog_start(240);
    api_assert_served();
    size_t scale = scale_argument(argc, argv, 1);
    pthread_t threads[N_ALLOCATORS + 2];
    size_t n_threads = 0;
    for (size_t i = 0; i < N_ALLOCATORS; i++)
        threads[n_threads++] = crew_start(allocate, (void *)(uintptr_t)i);
#if !API_UNDER_SANITIZER
    threads[n_threads++] = crew_start(read_lines, NULL);
    threads[n_threads++] = crew_start(flush_all, NULL);
#endif
    struct rng rng = {.state = 1};
    for (size_t round = 0; round < (API_UNDER_SANITIZER ? 10 : 100) * scale; round++) {
        struct item mine = item_new(&rng, round);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            item_end(mine);
            child_work(round);
            _exit(expect_result());
        }
        item_end(mine);
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        EXPECT_NOTE(status == 0, "round %zu: the child's wait status is 0x%x", round, status);
        if (status != 0)
            break;
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < n_threads; i++)
        crew_join(threads[i]);
    for (size_t lane = 0; lane < N_ALLOCATORS; lane++)
        for (size_t at = 0; at < N_SLOTS; at++)
            if (slots[lane][at] != NULL)
                slot_end(slots[lane][at]);
    return expect_result();
}

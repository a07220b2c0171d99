/* SPDX-License-Identifier: MIT */
/*
 * fork-matrix.c - contract 7.a, 7.d, 7.e, 10.6: a process with eight busy threads forks. Five of them allocate
 * blocks of all kinds and free each other's; the others read lines, flush all streams, open streams and start
 * commands. Each child does one of the things that children do, with the blocks of all threads:
 *   frees      frees all of them, and allocates
 *   resizes    realloc to larger, smaller and nothing
 *   looks      malloc_trim, mallinfo2, malloc_info; its figures add up
 *   threads    eight threads of its own free all and allocate
 *   forks      forks again, four generations deep; each generation frees its share
 * A child that hangs is killed by its own alarm, a parent that hangs by the watchdog.
 */
#include <sys/wait.h>

#include "threads/crew.h"

enum { N_BUSY = 5, N_SLOTS = 60, N_GENERATIONS = 4, N_CHILD_THREADS = 8 };

/* A block is put in after its stamp and taken out before its free: a child sees only live whole blocks. */
static struct item *board[N_BUSY][N_SLOTS];
static int stop, rest; /* the threads rest while a child works, which would wait for the processors */

static void *block_of_some_kind(struct rng *rng, size_t *n_bytes)
{
    *n_bytes = rng_size(rng);
    switch (rng_between(rng, 0, 19)) {
    case 0:
        *n_bytes = rng_between(rng, 200 * KIB, 2 * MIB);
        return api_malloc(*n_bytes);
    case 1:
    case 2:
        return api_memalign((size_t)1 << rng_between(rng, 4, 16), *n_bytes);
    case 3:
    case 4:
        return api_calloc(1, *n_bytes);
    default:
        return api_malloc(*n_bytes);
    }
}

static struct item *item_on_heap(struct rng *rng, uint64_t id)
{
    struct item *item = api_malloc(sizeof *item);
    REQUIRE(item != NULL);
    item->id = id;
    item->block = block_of_some_kind(rng, &item->n_bytes);
    REQUIRE(item->block != NULL);
    stamp_fill(item->block, item->n_bytes, id);
    return item;
}

static void item_off_heap(struct item *item)
{
    item_end(*item);
    api_free(item);
}

static struct item *board_swap(size_t lane, size_t at, struct item *item)
{
    return __atomic_exchange_n(&board[lane][at], item, __ATOMIC_ACQ_REL);
}

static bool is_stopped(void)
{
    while (__atomic_load_n(&rest, __ATOMIC_RELAXED) && !__atomic_load_n(&stop, __ATOMIC_RELAXED))
        usleep(500);
    return __atomic_load_n(&stop, __ATOMIC_RELAXED) != 0;
}

/* ---- the parent's threads ---- */

static void *allocate(void *seed)
{
    struct rng rng = {.state = (uintptr_t)seed};
    for (uint64_t id = 0; !is_stopped(); id++) {
        struct item *made = item_on_heap(&rng, id);
        struct item *found =
            board_swap(rng_between(&rng, 0, N_BUSY - 1), rng_between(&rng, 0, N_SLOTS - 1), made);
        if (found != NULL)
            item_off_heap(found);
    }
    return NULL;
}

/* With a stream's lock held getline waits for malloc; fork waits for the lock of the list of streams. */
static void *read_lines(void *argument)
{
    FILE *stream = tmpfile();
    REQUIRE(stream != NULL);
    for (int i = 1; i <= 50; i++)
        fprintf(stream, "%*d\n", i * 8, i);
    while (!is_stopped()) {
        rewind(stream);
        char *line = NULL;
        size_t room = 0;
        int n_lines = 0;
        while (getline(&line, &room, stream) > 0)
            n_lines++;
        EXPECT_EQ(n_lines, 50);
        free(line);
    }
    fclose(stream);
    return argument;
}

static void *flush_all(void *argument)
{
    while (!is_stopped()) {
        FILE *stream = fopen("/dev/null", "w");
        REQUIRE(stream != NULL);
        fprintf(stream, "%d", 5);
        fflush(NULL);
        fclose(stream);
    }
    return argument;
}

static void *start_commands(void *argument)
{
    while (!is_stopped()) {
        FILE *stream = popen("echo one line", "r");
        REQUIRE(stream != NULL);
        char *line = NULL;
        size_t room = 0;
        EXPECT_EQ(getline(&line, &room, stream), 9);
        free(line);
        EXPECT_EQ(pclose(stream), 0);
    }
    return argument;
}

/* ---- what a child does ---- */

static void allocate_a_little(uint64_t seed)
{
    enum { COUNT = 300 };
    struct rng rng = {.state = seed};
    struct item *items[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        items[i] = item_on_heap(&rng, i);
    for (size_t i = 0; i < COUNT; i++)
        item_off_heap(items[i]);
}

/* Frees those of the board whose place is `first` modulo `step`. */
static void free_share(size_t first, size_t step)
{
    for (size_t at = first; at < N_BUSY * N_SLOTS; at += step) {
        struct item *item = board_swap(at / N_SLOTS, at % N_SLOTS, NULL);
        if (item != NULL)
            item_off_heap(item);
    }
}

static void child_frees(void)
{
    free_share(0, 1);
    allocate_a_little(1);
}

static void child_resizes(void)
{
    struct rng rng = {.state = 2};
    for (size_t at = 0; at < N_BUSY * N_SLOTS; at++) {
        struct item *item = board_swap(at / N_SLOTS, at % N_SLOTS, NULL);
        if (item == NULL)
            continue;
        size_t n_bytes = at % 3 == 0 ? item->n_bytes * 2 + 100 : rng_between(&rng, 1, item->n_bytes);
        if (at % 7 == 0) {
            EXPECT_SAME(api_realloc(item->block, 0), NULL);
        } else {
            item->block = api_realloc(item->block, n_bytes);
            REQUIRE(item->block != NULL);
            EXPECT_STAMP(item->block, n_bytes < item->n_bytes ? n_bytes / 8 * 8 : item->n_bytes, item->id);
            api_free(item->block);
        }
        api_free(item);
    }
}

static void child_looks(void)
{
    api_malloc_trim(0);
    api_mallinfo2_struct before = api_mallinfo2();
    EXPECT_EQ(before.arena, before.uordblks + before.fordblks);
    char *text = NULL;
    size_t n_bytes = 0;
    FILE *stream = open_memstream(&text, &n_bytes);
    REQUIRE(stream != NULL);
    EXPECT_EQ(api_malloc_info(0, stream), 0);
    EXPECT_EQ(fclose(stream), 0);
    EXPECT(n_bytes > 100 && strncmp(text, "<malloc version=\"1\">", 20) == 0);
    EXPECT(strcmp(text + n_bytes - 10, "</malloc>\n") == 0);
    free(text);
    free_share(0, 1);
    api_mallinfo2_struct after = api_mallinfo2();
    EXPECT_EQ(after.arena, after.uordblks + after.fordblks);
    api_malloc_trim(0);
}

static void *child_thread(void *number)
{
    free_share((uintptr_t)number, N_CHILD_THREADS);
    allocate_a_little((uintptr_t)number);
    return NULL;
}

static void child_threads(void)
{
    pthread_t threads[N_CHILD_THREADS];
    for (uintptr_t i = 0; i < N_CHILD_THREADS; i++)
        threads[i] = crew_start(child_thread, (void *)i);
    for (size_t i = 0; i < N_CHILD_THREADS; i++)
        crew_join(threads[i]);
}

static void end_well(pid_t child)
{
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT_NOTE(status == 0, "a child's wait status is 0x%x", (unsigned)status);
}

static void child_forks(void)
{
    for (size_t generation = 0; generation < N_GENERATIONS; generation++) {
        free_share(generation, N_GENERATIONS);
        allocate_a_little(generation);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child > 0) {
            allocate_a_little(generation + 10);
            end_well(child);
            _exit(expect_result());
        }
    }
}

static void (*const child_works[])(void) = {child_frees, child_resizes, child_looks, child_threads,
                                            child_forks};
enum { N_WORKS = sizeof child_works / sizeof child_works[0] };

int main(int argc, char **argv)
{
    watchdog_start(100);
    api_assert_served();
    size_t n_rounds = 6 * scale_argument(argc, argv, 1);
    pthread_t threads[N_BUSY + 3];
    for (uintptr_t i = 0; i < N_BUSY; i++)
        threads[i] = crew_start(allocate, (void *)i);
    threads[N_BUSY] = crew_start(read_lines, NULL);
    threads[N_BUSY + 1] = crew_start(flush_all, NULL);
    threads[N_BUSY + 2] = crew_start(start_commands, NULL);
    struct rng rng = {.state = 77};
    for (size_t round = 0; round < n_rounds * N_WORKS; round++) {
        struct item *mine = item_on_heap(&rng, round);
        __atomic_store_n(&rest, 0, __ATOMIC_RELAXED);
        usleep(3000);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            signal(SIGALRM, SIG_DFL);
            alarm(30);
            item_off_heap(mine);
            child_works[round % N_WORKS]();
            _exit(expect_result());
        }
        __atomic_store_n(&rest, 1, __ATOMIC_RELAXED);
        item_off_heap(mine);
        end_well(child);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        crew_join(threads[i]);
    free_share(0, 1);
    return expect_result();
}

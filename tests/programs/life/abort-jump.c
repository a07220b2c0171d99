/* SPDX-License-Identifier: MIT */
/*
 * abort-jump.c - contract 5: a handler of SIGABRT jumps out of the report of a misuse, and the program goes on:
 * no lock was held. In turn each kind of misuse: double frees of the owner, of another thread, of a dead thread's
 * block, of middle and large blocks, an address in a block, a foreign one, realloc and malloc_usable_size of
 * them; from four threads one after another, while two more allocate where that cannot hide the misuse. After
 * each the thread allocates all kinds of blocks, and at the end the figures add up and a child of fork allocates
 * too.
 */
#include <setjmp.h>
#include <sys/wait.h>

#include "threads/crew.h"

enum { N_KINDS = 10, N_ROUNDS = 3, N_THREADS = 4, N_BUSY = 2, LINE_BYTES = 400 };

/* Through volatile pointers, so that no compiler sees the misuse. */
static void (*volatile do_free)(void *) = api_free;
static void *(*volatile do_realloc)(void *, size_t) = api_realloc;
static size_t (*volatile do_usable)(void *) = api_malloc_usable_size;

static _Thread_local sigjmp_buf back;
static _Thread_local volatile sig_atomic_t is_expecting;
static char foreign[64] __attribute__((aligned(16)));
static int stop;

/* While must_rest is set the busy threads rest, and n_resting counts them. They look at the flag again after they
   left the count: who was still counted when it was set anew rests again before it allocates. */
static int must_rest, n_resting;

/* What an unexpected abort was about: the end of the reports, to which stderr goes. */
static void show_last_report(void)
{
    char report[LINE_BYTES];
    const off_t end = lseek(2, 0, SEEK_END);
    ssize_t n_bytes = pread(2, report, sizeof report, end > LINE_BYTES ? end - LINE_BYTES : 0);
    if (n_bytes > 0)
        n_bytes = write(1, report, (size_t)n_bytes);
}

static void jump(int number)
{
    if (!is_expecting) {
        static const char text[] = "an abort that no misuse asked for; the last report:\n";
        ssize_t written = write(1, text, sizeof text - 1);
        show_last_report();
        _exit(written > 0 ? 4 : 3);
    }
    siglongjmp(back, number);
}

static void *block_of(size_t n_bytes)
{
    void *block = api_malloc(n_bytes);
    REQUIRE(block != NULL);
    memset(block, 0x22, n_bytes);
    return block;
}

static void *free_in_thread(void *block)
{
    do_free(block);
    return NULL;
}

static void *allocate_in_thread(void *n_bytes)
{
    block_of((size_t)(uintptr_t)n_bytes); /* a neighbour that lives on */
    return block_of((size_t)(uintptr_t)n_bytes);
}

/* Sets the stage; what it returns is misused by commit. Other threads are joined before the jump. */
static void *prepare(unsigned kind)
{
    void *block = NULL;
    switch (kind) {
    case 0: /* freed by the owner, current slab */
        do_free(block = block_of(100));
        break;
    case 1: /* freed by another thread */
        crew_join(crew_start(free_in_thread, block = block_of(200)));
        break;
    case 2: /* a dead thread's block, freed here */
        do_free(block = crew_join(crew_start(allocate_in_thread, (void *)300)));
        break;
    case 3: /* of a slab that is not current any more */
        block = block_of(5000);
        for (size_t i = 0; i < 20; i++)
            block_of(5000);
        do_free(block);
        break;
    case 4:
        block_of(60 * KIB);
        do_free(block = block_of(60 * KIB));
        break;
    case 5:
        do_free(block = block_of(40 * MIB)); /* above every threshold */
        break;
    case 6:
        block = (char *)block_of(1000) + 16;
        break;
    case 7:
        block = (char *)block_of(3 * MIB) + 4096;
        break;
    default:
        block = foreign;
    }
    return block;
}

static void commit(unsigned kind, unsigned round, void *block)
{
    if (kind >= 6 && round % 3 == 1)
        do_realloc(block, 5000);
    else if (kind >= 6 && round % 3 == 2)
        do_usable(block);
    else
        do_free(block);
}

static void use_heap(uint64_t seed)
{
    enum { COUNT = 200 };
    struct rng rng = {.state = seed};
    struct item items[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        items[i] = item_new(&rng, i);
    for (size_t i = 0; i < COUNT; i++)
        item_end(items[i]);
    api_free(block_of(2 * MIB));
    crew_join(crew_start(free_in_thread, block_of(500)));
}

/* Of blocks that other threads can get as soon as they are free, a second free is only certain to be one while
   no other thread allocates. */
static bool is_anybodys(unsigned kind)
{
    return kind == 2 || kind == 4 || kind == 5;
}

static void stop_busy_threads(void)
{
    __atomic_store_n(&must_rest, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&n_resting, __ATOMIC_SEQ_CST) < N_BUSY)
        sched_yield();
}

static void rest_if_told(void)
{
    while (__atomic_load_n(&must_rest, __ATOMIC_SEQ_CST)) {
        __atomic_add_fetch(&n_resting, 1, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&must_rest, __ATOMIC_SEQ_CST))
            sched_yield();
        __atomic_sub_fetch(&n_resting, 1, __ATOMIC_SEQ_CST);
    }
}

static void *misuse_all(void *argument)
{
    for (volatile unsigned round = 0; round < N_ROUNDS; round++) {
        for (volatile unsigned kind = 0; kind < N_KINDS; kind++) {
            if (is_anybodys(kind))
                stop_busy_threads();
            void *volatile block = prepare(kind);
            is_expecting = 1;
            if (sigsetjmp(back, 1) == 0) {
                commit(kind, round, block);
                expect_figure("misuse %u of round %u was let through\n", kind, round);
                EXPECT(false);
            }
            is_expecting = 0;
            __atomic_store_n(&must_rest, 0, __ATOMIC_SEQ_CST);
            use_heap(round * N_KINDS + kind);
        }
    }
    return argument;
}

static void *allocate(void *seed)
{
    struct rng rng = {.state = (uintptr_t)seed};
    for (uint64_t id = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); id++) {
        rest_if_told();
        item_end(item_new(&rng, id));
    }
    return NULL;
}

/* The reports go to a file, which must hold as many as there were misuses, each of two whole lines. */
static void check_reports(FILE *reports)
{
    char line[LINE_BYTES];
    size_t n_lines = 0, n_ours = 0;
    rewind(reports);
    while (fgets(line, sizeof line, reports) != NULL) {
        n_lines++;
        n_ours += strncmp(line, "vmalloc: ", 9) == 0 && strstr(line, "; likely cause: ") != NULL;
    }
    EXPECT_EQ(n_ours, N_THREADS * N_ROUNDS * N_KINDS);
    EXPECT_EQ(n_lines, 2 * N_THREADS * N_ROUNDS * N_KINDS);
}

int main(void)
{
    watchdog_start(100);
    api_assert_served();
    if (api_on_glibc())
        SKIP("glibc's heap is not usable after a report");
    FILE *reports = tmpfile();
    REQUIRE(reports != NULL);
    int kept_error = dup(2);
    REQUIRE(kept_error >= 0 && dup2(fileno(reports), 2) == 2);
    signal(SIGABRT, jump);
    pthread_t busy[N_BUSY];
    for (uintptr_t i = 0; i < N_BUSY; i++)
        busy[i] = crew_start(allocate, (void *)i);
    misuse_all(NULL);
    for (size_t i = 1; i < N_THREADS; i++)
        crew_join(crew_start(misuse_all, NULL));
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < N_BUSY; i++)
        crew_join(busy[i]);
    REQUIRE(dup2(kept_error, 2) == 2);
    check_reports(reports);
    api_mallinfo2_struct info = api_mallinfo2();
    EXPECT_EQ(info.arena, info.uordblks + info.fordblks);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        use_heap(1);
        _exit(expect_result());
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT_EQ(status, 0);
    return expect_result();
}

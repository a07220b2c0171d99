/* SPDX-License-Identifier: MIT */
/*
 * endings.c - contract 8 and 10.7, the ways in which a process ends, each in a child of its own, TAP on stdout:
 * handlers of atexit, on_exit and at_quick_exit and destructors allocate, resize and free, also blocks of threads that
 * run on, are detached or are dead; nothing is torn down before the last of them. A child that ends well exits with 42,
 * from its very last handler.
 */
#include <sys/wait.h>

#include "threads/crew.h"

enum { N_THREADS = 3, N_SLOTS = 100, WELL = 42 };

static struct item *board[N_SLOTS];
static pthread_barrier_t all_run;
static bool destructor_is_last;

static void board_put(size_t at, struct item *item)
{
    struct item *found = __atomic_exchange_n(&board[at], item, __ATOMIC_ACQ_REL);
    if (found != NULL) {
        item_end(*found);
        api_free(found);
    }
}

static void allocate_once(struct rng *rng, uint64_t id)
{
    struct item *item = api_malloc(sizeof *item);
    REQUIRE(item != NULL);
    *item = item_new(rng, id);
    board_put(rng_between(rng, 0, N_SLOTS - 1), item);
}

static void *allocate_for_ever(void *seed)
{
    struct rng rng = {.state = (uintptr_t)seed};
    for (uint64_t id = 0;; id++) {
        allocate_once(&rng, id);
        if (id == N_SLOTS)
            pthread_barrier_wait(&all_run);
    }
    return NULL;
}

/* Threads that allocate until the process is gone. */
static void start_threads(void)
{
    REQUIRE(pthread_barrier_init(&all_run, NULL, N_THREADS + 1) == 0);
    for (uintptr_t i = 0; i < N_THREADS; i++)
        REQUIRE(pthread_detach(crew_start(allocate_for_ever, (void *)i)) == 0);
    pthread_barrier_wait(&all_run);
}

/* What each late handler does. */
static void use_heap(void)
{
    struct rng rng = {.state = 99};
    for (size_t at = 0; at < N_SLOTS; at++)
        board_put(at, NULL);
    for (uint64_t id = 0; id < 200; id++)
        allocate_once(&rng, id);
    char *text = NULL;
    REQUIRE(asprintf(&text, "%d", 5) == 1);
    text = api_realloc(text, 300 * KIB);
    REQUIRE(text != NULL && strcmp(text, "5") == 0);
    api_free(text);
}

static void use_heap_with_status(int status, void *argument)
{
    EXPECT_EQ(status, 0);
    EXPECT_STAMP(argument, 3000, 1);
    api_free(argument);
    use_heap();
}

static void end_now(void)
{
    use_heap();
    _exit(expect_result() == 0 ? WELL : 1);
}

__attribute__((destructor)) static void destructor(void)
{
    if (destructor_is_last)
        end_now();
}

static void register_handlers(void)
{
    destructor_is_last = true;
    void *block = api_malloc(3000);
    REQUIRE(block != NULL);
    stamp_fill(block, 3000, 1);
    REQUIRE(atexit(use_heap) == 0 && atexit(use_heap) == 0);
    REQUIRE(on_exit(use_heap_with_status, block) == 0);
}

/* ---- the endings ---- */

static void exit_with_detached_threads(void)
{
    register_handlers();
    start_threads();
    exit(0);
}

static void *exit_in_thread(void *argument)
{
    use_heap();
    exit(argument == NULL ? 0 : 1);
}

static void exit_from_thread(void)
{
    register_handlers();
    start_threads();
    crew_start(exit_in_thread, NULL);
    for (;;)
        pause();
}

/* The main thread ends first; its heap is adopted, its blocks are freed by others. */
static void *outlive_main(void *main_thread)
{
    pthread_t thread;
    memcpy(&thread, main_thread, sizeof thread);
    crew_join(thread);
    use_heap();
    api_free(main_thread);
    exit(0);
}

static void main_thread_ends(void)
{
    register_handlers();
    start_threads();
    pthread_t self = pthread_self();
    void *for_thread = api_malloc(sizeof self);
    REQUIRE(for_thread != NULL);
    memcpy(for_thread, &self, sizeof self);
    crew_start(outlive_main, for_thread);
    pthread_exit(NULL);
}

static void quick_exit_with_threads(void)
{
    start_threads();
    REQUIRE(at_quick_exit(end_now) == 0);
    REQUIRE(at_quick_exit(use_heap) == 0);
    quick_exit(1);
}

static void fork_at_exit(void)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    use_heap();
    if (child == 0)
        _exit(expect_result());
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    EXPECT_EQ(status, 0);
}

static void forks_at_exit(void)
{
    register_handlers();
    REQUIRE(atexit(fork_at_exit) == 0);
    start_threads();
    exit(0);
}

/* The other threads vanish in the middle of whatever they do. */
static void exec_with_threads(void)
{
    start_threads();
    execl("/proc/self/exe", "endings", "executed", (char *)NULL);
}

static void exit_at_once(void)
{
    register_handlers();
    start_threads();
    use_heap();
    _exit(WELL);
}

static const struct ending {
    const char *name;
    void (*run)(void);
} endings[] = {
    {"exit while detached threads allocate", exit_with_detached_threads},
    {"exit called by a thread", exit_from_thread},
    {"pthread_exit of the main thread, exit by another", main_thread_ends},
    {"quick_exit while threads allocate", quick_exit_with_threads},
    {"fork in an atexit handler", forks_at_exit},
    {"exec while threads allocate", exec_with_threads},
    {"_exit while threads allocate", exit_at_once},
};
enum { N_ENDINGS = sizeof endings / sizeof endings[0], N_TIMES = 5 };

static int status_of(void (*run)(void))
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        watchdog_start(30);
        run();
        _exit(2);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        use_heap();
        return expect_result() == 0 ? WELL : 1;
    }
    watchdog_start(200);
    api_assert_served();
    expect_figure("1..%d\n", (int)N_ENDINGS);
    bool all_well = true;
    for (size_t i = 0; i < N_ENDINGS; i++) {
        int status = 0;
        for (size_t time = 0; time < N_TIMES && (time == 0 || status == WELL << 8); time++)
            status = status_of(endings[i].run);
        bool is_well = status == WELL << 8;
        expect_figure("%sok %zu - %s\n", is_well ? "" : "not ", i + 1, endings[i].name);
        if (!is_well)
            expect_figure("# wait status 0x%x\n", (unsigned)status);
        all_well = all_well && is_well;
    }
    return all_well ? 0 : 1;
}

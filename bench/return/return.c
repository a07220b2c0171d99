/* SPDX-License-Identifier: MIT */
/*
 * return.c - how soon, and how far, resident memory falls after the last free.
 *
 * Threads fill 128 MiB together with blocks of 16 bytes to 32 KiB, and free all of them in random order. Then a clock starts. In
 * the idle process (return-idle) no thread calls the allocator again; in the busy one (return-busy) each goes on
 * with a few small blocks, a hundred pairs a millisecond. Meanwhile the first thread looks at the resident memory.
 *
 * Prints beside the figures of all workloads: freed_at and watched_until (seconds from the start to the last free, and to the end of the watch), return_peak, return_end (KiB
 * right after the last free), return_floor (the least after it), return_seconds (from the last free until nine tenths of the way
 * from the peak to the floor are done, and not undone later; missing if half of the peak or more stays).
 */
#include "../workloads/common.h"
#include <stdio.h>
#include <time.h>

enum {
    TOTAL_BYTES = 128 * MIB,
    MOST_SLOTS = 1 << 17, /* of each thread */
    N_KEPT = 64,          /* of each thread of a busy process */
    KEPT_BYTES = 512,
    PAIRS_A_TURN = 100,
    LOOK_MS = 10,
    WINDOW_MS = 12000, /* longer than the decay time of the peers, 10 s */
    MOST_LOOKS = WINDOW_MS / LOOK_MS + 1,
    IS_BUSY = RETURN_BUSY, /* from the build */
};

static struct slot slots[MOST_THREADS][MOST_SLOTS]; /* .bss: what a thread does not use is not resident */
static struct slot kept[MOST_THREADS][N_KEPT];
static pthread_barrier_t all_full, all_free;
static bool is_over;
static uint64_t began_ns, freed_ns;
static struct look {
    double seconds;
    long kib;
} looks[MOST_LOOKS];
static int n_looks;

static size_t size_of(uint64_t key)
{
    return skewed(key, 16, 11);
}

static size_t kept_size_of(uint64_t key)
{
    return sizeof key + scale((uint32_t)key, KEPT_BYTES);
}

static void sleep_ms(int n)
{
    nanosleep(&(struct timespec){.tv_nsec = n * 1000000L}, NULL);
}

/* Makes all of it resident, but leaves the stamps at its ends alone. */
static void touch(char *block, size_t size)
{
    memset(block + sizeof(uint64_t), 1, size - 2 * sizeof(uint64_t));
}

static int fill(struct worker *worker)
{
    int n = 0;
    for (int64_t share = TOTAL_BYTES / n_threads; worker->live < share && n < MOST_SLOTS; n++) {
        uint64_t key = next_random(&worker->rng);
        fill_slot(worker, &slots[worker->index][n], key, size_of(key));
        touch(slots[worker->index][n].block, size_of(key));
        step(worker);
    }
    return n;
}

/* The last of the slots takes the place of the one that is emptied. */
static void free_in_any_order(struct worker *worker, int n)
{
    struct slot *own = slots[worker->index];
    while (n > 0) {
        struct slot *slot = &own[below(&worker->rng, (uint32_t)n)];
        empty_slot(worker, slot, size_of(slot->key));
        *slot = own[--n];
        step(worker);
    }
}

static void go_on(struct worker *worker)
{
    for (int i = 0; IS_BUSY && i < PAIRS_A_TURN; i++) {
        struct slot *slot = &kept[worker->index][below(&worker->rng, N_KEPT)];
        uint64_t key = next_random(&worker->rng);
        empty_slot(worker, slot, kept_size_of(slot->key));
        fill_slot(worker, slot, key, kept_size_of(key));
    }
}

static void look(void)
{
    watch();
    looks[n_looks++] = (struct look){(double)(now_ns() - freed_ns) / 1e9, status_number("VmRSS:")};
}

/* What the first thread does after the last free; the others go on, or sleep, until it is over. */
static void watch_memory(struct worker *worker)
{
    uint64_t window_ns = steps_of(WINDOW_MS) * 1000000, next_look_ns = freed_ns;
    look();
    while (now_ns() - freed_ns < window_ns && n_looks < MOST_LOOKS) {
        go_on(worker);
        sleep_ms(1);
        if (now_ns() >= next_look_ns) {
            next_look_ns += LOOK_MS * 1000000;
            look();
        }
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
}

static void work(struct worker *worker)
{
    int n = fill(worker);
    pthread_barrier_wait(&all_full);
    free_in_any_order(worker, n);
    worker->checksum += (uint64_t)n;
    uint64_t checksum = worker->checksum;
    pthread_barrier_wait(&all_free);
    if (worker->index == 0) {
        freed_ns = now_ns();
        watch_memory(worker);
    }
    while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE)) {
        go_on(worker);
        sleep_ms(1);
    }
    for (int i = 0; i < N_KEPT; i++) {
        empty_slot(worker, &kept[worker->index][i], kept_size_of(kept[worker->index][i].key));
    }
    worker->checksum = checksum; /* how often it went on is a matter of time */
}

static void run(void)
{
    began_ns = now_ns();
    pthread_barrier_init(&all_full, NULL, (unsigned)n_threads);
    pthread_barrier_init(&all_free, NULL, (unsigned)n_threads);
    run_workers(n_threads, work);
}

static void report(void)
{
    long peak_kib = status_number("VmHWM:"), floor_kib = looks[0].kib;
    for (int i = 0; i < n_looks; i++) {
        floor_kib = looks[i].kib < floor_kib ? looks[i].kib : floor_kib;
    }
    long near_kib = floor_kib + (peak_kib - floor_kib) / 10;
    int first_near = n_looks;
    while (first_near > 0 && looks[first_near - 1].kib <= near_kib) {
        first_near--;
    }
    printf("freed_at=%.3f\nwatched_until=%.3f\nreturn_peak=%ld\nreturn_end=%ld\nreturn_floor=%ld\n",
           (double)(freed_ns - began_ns) / 1e9,
           (double)(freed_ns - began_ns) / 1e9 + looks[n_looks - 1].seconds, peak_kib, looks[0].kib,
           floor_kib);
    if (floor_kib <= peak_kib / 2 && first_near < n_looks) {
        printf("return_seconds=%.3f\n", looks[first_near].seconds);
    }
}

const struct workload workload = {
    .name = IS_BUSY ? "return-busy" : "return-idle",
    .imitates = IS_BUSY ? "A process that frees 128 MiB in random order and goes on with little work"
                        : "A process that frees 128 MiB in random order and then does nothing",
    .why = "How soon does resident memory fall, and how far?",
    .after = "",
    .n_threads = 1,
    .run = run,
    .report = report,
};
